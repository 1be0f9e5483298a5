"""All devices of this machine at once: objects of a batch are split between them, nothing else is.

Each device runs the program that a single one would run, on a batch of the same shape. So the answer of an
object has the same bits on one device as on many, as long as they are of one kind.
"""

from functools import cache, partial

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec

AXIS = "object"


@cache
def mesh() -> Mesh | None:
    """The devices of this process along the axis of objects; None where there is just one."""
    devices = jax.local_devices()
    return None if len(devices) < 2 else Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))


def n_devices() -> int:
    """How many batches are under way at once."""
    return 1 if mesh() is None else mesh().size


def spread(function, shared, rows, n: int, out: int = 0, **static):
    """``function(*shared, *rows, **static)``, split between devices where these divide the objects evenly.

    Parameters
    ----------
    function : callable
        Of a module, compiled or not: programs are kept by its name.
    shared : tuple of pytree
        What all objects need.
    rows : tuple of pytree
        Of arrays whose first axis is ``Object``.
    n : int
        Number of objects; 0: nothing is split.
    out : int
        Which axis of all arrays that come back is ``Object``.
    **static
        Hashable.
    """
    if mesh() is None or not n or n % mesh().size:
        return function(*shared, *rows, **static)
    return _spread(function, mesh(), tuple(static.items()), out, shared, rows)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _spread(function, mesh, static, out, shared, rows):
    def of_one(shared, rows):
        return function(*shared, *rows, **dict(static))

    split, whole = PartitionSpec(AXIS), PartitionSpec()
    result = PartitionSpec(*[None] * out, AXIS)
    spec = {"mesh": mesh, "in_specs": (whole, split), "out_specs": result, "check_vma": False}
    return jax.shard_map(of_one, **spec)(shared, rows)
