"""Small symmetric positive definite matrices, many at a time: factors, solutions, inverses.

Not LAPACK: in jaxlib 0.10.0 to 0.11.0 what calls it shares a batch among the threads of XLA's CPU pool, and
waits for them inside a thread of that pool. Several factorisations at once on two cores so wait for each
other for ever: in 0.10.2 a debugger finds all threads of the pool in ``jax::ParallelBatchMap``, none in
LAPACK. 0.9.2 does not share and does not wait. Public builds after 0.11.0 do not share, says the source
(jax-ml/jax, commit 8599924), because of https://github.com/jax-ml/jax/issues/36927; that issue is about
speed, and we know of none about the waiting. Loops over columns are compiled for any device, as fast for
matrices as small as these, and differentiable.
"""

import jax
import jax.numpy as jnp

from .full_precision import matmul

# A pivot is at least this share of the diagonal: rounding must not make a root of something negative
_LEAST = 1e-9
# Columns that are done one after the other; between blocks of them products of matrices do the work
_BLOCK = 12


def _first(array):
    """Axes (..., n, m) as (n, m, ...): sums over n then run along many matrices at once."""
    return jnp.moveaxis(array, (-2, -1), (0, 1))


def _last(array):
    return jnp.moveaxis(array, (0, 1), (-2, -1))


def _at(array, k, axis=0):
    return jax.lax.dynamic_index_in_dim(array, k, axis=axis, keepdims=False)


def _column(values, like):
    """Values (n,) with as many axes as (n, ...)."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def cholesky(matrix):
    """Lower Cholesky factors (..., n, n) of matrices (..., n, n)."""
    n, panels = matrix.shape[-1], []
    if n == 0:
        return matrix
    for first in range(0, n, _BLOCK):
        last = min(first + _BLOCK, n)
        panel = matrix[..., first:, first:last]
        if panels:
            finished = jnp.concatenate([p[..., first:, :] for p in panels], axis=-1)
            across = jnp.swapaxes(finished[..., : last - first, :], -1, -2)
            panel = panel - matmul(finished, across)
        block = _by_columns(panel[..., : last - first, :])
        if last < n:
            below = jnp.swapaxes(panel[..., last - first :, :], -1, -2)
            block = jnp.concatenate([block, jnp.swapaxes(solve_lower(block, below), -1, -2)], axis=-2)
        panels.append(jnp.pad(block, [(0, 0)] * (matrix.ndim - 2) + [(first, 0), (0, 0)]))
    return jnp.concatenate(panels, axis=-1)


def _by_columns(matrix):
    n, matrix = matrix.shape[-1], _first(matrix)
    row = _column(jnp.arange(n), matrix[0])
    least = _LEAST * jnp.einsum("ii...->i...", matrix) + 1e-30

    def column(k, factor):
        # columns from k on are still zero
        rest = _at(matrix, k, 1) - jnp.sum(factor * _at(factor, k), axis=1)
        pivot = jnp.maximum(_at(rest, k), _at(least, k))
        new = jnp.where(row == k, jnp.sqrt(pivot), jnp.where(row > k, rest * jax.lax.rsqrt(pivot), 0.0))
        return jax.lax.dynamic_update_index_in_dim(factor, new, k, axis=1)

    return _last(jax.lax.fori_loop(0, n, column, jnp.zeros_like(matrix)))


def solve_lower(factor, right, transposed=False):
    """Solutions (..., n, m) of L x = right, or of L' x = right, for lower factors L (..., n, n)."""
    n = factor.shape[-1]
    shape = jnp.broadcast_shapes(factor.shape[:-2], right.shape[:-2])
    if n == 0:
        return jnp.zeros((*shape, *right.shape[-2:]), right.dtype)
    right = _first(jnp.broadcast_to(right, (*shape, *right.shape[-2:])))
    factor = _first(jnp.broadcast_to(factor, (*shape, n, n)))

    def substitute(i, x):
        k = n - 1 - i if transposed else i
        row = _at(factor, k, 1 if transposed else 0)
        # what has no solution yet is still zero
        rest = _at(right, k) - jnp.sum(row[:, None] * x, axis=0)
        return jax.lax.dynamic_update_index_in_dim(x, rest / _at(row, k), k, axis=0)

    return _last(jax.lax.fori_loop(0, n, substitute, jnp.zeros_like(right)))


def solve_factored(factor, right):
    """Solutions (..., n, m) for matrices L L' of lower factors L (..., n, n)."""
    return solve_lower(factor, solve_lower(factor, right), transposed=True)


def solve(matrix, right):
    """Solutions (..., n, m) of matrix (..., n, n) times x = right (..., n, m)."""
    return solve_factored(cholesky(matrix), right)


def inverse(matrix):
    """Inverses (..., n, n)."""
    return solve(matrix, jnp.eye(matrix.shape[-1], dtype=matrix.dtype))
