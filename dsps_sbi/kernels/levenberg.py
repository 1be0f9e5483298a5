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


def by_hessian(u, here, damping):
    """The step (m,) that normal equations give, for :func:`levenberg_marquardt`."""
    hessian, pull = here[:2]
    return solve(hessian + damping * jnp.diag(jnp.diag(hessian)), pull[:, None])[:, 0]


def along_curves(bend):
    """Steps for :func:`levenberg_marquardt` by the slopes of residuals, along the curves on which these change evenly.

    Slopes instead of their products: some coordinates may be known a thousand times better than others,
    which single precision squared does not hold. The correction for curvature is the geodesic acceleration
    of Transtrum & Sethna (2012, arXiv:1201.5885): narrow curved valleys take fewer steps.

    Parameters
    ----------
    bend : callable
        u (n,), a step (m,) and what ``at`` gave to the second derivative (k,) of the model along it.

    Returns
    -------
    callable
        For an ``at`` that gives slopes (k, m) of the model and what is left (k,) of the data.
    """

    def step(u, here, damping):
        rows, left = here[:2]
        damp = jnp.sqrt(damping) * jnp.diag(jnp.linalg.norm(rows, axis=0))
        rows = jnp.concatenate([rows, damp])
        more = (0, len(damp))
        move = least_squares(rows, jnp.pad(left, more))
        move = move * _shorter(move[: len(u)])
        turn = -0.5 * jnp.nan_to_num(least_squares(rows, jnp.pad(bend(u, move, here), more)))
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
        Coordinates u (n,) to (hessian (m, m), pull (m,), badness (), anything): half the second and
        minus half the first derivatives of the badness, n coordinates first, then m - n nuisances
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
    here : tuple
        ``at`` of it.
    """
    n = len(start)

    def go(carry, _):
        u, here, damping = carry
        move = step(u, here, damping)[:n]
        new = jnp.clip(u + move * _shorter(move), -_REACH, _REACH)
        there = at(new)
        better = there[2] < here[2]
        u, here = jax.tree.map(lambda a, b: jnp.where(better, a, b), (new, there), (u, here))
        return (u, here, damping * jnp.where(better, _LESS, _MORE)), None

    first = start, at(start), jnp.full((), _DAMPING, start.dtype)
    (u, here, _), _ = jax.lax.scan(go, first, length=n_steps)
    return u, here
