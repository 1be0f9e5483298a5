"""Damped Gauss-Newton steps down to a minimum of squares.

The damping is that of Levenberg (1944, Q. Appl. Math. 2, 164) and Marquardt (1963, SIAM J. Appl. Math.
11, 431): a step that makes things worse is not taken, and the next one is shorter.
"""

import jax
import jax.numpy as jnp

from .positive import solve

# Largest step, and largest coordinate, in units of the prior's standard deviation
_STEP, _REACH = 1.0, 4.0
# Damping at first, and its factors after a step that was taken and one that was not
_DAMPING, _LESS, _MORE = 0.03, 0.1, 10.0


def descend(at, start, n_steps):
    """Steps from a starting point in coordinates whose prior is a unit normal.

    Parameters
    ----------
    at : callable
        Coordinates u (n,) to (hessian (m, m), pull (m,), badness (), anything): half the second and
        minus half the first derivatives of the badness, n coordinates first, then m - n nuisances
        that ``at`` has put at their best.
    start : array (n,)
    n_steps : int

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
        hessian, pull = here[:2]
        step = solve(hessian + damping * jnp.diag(jnp.diag(hessian)), pull[:, None])[:n, 0]
        length = jnp.linalg.norm(step)
        new = jnp.clip(u + step * jnp.minimum(1.0, _STEP / jnp.maximum(length, 1e-6)), -_REACH, _REACH)
        there = at(new)
        better = there[2] < here[2]
        u, here = jax.tree.map(lambda a, b: jnp.where(better, a, b), (new, there), (u, here))
        return (u, here, damping * jnp.where(better, _LESS, _MORE)), None

    first = start, at(start), jnp.full((), _DAMPING, start.dtype)
    (u, here, _), _ = jax.lax.scan(go, first, length=n_steps)
    return u, here
