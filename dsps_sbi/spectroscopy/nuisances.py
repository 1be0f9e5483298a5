"""What spectra have beside their model's flux: errors of data and model, and misfit with a Gaussian prior.

flux = M t (1 + sum_k c_k P_k + m g + 2 m sum_k a_k R_k) + noise, with the polynomial's c_k of standard
deviation continuum.sigma; with noise of variance (s sigma)^2 + (f M t)^2, which is independent from pixel to
pixel: s the scale of the stated errors, f the white error of the model; and with misfit of size m, a share of
the flux:

- g is correlated over neighbouring pixels: linear between independent normal amplitudes at rest wavelengths
  :data:`NODE_KM_S` apart, of mean variance one. Lines that are too weak or too strong, as those of other
  abundances, are such a misfit;
- sum_k a_k R_k, with normal a_k, runs along the ways in which populations differ, and has a root mean square
  of 1 (:func:`~dsps_sbi.spectroscopy.population_modes.misfit_light`). Residuals of real galaxies are larger
  along these than elsewhere.

Each of s, f and m may be a parameter.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Misfit along populations over the correlated one
_ALONG = 2.0
# Distance of the nodes of the misfit [km/s]: residuals of real galaxies are correlated over about as much
NODE_KM_S = 500.0


class Nuisances(NamedTuple):
    """Sizes of what is not the model's flux, of parameters theta (...); a pytree.

    Parameters
    ----------
    share : array (...)
        White error of the model as a share of its flux.
    scale : array (...)
        True errors of the data over the stated ones.
    terms : array (..., Term) or (Term,)
        Standard deviation of the coefficient of each term of a view's basis: polynomial, then populations.
    misfit : array (...) or None
        Root mean square of the correlated misfit as a share of the flux; None where there is none.
    """

    share: jax.Array
    scale: jax.Array
    terms: jax.Array
    misfit: jax.Array | None = None

    def variance(self, template):
        """Variances (..., Pixel) in units of the stated ones, of a template (..., Pixel) in these units."""
        return self.scale[..., None] ** 2 + (self.share[..., None] * template) ** 2

    def stated(self, template):
        """The share (..., Pixel) of :meth:`variance` that the data's own errors are."""
        return self.scale[..., None] ** 2 / self.variance(template)

    def correlated(self, view) -> tuple | None:
        """The correlated misfit in a view, as :mod:`dsps_sbi.kernels.linear_gaussian` has it."""
        return None if self.misfit is None else (view.nodes, self.misfit)


def nuisances_of(model, theta, n_term: int) -> Nuisances:
    """Nuisances of parameters theta (..., Param) for a basis of ``n_term`` terms."""
    theta = jnp.asarray(theta)
    one, n_misfit = jnp.ones(theta.shape[:-1], theta.dtype), model.geometry.n_misfit
    scale = 10.0 ** model.column(theta, "log_error_scale") if "log_error_scale" in model.names else one
    terms, misfit = jnp.full(n_term - n_misfit, model.continuum.sigma, theta.dtype), None
    if n_misfit:
        misfit = 10.0 ** model.column(theta, "log_misfit")
        each = (*theta.shape[:-1], len(terms)), (*theta.shape[:-1], n_misfit)
        parts = jnp.broadcast_to(terms, each[0]), jnp.broadcast_to(_ALONG * misfit[..., None], each[1])
        terms = jnp.concatenate(parts, axis=-1)
    return Nuisances(model.error_share(theta), scale, terms, misfit)


def typical_terms(model) -> float | tuple[float, ...]:
    """Standard deviations of the terms' coefficients, misfit in mid-prior; one if all are alike."""
    if not model.geometry.n_misfit:
        return model.continuum.sigma
    marginal = model.prior.marginals["log_misfit"]
    size = float(_ALONG * 10.0 ** (0.5 * (marginal.low + marginal.high)))
    return (model.continuum.sigma,) * model.continuum.degree + (size,) * model.geometry.n_misfit
