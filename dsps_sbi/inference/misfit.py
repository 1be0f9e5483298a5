r"""Does the model fit, and are the errors as large as they say? A predictive p-value without dice.

A truth of the prior and data that were made of it have the same joint distribution as a draw from the
posterior and these data. Standardised residuals :math:`\rho` about a draw are therefore independent and unit
normal over galaxies of the prior, whatever the data determine (Johnson 2004, Annals of Statistics 32, 2361).
The chi2 about *one* draw follows the chi2 distribution exactly, but depends on the draw; the mean of its
p-values over draws is not uniform. Here the residuals themselves are averaged over the posterior. By the law
of total covariance their mean :math:`\bar\rho` has the covariance :math:`I - S`, where S is their covariance
over the posterior: what the draws explain is no longer there to scatter. Hence

.. math:: T = |\bar\rho|^2 \sim \sum_i (1 - \lambda_i)\, \chi^2_1

with the eigenvalues :math:`\lambda_i` of S, exactly where the posterior is Gaussian. The p-value is that of
a scaled chi2 distribution of the same mean, tr(I - S), and variance, 2 tr((I - S)^2) (Satterthwaite 1946,
Biometrics Bulletin 2, 110). With one draw S is zero, and the p-value is Johnson's.

Were the true errors c times those that are stated, the mean of T would be tr(I - S) + (c^2 - 1) A, where A
is the part of it that the stated errors cause, tr((I - S)^2 D) with their share D of the variances: the rest
is the model's own error. The scale c at which T is its own median is that of the object.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import gammaincc, gammaincinv

from ..kernels.full_precision import einsum

# Data that a posterior follows this closely test nothing: what is below one degree of freedom is made up to
# it
_LEAST = 1.0
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
    """

    chi2: jax.Array
    expected: jax.Array
    half_variance: jax.Array
    stated: jax.Array


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
    return Misfit(jnp.sum(mean**2, axis=1), expected, half, stated)


def _made_up(misfit):
    """Chi2, its mean, and half of its variance, of one degree of freedom at least, in double precision."""
    chi2, expected, half, stated = (np.asarray(a, float) for a in misfit)
    more = np.maximum(_LEAST - expected, 0.0)
    # more than the mean only where draws scatter by more than the errors, as before they have converged
    half = np.minimum(np.maximum(half, 0.0) + more, expected + more)
    return chi2 + more, expected + more, half, stated


def tail_probability(misfit: Misfit) -> np.ndarray:
    """Probability (Object,) of a larger misfit: near 0 no fit, near 1 errors that are too large."""
    # in double precision on the host: compiled, the incomplete gamma function takes longer than the fit
    chi2, expected, half, _ = _made_up(misfit)
    factor = half / expected
    return gammaincc(expected / factor / 2.0, chi2 / factor / 2.0).astype(np.float32)


def error_scale(misfit: Misfit) -> tuple[np.ndarray, np.ndarray]:
    """Scale (Object,) of the stated errors at which the p-value would be a half, and what tells it.

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
