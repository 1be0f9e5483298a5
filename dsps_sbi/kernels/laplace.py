"""The peak of a posterior of photometry, and the normal distribution about it (Laplace)."""

import jax
import jax.numpy as jnp

from .cholesky import inverse
from .full_precision import matmul
from .levenberg import levenberg_marquardt

_LN10 = 2.302585092994046
# Rounds of the best mass: its variances depend on it
_N_MASS = 6
# Weak precision of ln mass: no band may be left
_LEAST = 1e-2


def best_mass(data, light, counted, relative2, n_rounds=_N_MASS):
    """Mass (...) of least squares, never negative, with variances that follow the model.

    Parameters
    ----------
    data, light : array (..., Band)
        Fluxes, and those of one unit of mass, in units of the sky.
    counted : bool array (..., Band)
    relative2 : array (Band,)
        Relative variance of the model's fluxes.
    n_rounds : int
    """

    def solve(mass, _):
        weight = jnp.where(counted, 1.0 / (1.0 + relative2 * (mass[..., None] * light) ** 2), 0.0)
        top, bottom = jnp.sum(weight * data * light, axis=-1), jnp.sum(weight * light**2, axis=-1)
        return jnp.maximum(top, 0.0) / jnp.maximum(bottom, 1e-30), None

    return jax.lax.scan(solve, jnp.zeros(light.shape[:-1], light.dtype), length=n_rounds)[0]


def laplace(log_light, start, data, counted, relative2, n_steps):
    """Peak of the posterior of one object's shape, a unit normal its prior, the mass at its best.

    Parameters
    ----------
    log_light : callable
        u (n,) to log10 fluxes (Band,) of some mass, in units of the sky.
    start : array (n,)
    data : array (Band,)
        Fluxes in units of the sky.
    counted : bool array (Band,)
    relative2 : array (Band,)
        Relative variance of the model's fluxes.
    n_steps : int
        Steps; each at most one prior standard deviation long.

    Returns
    -------
    peak : array (n,)
    step : array (n,)
        The next step: small where it has converged.
    covariance : array (n, n)
        Inverse of prior precision and Gauss-Newton Hessian, the mass marginalised.
    residual : array (Band,)
        (data - model) / sigma at the peak, 0 where not counted.
    """
    n = len(start)
    prior = jnp.diag(jnp.full(n + 1, 1.0).at[n].set(_LEAST))

    def at(u):
        log_flux, push = jax.linearize(log_light, u)
        # tangents along the first axis: along the last one loops over bands would be short ones
        slope = jax.vmap(push)(jnp.eye(n, dtype=u.dtype)).T
        light = 10.0 ** jnp.clip(log_flux, -30.0, 30.0)
        model = best_mass(data, light, counted, relative2) * light
        weight = jax.lax.rsqrt(1.0 + relative2 * model**2)
        residual = jnp.where(counted, (data - model) * weight, 0.0)
        # d model / d (u, ln mass) in units of sigma
        slope = jnp.concatenate([_LN10 * slope, jnp.ones_like(slope[:, :1])], axis=1)
        slope = jnp.where(counted[:, None], slope * (model * weight)[:, None], 0.0)
        # one wild band must not rule the step
        gradient = matmul(slope.T, jnp.clip(residual, -20.0, 20.0)) - jnp.append(u, 0.0)
        cost = jnp.sum(residual**2) + jnp.sum(u**2)
        return matmul(slope.T, slope) + prior, gradient, cost, residual

    peak, (hessian, gradient, _, residual) = levenberg_marquardt(at, start, n_steps)
    covariance = inverse(hessian)
    return peak, matmul(covariance, gradient)[:n], covariance[:n, :n], residual
