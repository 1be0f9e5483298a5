"""The exact likelihood of photometry, and the signal-to-noise ratio."""

import jax.numpy as jnp


def log_likelihood(flux_obs, sky, valid, flux_model, floor):
    """Gaussian log likelihood of observed fluxes, normalisation kept.

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

    Returns
    -------
    array (...)
    """
    # in units of the sky: squares of faint fluxes in uJy underflow float32
    unit = jnp.where(valid, sky, 1.0)
    model = jnp.where(valid, flux_model, 0.0) / unit
    observed = jnp.where(valid, flux_obs, 0.0) / unit
    variance = 1.0 + (floor * model) ** 2
    terms = (
        (observed - model) ** 2 / variance + jnp.log(variance) + 2.0 * jnp.log(unit) + jnp.log(2.0 * jnp.pi)
    )
    return -0.5 * jnp.sum(jnp.where(valid, terms, 0.0), axis=-1)


def mean_snr(flux_obs, sky, valid, is_snr_band):
    """Observed flux over reported sky sigma, averaged over the available bands among those named.

    Parameters
    ----------
    flux_obs, sky : array (..., Band)
    valid : bool array (..., Band)
    is_snr_band : bool array (Band,)

    Returns
    -------
    array (...)
        The mean over all valid bands where none of those named is valid; 0 where no band is.
    """
    ratio = jnp.where(valid, flux_obs / jnp.where(valid, sky, 1.0), 0.0)
    named = valid & is_snr_band
    use = jnp.where(named.any(axis=-1, keepdims=True), named, valid)
    return jnp.sum(jnp.where(use, ratio, 0.0), axis=-1) / jnp.maximum(use.sum(axis=-1), 1)
