"""Files that spare later processes work: named by all that they depend on, few, and never in the way."""

import hashlib
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path

import jax

from ..errors import UserError
from .atomic import atomic_path

_PACKAGE = Path(__file__).parents[1]
# How Python spells objects that have no value to compare: two of them may have the same address
_NAMELESS = " at 0x"


def words_of(structure) -> str | None:
    """A pytree's structure and static values in words; None where something has no value to tell."""
    words = str(structure)
    return None if _NAMELESS in words else words


@cache
def surroundings() -> bytes:
    """Hash of what else results depend on: this package's source, libraries, the device, options of jax.

    Not the source of classes that are not this package's.
    """
    digest = hashlib.blake2b()
    for file in sorted(_PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(_PACKAGE).as_posix().encode() + b"\0" + file.read_bytes())
    libraries = [(name, version(name)) for name in ("jax", "jaxlib", "flax", "distrax", "numpy")]
    device, config = jax.devices()[0], jax.config
    options = config.jax_enable_x64, config.jax_default_matmul_precision, config.jax_default_prng_impl
    digest.update(repr((libraries, device.platform, device.device_kind, options)).encode())
    return digest.digest()


def keep(file: Path, content: bytes, most: int) -> None:
    """Write a file, and remove the oldest of its kind beyond a number; where that cannot be, nothing is kept.

    Parameters
    ----------
    file : Path
    content : bytes
    most : int
        Files with the same ending that the folder may have.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as temporary:
            temporary.write_bytes(content)
        alike = (path for path in file.parent.iterdir() if path.suffix == file.suffix)
        oldest_first = sorted(alike, key=os.path.getmtime)
        for old in oldest_first[: len(oldest_first) - most]:
            old.unlink(missing_ok=True)
    except (OSError, UserError):
        return
