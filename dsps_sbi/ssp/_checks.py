"""Checks that the stellar and nebular grids share."""

import hashlib

import numpy as np

from dsps_sbi.errors import UserError


def frozen_array(values, dtype, what: str, shape: tuple | None = None) -> np.ndarray:
    """Read-only array of finite numbers of the given dtype and shape.

    Parameters
    ----------
    values : array_like
        The numbers.
    dtype : numpy dtype
        Type to convert to.
    what : str
        How the messages name the array.
    shape : tuple of int, optional
        Shape that is required.

    Returns
    -------
    numpy.ndarray
        View of ``values`` (a copy where the type changes) that cannot be written to.
    """
    array = np.asarray(values, dtype).view()
    if shape is not None and array.shape != tuple(shape):
        raise UserError(
            f"{what} has shape {array.shape}, expected {tuple(shape)}: transpose or trim it to match"
        )
    if array.size == 0:
        raise UserError(f"{what} is empty: give at least one value")
    if not np.isfinite(array).all():
        where = tuple(int(i[0]) for i in np.nonzero(~np.isfinite(array)))
        raise UserError(f"{what} is not finite at index {where}: replace or drop the NaN or infinite values")
    array.flags.writeable = False
    return array


def axis(values, what: str, dtype=np.float64, positive: bool = False) -> np.ndarray:
    """Read-only, one-dimensional, finite, strictly increasing array.

    Parameters
    ----------
    values : array_like (N,)
        The coordinates.
    what : str
        How the messages name the axis.
    dtype : numpy dtype
        Type to convert to.
    positive : bool
        Also require every value above zero.

    Returns
    -------
    numpy.ndarray (N,)
        The coordinates.
    """
    array = frozen_array(values, dtype, what)
    if array.ndim != 1:
        raise UserError(f"{what} has {array.ndim} dimensions, expected 1: give a flat list")
    bad = np.nonzero(np.diff(array) <= 0)[0]
    if bad.size:
        i = int(bad[0])
        raise UserError(
            f"{what} is not strictly increasing ({array[i]:g} is followed by {array[i + 1]:g}): "
            "sort it and drop repeats"
        )
    if positive and array[0] <= 0:
        raise UserError(f"{what} starts at {array[0]:g}, expected values above 0: drop the first ones")
    return array


def non_negative(array: np.ndarray, what: str) -> None:
    """Raise `UserError` where an array has a value below zero."""
    if array.min() < 0:
        where = tuple(int(i) for i in np.unravel_index(array.argmin(), array.shape))
        raise UserError(f"{what} is negative ({array.min():g}) at index {where}: give values of 0 or more")


def digest(*parts) -> str:
    """Hash of arrays, strings and None: 16 hexadecimal digits."""
    h = hashlib.blake2b(digest_size=8)
    for part in parts:
        if isinstance(part, np.ndarray):
            h.update(f"{part.dtype.str}{part.shape}".encode())
            h.update(np.ascontiguousarray(part).data)
        else:
            h.update(repr(part).encode() + b"\0")
    return h.hexdigest()
