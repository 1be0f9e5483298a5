"""The exact likelihood of photometry, and the signal-to-noise ratio."""

import jax.numpy as jnp
from jax.scipy.special import log_ndtr

# Below this the tail of the normal distribution is its asymptotic series to float32 round-off, while
# the gradient of the library's function loses its digits and, further out, is infinite
_TAIL = -10.0
# Of the flux, well below what floats of fluxes hold and models are good for
_LEAST = 1e-6


def log_normal_cdf(x):
    """Logarithm of Phi(x), with gradients that are finite however small Phi is."""
    far = jnp.minimum(x, _TAIL)
    r = 1.0 / far**2
    # Abramowitz & Stegun 26.2.12
    series = jnp.log1p(-r * (1.0 - 3.0 * r * (1.0 - 5.0 * r * (1.0 - 7.0 * r))))
    tail = -0.5 * far**2 - jnp.log(-far) - 0.5 * jnp.log(2.0 * jnp.pi) + series
    return jnp.where(x < _TAIL, tail, log_ndtr(jnp.maximum(x, _TAIL)))


def below(x):
    """Mean and variance (...) of a unit normal variable that is known to be below x (...)."""
    # the ratio of density and probability; far below, both are too small for float32
    ratio = jnp.exp(-0.5 * x**2 - 0.5 * jnp.log(2.0 * jnp.pi) - log_normal_cdf(x))
    # the asymptotic series, where the difference of large numbers has no digits
    far = 1.0 / jnp.minimum(x, _TAIL) ** 2
    variance = jnp.where(x < _TAIL, far * (1.0 - 6.0 * far), 1.0 - ratio * (x + ratio))
    return -ratio, jnp.clip(variance, 0.0, 1.0)


def countable(flux_obs, sky):
    """Errors (..., Band) of the sky, at least a millionth of the flux: squares of ratios overflow float32."""
    return jnp.maximum(sky, _LEAST * jnp.abs(flux_obs))


def log_likelihood(flux_obs, sky, valid, flux_model, floor, upper=None):
    """Log likelihood of observed fluxes, Gaussian with its normalisation, and of upper limits.

    The variance is sky^2 + (floor * model flux)^2: the sky's noise plus a relative error that
    stands for calibration and templates, proportional to the *model* as in the simulator.

    Parameters
    ----------
    flux_obs, sky : array (..., Band)
        [uJy], any value where ``valid`` is False.
    valid : bool array (..., Band)
    flux_model : array (..., Band)
        [uJy].
    floor : float
    upper : bool array (..., Band), optional
        Where ``flux_obs`` is an upper limit L of k ``sky`` on the noisy flux: the term is the
        probability Phi((L - f) / s) that it is not exceeded, a probability and no density.

    Returns
    -------
    array (...)
    """
    # in units of the sky: squares of faint fluxes in uJy underflow float32
    unit = jnp.where(valid, countable(flux_obs, sky), 1.0)
    model = jnp.where(valid, flux_model, 0.0) / unit
    observed = jnp.where(valid, flux_obs, 0.0) / unit
    variance = 1.0 + (floor * model) ** 2
    terms = -0.5 * (
        (observed - model) ** 2 / variance + jnp.log(variance) + 2.0 * jnp.log(unit) + jnp.log(2.0 * jnp.pi)
    )
    if upper is not None:
        terms = jnp.where(upper, log_normal_cdf((observed - model) * variance**-0.5), terms)
    return jnp.sum(jnp.where(valid, terms, 0.0), axis=-1)


def mean_snr(flux_obs, sky, valid, is_snr_band, upper=None):
    """Observed flux over reported sky sigma, averaged over the available bands among those named.

    Parameters
    ----------
    flux_obs, sky : array (..., Band)
    valid : bool array (..., Band)
    is_snr_band : bool array (Band,)
    upper : bool array (..., Band), optional
        Upper limits; each counts as a signal-to-noise ratio of 0.

    Returns
    -------
    array (...)
        The mean over all valid bands where none of those named is valid; 0 where no band is.
    """
    seen = valid if upper is None else valid & ~upper
    ratio = jnp.where(seen, flux_obs / jnp.where(seen, sky, 1.0), 0.0)
    named = valid & is_snr_band
    use = jnp.where(named.any(axis=-1, keepdims=True), named, valid)
    return jnp.sum(jnp.where(use, ratio, 0.0), axis=-1) / jnp.maximum(use.sum(axis=-1), 1)
