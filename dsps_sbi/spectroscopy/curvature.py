"""How sharply a spectrum's posterior is curved: Fisher information, polynomial and mass integrated out."""

import jax
import jax.numpy as jnp
import numpy as np

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
        return jnp.where(used, flux, 0.0) / unit, model.error_share(theta)

    (flux, share), push = jax.linearize(of, u)
    d_flux, d_share = jax.vmap(push)(jnp.eye(n, dtype=u.dtype))
    # ln mass scales fluxes; the shapes backwards, for an upper root of theirs to be a lower one
    d_flux = jnp.concatenate([flux[None], d_flux[::-1]])
    d_share = jnp.concatenate([jnp.zeros(1), d_share[::-1]])
    variance = 1.0 + (share * flux) ** 2
    terms = model.continuum.sigma * view.basis.T * flux
    slopes = jnp.concatenate([terms, d_flux]) / jnp.sqrt(variance)
    # ln of the variance: its information is half the square of its slopes
    d_variance = share * flux * (share * d_flux + d_share[:, None] * flux) * (np.sqrt(2.0) / variance)
    d_variance = jnp.pad(d_variance, ((len(terms), 0), (0, 0)))
    prior = jnp.ones(len(slopes)).at[len(terms)].set(_LEAST)
    rows = jnp.concatenate([slopes.T, d_variance.T, jnp.diag(prior)])
    # with the nuisances first, what is below their rows has them marginalised
    return qr(rows, jnp.zeros(len(rows), rows.dtype))[0][-n:, -n:][::-1, ::-1]
