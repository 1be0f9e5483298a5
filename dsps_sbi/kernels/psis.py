"""Pareto-smoothed importance weights.

Vehtari, Simpson, Gelman, Yao & Gabry (2024, JMLR 25, 72; arXiv:1507.02646): the largest weights are
replaced by the expected order statistics of a generalised Pareto distribution fitted to them. Its
shape k says whether the weights can be believed: above 0.7 the sums converge too slowly.
"""

import math

import jax
import jax.numpy as jnp

# Smallest tail that a Pareto distribution is fitted to
_FEWEST = 5


def tail_length(n: int) -> int:
    """How many of n weights count as their tail (arXiv:1507.02646, section 2)."""
    return math.ceil(min(n / 5, 3.0 * math.sqrt(n)))


def fit_generalised_pareto(excess):
    """Shape and scale of a generalised Pareto distribution by the method of Zhang & Stephens.

    Zhang & Stephens (2009, Technometrics 51, 316), with the weak prior on k of arXiv:1507.02646,
    appendix C, worth ten observations of 0.5.

    Parameters
    ----------
    excess : array (..., n)
        Positive, in rising order.

    Returns
    -------
    k, sigma : array (...)
    """
    n = excess.shape[-1]
    m = 30 + math.floor(math.sqrt(n))
    largest, quartile = excess[..., -1:], excess[..., int(n / 4 + 0.5) - 1, None]
    theta = 1.0 / largest + (1.0 - jnp.sqrt(m / (jnp.arange(1, m + 1) - 0.5))) / (3.0 * quartile)

    def shape(theta):
        return jnp.mean(jnp.log1p(-theta[..., None] * excess[..., None, :]), axis=-1)

    k = shape(theta)
    profile = n * (jnp.log(-theta / k) - k - 1.0)
    best = jnp.sum(theta * jax.nn.softmax(profile, axis=-1), axis=-1, keepdims=True)
    k = shape(best)[..., 0]
    return (n * k + 5.0) / (n + 10.0), -k / best[..., 0]


def pareto_smooth(log_weights):
    """Smooth importance weights.

    Parameters
    ----------
    log_weights : array (..., n)
        Of draws from a proposal, up to a constant; one that is not finite counts as weight zero.

    Returns
    -------
    log_weights : array (..., n)
        Smoothed, on the scale of what was given; none exceeds the largest of the raw ones.
    k : array (...)
        Shape of the tail. Infinite where no weight is finite or there are too few to fit a tail;
        0 where all weights in the tail are equal.
    """
    n = log_weights.shape[-1]
    m = tail_length(n)
    log_weights = jnp.where(jnp.isfinite(log_weights), log_weights, -jnp.inf)
    peak = jnp.max(log_weights, axis=-1, keepdims=True)
    any_finite = jnp.isfinite(peak)
    if m < _FEWEST:
        return log_weights, jnp.full(log_weights.shape[:-1], jnp.inf)
    scaled = log_weights - jnp.where(any_finite, peak, 0.0)
    top, where = jax.lax.top_k(scaled, m + 1)
    cut = jnp.exp(top[..., m:])
    excess = jnp.exp(top[..., m - 1 :: -1]) - cut
    # equal weights have no tail to fit; zeros in it would divide by zero
    flat = excess[..., -1] < 1e-6
    safe = jnp.where(flat[..., None], jnp.arange(1.0, m + 1) / m, jnp.maximum(excess, 1e-30))
    k, sigma = fit_generalised_pareto(safe)
    share = (jnp.arange(m) + 0.5) / m
    tail = sigma[..., None] * jnp.expm1(-k[..., None] * jnp.log1p(-share)) / k[..., None]
    smooth = jnp.minimum(jnp.log(tail + cut), 0.0)
    use = (~flat & jnp.isfinite(k))[..., None]
    smooth = jnp.where(use, smooth, top[..., m - 1 :: -1])
    flat_rows = (scaled.reshape(-1, n), where[..., m - 1 :: -1].reshape(-1, m), smooth.reshape(-1, m))
    out = jax.vmap(lambda row, i, values: row.at[i].set(values))(*flat_rows).reshape(scaled.shape)
    k = jnp.where(flat, 0.0, jnp.where(jnp.isfinite(k), k, jnp.inf))
    return out + jnp.where(any_finite, peak, 0.0), jnp.where(any_finite[..., 0], k, jnp.inf)


def effective_draws(log_weights):
    """Kish's effective number 1 / sum w^2 (...) of normalised weights; 0 where no weight is finite."""
    weights = jax.nn.softmax(log_weights, axis=-1)
    return jnp.nan_to_num(1.0 / jnp.sum(weights**2, axis=-1))


def systematic_resample(shift, log_weights, n: int):
    """Indices (Object, n) of draws, each as often as its weight says, to within one.

    Parameters
    ----------
    shift : array (Object,)
        Uniform in 0-1: the one random number of each object.
    log_weights : array (Object, Draw)
        Up to a constant. Where none is finite all count the same.
    n : int
    """
    finite = jnp.isfinite(log_weights).any(axis=-1, keepdims=True)
    cumulative = jnp.cumsum(jax.nn.softmax(jnp.where(finite, log_weights, 0.0), axis=-1), axis=-1)
    # how many of the n equidistant points lie below each step; the last step takes what round-off leaves
    below = jnp.ceil(cumulative * n - shift[:, None]).astype(jnp.int32).at[:, -1].set(n)
    below = jnp.clip(jax.lax.cummax(below, axis=1), 0, n)
    return jax.vmap(lambda b: jnp.searchsorted(b, jnp.arange(n), side="right"))(below)
