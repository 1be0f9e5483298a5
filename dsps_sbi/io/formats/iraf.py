"""Spectra of IRAF whose wavelengths are in WAT keywords: multispec, and bands of apall in either system."""

import numpy as np

from ...errors import UserError
from ..iraf_wcs import attributes, dispersions, is_multispec
from ..spectrum_columns import spectrum_of
from .image import of_any_scale, wavelengths

NAME = "IRAF"


def _bands(header):
    """Number of bands: apall writes the spectrum, without weights, the sky, and errors."""
    return header["NAXIS3"] if header.get("NAXIS") == 3 else 1


def recognises(hdus) -> bool:
    """Whether the first image has wavelengths of multispec, or bands of spectra."""
    header = hdus[0].header
    if not hdus[0].is_image or header.get("NAXIS") not in (1, 2, 3):
        return False
    bands = header["NAXIS"] == 3 and header["NAXIS3"] <= 4 and "BANDID1" in header and "WAT0_001" in header
    return bands or (is_multispec(header) and header["NAXIS"] < 3)


def _rows(header):
    return header["NAXIS2"] if header["NAXIS"] > 1 else 1


def names(hdus) -> tuple[str, ...]:
    """Numbers of apertures, or of rows where an aperture comes several times; "" for a single spectrum."""
    header = hdus[0].header
    n = _rows(header)
    if n == 1:
        return ("",)
    if is_multispec(header):
        try:
            found = [str(one.aperture) for one in dispersions(header)]
        except ValueError:
            found = []
        if len(set(found)) == n:
            return tuple(found)
    return tuple(str(row) for row in range(n))


def read(hdus, i, label, options):
    """Row i of the first band; errors from the band whose BANDID begins with sigma.

    IRAF's lists of lines are of air, so that the wavelengths are, unless the user says otherwise.
    """
    header = hdus[0].header
    data = np.asarray(hdus[0].data, float).reshape(_bands(header), _rows(header), -1)
    notes = [NAME]
    if is_multispec(header):
        try:
            wave = dispersions(header)[i].wave
        except (ValueError, IndexError) as error:
            raise UserError(
                f"{label}: wavelengths in the WAT2 keywords cannot be read ({error or 'too few spectra'}): "
                "calibrate it in IRAF, or write wavelength and flux as a table"
            ) from error
        unit = _unit(header, options, notes)
        notes.append("wavelengths of multispec")
    else:
        wave, unit, options, more = wavelengths(header, data.shape[-1], label, options)
        notes += more
    keep = np.isfinite(wave)
    order = np.argsort(wave[keep])
    table = {"wave": wave[keep][order], "flux": data[0, i][keep][order]}
    units = {"wave": unit, "flux": header.get("BUNIT")}
    for band in range(1, _bands(header)):
        if str(header.get(f"BANDID{band + 1}", "")).strip().lower().startswith("sigma"):
            table["error"] = data[band, i][keep][order]
            notes.append(f"errors from band {band + 1}")
    if options.medium is None:
        options = options.known("air assumed, as IRAF's lists of lines are", medium="air")
    options = of_any_scale(options.redshift_of([header], label), units, notes)
    return spectrum_of(table, {name: name for name in table}, units, label, options, notes=notes)


def _unit(header, options, notes):
    unit = attributes(header, 1).get("units") or header.get("CUNIT1")
    if unit is None and options.wave_unit is None:
        notes.append("wavelengths in Angstrom assumed")
    return unit or "AA"
