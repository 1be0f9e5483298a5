"""Images whose turn will come: in files, folders, globs, lists of targets, mosaics, or in memory."""

import functools
import glob
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..io import read
from ..io.cube import PixelCube
from ..io.target_list import Target
from ..io.toml_list import listed_files
from .entries import Entry

_SUFFIXES = (".gz", ".fits", ".fit", ".toml", ".h5", ".hdf5", ".npy")
# What is an image in a folder
_IMAGES = (".fits", ".fit", ".fits.gz", ".fit.gz", ".h5", ".hdf5")
# Larger files are told from others by size and time: reading them takes as long as fitting
_HASHED_BYTES = 2**28


def expanded(paths: Iterable) -> list[Path]:
    """Files of paths, folders and globs, in the order of their names within each.

    A folder stands for the images in it, not for those in its folders: its TOML lists where it has some,
    which name images, else FITS and HDF5 files. A folder without any stays, and says so when its turn comes.

    Parameters
    ----------
    paths : iterable of path-like

    Raises
    ------
    UserError
        For a glob that no file matches.
    """
    out = []
    for path in map(Path, paths):
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
            lists = [file for file in files if file.suffix.lower() == ".toml"]
            images = [file for file in files if file.name.lower().endswith(_IMAGES) and file.is_file()]
            out += lists or images or [path]
        elif glob.has_magic(str(path)) and not path.exists():
            found = sorted(glob.glob(str(path), recursive=True))
            if not found:
                raise UserError(f"no file matches {path}: expected at least one image; mend the pattern")
            out += map(Path, found)
        else:
            out.append(path)
    return out


def stem(path) -> str:
    """Name of an image: that of its file without its endings."""
    name = Path(path).name
    for suffix in _SUFFIXES:
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name


def image_entries(images, **reading) -> list[Entry]:
    """Entries of one or several files, folders, globs, targets or images.

    Parameters
    ----------
    images : path, Target or PixelCube, or sequence of these
    **reading
        Keywords of :func:`dsps_sbi.read`, for all files.
    """
    single = isinstance(images, str | Path | PixelCube | Target)
    entries = []
    for i, one in enumerate([images] if single else images):
        if isinstance(one, Target):
            entries.append(target_entry(one, read))
        elif isinstance(one, PixelCube):
            name = stem(one.source) or f"image_{i + 1}"
            stamp = lambda one=one: cube_fingerprint(one)  # noqa: E731
            entries.append(Entry(name, lambda one=one: one, stamp, one.source))
        else:
            entries += [file_entry(path, reading, read) for path in expanded([one])]
    return entries


def file_entry(path: Path, reading: dict, reader) -> Entry:
    """Entry of a file that ``reader(path, **reading)`` reads.

    The fingerprint is that of the contents, of the files named in ``reading`` and in lists of images too, and
    of how they are read.
    """

    def fingerprint():
        files = [path, *(value for value in reading.values() if isinstance(value, Path))]
        if path.suffix.lower() == ".toml":
            files += listed_files(path)
        hashes = [_contents(file) for file in files]
        return _hashed([*hashes, sorted((key, str(value)) for key, value in reading.items())])

    galaxy = f" galaxy {reading['galaxy']}" if reading.get("galaxy") is not None else ""
    return Entry(stem(path), lambda: reader(path, **reading), fingerprint, os.path.abspath(path) + galaxy)


def target_entry(target: Target, reader) -> Entry:
    """Entry of a target of a list, whose own files ``reader(path, redshift=None, bands=None)`` reads.

    The fingerprint is that of the contents of files, and of what the list says of the target; what bands are
    called is an option of the run.
    """

    def fingerprint():
        if target.problem:
            return _hashed(target.words())
        # mosaics are the same ones for all targets
        contents = _shared_contents if target.is_mosaic else _contents
        return _hashed([*(contents(file) for file in target.all_files()), *target.words()])

    source = f"{os.path.abspath(target.files[0])} galaxy {target.name}" if target.files else target.name
    if not target.is_mosaic:
        source = source.split(" galaxy ")[0]
    return Entry(target.name, lambda: target.read(reader), fingerprint, source, target.prefetch)


def _shared_contents(path) -> str:
    stat = path.stat()
    return _kept_contents(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _kept_contents(path, size, time) -> str:
    return _contents(path)


def _contents(path) -> str:
    """What tells a file from others: a hash of all of it; of large ones size and time."""
    stat = path.stat()
    if stat.st_size > _HASHED_BYTES:
        return f"{stat.st_size} bytes of {stat.st_mtime_ns}"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cube_fingerprint(cube: PixelCube) -> str:
    """What tells an image in memory from others: a hash of all of it."""
    arrays = (cube.flux_ujy, cube.sigma_ujy, cube.mask, cube.upper)
    hashes = [hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for array in arrays]
    return _hashed([*hashes, cube.filters, cube.redshift, cube.shape, cube.header.tostring()])


def _hashed(parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
