"""Legendre polynomials."""

import jax.numpy as jnp


def legendre(x, degree):
    """P_1 ... P_degree at x by Bonnet's recursion; P_0 = 1 is left out.

    Parameters
    ----------
    x : array (...)
        From -1 to 1.
    degree : int
        0 gives an empty last axis.

    Returns
    -------
    array (..., Term)
    """
    rows = [jnp.ones_like(x), x]
    for n in range(1, degree):
        rows.append(((2 * n + 1) * x * rows[n] - n * rows[n - 1]) / (n + 1))
    return jnp.stack(rows[1 : degree + 1], axis=-1) if degree else jnp.zeros((*x.shape, 0), x.dtype)
