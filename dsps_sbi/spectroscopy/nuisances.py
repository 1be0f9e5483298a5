"""What spectra have beside their model's flux: errors of data and model, and misfit with a Gaussian prior.

flux = M t (1 + sum_k c_k P_k + m g) + noise, with the polynomial's c_k ~ N(0, continuum.sigma^2); with noise
of variance (s sigma)^2 + (f M t)^2, which is independent from pixel to pixel: s the scale of the stated
errors, f the white error of the model; and with a misfit m g, a share of the flux that is correlated over
neighbouring pixels: g is linear between independent normal amplitudes at rest wavelengths
:data:`NODE_KM_S` apart, of mean variance one. Lines that are too weak or too strong, as those of other
abundances, are such a misfit. Each of s, f and m may be a parameter.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..kernels.linear_gaussian import Correlated

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
    terms : array (Term,)
        Standard deviation of the coefficient of each term of the polynomial.
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

    def correlated(self, view) -> Correlated | None:
        """The misfit in the pixels of a view."""
        return None if self.misfit is None else Correlated(view.nodes, self.misfit)


def nuisances_of(model, theta, n_term: int) -> Nuisances:
    """Nuisances of parameters theta (..., Param) for a polynomial of ``n_term`` terms."""
    theta = jnp.asarray(theta)
    one = jnp.ones(theta.shape[:-1], theta.dtype)
    scale = 10.0 ** model.column(theta, "log_error_scale") if "log_error_scale" in model.names else one
    misfit = 10.0 ** model.column(theta, "log_misfit") if "log_misfit" in model.names else None
    terms = jnp.full(n_term, model.continuum.sigma, theta.dtype)
    return Nuisances(model.error_share(theta), scale, terms, misfit)
