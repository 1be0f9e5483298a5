"""Damped Gauss-Newton steps down to a minimum of squares.

The damping is that of Levenberg (1944, Q. Appl. Math. 2, 164) and Marquardt (1963, SIAM J. Appl. Math.
11, 431): a step that makes things worse is not taken, and the next one is shorter.
"""

import jax
import jax.numpy as jnp

from .orthogonal import least_squares
from .positive import solve

# Largest step, and largest coordinate, in units of the prior's standard deviation
_STEP, _REACH = 1.0, 4.0
# Damping at first, and its factors after a step that was taken and one that was not
_DAMPING, _LESS, _MORE = 0.03, 0.1, 10.0


def by_hessian(hessian, pull, damping):
    """The step (m,) that normal equations give."""
    return solve(hessian + damping * jnp.diag(jnp.diag(hessian)), pull[:, None])[:, 0]


def by_slopes(rows, left, damping):
    """The step (m,) to the least squares of what is ``left`` (k,), by its slopes ``rows`` (k, m).

    Better than :func:`by_hessian` where some coordinates are known a thousand times better than others.
    """
    damp = jnp.sqrt(damping) * jnp.diag(jnp.linalg.norm(rows, axis=0))
    return least_squares(jnp.concatenate([rows, damp]), jnp.pad(left, (0, len(damp))))


def descend(at, start, n_steps, step=by_hessian):
    """Steps from a starting point in coordinates whose prior is a unit normal.

    Parameters
    ----------
    at : callable
        Coordinates u (n,) to (hessian (m, m), pull (m,), badness (), anything): half the second and
        minus half the first derivatives of the badness, n coordinates first, then m - n nuisances
        that ``at`` has put at their best. The first two are those that ``step`` takes.
    start : array (n,)
    n_steps : int
    step : callable
        :func:`by_hessian` or :func:`by_slopes`.

    Returns
    -------
    u : array (n,)
        The best that was found.
    here : tuple
        ``at`` of it.
    """
    n = len(start)

    def go(carry, _):
        u, here, damping = carry
        move = step(*here[:2], damping)[:n]
        length = jnp.linalg.norm(move)
        new = jnp.clip(u + move * jnp.minimum(1.0, _STEP / jnp.maximum(length, 1e-6)), -_REACH, _REACH)
        there = at(new)
        better = there[2] < here[2]
        u, here = jax.tree.map(lambda a, b: jnp.where(better, a, b), (new, there), (u, here))
        return (u, here, damping * jnp.where(better, _LESS, _MORE)), None

    first = start, at(start), jnp.full((), _DAMPING, start.dtype)
    (u, here, _), _ = jax.lax.scan(go, first, length=n_steps)
    return u, here
