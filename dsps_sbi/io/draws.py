"""Posterior draws on disk."""

from contextlib import ExitStack

import h5py
import numpy as np

from .atomic import atomic_path


class DrawWriter:
    """Appends draws chunk by chunk to an HDF5 file that appears only when complete.

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
    """

    def __init__(self, path, names, pixels, n_draws, shape, meta):
        self._path = path
        self._names = names
        self._pixels = np.asarray(pixels)
        self._n_draws = n_draws
        self._attributes = dict(meta) | {"shape": np.array(shape)}
        self._stack = ExitStack()
        self._file = None
        self._done = 0

    def __enter__(self):
        if self._path is not None:
            temporary = self._stack.enter_context(atomic_path(self._path))
            self._file = self._stack.enter_context(h5py.File(temporary, "w"))
            self._file.attrs.update(self._attributes)
            self._file["pixel"] = self._pixels
            for name in self._names:
                self._file.create_dataset(f"draws/{name}", (len(self._pixels), self._n_draws), np.float32)
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
