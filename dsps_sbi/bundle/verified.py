"""Comparisons of bundle and model that came out well, kept in the user's cache: made once, not every time."""

import hashlib
import os
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

from ..errors import UserError
from ..io.atomic import atomic_path
from ..ssp.cache import cache_dir
from .fingerprint import TOLERANCE

# What is beyond this many is removed, the oldest first
MOST = 200
_PACKAGE = Path(__file__).parents[1]
# How Python spells objects that have no value to compare: two of them may have the same address
_NAMELESS = " at 0x"


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
        _keep(verified_dir() / key, difference)
    return difference


def content_key(*compared) -> str | None:
    """Hash of pytrees by content, 32 hexadecimal digits; None where something has no content to compare."""
    leaves, structure = jax.tree.flatten(compared)
    words = str(structure)
    if _NAMELESS in words:
        return None
    digest = hashlib.blake2b(_surroundings(), digest_size=16)
    digest.update(words.encode())
    for leaf in leaves:
        array = np.ascontiguousarray(leaf)
        if array.dtype.hasobject:
            return None
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


@cache
def _surroundings() -> bytes:
    """Hash of what else fluxes depend on."""
    digest = hashlib.blake2b()
    for file in sorted(_PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(_PACKAGE).as_posix().encode() + b"\0" + file.read_bytes())
    libraries = [f"{name} {version(name)}" for name in ("jax", "jaxlib", "numpy")]
    device = jax.devices()[0]
    digest.update(repr((libraries, device.platform, device.device_kind, jax.config.jax_enable_x64)).encode())
    return digest.digest()


def _read(file: Path) -> float | None:
    """An outcome; None where there is none that can be read, and good."""
    try:
        difference = float(file.read_text())
    except (OSError, ValueError):
        return None
    return difference if 0.0 <= difference <= TOLERANCE else None


def _keep(file: Path, difference: float) -> None:
    """Keep an outcome; where that cannot be written, the next run compares again."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as temporary:
            temporary.write_text(repr(float(difference)))
        oldest_first = sorted(file.parent.iterdir(), key=os.path.getmtime)
        for old in oldest_first[: len(oldest_first) - MOST]:
            old.unlink(missing_ok=True)
    except (OSError, UserError):
        return
