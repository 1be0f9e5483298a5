"""The exact posterior of mock or real photometry at one redshift, for whoever measures against it."""

import math

import jax
import jax.numpy as jnp

from dsps_sbi.kernels.likelihood import log_likelihood


def weigher_of(parser, post):
    """The bundle's own weigher, whose evidences are the exact ones."""
    if post.own_weigher is None:
        parser.error("needs the stellar populations of the bundle: dsps-sbi fetch bc03-miles")
    return post.own_weigher


def log_prior(u):
    """Log density (...) of normal coordinates (..., n) under the prior: they are unit normal."""
    return jax.scipy.stats.norm.logpdf(u).sum(axis=-1)


def log_posterior(weigher, data, u, table):
    """Unnormalised log posterior (Object, Draw) of u (Object, Draw, Param), mass among them."""
    model = weigher.model
    theta = model.prior.from_normal(u.reshape(-1, u.shape[-1]), table.universe_gyr)
    flux = model.predict_fast(theta, table).reshape(*u.shape[:-1], -1)
    observed, sky, valid, upper = (a[:, None] for a in data[:-1])
    return log_likelihood(observed, sky, valid, flux, weigher.post.noise.floor, upper) + log_prior(u)


def log_mean_exp(log_w):
    """Log of the mean weight (...) over the last axis: the evidence."""
    return jax.scipy.special.logsumexp(log_w, axis=-1) - math.log(log_w.shape[-1])


def effective_share(log_w):
    """Effective share (...) of weighted draws: 1 / (N sum w^2) for normalised w."""
    return 1.0 / (log_w.shape[-1] * jnp.sum(jax.nn.softmax(log_w, axis=-1) ** 2, axis=-1))
