r"""Dust screens of whole bands from a few wavelengths each: over which range.

Behind a screen :math:`e^{-a k(\lambda)}` a band measures the integral of the light times the screen.
Over one band the screen is a smooth function of k, or of log wavelength: the polynomial through its
values at n Chebyshev nodes stands for it. In k its error, relative to the screen at the middle of the
band, is at most :math:`2 (a r / 4)^n / n!`, r being the range of k (Trefethen 2013, Approximation Theory
and Approximation Practice, ch. 8, from the remainder of interpolation): 2e-5 for n = 5 where the screen
changes by 1 mag across the band, 7e-4 for 2 mag. The light times each Lagrange polynomial is integrated
once, for all galaxies.
"""

import jax.numpy as jnp

# Rest equivalent width of a line that counts as strong [Angstrom]
_STRONG_AA = 100.0


def range_of(coordinate, weights, n_pixel, outside=1e-3):
    """Range of a coordinate of wavelength over each band, less a share of the band at either end.

    Lines in the wings belong to the range where a strong one would add more than that share.

    Parameters
    ----------
    coordinate : array (Wave + Line,)
    weights : array (Band, Wave + Line)
        What each wavelength adds to the band, >= 0; of lines per Angstrom.
    n_pixel : int
        Wave.
    outside : float
        Share of the weights beyond each end: far wings of a filter do not widen the range.

    Returns
    -------
    middle, half_width : array (Band,)
        The half width at least 0.01.
    """
    pixels = weights[:, :n_pixel]
    total = jnp.maximum(pixels.sum(axis=1, keepdims=True), 1e-37)
    before = jnp.cumsum(pixels / total, axis=1)
    inside = (before > outside) & (before - pixels / total < 1.0 - outside)
    lines = weights[:, n_pixel:] * _STRONG_AA > outside * total
    inside = jnp.concatenate([inside, lines], axis=1)
    low = jnp.min(jnp.where(inside, coordinate, jnp.inf), axis=1)
    high = jnp.max(jnp.where(inside, coordinate, -jnp.inf), axis=1)
    # a band without light: any range will do
    seen = inside.any(axis=1)
    low, high = jnp.where(seen, low, coordinate[0]), jnp.where(seen, high, coordinate[0])
    return 0.5 * (low + high), jnp.maximum(0.5 * (high - low), 0.01)
