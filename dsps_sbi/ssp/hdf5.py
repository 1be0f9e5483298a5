"""SSP grids as HDF5 files."""

import contextlib
import os
from pathlib import Path

import h5py
import numpy as np

from dsps_sbi.errors import UserError
from dsps_sbi.io.atomic import atomic_path
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.nebular import NebularGrid

FORMAT = "dsps_sbi SSP grid 1"
_ARRAYS = ("wave_aa", "age_gyr", "metallicity", "flux", "living_fraction", "surviving_fraction")
_WORDS = ("name", "imf", "tracks", "library", "wave_medium")
_NEBULAR = ("age_gyr", "metallicity", "log_u", "line_wave_aa", "line_lum", "continuum")


@contextlib.contextmanager
def new_file(path: str | os.PathLike):
    """An open HDF5 file that appears under its name when it is complete; its folder is made.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part, h5py.File(part, "w") as f:
            yield f
    except OSError as err:
        raise UserError(f"cannot write {path} ({err}): free space or choose a writable folder") from err


def write_grid(grid: SSPGrid, path: str | os.PathLike) -> Path:
    """Write a grid to an HDF5 file, whole or not at all.

    Parameters
    ----------
    grid : SSPGrid
        The grid.
    path : path-like
        The file. It is replaced only when the new one is complete.

    Returns
    -------
    pathlib.Path
        The file.
    """
    with new_file(path) as f:
        _write(grid, f)
    return Path(path)


def _write(grid, f):
    for key in _ARRAYS:
        value = getattr(grid, key)
        if value is not None:
            f[key] = value
    for key in _WORDS:
        f.attrs[key] = getattr(grid, key)
    if grid.fwhm_aa is not None:
        f.attrs["fwhm_aa"] = float(grid.fwhm_aa)
    if grid.nebular is not None:
        group = f.create_group("nebular")
        for key in _NEBULAR:
            group[key] = getattr(grid.nebular, key)
        group["line_names"] = np.array(grid.nebular.line_names, dtype=object).astype("S")
    f.attrs["sha"] = grid.sha
    f.attrs["format"] = FORMAT


def read_grid(path: str | os.PathLike) -> SSPGrid:
    """Read a grid that `write_grid` wrote, and check it against its hash.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    SSPGrid
        The grid.
    """
    path = Path(path)
    remedy = "run 'dsps-sbi fetch bc03-miles' to get the standard grid"
    if not path.is_file():
        raise UserError(f"there is no SSP grid at {path}: {remedy}")
    try:
        grid, sha = _read(path)
    except (OSError, KeyError, RuntimeError, UnicodeDecodeError) as err:
        raise UserError(f"{path} is cut short or is not an SSP grid of dsps_sbi: {remedy}") from err
    if grid.sha != sha:
        raise UserError(f"{path} is damaged (hash {grid.sha}, expected {sha}): delete it and {remedy}")
    return grid


def _read(path):
    with h5py.File(path, "r") as f:
        if f.attrs["format"] != FORMAT:
            raise KeyError("format")
        arrays = {key: f[key][()] for key in _ARRAYS if key in f}
        words = {key: str(f.attrs[key]) for key in _WORDS}
        width = float(f.attrs["fwhm_aa"]) if "fwhm_aa" in f.attrs else None
        nebular = None
        if "nebular" in f:
            group = f["nebular"]
            names = tuple(name.decode() for name in group["line_names"][()])
            nebular = NebularGrid(line_names=names, **{key: group[key][()] for key in _NEBULAR})
        return SSPGrid(**arrays, **words, fwhm_aa=width, nebular=nebular), f.attrs["sha"]
