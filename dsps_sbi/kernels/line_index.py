r"""Line-strength indices: what a band of a spectrum lacks of a straight pseudo-continuum.

With C the straight line through the mean fluxes of the two side bands at their middles (Worthey et al. 1994,
ApJS 94, 687, eqs. 1-3), an index of a band from a to b is

.. math:: \int_a^b (1 - F / C) \, d\lambda \quad [\text{Angstrom}], \qquad
   -2.5 \log_{10} \frac{1}{b - a} \int_a^b F / C \, d\lambda \quad [\text{mag}]

for atomic and molecular features. F is constant within a pixel, of which a band may hold a part.
"""

import jax
import jax.numpy as jnp


def _windows(flux, bands):
    """Flux (..., Index, Window) and pseudo-continuum in the windows."""
    start, _, blue, red, place, _ = bands
    seen = flux[..., start[:, None] + jnp.arange(blue.shape[-1])]
    low = jnp.sum(seen * blue, axis=-1, keepdims=True)
    high = jnp.sum(seen * red, axis=-1, keepdims=True)
    return seen, low + (high - low) * place


def line_indices(flux, bands):
    """Indices of spectra; differentiable.

    Parameters
    ----------
    flux : array (..., Pixel)
        Per wavelength, on any scale.
    bands : tuple of arrays
        Bands of the indices, each in a window of pixels of its own; as of
        :class:`dsps_sbi.instruments.line_indices.IndexBands`:

        - int (Index,): first pixel of each window;
        - (Index, Window): width of the feature's band in each pixel [Angstrom];
        - (Index, Window), twice: shares of the pixels in the mean fluxes of the blue and the red side band;
        - (Index, Window): where the middle of what the band holds of a pixel lies, from 0 at the middle of
          the blue side band to 1 at that of the red one;
        - bool (Index,): whether an index is in magnitudes.

    Returns
    -------
    array (..., Index)
        [Angstrom] or [mag]; NaN where a flux that is not positive has no magnitude.
    """
    seen, continuum = _windows(flux, bands)
    _, band, *_, magnitudes = bands
    width = jnp.sum(band, axis=-1)
    light = jnp.sum(band * seen / continuum, axis=-1)
    # the other one's slope must be a number too
    share = jnp.where(magnitudes, light / width, 1.0)
    return jnp.where(magnitudes, -2.5 * jnp.log10(share), width - light)


def continua(flux, bands):
    """Mean pseudo-continuum (..., Index) over each band, in the unit of flux (..., Pixel).

    The weight of a part of the light in the index of the whole: widths in Angstrom of a mixture are the mean
    of those of its parts with these weights, where the lines of their pseudo-continua have the same slope.
    """
    _, continuum = _windows(flux, bands)
    band = bands[1]
    return jnp.sum(band * continuum, axis=-1) / jnp.sum(band, axis=-1)


@jax.jit
def index_slopes(flux, bands):
    """Indices (Index,) of a spectrum (Pixel,), and their slopes (Index, Pixel) against its fluxes."""
    return line_indices(flux, bands), jax.jacrev(line_indices)(flux, bands)
