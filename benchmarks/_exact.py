"""The exact posterior of mock or real photometry at one redshift, for whoever measures against it."""

import math

import jax
import jax.numpy as jnp

from dsps_sbi.kernels.likelihood import log_likelihood
from dsps_sbi.kernels.mass import marginalise


def log_prior(u):
    """Log density (...) of normal coordinates (..., n) under the prior: they are unit normal."""
    return jax.scipy.stats.norm.logpdf(u).sum(axis=-1)


def unit_fluxes(model, u, table):
    """Fluxes (..., Band) [uJy] of one solar mass formed, for shape coordinates u (..., Param - 1)."""
    flat = jnp.concatenate([u, jnp.zeros_like(u[..., :1])], axis=-1).reshape(-1, u.shape[-1] + 1)
    theta = model.prior.from_normal(flat, table.universe_gyr).at[:, -1].set(0.0)
    return model.predict_fast(theta, table).reshape(*u.shape[:-1], -1)


def evidence(model, floor, data, unit_flux):
    """Evidence of shapes and the posterior of their masses, see :func:`dsps_sbi.kernels.mass.marginalise`.

    ``data`` is flux, sky, valid, each (..., Band) and broadcastable with ``unit_flux``.
    """
    mass = model.prior.marginals["log_mass_formed"]
    return marginalise(*data, unit_flux, floor, mass.low, mass.high)


def log_posterior(model, floor, data, u, table):
    """Unnormalised log posterior (..., Draw) of u (..., Draw, Param), mass among them; data (..., Band)."""
    theta = model.prior.from_normal(u.reshape(-1, u.shape[-1]), table.universe_gyr)
    flux = model.predict_fast(theta, table).reshape(*u.shape[:-1], -1)
    return log_likelihood(*(a[..., None, :] for a in data), flux, floor) + log_prior(u)


def log_mean_exp(log_w):
    """Log of the mean weight (...) over the last axis: the evidence."""
    return jax.scipy.special.logsumexp(log_w, axis=-1) - math.log(log_w.shape[-1])


def effective_share(log_w):
    """Effective share (...) of weighted draws: 1 / (N sum w^2) for normalised w."""
    return 1.0 / (log_w.shape[-1] * jnp.sum(jax.nn.softmax(log_w, axis=-1) ** 2, axis=-1))
