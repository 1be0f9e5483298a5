"""Spectra of SDSS: spec and spec-lite files, and tables as served for DR8."""

import numpy as np

from .spectrum_columns import FLUX_UNIT, spectrum_of

# and_mask of SDSS pixels: bit 23, BRIGHTSKY, the sky's level is higher than flux and errors can tell
_BRIGHT_SKY = 1 << 23
_SPEC = ("loglam", "flux", "ivar")
_DR8 = ("wavelength", "flux", "inverse_variance", "and_mask")


def is_sdss(names) -> bool:
    """Whether a table with these columns (small letters) is a spectrum of SDSS."""
    return set(_SPEC) <= set(names) or set(_DR8) <= set(names)


def sdss_spectrum(hdus, number, label, *, redshift=None, **options):
    """Spectrum in extension ``number`` of an open SDSS file; the rest as :func:`dsps_sbi.read_spectrum`.

    Wavelengths are in vacuum; ``wdisp`` is the LSF, where it is there. Pixels without inverse
    variance, or with BRIGHTSKY in all exposures, are masked. Flux is as in the file: not
    corrected for dust of the Milky Way.
    """
    table = {name.lower(): hdus[number].data[name] for name in hdus[number].columns.names}
    if "loglam" in table:
        log = np.asarray(table["loglam"], float)
        # stored in float32, made on a grid of 1e-4: its digits are mended
        grid = np.round(log, 4)
        table["wavelength"] = 10.0 ** (grid if np.abs(grid - log).max() < 2e-6 else log)
        table["inverse_variance"] = table["ivar"]
    table["unusable"] = (
        np.asarray(table.get("and_mask", np.zeros(len(table["flux"]), int))) & _BRIGHT_SKY
    ) != 0
    chosen = {"wave": "wavelength", "flux": "flux", "ivar": "inverse_variance", "mask": "unusable"}
    if "wdisp" in table:
        chosen["sigma_pixel"] = "wdisp"
    units = {"wavelength": "AA", "flux": FLUX_UNIT}
    if redshift is None:
        redshift = _redshift(hdus, number)
    options["medium"] = options.get("medium") or "vacuum"
    return spectrum_of(table, chosen, units, label, redshift=redshift, **options)


def _redshift(hdus, number):
    """Z of the pipeline: from the table of one row that follows, or the header."""
    for hdu in hdus[number + 1 :]:
        names = getattr(getattr(hdu, "columns", None), "names", None) or []
        found = [name for name in names if name.lower() == "z"]
        if found and len(hdu.data) == 1:
            return float(hdu.data[found[0]][0])
    cards = [hdu.header.get("Z") for hdu in (hdus[number], hdus[0])]
    # numbers are text in some files
    return next((float(card) for card in cards if card is not None), None)
