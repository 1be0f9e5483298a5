"""Resolution of an instrument from a file: STScI's dispersion curves of NIRSpec, and tables like these."""

import numpy as np
from astropy import units as u

from ..errors import UserError
from ..instruments.lsf import LSF
from .fits_open import existing_file, open_fits

# Names of columns, in small letters: wavelength, and what tells the resolution
_WAVE = ("wavelength", "wave", "wave_aa", "lambda")
_VALUES = {"r": "resolving_power", "resolving_power": "resolving_power", "fwhm_aa": "fwhm_aa"}


def read_lsf(path) -> LSF:
    """Read the resolution over wavelength from a FITS table.

    Files such as ``jwst_nirspec_g235m_disp.fits`` (JWST user documentation, NIRSpec dispersers): columns
    ``WAVELENGTH`` with its unit and ``R``. ``fwhm_aa`` may stand in the place of ``R``.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    LSF
        A table of observed wavelengths.

    Raises
    ------
    UserError
        If there is no such table, or its wavelengths have no unit.
    """
    path = existing_file(path)
    with open_fits(path) as hdus:
        for hdu in hdus:
            columns = getattr(hdu, "columns", None)
            if columns is None:
                continue
            by_name = {column.name.lower(): column for column in columns}
            wave = next((by_name[name] for name in _WAVE if name in by_name), None)
            value = next((name for name in _VALUES if name in by_name), None)
            if wave is None or value is None:
                continue
            try:
                factor = u.Unit(wave.unit or "").to(u.AA)
            except (u.UnitsError, ValueError) as err:
                raise UserError(
                    f"{path}: wavelengths of column {wave.name} are in {wave.unit or 'no unit'}: give the "
                    "column a unit of length, such as um"
                ) from err
            aa = factor * np.asarray(hdu.data[wave.name], float)
            return LSF(_VALUES[value], np.asarray(hdu.data[by_name[value].name], float), aa)
    raise UserError(
        f"{path} has no table of a resolution: expected columns WAVELENGTH and R, as in "
        "jwst_nirspec_g235m_disp.fits"
    )
