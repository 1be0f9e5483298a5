r"""From a fine grid to the pixels of a spectrograph, through its line spread function (LSF).

A pixel measures the mean over its width of the spectrum convolved with a Gaussian, whose width may
differ from pixel to pixel. With the spectrum constant within each cell of the grid this double
integral has a closed form. Where the Gaussian vanishes it is the overlap of pixel and cells:
flux-conserving rebinning, exact.
"""

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr

FWHM_PER_SIGMA = math.sqrt(8.0 * math.log(2.0))
# Gaussians reach this many sigma: 6e-7 of their area is beyond
REACH = 5.0
# A narrower Gaussian (in cells) is taken as none
_SIGMA_MIN = 1e-6


def _blur(x, sigma):
    """What a Gaussian adds to max(x, 0): small, and zero far from the corner."""
    y = jnp.abs(x) / sigma
    return sigma * (jnp.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi) - y * ndtr(-y))


def pixel_weights(left, right, sigma, n_window):
    r"""Share of each grid cell in each pixel.

    Integrating a unit step twice with a Gaussian gives
    :math:`G(x) = \sigma [u \Phi(u) + \phi(u)]`, u = x / sigma; the weight of the cell from k to
    k + 1 is a second difference of G. It is split in the overlap of pixel and cell, max(x, 0)
    instead of G, and the rest, so that float32 does not lose what is small.

    Parameters
    ----------
    left, right : array (Pixel,)
        Edges of the pixels in cells, counted from the left edge of each pixel's own window.
    sigma : array (Pixel,)
        Of the LSF, in cells.
    n_window : int
        Cells in a window: pixel and REACH sigma on both sides.

    Returns
    -------
    array (Pixel, Window)
        Non-negative to round-off; each row sums to 1.
    """
    resolved = (sigma > _SIGMA_MIN)[:, None]
    sigma = jnp.maximum(sigma, _SIGMA_MIN)[:, None]
    edge = jnp.arange(n_window + 1, dtype=left.dtype)
    a, b = left[:, None], right[:, None]
    overlap = jnp.minimum(b, edge[1:]) - jnp.maximum(a, edge[:-1])
    rest = jnp.where(resolved, _blur(b - edge, sigma) - _blur(a - edge, sigma), 0.0)
    weight = jnp.maximum(overlap, 0.0) + rest[:, :-1] - rest[:, 1:]
    return weight / jnp.sum(weight, axis=1, keepdims=True)


def to_pixels(spectrum, start, weights):
    """Pixels of spectra on a grid: a sum over each pixel's window.

    Parameters
    ----------
    spectrum : array (..., Grid)
    start : int array (Pixel,)
        First cell of each window.
    weights : array (Pixel, Window)
        Of :func:`pixel_weights`.

    Returns
    -------
    array (..., Pixel)
    """
    shape = spectrum.shape[:-1]
    # with pixels first the gathers read rows: ten times faster than (..., Pixel, Window) at once
    columns = spectrum.reshape(-1, spectrum.shape[-1]).T

    def add(total, step):
        offset, weight = step
        return total + weight[:, None] * columns[start + offset], None

    steps = (jnp.arange(weights.shape[1]), weights.T)
    empty = jnp.zeros((len(start), columns.shape[1]), jnp.result_type(spectrum, weights))
    return jax.lax.scan(add, empty, steps)[0].T.reshape(*shape, -1)
