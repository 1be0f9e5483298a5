"""Symmetric positive definite tridiagonal systems, many at a time, by elimination from one end.

A loop over the length, each step for all systems and right-hand sides at once (Golub & Van Loan 2013, Matrix
Computations, algorithm 4.3.6). Cyclic reduction has no such loop, but moves nine times as many numbers.
"""

import jax
import jax.numpy as jnp

# Steps that are done in one turn of a loop
_UNROLL = 8


def solve_tridiagonal(diagonal, beside, right):
    """Solutions of A x = right, and ln of the determinant of A.

    Parameters
    ----------
    diagonal : array (..., n)
        Of A.
    beside : array (..., n)
        Elements (i, i + 1) of A; the last one must be 0.
    right : array (..., m, n)
        Several right-hand sides.

    Returns
    -------
    x : array (..., m, n)
    log_det : array (...)
    """
    shape = jnp.broadcast_shapes(diagonal.shape[:-1], right.shape[:-2])
    n, m = diagonal.shape[-1], right.shape[-2]
    diagonal, beside = (jnp.moveaxis(jnp.broadcast_to(a, (*shape, n)), -1, 0) for a in (diagonal, beside))
    right = jnp.moveaxis(jnp.broadcast_to(right, (*shape, m, n)), -1, 0)

    def down(before, row):
        pivot, y, link = before
        d, b, r = row
        share = link / pivot
        d = d - share * link
        y = r - share[..., None] * y
        return (d, y, b), (d, y)

    def up(after, row):
        pivot, y, link = row
        x = (y - link[..., None] * after) / pivot[..., None]
        return x, x

    first = jnp.ones_like(diagonal[0]), jnp.zeros_like(right[0]), jnp.zeros_like(beside[0])
    _, (pivots, y) = jax.lax.scan(down, first, (diagonal, beside, right), unroll=_UNROLL)
    last = jnp.zeros_like(right[0])
    _, x = jax.lax.scan(up, last, (pivots, y, beside), reverse=True, unroll=_UNROLL)
    return jnp.moveaxis(x, 0, -1), jnp.sum(jnp.log(pivots), axis=0)
