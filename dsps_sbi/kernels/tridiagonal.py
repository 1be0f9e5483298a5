"""Symmetric positive definite tridiagonal systems, many at a time, by parallel cyclic reduction.

Each unknown's neighbours are eliminated at once, which leaves neighbours twice as far away (Hockney &
Jesshope 1981, Parallel Computers, sect. 5.4): as many steps as the length has binary digits, each of a few
operations on whole arrays. A loop over the length would be hundreds of small steps, and so would its
derivatives.
"""

import jax
import jax.numpy as jnp


def solve_tridiagonal(diagonal, beside, right):
    """Solutions of A x = right, and ln of the determinant of A.

    Parameters
    ----------
    diagonal : array (..., n)
        Of A; n a power of two.
    beside : array (..., n)
        Elements (i, i + 1) of A; the last one must be 0.
    right : array (..., m, n)
        Several right-hand sides.

    Returns
    -------
    x : array (..., m, n)
    log_det : array (...)
    """
    n = diagonal.shape[-1]
    place = jnp.arange(n)

    def step(state, level):
        both, log_det = state
        apart = 1 << level
        padded = jnp.pad(both, [(0, 0)] * (both.ndim - 1) + [(n, n)])
        before, after = (
            jax.lax.dynamic_slice_in_dim(padded, n + shift, n, axis=-1) for shift in (-apart, apart)
        )
        # rows of A, then the right-hand sides; what is beyond the ends is the unit matrix
        (d, b), (d_before, b_before), (d_after, _) = (
            (array[..., 0, :], array[..., 1, :]) for array in (both, before, after)
        )
        low = b_before / jnp.where(place >= apart, d_before, 1.0)
        high = b / jnp.where(place < n - apart, d_after, 1.0)
        rest = both - low[..., None, :] * before - high[..., None, :] * after
        rest = rest.at[..., 0, :].set(d - low * b_before - high * b)
        rest = rest.at[..., 1, :].set(-high * after[..., 1, :])
        # those that elimination one half after the other would take now
        now = (place & (2 * apart - 1)) == apart
        return (rest, log_det + jnp.sum(jnp.where(now, jnp.log(d), 0.0), axis=-1)), None

    shape = jnp.broadcast_shapes(diagonal.shape[:-1], right.shape[:-2])
    both = [jnp.broadcast_to(a, (*shape, *a.shape[-2:])) for a in (jnp.stack([diagonal, beside], -2), right)]
    start = jnp.concatenate(both, axis=-2), jnp.zeros(shape, right.dtype)
    (both, log_det), _ = jax.lax.scan(step, start, jnp.arange(n.bit_length() - 1))
    pivots = both[..., 0, :]
    return both[..., 2:, :] / pivots[..., None, :], log_det + jnp.log(pivots[..., 0])
