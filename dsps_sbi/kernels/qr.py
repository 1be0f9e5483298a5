"""Least squares of tall matrices of few columns, by orthogonal columns.

Normal equations square the condition number: in single precision what data leave open would be lost beside
what they know best. Not LAPACK, see :mod:`dsps_sbi.kernels.cholesky`.
"""

import jax
import jax.numpy as jnp

from .cholesky import solve_lower
from .full_precision import einsum


def qr(rows, right):
    """Upper factor R (n, n) of rows (m, n) = Q R, and Q' right (n,) of right (m,).

    By modified Gram-Schmidt on both at once, which is as good as Householder's (Bjorck 1967, BIT 7, 1).
    The columns must be independent.
    """
    n = rows.shape[1]

    def column(remaining, k):
        one = jax.lax.dynamic_index_in_dim(remaining, k, axis=1, keepdims=False)
        unit = one / jnp.maximum(jnp.linalg.norm(one), 1e-30)
        shares = einsum("i,ij->j", unit, remaining)
        shares = jnp.where(jnp.arange(n + 1) < k, 0.0, shares)
        return remaining - unit[:, None] * shares, shares

    # a loop: unrolled, dozens of columns take minutes to compile, and as many copies of the rows
    together = jnp.concatenate([rows, right[:, None]], axis=1)
    _, out = jax.lax.scan(column, together, jnp.arange(n))
    return out[:, :n], out[:, n]


def solve_upper(upper, right):
    """Solutions (n, m) of R x = right (n, m)."""
    return solve_lower(upper.T, right, transposed=True)


def least_squares(rows, right):
    """The x (n,) with the least |rows x - right|, of rows (m, n) and right (m,)."""
    upper, turned = qr(rows, right)
    return solve_upper(upper, turned[:, None])[:, 0]
