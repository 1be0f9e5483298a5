"""Posterior draws on disk."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from .atomic import atomic_path, reserve


class DrawWriter:
    """Appends draws chunk by chunk to an HDF5 file that appears only when complete.

    Its room on the disk is asked for at the beginning: a disk that is too full costs no time.

    Layout: ``draws/<quantity>`` (Object, Draw) float32, ``pixel`` (Object,) the C-order index into
    the image, attributes ``shape`` and the provenance. With ``path`` None nothing is written.

    Parameters
    ----------
    path : path or None
    names : tuple of str
        Quantities.
    pixels : int ndarray (Object,)
    n_draws : int
    shape : tuple of int
        (ny, nx).
    meta : dict
        Provenance, kept as attributes.
    z : array (Draw,), optional
        Redshifts of the draws of all pixels, kept as ``z``.

    Raises
    ------
    UserError
        On entering, if the disk has no room for the draws.
    """

    def __init__(self, path, names, pixels, n_draws, shape, meta, z=None):
        self._path = path
        self._names = names
        self._pixels = np.asarray(pixels)
        self._n_draws, self._z = n_draws, z
        self._attributes = dict(meta) | {"shape": np.array(shape)}
        self._stack = ExitStack()
        self._file = None
        self._done = 0

    def __enter__(self):
        if self._path is not None:
            with ExitStack() as stack:
                temporary = stack.enter_context(atomic_path(self._path))
                self._file = stack.enter_context(h5py.File(temporary, "w"))
                self._file.attrs.update(self._attributes)
                self._file["pixel"] = self._pixels
                if self._z is not None:
                    self._file["z"] = self._z
                for name in self._names:
                    shape = len(self._pixels), self._n_draws
                    self._file.create_dataset(f"draws/{name}", shape, np.float32, dcpl=_whole())
                self._file.flush()
                reserve(temporary)
                self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def add(self, draws):
        """Append draws (Quantity, Object, Draw)."""
        if self._file is None:
            return
        for name, values in zip(self._names, draws, strict=True):
            self._file[f"draws/{name}"][self._done : self._done + values.shape[0]] = values
        self._done += draws.shape[1]


def _whole():
    """How HDF5 lays out a table whose length is known: all of it at once."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return layout


def read_draws(path, name: str, n: int) -> np.ndarray:
    """Draws (n, Draw) of a quantity from a file of :class:`DrawWriter`; NaN for pixels that are not in it."""
    with h5py.File(path) as file:
        values = file[f"draws/{name}"][()]
        out = np.full((n, values.shape[1]), np.nan, np.float32)
        out[file["pixel"][()]] = values
    return out


class DrawStore:
    """Draws of named objects, a file each while the work goes on, one HDF5 file when it is done.

    Layout of ``draws.h5``: ``name`` (Object,), ``draws/<parameter>`` (Object, Draw) float32, provenance as
    attributes. What is in it already need not be drawn again when objects are added.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder):
        self.path = Path(folder) / "draws.h5"
        self._parts = Path(folder) / ".draws"
        self._joined = {}
        if self.path.is_file():
            try:
                with h5py.File(self.path) as file:
                    self._joined = {name: i for i, name in enumerate(file["name"].asstr()[()])}
            except (OSError, KeyError):
                pass  # not ours, or damaged: drawn again

    def clear(self):
        """Forget all draws that are kept."""
        self._joined = {}
        shutil.rmtree(self._parts, ignore_errors=True)

    def has(self, name: str) -> bool:
        """Whether the draws of an object are there."""
        return name in self._joined or self._part(name).is_file()

    def put(self, name: str, draws):
        """Keep draws (Draw, Param) of an object."""
        self._parts.mkdir(exist_ok=True)
        with atomic_path(self._part(name)) as temporary:
            np.save(temporary, np.asarray(draws, np.float32))

    def join(self, names, parameters, n_draws, meta):
        """Write the draws of some objects, in this order, to the one file, and remove the others."""
        with atomic_path(self.path) as temporary, ExitStack() as stack:
            old = stack.enter_context(h5py.File(self.path)) if self._joined else None
            file = stack.enter_context(h5py.File(temporary, "w"))
            file.attrs.update(meta)
            file["name"] = np.array(names, dtype=h5py.string_dtype())
            columns = [
                file.create_dataset(f"draws/{p}", (len(names), n_draws), np.float32) for p in parameters
            ]
            for row, name in enumerate(names):
                if self._part(name).is_file():
                    draws = np.load(self._part(name), allow_pickle=False).T
                else:
                    draws = [old[f"draws/{p}"][self._joined[name]] for p in parameters]
                for column, values in zip(columns, draws, strict=True):
                    column[row] = values
        self.clear()

    def _part(self, name):
        return self._parts / f"{name}.npy"
