"""What is tabulated at even steps of ln(1+z), at any redshift."""

from collections.abc import Callable

import jax.numpy as jnp


def between_nodes(log_z, z) -> Callable:
    """What interpolates arrays linearly in ln(1+z); traceable.

    Parameters
    ----------
    log_z : array (Z,)
        ln(1+z) of the nodes, in even steps.
    z : array (Object,)
        Redshifts; beyond the nodes those at the end hold.

    Returns
    -------
    callable
        From an array (Z, ...) to one of (Object, ...).
    """
    n = len(log_z)
    step = (log_z[-1] - log_z[0]) / (n - 1)
    position = jnp.clip((jnp.log1p(z) - log_z[0]) / step, 0.0, n - 1.0)
    index = jnp.minimum(position.astype(int), n - 2)
    part = position - index

    def between(nodes):
        share = part.reshape(-1, *[1] * (nodes.ndim - 1))
        return (1.0 - share) * nodes[index] + share * nodes[index + 1]

    return between
