"""The peak of a spectrum's posterior in its subspace."""

import jax
import jax.numpy as jnp

from ..kernels.levenberg import descend
from ..kernels.positive import inverse

# Weak precision of ln mass
_LEAST = 1e-2


def peak(unit, start, coefficients, precision, pull, n_steps):
    """Peak of the posterior of one object's shape, a unit normal its prior, the mass at its best.

    Parameters
    ----------
    unit : callable
        u (n,) to the components (Component,) of one unit of mass.
    start : array (n,)
    coefficients, precision, pull : array (Component,), (Component, Component), (Component,)
        Of :class:`~dsps_sbi.spectra.subspace.Projected`, of one object.
    n_steps : int

    Returns
    -------
    peak : array (n,)
    step : array (n,)
        The next step: small where it has converged.
    covariance : array (n, n)
    residual : array (Component,)
        What is left of the coefficients.
    """
    n = len(start)
    prior = jnp.diag(jnp.full(n + 1, 1.0).at[n].set(_LEAST))
    right = precision @ coefficients + pull

    def at(u):
        light, push = jax.linearize(unit, u)
        slope = jax.vmap(push)(jnp.eye(n, dtype=u.dtype))
        mass = jnp.maximum(light @ right, 0.0) / jnp.maximum(light @ precision @ light, 1e-30)
        residual = coefficients - mass * light
        # d model / d (u, ln mass)
        slope = mass * jnp.concatenate([slope, light[None]])
        weighted = precision @ residual
        force = slope @ (weighted + pull) - jnp.append(u, 0.0)
        # the log likelihood of Projected: quadratic about coefficients, with a slope there
        badness = residual @ weighted + 2.0 * residual @ pull + jnp.sum(u**2)
        return slope @ precision @ slope.T + prior, force, badness, residual

    found, (hessian, force, _, residual) = descend(at, start, n_steps)
    covariance = inverse(hessian)
    return found, (covariance @ force)[:n], covariance[:n, :n], residual
