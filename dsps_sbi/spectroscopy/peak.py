"""The peak of a spectrum's posterior in its subspace."""

import jax
import jax.numpy as jnp

from ..kernels.full_precision import matmul
from ..kernels.levenberg import along_curves, levenberg_marquardt
from ..kernels.qr import qr, solve_upper

# Weak precision of ln mass, its square root
_LEAST = 0.1


def peak(unit, slopes, start, data, factor, n_steps):
    """Peak of the posterior of one object's shape, a unit normal its prior, the mass at its best.

    Parameters
    ----------
    unit : callable
        u (n,) to the components (Component,) of one unit of mass.
    slopes : callable
        The same, to these and their derivatives (n, Component).
    start : array (n,)
    data : array (Component,)
        Coefficients of the spectrum, in units of their errors and without correlations.
    factor : array (Component, Component)
        Turns coefficients into such.
    n_steps : int

    Returns
    -------
    peak : array (n,)
    step : array (n,)
        The next step: small where it has converged.
    covariance : array (n, n)
    residual : array (Component,)
        What is left of the data.
    """
    n = len(start)
    weak = jnp.diag(jnp.ones(n + 1).at[n].set(_LEAST))

    def at(u):
        light, slope = slopes(u)
        both = matmul(factor, jnp.concatenate([slope, light[None]]).T)
        light = both[:, n]
        mass = jnp.maximum(matmul(light, data), 0.0) / jnp.maximum(matmul(light, light), 1e-30)
        residual = data - mass * light
        residuals = jnp.concatenate([residual, -u, jnp.zeros(1, u.dtype)])
        return jnp.concatenate([mass * both, weak]), residuals, jnp.sum(residuals**2), (residual, mass)

    def curvature(u, move, state):
        def model(t):
            return jnp.exp(t * move[n]) * unit(u + t * move[:n])

        second = jax.jvp(lambda t: jax.jvp(model, (t,), (1.0,))[1], (0.0,), (1.0,))[1]
        return jnp.pad(state[3][1] * matmul(factor, second), (0, n + 1))

    found, (rows, residuals, _, (residual, _)) = levenberg_marquardt(
        at, start, n_steps, along_curves(curvature)
    )
    # with the mass first, what is below its row has it marginalised
    upper, turned = qr(jnp.roll(rows, 1, axis=1), residuals)
    root = solve_upper(upper[1:, 1:], jnp.eye(n))
    return found, matmul(root, turned[1:]), matmul(root, root.T), residual
