"""Mixtures of multivariate Student-t kernels that follow weighted draws, bends and all.

Each kernel has the covariance of the draws about its own centre (Givens & Raftery 1996, JASA 91, 132):
one covariance for all would be too wide across a curved or split distribution.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln, logsumexp

from .cholesky import cholesky, solve_lower
from .full_precision import einsum, matmul

# Degrees of freedom of the kernels: tails that no posterior outruns
NU = 5.0
# Reach of "about a centre", in standard deviations of all draws
_REACH = 0.8
# Least variance of a kernel, in that of all draws
_LEAST = 1e-3
# One kernel in so many is as wide as all draws together: narrow ones miss what no draw has seen
_WIDE_EVERY = 8


def moments(x, log_weight):
    """Mean (n,) and lower Cholesky factor (n, n) of the covariance of weighted draws (Draw, n)."""
    w = jax.nn.softmax(log_weight)
    mean = matmul(w, x)
    centred = x - mean
    covariance = einsum("d,di,dj->ij", w, centred, centred)
    scale = jnp.sqrt(jnp.diagonal(covariance)) + 1e-4
    correlation = covariance / scale[:, None] / scale
    # two parameters that draws hardly tell apart must not make a kernel without width
    factor = cholesky(correlation + 1e-3 * jnp.eye(x.shape[-1]))
    return mean, scale[:, None] * factor


def whiten(factor, x):
    """Coordinates (Draw, n) in units of a lower Cholesky factor (n, n)."""
    return solve_lower(factor, x.T).T


def local_factors(white, log_weight, centres):
    """Lower Cholesky factors (Centre, n, n) of kernels about centres (Centre, n).

    Parameters
    ----------
    white : array (Draw, n)
        Draws in coordinates in which all together have a unit covariance.
    log_weight : array (Draw,)
    centres : array (Centre, n)

    Returns
    -------
    array
        As wide as Silverman's rule has it for the number of centres (Silverman 1986, eq. 4.14); for a
        normal distribution the same everywhere, but for every eighth, which has a unit covariance.
    """
    n_centre, n = centres.shape
    distance2 = jnp.sum((white - centres[:, None]) ** 2, axis=-1)
    near = jax.nn.softmax(log_weight - 0.5 * distance2 / _REACH**2, axis=-1)
    mean = matmul(near, white)
    second = einsum("cd,di,dj->cij", near, white, white)
    covariance = second - mean[:, :, None] * mean[:, None, :]
    # what the reach leaves of a unit normal
    unit = _REACH**2 / (1.0 + _REACH**2)
    # few draws near: drawn to the covariance of all
    prior = n + 1.0
    share = 1.0 / (1.0 + prior * jnp.sum(near**2, axis=-1))[:, None, None]
    eye = jnp.eye(n, dtype=white.dtype)
    covariance = share * covariance / unit + (1.0 - share + _LEAST) * eye
    width = (4.0 / (n + 2.0) / n_centre) ** (1.0 / (n + 4.0))
    factors = width * cholesky(covariance)
    return factors.at[::_WIDE_EVERY].set(eye)


def draw(centres, factors, key, n_draws):
    """Draws (n_draws, n) of the mixture."""
    n_centre, n = centres.shape
    keys = jax.random.split(key, 3)
    which = jax.random.randint(keys[0], (n_draws,), 0, n_centre)
    step = jax.random.normal(keys[1], (n_draws, n))
    step *= jnp.sqrt(NU / jax.random.chisquare(keys[2], NU, shape=(n_draws, 1)))
    return centres[which] + einsum("dij,dj->di", factors[which], step)


def log_density(centres, factors, x):
    """Log density (Draw,) of the mixture at x (Draw, n)."""
    n_centre, n = centres.shape
    eye = jnp.eye(n, dtype=x.dtype)
    inverse = solve_lower(factors, eye)
    white = einsum("cij,dj->cdi", inverse, x) - einsum("cij,cj->ci", inverse, centres)[:, None]
    half = 0.5 * (NU + n)
    log_norm = gammaln(half) - gammaln(0.5 * NU) - 0.5 * n * jnp.log(NU * jnp.pi) - jnp.log(n_centre)
    log_norm -= jnp.log(jnp.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    return logsumexp(log_norm[:, None] - half * jnp.log1p(jnp.sum(white**2, axis=-1) / NU), axis=0)
