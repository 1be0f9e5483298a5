"""How sharply a spectrum's posterior is curved: Fisher information, polynomial and mass integrated out."""

import jax
import jax.numpy as jnp
import numpy as np

from ..kernels.cholesky import inverse
from ..kernels.full_precision import matmul
from ..kernels.qr import qr

# Weak precision of ln mass, its square root
_LEAST = 1e-2


def precision_root(target, theta_of, u, log_mass):
    """Lower root R (n, n) of the precision R'R of shapes u: of the data and a unit normal prior.

    Its inverse is the lower Cholesky factor of the covariance.

    Slopes of residuals in units of their errors instead of products of them, and orthogonal columns: what
    data leave open is not lost beside what they know a thousand times better. The information of a Gaussian
    whose variances depend on parameters too is that of Tegmark, Taylor & Heavens (1997, ApJ 480, 22, eq. 15).

    Parameters
    ----------
    target : SpectrumTarget
    theta_of : callable
        u (n,) to parameters theta (Param,); that of the mass has no effect.
    u : array (n,)
    log_mass : array ()
        log10 of the mass formed.

    Returns
    -------
    array (n, n)
    """
    n, model, view, used = len(u), target.model, target.view, target.used
    unit = jnp.where(used, target.sigma, 1.0)

    def of(u):
        theta = theta_of(u)
        flux = model.unit_flux(theta, view) * 10.0**log_mass
        return jnp.where(used, flux, 0.0) / unit, model.nuisances(theta, view)

    (flux, own), push = jax.linearize(of, u)
    d_flux, d_own = jax.vmap(push)(jnp.eye(n, dtype=u.dtype))

    def whole(of_mass, of_shapes):
        # ln mass scales fluxes; the shapes backwards, for an upper root of theirs to be a lower one
        return jnp.concatenate([of_mass[None], of_shapes[::-1]])

    d_flux = whole(flux, d_flux)
    d_share, d_scale = (whole(jnp.zeros(()), d) for d in (d_own.share, d_own.scale))
    variance = own.variance(flux)
    terms = own.terms[:, None] * view.basis.T * flux
    slopes = jnp.concatenate([terms, d_flux]) / jnp.sqrt(variance)
    # ln of the variance: its information is half the square of its slopes
    change = own.share * flux * (own.share * d_flux + d_share[:, None] * flux) + own.scale * d_scale[:, None]
    change = jnp.where(used, change * (np.sqrt(2.0) / variance), 0.0)
    d_variance = jnp.pad(change, ((len(terms), 0), (0, 0)))
    prior = jnp.ones(len(slopes)).at[len(terms)].set(_LEAST)
    rows = [slopes.T, d_variance.T, jnp.diag(prior)]
    n_misfit = model.geometry.n_misfit
    if n_misfit:
        told = _of_misfit(slopes[: len(terms)], n_misfit) / own.terms[-1]
        row = told * whole(jnp.zeros(()), jnp.broadcast_to(d_own.terms, (n, len(terms)))[:, -1])
        rows.append(jnp.pad(row, (len(terms), 0))[None])
    rows = jnp.concatenate(rows)
    # with the nuisances first, what is below their rows has them marginalised
    return qr(rows, jnp.zeros(len(rows), rows.dtype))[0][-n:, -n:][::-1, ::-1]


def _of_misfit(terms, n):
    """Root of the information on ln of the size of the last n of some terms (Term, Pixel), of unit errors.

    Half the trace of (C^-1 dC)^2, where C is the covariance of data and terms together and dC / 2 that of
    the n terms: 2 tr H^2 with the block H of G (1 + G)^-1 that is theirs, G the products of terms.
    """
    known = jnp.eye(n) - inverse(jnp.eye(len(terms)) + matmul(terms, terms.T))[-n:, -n:]
    return jnp.sqrt(2.0 * jnp.sum(known**2))
