"""The exact posterior of mock or real photometry at one redshift, for whoever measures against it."""

import math

import jax
import jax.numpy as jnp

from dsps_sbi.kernels.likelihood import log_likelihood


def likelihood_of(parser, post):
    """The likelihood under the bundle's own model; without its SSPs the parser says how to get them."""
    likelihood = post.likelihood()
    if likelihood is None:
        parser.error(f"needs the stellar populations of the bundle: dsps-sbi fetch {', '.join(post.grids)}")
    return likelihood


def log_prior(u):
    """Log density (...) of normal coordinates (..., n) under the prior: they are unit normal."""
    return jax.scipy.stats.norm.logpdf(u).sum(axis=-1)


def log_posterior(likelihood, data, u, table):
    """Unnormalised log posterior (Object, Draw) of u (Object, Draw, Param), mass among them."""
    model = likelihood.model
    theta = model.prior.from_normal(u.reshape(-1, u.shape[-1]), table.universe_gyr)
    flux = model.predict_fast(theta, table).reshape(*u.shape[:-1], -1)
    observed, sigma, valid, upper = (a[:, None] for a in data[:4])
    return log_likelihood(observed, sigma, valid, flux, likelihood.post.noise.floor, upper) + log_prior(u)


def log_mean_exp(log_w):
    """Log of the mean weight (...) over the last axis: the evidence."""
    return jax.scipy.special.logsumexp(log_w, axis=-1) - math.log(log_w.shape[-1])


def effective_share(log_w):
    """Effective share (...) of weighted draws: 1 / (N sum w^2) for normalised w."""
    return 1.0 / (log_w.shape[-1] * jnp.sum(jax.nn.softmax(log_w, axis=-1) ** 2, axis=-1))
