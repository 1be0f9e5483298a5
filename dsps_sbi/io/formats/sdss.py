"""Spectra of SDSS: spec and spec-lite files, and tables as served for DR8."""

import numpy as np

from ..spectrum_columns import FLUX_UNIT, spectrum_of

NAME = "SDSS spec"
# Bits of and_mask, set in all exposures, that leave nothing to use: all pixels rejected, no sky, sky too
# bright for flux and errors to hold, no data, light of a bright emission line elsewhere on the detector
_UNUSABLE = sum(1 << bit for bit in (18, 22, 23, 24, 28))
_SPEC = {"loglam", "flux", "ivar"}
_DR8 = {"wavelength", "flux", "inverse_variance", "and_mask"}


def _number(hdus):
    """Which extension has the spectrum; None if none has."""
    for i, hdu in enumerate(hdus):
        names = {name.lower() for name in getattr(getattr(hdu, "columns", None), "names", None) or ()}
        if _SPEC <= names or _DR8 <= names:
            return i
    return None


def recognises(hdus) -> bool:
    """Whether a table has the columns of SDSS."""
    return _number(hdus) is not None


def read(hdus, i, label, options):
    """The coadded spectrum.

    Wavelengths are in vacuum; ``wdisp`` is the LSF, where it is there. Pixels without inverse variance, or
    that no exposure has usable by ``and_mask``, are masked. Flux is as in the file: not corrected for dust of
    the Milky Way.
    """
    number = _number(hdus)
    table = {name.lower(): hdus[number].data[name] for name in hdus[number].columns.names}
    if "loglam" in table:
        log = np.asarray(table["loglam"], float)
        # stored in float32, made on a grid of 1e-4: its digits are mended
        grid = np.round(log, 4)
        table["wavelength"] = 10.0 ** (grid if np.abs(grid - log).max() < 2e-6 else log)
        table["inverse_variance"] = table["ivar"]
    bits = np.asarray(table.get("and_mask", np.zeros(len(table["flux"]), int)))
    table["unusable"] = (bits & _UNUSABLE) != 0
    chosen = {"wave": "wavelength", "flux": "flux", "ivar": "inverse_variance", "mask": "unusable"}
    if "wdisp" in table:
        chosen["sigma_pixel"] = "wdisp"
    units = {"wavelength": "AA", "flux": FLUX_UNIT, "inverse_variance": FLUX_UNIT**-2}
    options = _redshift(options.known("vacuum", medium="vacuum"), hdus, number, label)
    return spectrum_of(table, chosen, units, label, options, notes=[NAME], mask_is_known=True)


def _redshift(options, hdus, number, label):
    """With Z of the pipeline: from the table of one row that follows, or the header."""
    for hdu in hdus[number + 1 :]:
        names = getattr(getattr(hdu, "columns", None), "names", None) or []
        found = [name for name in names if name.lower() == "z"]
        if found and len(hdu.data) == 1:
            z = float(hdu.data[found[0]][0])
            return options.known(f"z {z:.6g} from {hdu.name or 'the table'}", redshift=z)
    # numbers are text in some files
    return options.redshift_of([hdus[number].header, hdus[0].header], label, ("Z",))
