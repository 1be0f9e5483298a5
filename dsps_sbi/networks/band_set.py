"""What a network sees of bands of any filters, whose order and number do not count."""

import jax
import jax.numpy as jnp
from flax import nnx

# Features of each band, and of an object
N_TOKEN, N_GLOBAL = 9, 7


def brightness(data, log_distance):
    """Brightness of objects, apart from the shape of their spectra.

    Parameters
    ----------
    data : UniversalData
    log_distance : array (Object,)
        log10 of the luminosity distance [Mpc].

    Returns
    -------
    amplitude : array (Object,)
        Mean flux of the measured bands, weighted by their errors [uJy].
    log_amplitude : array (Object,)
        log10 of it.
    log_luminosity : array (Object,)
        log10(amplitude * distance^2 / (1+z)) up to a constant: within a few dex of log mass.
    """
    measured = data.valid & ~data.upper
    unit = jnp.where(data.valid, data.sigma, 1.0)
    # weights relative to the deepest band, fluxes relative to its sky: no underflow in uJy^2
    deepest = jnp.min(jnp.where(data.valid, unit, jnp.inf), axis=-1)
    deepest = jnp.where(data.valid.any(axis=-1), deepest, 1.0)[:, None]
    weight = jnp.where(data.valid, (deepest / unit) ** 2, 0.0)
    power = jnp.sum(jnp.where(measured, (data.flux / deepest) ** 2, 0.0) * weight, axis=-1)
    # at least the noise of the weighted mean, so that an all-zero object stays finite
    relative = jnp.sqrt((power + 1e-2) / jnp.maximum(jnp.sum(weight, axis=-1), 1e-12))
    log_amplitude = jnp.log10(relative) + jnp.log10(deepest[:, 0])
    log_luminosity = log_amplitude + 2.0 * log_distance - jnp.log10(1.0 + data.z)
    return relative * deepest[:, 0], log_amplitude, log_luminosity


def tokens(data, pivot_aa, width, amplitude, log_amplitude, log_luminosity, universe_gyr):
    """Features of bands (Object, Band, N_TOKEN) and of objects (Object, N_GLOBAL).

    Parameters
    ----------
    data : UniversalData
    pivot_aa, width : array (Object, Band)
        Pivot wavelengths [Angstrom], and widths in ln wavelength.
    amplitude, log_amplitude, log_luminosity : array (Object,)
        Of :func:`brightness`.
    universe_gyr : array (Object,)
        Age of the Universe.
    """
    valid, unit = data.valid, jnp.where(data.valid, data.sigma, 1.0)
    log_wave = jnp.log(jnp.where(valid, pivot_aa, 1e4))
    columns = [
        jnp.arcsinh(data.flux / amplitude[:, None] * 25.0) / 3.0,
        (jnp.log10(unit) - log_amplitude[:, None]) / 2.0,
        jnp.arcsinh(data.flux / unit / 3.0) / 4.0,
        data.upper.astype(unit.dtype),
        log_wave - jnp.log(1e4),
        log_wave - jnp.log1p(data.z)[:, None] - jnp.log(4000.0),
        jnp.log(jnp.maximum(width, 1e-3)) + 1.5,
        jnp.broadcast_to(jnp.log1p(data.z)[:, None], unit.shape),
        jnp.ones_like(unit),
    ]
    of_bands = jnp.stack([jnp.where(valid, column, 0.0) for column in columns], axis=-1)
    of_object = [
        (log_amplitude + 1.0) / 3.0,
        log_luminosity / 3.0 - 2.0,
        jnp.log1p(data.z),
        data.z / 4.0 - 1.0,
        universe_gyr / 4.0 - 1.0,
        valid.sum(axis=-1) / 10.0 - 1.0,
        jnp.log10(data.floor) + 1.3,
    ]
    return jnp.clip(of_bands, -6.0, 6.0), jnp.clip(jnp.stack(of_object, axis=-1), -6.0, 6.0)


class BandSet(nnx.Module):
    """Bands looked at one by one, then their mean and their largest values: the order does not count.

    Zaheer et al. 2017, Deep Sets (arXiv:1703.06114).

    Parameters
    ----------
    n_in, width, n_pooled : int
    """

    def __init__(self, n_in: int, width: int, n_pooled: int, *, rngs: nnx.Rngs):
        he = nnx.initializers.he_normal()
        self.first = nnx.Linear(n_in, width, rngs=rngs, kernel_init=he)
        self.second = nnx.Linear(width, width, rngs=rngs, kernel_init=he)
        self.last = nnx.Linear(width, n_pooled, rngs=rngs)
        self.n_out = 3 * n_pooled

    def __call__(self, tokens, counted):
        """Tokens (Object, Band, n_in) of the bands that count (Object, Band) to (Object, 3 * n_pooled)."""
        x = jax.nn.silu(self.first(tokens))
        x = x + jax.nn.silu(self.second(x))
        x = self.last(x)
        seen = counted[..., None]
        total = jnp.sum(jnp.where(seen, x, 0.0), axis=-2)
        number = jnp.maximum(jnp.sum(seen, axis=-2), 1)
        largest = jnp.max(jnp.where(seen, x, -10.0), axis=-2)
        return jnp.concatenate([total / number, total / 10.0, jnp.clip(largest, -10.0, 10.0)], axis=-1)
