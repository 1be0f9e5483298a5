r"""Does the model fit, and are the errors as large as they say? A predictive p-value without dice.

A truth of the prior and data that were made of it have the same joint distribution as a draw from the
posterior and these data. Standardised residuals :math:`\rho` about a draw are therefore independent and unit
normal over galaxies of the prior, whatever the data determine (Johnson 2004, Annals of Statistics 32, 2361).
The chi2 about *one* draw follows the chi2 distribution exactly, but depends on the draw; the mean of its
p-values over draws is not uniform. Here its normal scores are averaged: :math:`z_k = \Phi^{-1}(F(\chi^2_k))`,
with the distribution function F of chi2, is unit normal over galaxies and draws. By the law of total variance
its mean over the posterior, :math:`\bar z`, has the variance 1 - E[v], where v is the variance of z over the
posterior: what depends on the draw is no longer there to scatter. The p-value is

.. math:: p = \Phi\left(-\bar z / \sqrt{\max(1 - v, 0.3)}\right)

near 0 where chi2 is too large, and near 1 where it is too small. With one draw it is Johnson's. Where v is
nearly 1 the posterior follows the data wherever they are, and these test nothing: p stays away from both
ends. The variances of the residuals may depend on the draw, as the errors of the model do; the score knows
them.

What errors would the data ask for? Mean residuals over the posterior, :math:`\bar\rho`, have the covariance
I - S, where S is the covariance of the residuals over the posterior. Hence

.. math:: T = |\bar\rho|^2 \sim \sum_i (1 - \lambda_i)\, \chi^2_1

with the eigenvalues :math:`\lambda_i` of S, where the posterior is Gaussian: a scaled chi2 distribution of
the same mean, tr(I - S), and variance, 2 tr((I - S)^2) (Satterthwaite 1946, Biometrics Bulletin 2, 110).
Were the true errors c times those that are stated, the mean of T would be tr(I - S) + (c^2 - 1) A, where A is
the part of it that the stated errors cause, tr((I - S)^2 D) with their share D of the variances: the rest is
the model's own error. The scale c at which T is its own median is that of the object.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import gammaincinv, ndtr

from ..kernels.full_precision import einsum

# Data that a posterior follows this closely test nothing: what is below one degree of freedom is made up to
# it
_LEAST = 1.0
# Of a variance of scores that the posterior leaves: below it data test hardly anything
_LEAST_LEFT = 0.3
# Objects whose misfit depends less on their errors than this tell nothing of the scale
_LEAST_STATED = 0.5


class Misfit(NamedTuple):
    """Misfit of objects, and how it is distributed if model and errors are right; a pytree.

    Parameters
    ----------
    chi2 : array (Object,)
        Squared length of the mean residuals.
    expected : array (Object,)
        Its mean, tr(I - S).
    half_variance : array (Object,)
        Half of its variance, tr((I - S)^2).
    stated : array (Object,)
        The part of the mean that the stated errors cause.
    score, score_variance : array (Object,)
        Mean and variance over draws of the normal scores of chi2 about single draws.
    """

    chi2: jax.Array
    expected: jax.Array
    half_variance: jax.Array
    stated: jax.Array
    score: jax.Array
    score_variance: jax.Array


def normal_score(chi2, count):
    """Standard normal quantile (...) at which chi2 (...) lies in its distribution of so many degrees (...).

    By the expansion of Canal (2005, Computational Statistics & Data Analysis 48, 803). Between -3 and 3 it is
    right to 0.06 for 3 degrees of freedom, to 0.01 for 8.
    """
    n = jnp.maximum(count, 1.0)
    root = (chi2 / n) ** (1.0 / 6.0)
    powers = root - root**2 / 2.0 + root**3 / 3.0
    mean = 5.0 / 6.0 - 1.0 / (9.0 * n) - 7.0 / (648.0 * n**2) + 25.0 / (2187.0 * n**3)
    variance = 1.0 / (18.0 * n) + 1.0 / (162.0 * n**2) - 37.0 / (11664.0 * n**3)
    return jnp.where(count > 0, (powers - mean) / jnp.sqrt(variance), 0.0)


def misfit_of(residual, hidden, sky, count) -> Misfit:
    """Misfit of residuals about draws.

    Parameters
    ----------
    residual : array (Object, Draw, Datum)
        Standardised and independent, of equally weighted draws; 0 where there is no datum.
    hidden : array (Object, Draw, Datum)
        Variance of residuals that are known as a distribution only, as below an upper limit; else 0.
    sky : array (Object, Source, Datum)
        What unit errors of each datum make of the residuals.
    count : array (Object,)
        Number of data.
    """
    mean = jnp.mean(residual, axis=1)
    centred = residual - mean[:, None]
    spread = einsum("odi,odj->oij", centred, centred) / residual.shape[1]
    eye = jnp.eye(residual.shape[-1], dtype=residual.dtype)
    spread = spread + jnp.mean(hidden, axis=1)[:, None] * eye
    # where there is no datum nothing scatters, and nothing is counted
    expected = count - jnp.trace(spread, axis1=1, axis2=2)
    half = expected - jnp.trace(spread, axis1=1, axis2=2) + jnp.sum(spread**2, axis=(1, 2))
    stated = jnp.sum((sky - einsum("osi,oij->osj", sky, spread)) ** 2, axis=(1, 2))
    score = normal_score(jnp.sum(residual**2 + hidden, axis=-1), count[:, None])
    # what a chi2 of residuals that are known as a distribution only would scatter by, were they drawn
    unseen = jnp.mean(jnp.sum(2.0 * hidden**2 + 4.0 * hidden * residual**2, axis=-1), axis=1)
    variance = jnp.var(score, axis=1) + unseen / (2.0 * jnp.maximum(count, 1.0))
    return Misfit(jnp.sum(mean**2, axis=1), expected, half, stated, jnp.mean(score, axis=1), variance)


def _made_up(misfit):
    """Chi2, its mean, and half of its variance, of one degree of freedom at least, in double precision."""
    chi2, expected, half, stated = (np.asarray(a, float) for a in misfit[:4])
    more = np.maximum(_LEAST - expected, 0.0)
    # more than the mean only where draws scatter by more than the errors, as before they have converged
    half = np.minimum(np.maximum(half, 0.0) + more, expected + more)
    return chi2 + more, expected + more, half, stated


def tail_probability(misfit: Misfit) -> np.ndarray:
    """Probability (Object,) of a larger misfit: near 0 no fit, near 1 errors that are too large."""
    score, variance = (np.asarray(a, float) for a in (misfit.score, misfit.score_variance))
    return ndtr(-score / np.sqrt(np.maximum(1.0 - variance, _LEAST_LEFT))).astype(np.float32)


def error_scale(misfit: Misfit) -> tuple[np.ndarray, np.ndarray]:
    """Scale (Object,) of the stated errors at which the misfit would be its own median, and what tells it.

    Returns
    -------
    scale : ndarray of float32 (Object,)
        0 where the model's own error is more than what is seen; NaN where the misfit hardly depends on the
        errors.
    n : ndarray of float32 (Object,)
        Degrees of freedom of the stated errors: the scale is known to about 1 / sqrt(2 n) of itself.
    """
    chi2, expected, half, stated = _made_up(misfit)
    degrees = expected**2 / half
    # of the scaled distribution
    median = 2.0 * gammaincinv(degrees / 2.0, 0.5) / degrees
    known = (stated >= _LEAST_STATED) & (np.asarray(misfit.expected) >= _LEAST)
    square = 1.0 + (chi2 / median - expected) / np.where(known, stated, 1.0)
    scale = np.where(known, np.sqrt(np.maximum(square, 0.0)), np.nan)
    # no more than all degrees of freedom: S of few draws is noisy
    return scale.astype(np.float32), np.minimum(stated**2 / half, expected).astype(np.float32)


def two_sided(p) -> np.ndarray:
    """Probability of a misfit that is as odd on either side, from that of a larger one."""
    p = np.asarray(p)
    return 2.0 * np.minimum(p, 1.0 - p)
