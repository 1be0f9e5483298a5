"""Spectra of SDSS-I and II (spSpec): an image whose rows are flux, continuum removed, error and mask."""

import numpy as np

from ..spectrum_columns import FLUX_UNIT, spectrum_of

NAME = "SDSS spSpec"
# Bits of the mask: no sky, too bright sky, no data
_UNUSABLE = sum(1 << bit for bit in (22, 23, 24))


def recognises(hdus) -> bool:
    """Whether the first image has rows and a logarithmic scale as spSpec files have."""
    header = hdus[0].header
    rows = header.get("NAXIS") == 2 and header.get("NAXIS2", 0) in (4, 5)
    return rows and {"COEFF0", "COEFF1"} <= set(header) and {"PLATEID", "FIBERID"} <= set(header)


def read(hdus, i, label, options):
    """The spectrum; vacuum wavelengths."""
    header, rows = hdus[0].header, hdus[0].data
    log = header["COEFF0"] + header["COEFF1"] * np.arange(rows.shape[1])
    mask = np.asarray(rows[3]).astype(np.int64) & _UNUSABLE
    table = {"wave": 10.0**log, "flux": rows[0], "error": rows[2], "mask": mask}
    units = {"wave": "AA", "flux": FLUX_UNIT, "error": FLUX_UNIT}
    options = options.known("vacuum", medium="vacuum").redshift_of([header], label, ("Z",))
    chosen = {name: name for name in table}
    return spectrum_of(table, chosen, units, label, options, notes=[NAME], mask_is_known=True)
