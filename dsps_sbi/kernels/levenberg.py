"""Damped Gauss-Newton steps down to a minimum of squares.

The damping is that of Levenberg (1944, Q. Appl. Math. 2, 164) and Marquardt (1963, SIAM J. Appl. Math.
11, 431): a step that makes things worse is not taken, and the next one is shorter.
"""

import jax
import jax.numpy as jnp

from .cholesky import solve
from .qr import least_squares

# Largest step, and largest coordinate, in units of the prior's standard deviation
_STEP, _REACH = 1.0, 4.0
# Largest turn, as a share of the step
_TURN = 0.75
# Damping at first, and its factors after a step that was taken and one that was not
_DAMPING, _LESS, _MORE = 0.03, 0.1, 10.0


def by_hessian(u, state, damping):
    """The step (m,) that normal equations give, for :func:`levenberg_marquardt`."""
    hessian, gradient = state[:2]
    return solve(hessian + damping * jnp.diag(jnp.diag(hessian)), gradient[:, None])[:, 0]


def along_curves(curvature):
    """Steps for :func:`levenberg_marquardt` by slopes, along the curves on which residuals change evenly.

    Slopes instead of their products: some coordinates may be known a thousand times better than others,
    which single precision squared does not hold. The correction for curvature is the geodesic acceleration
    of Transtrum & Sethna (2012, arXiv:1201.5885): narrow curved valleys take fewer steps.

    Parameters
    ----------
    curvature : callable
        u (n,), a step (m,) and what ``at`` gave to the second derivative (k,) of the model along it.

    Returns
    -------
    callable
        For an ``at`` that gives slopes (k, m) of the model and residuals (k,) of the data.
    """

    def step(u, state, damping):
        rows, residual = state[:2]
        damp = jnp.sqrt(damping) * jnp.diag(jnp.linalg.norm(rows, axis=0))
        rows = jnp.concatenate([rows, damp])
        more = (0, len(damp))
        move = least_squares(rows, jnp.pad(residual, more))
        move = move * _shorter(move[: len(u)])
        turn = -0.5 * jnp.nan_to_num(least_squares(rows, jnp.pad(curvature(u, move, state), more)))
        share = jnp.linalg.norm(turn[: len(u)]) / jnp.maximum(jnp.linalg.norm(move[: len(u)]), 1e-6)
        return move + turn * jnp.minimum(1.0, _TURN / jnp.maximum(share, 1e-6))

    return step


def _shorter(move):
    """The factor that makes a step at most as long as is allowed."""
    return jnp.minimum(1.0, _STEP / jnp.maximum(jnp.linalg.norm(move), 1e-6))


def levenberg_marquardt(at, start, n_steps, step=by_hessian):
    """Steps from a starting point in coordinates whose prior is a unit normal.

    Parameters
    ----------
    at : callable
        Coordinates u (n,) to (hessian (m, m), gradient (m,), cost (), anything): half the second and
        minus half the first derivatives of the cost, n coordinates first, then m - n nuisances
        that ``at`` has put at their best. The first two are for ``step`` alone.
    start : array (n,)
    n_steps : int
    step : callable
        u, what ``at`` gave there, and the damping () to a step (m,): :func:`by_hessian`, or what
        :func:`along_curves` gives.

    Returns
    -------
    u : array (n,)
        The best that was found.
    state : tuple
        ``at`` of it.
    """
    n = len(start)

    def go(carry, i):
        u, state, damping = carry
        move = jnp.where(i == 0, 0.0, step(u, state, damping)[:n])
        new = jnp.where(i == 0, u, jnp.clip(u + move * _shorter(move), -_REACH, _REACH))
        new_state = at(new)
        better = new_state[2] < state[2]
        u, state = jax.tree.map(lambda a, b: jnp.where(better, a, b), (new, new_state), (u, state))
        return (u, state, damping * jnp.where(better, _LESS, _MORE)), None

    # the first turn of the loop evaluates the start: ``at`` is large, and compiled once
    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(at, start))
    nothing = (*nothing[:2], jnp.full_like(nothing[2], jnp.inf), *nothing[3:])
    first = start, nothing, jnp.full((), _DAMPING / _LESS, start.dtype)
    (u, state, _), _ = jax.lax.scan(go, first, jnp.arange(n_steps + 1))
    return u, state
