"""Traced programs on disk: a new process need not trace and lower again what an earlier one has.

jax's own cache keeps what XLA compiled, and finds it only after tracing and lowering, which take a third of a
short run. Here the lowered program is kept beside it, as ``jax.export`` writes it: StableHLO, no code of
Python's. Nothing is kept until :func:`keep_in` names a folder, as the command
line does: classes of a user's own, whose source no key knows, do not come in there.
"""

import hashlib
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from ..io.kept import keep, surroundings, words_of

# What is beyond this many is removed, what was used longest ago first
MOST = 100
_folder: Path | None = None
# What each function has at hand
_at_hand: list[dict] = []


def keep_in(folder: Path | None) -> None:
    """Keep programs in a folder from now on; None for nowhere."""
    global _folder
    _folder = folder


def forget() -> None:
    """Let go of programs that are at hand; those on disk stay."""
    for ready in _at_hand:
        ready.clear()


def exported(like: Callable[..., object]):
    """Let a compiled function be found on disk by later processes.

    Parameters
    ----------
    like : callable
        Takes the function's arguments, makes a pytree of the structure that it returns, with any leaves.

    Returns
    -------
    callable
        Decorator of a function that ``jax.jit`` made, whose arguments by keyword are static ones.
    """

    def decorate(jitted):
        ready = {}
        _at_hand.append(ready)

        @wraps(jitted)
        def call(*args, **static):
            leaves, structure = jax.tree.flatten(args)
            if _folder is None or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
                return jitted(*args, **static)
            keys = tuple(_is_key(leaf) for leaf in leaves)
            leaves = [jax.random.key_data(leaf) if k else leaf for leaf, k in zip(leaves, keys, strict=True)]
            shapes = tuple((np.shape(leaf), np.dtype(leaf.dtype).str) for leaf in leaves)
            name = (structure, keys, shapes, tuple(static.items()))
            if name not in ready:
                ready[name] = _program(jitted, structure, keys, leaves, static)
            if ready[name] is None:
                return jitted(*args, **static)
            return jax.tree.unflatten(jax.tree.structure(like(*args, **static)), ready[name](*leaves))

        return call

    return decorate


def _is_key(leaf):
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _program(jitted, structure, keys, leaves, static):
    """A compiled function of leaves that gives leaves; None where it cannot be kept."""
    file = _file(jitted, structure, keys, leaves, static)
    if file is None:
        return None
    try:
        kept = export.deserialize(bytearray(file.read_bytes()))
        os.utime(file)
        return jax.jit(kept.call)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except Exception:  # noqa: BLE001
        # a damaged file, or one of another build that jax cannot read: traced again, and written anew
        file.unlink(missing_ok=True)

    def flat(*leaves):
        pairs = zip(leaves, keys, strict=True)
        whole = [jax.random.wrap_key_data(leaf) if is_key else leaf for leaf, is_key in pairs]
        return jax.tree.leaves(jitted(*jax.tree.unflatten(structure, whole), **static))

    shapes = [jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype) for leaf in leaves]
    program = export.export(jax.jit(flat))(*shapes)
    keep(file, bytes(program.serialize()), MOST)
    return jax.jit(program.call)


def _file(jitted, structure, keys, leaves, static) -> Path | None:
    """Where a program is kept: named by all that it depends on; None where that has no content."""
    words = words_of(structure)
    if words is None:
        return None
    digest = hashlib.blake2b(surroundings(), digest_size=16)
    shapes = [(np.shape(leaf), np.dtype(leaf.dtype).str) for leaf in leaves]
    own = (jitted.__module__, jitted.__qualname__, words, keys, shapes, sorted(static.items()))
    digest.update(repr(own).encode())
    return _folder / f"{digest.hexdigest()}.stablehlo"
