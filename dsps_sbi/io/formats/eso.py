"""Spectra of ESO's archive (Phase 3, SDP): a table of one row whose cells are arrays, or of a row a pixel."""

import numpy as np

from ...instruments.lsf import LSF
from ..column_roles import choose, has_spectrum, usual_columns
from ..spectrum_columns import spectrum_of

NAME = "ESO Phase 3"
# Pipelines of the observatory that write wavelengths in air, whatever the UCD says of what was made from them
_AIR_PIPELINES = ("xshoo",)


def _number(hdus):
    for i, hdu in enumerate(hdus):
        columns = getattr(hdu, "columns", None)
        if columns is None or not len(hdu.data) or not has_spectrum(columns.names, None):
            continue
        of_one_row = len(hdu.data) == 1 and np.ndim(hdu.data[columns.names[0]][0]) == 1
        waves = usual_columns(columns.names)["wave"]
        if of_one_row or (len(hdu.data) > 1 and waves and _ucd(hdu, waves[0])):
            return i
    return None


def _ucd(hdu, name):
    """UCD of a column, "" without one."""
    return str(hdu.header.get(f"TUCD{hdu.columns.names.index(name) + 1}", ""))


def recognises(hdus) -> bool:
    """Whether a table of one row has wavelengths and fluxes as arrays, or one of more rows has their UCDs."""
    return _number(hdus) is not None


def read(hdus, i, label, options):
    """The spectrum: air where the UCD or the pipeline says so, QUAL of 0 is good, the LSF from SPEC_RES."""
    number = _number(hdus)
    hdu, notes = hdus[number], [NAME]
    rows = 0 if len(hdu.data) == 1 else slice(None)
    table = {column.name: np.asarray(hdu.data[column.name][rows]) for column in hdu.columns}
    chosen = choose(list(table), None, label)
    units = {column.name: column.unit for column in hdu.columns}
    at = hdu.columns.names.index(chosen["wave"]) + 1
    ucd = _ucd(hdu, chosen["wave"])
    headers = [hdu.header, hdus[0].header]
    pipeline = str(hdus[0].header.get("PROCSOFT", "")).lower()
    if pipeline.startswith(_AIR_PIPELINES):
        options = options.known(f"air, as the pipeline {pipeline} writes", medium="air")
    elif ucd.startswith("em.wl"):
        medium = "air" if "obs.atmos" in ucd else "vacuum"
        options = options.known(f"{medium} by TUCD{at}", medium=medium)
    elif options.medium is None:
        options = options.known("air assumed, as spectra from the ground are", medium="air")
    power = next((header["SPEC_RES"] for header in headers if header.get("SPEC_RES")), None)
    if power is not None and not {"resolving_power", "fwhm_aa"} & set(chosen):
        words = f"LSF: resolving power {float(power):g} from SPEC_RES"
        options = options.known(words, lsf=LSF("resolving_power", float(power)))
    options = options.redshift_of(headers, label, ("REDSHIFT", "Z"))
    return spectrum_of(table, chosen, units, label, options, notes=notes, mask_is_known=True)
