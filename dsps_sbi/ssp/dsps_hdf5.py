"""SSP grids in the HDF5 layout of DSPS (Hearin et al. 2023, MNRAS 521, 1741).

Four arrays: ``ssp_lgmet`` (Met,), log10 of the mass fraction Z; ``ssp_lg_age_gyr`` (Age,);
``ssp_wave`` (Wave,), Angstrom; ``ssp_flux`` (Met, Age, Wave), L_sun / Hz / M_sun formed.
"""

import os
from pathlib import Path

import h5py
import numpy as np

from dsps_sbi.constants import C_AA_S, Z_SUN
from dsps_sbi.errors import UserError
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.hdf5 import new_file

_KEYS = ("ssp_lgmet", "ssp_lg_age_gyr", "ssp_wave", "ssp_flux")


def read_dsps(path: str | os.PathLike, z_sun: float = Z_SUN, wave_medium: str = "vacuum", **words) -> SSPGrid:
    """Read a DSPS file.

    Parameters
    ----------
    path : path-like
        The file; datasets other than the four are passed over.
    z_sun : float
        Mass fraction of metals in the Sun to which [M/H] refers; 0.0142 for MIST tracks.
    wave_medium : {"vacuum", "air"}
        Not said in the file; FSPS, which makes them, works in vacuum.
    **words
        Other attributes of SSPGrid, such as ``name``, ``imf`` and ``tracks``.

    Returns
    -------
    SSPGrid
        Without masses and nebular grid.

    Raises
    ------
    UserError
        If the file is no DSPS file, or SSPGrid refuses its contents.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no {path}: give a DSPS file of SSPs")
    try:
        with h5py.File(path, "r") as f:
            missing = [key for key in _KEYS if key not in f]
            arrays = [np.asarray(f[key][()], np.float64) for key in _KEYS if key in f]
    except (OSError, TypeError, ValueError) as err:
        raise UserError(f"{path} is cut short or not HDF5: give a DSPS file of SSPs") from err
    if missing:
        raise UserError(f"{path} holds no {', '.join(missing)}: give a DSPS file of SSPs")
    met, age, wave, flux = arrays
    if flux.ndim == 4:
        raise UserError(f"{path}: ssp_flux has four dimensions: read_dsps_alpha reads grids by [alpha/Fe]")
    if flux.shape != (met.size, age.size, wave.size):
        raise UserError(
            f"{path}: ssp_flux has shape {flux.shape}, expected {(met.size, age.size, wave.size)} "
            "(Met, Age, Wave): transpose or trim it to match"
        )
    with np.errstate(divide="ignore", invalid="ignore"):  # SSPGrid says what is wrong with a wavelength
        density = flux * C_AA_S / wave**2
    return SSPGrid(
        **{"name": path.stem, **words},
        wave_aa=wave,
        age_gyr=10.0**age,
        metallicity=met - np.log10(z_sun),
        flux=density,
        wave_medium=wave_medium,
    )


def write_dsps(grid: SSPGrid, path: str | os.PathLike, z_sun: float = Z_SUN) -> Path:
    """Write the stars of a grid as a DSPS file; names, masses and nebular emission have no place in it.

    Parameters
    ----------
    grid : SSPGrid
    path : path-like
        Replaced where it exists.
    z_sun : float
        As for :func:`read_dsps`.

    Returns
    -------
    pathlib.Path
        The file.
    """
    with new_file(path) as f:
        f["ssp_lgmet"] = grid.metallicity + np.log10(z_sun)
        f["ssp_lg_age_gyr"] = np.log10(grid.age_gyr)
        f["ssp_wave"] = grid.wave_aa
        f["ssp_flux"] = grid.flux * grid.wave_aa**2 / C_AA_S
    return Path(path)
