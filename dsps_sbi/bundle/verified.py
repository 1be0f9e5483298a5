"""Comparisons of bundle and model that came out well, kept in the user's cache: made once, not every time."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from ..io.kept import keep, surroundings, words_of
from ..ssp.cache import cache_dir
from .fingerprint import TOLERANCE

# What is beyond this many is removed, the oldest first
MOST = 200


def verified_dir() -> Path:
    """Folder of outcomes; each is a file named by all that was compared."""
    return cache_dir() / "verified"


def verified(check: Callable[[], float], *compared) -> float:
    """What a comparison gives: from the cache where the same has been compared before.

    Parameters
    ----------
    check : callable
        Returns the largest relative difference, and raises where that is too large: then nothing is kept.
    *compared : pytree
        All that the outcome depends on. Content counts, to the last bit of each array; so do this package's
        source, jax and the device.

    Returns
    -------
    float
    """
    key = content_key(*compared)
    kept = None if key is None else _read(verified_dir() / key)
    if kept is not None:
        return kept
    difference = check()
    if key is not None:
        keep(verified_dir() / key, repr(float(difference)).encode(), MOST)
    return difference


def content_key(*compared) -> str | None:
    """Hash of pytrees by content, 32 hexadecimal digits; None where something has no content to compare."""
    leaves, structure = jax.tree.flatten(compared)
    words = words_of(structure)
    if words is None:
        return None
    digest = hashlib.blake2b(surroundings(), digest_size=16)
    digest.update(words.encode())
    for leaf in leaves:
        array = np.ascontiguousarray(leaf)
        if array.dtype.hasobject:
            return None
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _read(file: Path) -> float | None:
    """An outcome; None where there is none that can be read, and good."""
    try:
        difference = float(file.read_text())
    except (OSError, ValueError):
        return None
    return difference if 0.0 <= difference <= TOLERANCE else None
