"""What spectra have beside their model's flux: errors of data and model, and misfit with a Gaussian prior.

flux = M t (1 + sum_k c_k P_k + sum_k a_k R_k) + noise, with the polynomial's c_k ~ N(0, continuum.sigma^2);
with a_k ~ N(0, m^2) along the ratios R_k of :func:`~dsps_sbi.spectroscopy.population_modes.misfit_light`, the
ways in which populations differ, whose sum has a root mean square of m, a share of the flux, before
velocities smooth it; and with noise of variance (s sigma)^2 + (f M t)^2, which is independent from pixel to
pixel: s the scale of the stated errors, f the white error of the model. Each of s, f and m may be a
parameter.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Nuisances(NamedTuple):
    """Sizes of what is not the model's flux, of parameters theta (...); a pytree.

    Parameters
    ----------
    share : array (...)
        White error of the model as a share of its flux.
    scale : array (...)
        True errors of the data over the stated ones.
    terms : array (..., Term) or (Term,)
        Standard deviation of the coefficient of each term of a view's basis: polynomial, then misfit.
    """

    share: jax.Array
    scale: jax.Array
    terms: jax.Array

    def variance(self, template):
        """Variances (..., Pixel) in units of the stated ones, of a template (..., Pixel) in these units."""
        return self.scale[..., None] ** 2 + (self.share[..., None] * template) ** 2

    def stated(self, template):
        """The share (..., Pixel) of :meth:`variance` that the data's own errors are."""
        return self.scale[..., None] ** 2 / self.variance(template)


def nuisances_of(model, theta, n_term: int) -> Nuisances:
    """Nuisances of parameters theta (..., Param) for a basis of ``n_term`` terms."""
    theta = jnp.asarray(theta)
    one, n_misfit = jnp.ones(theta.shape[:-1], theta.dtype), model.geometry.n_misfit
    scale = 10.0 ** model.column(theta, "log_error_scale") if "log_error_scale" in model.names else one
    terms = jnp.full(n_term - n_misfit, model.continuum.sigma, theta.dtype)
    if n_misfit:
        misfit = 10.0 ** model.column(theta, "log_misfit")
        each = (*theta.shape[:-1], len(terms)), (*theta.shape[:-1], n_misfit)
        parts = jnp.broadcast_to(terms, each[0]), jnp.broadcast_to(misfit[..., None], each[1])
        terms = jnp.concatenate(parts, axis=-1)
    return Nuisances(model.error_share(theta), scale, terms)


def typical_terms(model) -> float | tuple[float, ...]:
    """Standard deviations of the terms' coefficients, misfit in mid-prior; one if all are alike."""
    if not model.geometry.n_misfit:
        return model.continuum.sigma
    marginal = model.prior.marginals["log_misfit"]
    size = float(10.0 ** (0.5 * (marginal.low + marginal.high)))
    return (model.continuum.sigma,) * model.continuum.degree + (size,) * model.geometry.n_misfit
