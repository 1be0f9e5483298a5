"""What networks see of photometry: fluxes of any depth, in any subset of the bands, with redshift."""

import jax.numpy as jnp


def features(flux, sky, valid, upper, z, log_distance, universe_gyr):
    """What the network sees: shape apart from brightness, errors, mask, redshift.

    Parameters
    ----------
    flux, sky : array (Object, Band)
        [uJy].
    valid : bool array (Object, Band)
    upper : bool array (Object, Band)
        Where the flux is an upper limit: it says nothing about the brightness.
    z, log_distance, universe_gyr : array (Object,)
        Redshift, log10 of the luminosity distance [Mpc], age of the Universe [Gyr].

    Returns
    -------
    inputs : array (Object, 5 * Band + 6)
    log_luminosity : array (Object,)
        log10(amplitude [uJy] * distance^2 / (1+z)) up to a constant: within a few dex of log mass.
    """
    any_valid = valid.any(axis=-1)
    unit = jnp.where(valid, sky, 1.0)
    snr = jnp.where(valid, flux / unit, 0.0)
    # weights relative to the deepest band, fluxes relative to its sky: no underflow in uJy^2
    deepest = jnp.where(any_valid, jnp.min(jnp.where(valid, sky, jnp.inf), axis=-1), 1.0)
    weight = jnp.where(valid, (deepest[:, None] / unit) ** 2, 0.0)
    measured = valid & ~upper
    power = jnp.sum(jnp.where(measured, (flux / deepest[:, None]) ** 2, 0.0) * weight, axis=-1)
    # at least the noise of the weighted mean, so that an all-zero object stays finite
    total = jnp.maximum(jnp.sum(weight, axis=-1), 1e-12)
    relative = jnp.sqrt((power + 1e-2) / total)
    log_amplitude = jnp.log10(relative) + jnp.log10(deepest)
    ratio = jnp.where(valid, flux / (deepest * relative)[:, None], 0.0)
    log_error = jnp.where(valid, jnp.log10(unit / deepest[:, None]) - jnp.log10(relative)[:, None], 0.0)
    log_luminosity = log_amplitude + 2.0 * log_distance - jnp.log10(1.0 + z)
    context = [
        (log_amplitude + 2.0) / 2.0,
        log_luminosity / 3.0 - 2.0,
        jnp.log1p(z),
        z / 4.0 - 1.0,
        universe_gyr / 4.0 - 1.0,
        valid.sum(axis=-1) / 10.0 - 1.0,
    ]
    bands = [
        jnp.arcsinh(ratio * 25.0) / 3.0,
        log_error / 2.0,
        jnp.arcsinh(snr / 3.0) / 4.0,
        valid.astype(flux.dtype),
        upper.astype(flux.dtype),
    ]
    inputs = jnp.concatenate([*bands, jnp.stack(context, axis=-1)], axis=-1)
    return jnp.clip(inputs, -6.0, 6.0), log_luminosity
