"""How sharply a spectrum's posterior is curved: Fisher information, polynomial and mass integrated out."""

import jax
import jax.numpy as jnp
import numpy as np

from ..kernels.between_nodes import at_nodes, normal, standardised
from ..kernels.cholesky import inverse
from ..kernels.full_precision import matmul
from ..kernels.qr import qr

# Weak precision of ln mass, its square root
_LEAST = 1e-2
# Places at which the spectrum of a tridiagonal matrix is looked at
_PLACES = np.cos(np.pi * (np.arange(8) + 0.5) / 8)


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
    prior = jnp.ones(len(slopes)).at[len(terms)].set(_LEAST)
    of_sizes = []
    if own.misfit is not None:
        share = own.misfit * flux / jnp.sqrt(variance)
        slopes = standardised(slopes, share, view.nodes)[0]
        correlated, lost = _of_correlated(share, view.nodes, used)
        along, lost_along = _of_terms(slopes[: len(terms)], model.geometry.n_misfit)
        # what is misfit tells nothing of the noise
        lost = jnp.minimum(lost + lost_along / jnp.sum(used), 1.0)
        change = change * jnp.sqrt(1.0 - lost)
        told = jnp.sqrt(correlated + along) / own.misfit
        of_sizes = [told * whole(jnp.zeros(()), d_own.misfit)[None]]
    of_sizes.append(change.T)
    # what is known of sizes is known of shapes alone
    of_sizes = jnp.pad(jnp.concatenate(of_sizes), ((0, 0), (len(terms), 0)))
    rows = jnp.concatenate([slopes.T, of_sizes, jnp.diag(prior)])
    # with the nuisances first, what is below their rows has them marginalised
    return qr(rows, jnp.zeros(len(rows), rows.dtype))[0][-n:, -n:][::-1, ::-1]


def _of_correlated(share, nodes, used):
    """Information on ln of the size of a misfit of standard deviations (Pixel,), in units of the errors.

    Half the trace of (C^-1 dC)^2: with the eigenvalues g of the tridiagonal H' W H it is the sum of
    2 (g / (1 + g))^2. They are those of a row repeated for ever, as each changes slowly along the spectrum.
    Also the share (Pixel,) of the information on the errors that is lost to the misfit.
    """
    diagonal, beside = normal(nodes, share**2)
    values = jnp.maximum(diagonal[:, None] + 2.0 * beside[:, None] * _PLACES, 0.0)
    known = values / (1.0 + values)
    # the hats of a node's pixels add up to their number
    count = jnp.maximum(np.sqrt(2.0 / 3.0) * at_nodes(nodes, 1.0 * used), 1.0)
    lost = jnp.mean(2.0 * known - known**2, axis=1) / count
    return jnp.sum(jnp.mean(2.0 * known**2, axis=1)), lost[nodes[0]]


def _of_terms(terms, n):
    """As :func:`_of_correlated`, of the last n of some terms (Term, Datum): 2 tr H^2 with their block H of
    G (1 + G)^-1, G the products of all terms. All terms cost information on the errors.
    """
    known = jnp.eye(len(terms)) - inverse(jnp.eye(len(terms)) + matmul(terms, terms.T))
    return 2.0 * jnp.sum(known[-n:, -n:] ** 2), 2.0 * jnp.trace(known) - jnp.sum(known**2)
