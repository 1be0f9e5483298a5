r"""Monotone piecewise cubic curves through given points, with closed-form integrals.

Between two points the curve is the cubic Hermite polynomial of values y and slopes d. It is
monotone where 0 <= d <= 3 s at both ends, s the secant's slope (Fritsch & Carlson 1980, SIAM J.
Numer. Anal. 17, 238: the square inscribed in their region of monotonicity).
"""

import jax.numpy as jnp


def inner_slopes(width, secant):
    """Slopes at the inner points: weighted harmonic means of the secants on both sides.

    Fritsch & Butland (1984, SIAM J. Sci. Stat. Comput. 5, 300), as PCHIP has them; they are never
    above three times the smaller secant, so that the curve is monotone whatever the points.

    Parameters
    ----------
    width : array (..., Piece)
        Lengths of the pieces, > 0.
    secant : array (..., Piece)
        Their slopes, > 0.

    Returns
    -------
    array (..., Piece - 1)
    """
    left = 2.0 * width[..., 1:] + width[..., :-1]
    right = width[..., 1:] + 2.0 * width[..., :-1]
    return (left + right) / (left / secant[..., :-1] + right / secant[..., 1:])


def rise(t, secant, slope, next_slope):
    """Rise of the curve within one piece, divided by the piece's length.

    Good in relative terms however small t is, if the slope is > 0.

    Parameters
    ----------
    t : array (...)
        Share of the piece's length, 0 to 1.
    secant, slope, next_slope : array (...)
        Slopes of the secant, and of the curve at the piece's ends.

    Returns
    -------
    array (...)
    """
    return t * (slope * (1.0 - t) ** 2 + t * (secant * (3.0 - 2.0 * t) - next_slope * (1.0 - t)))


def evaluate(x, start, width, secant, slope):
    """Curve at x; it starts at 0 and its end values hold outside.

    The rise over each piece is summed, with no search and no gather; for x in the first piece the
    result is good in relative terms however small it is.

    Parameters
    ----------
    x : array (...)
    start, width, secant : array (..., Piece)
        Left ends, lengths and secant slopes of the pieces.
    slope : array (..., Piece + 1)
        Slopes at the points.

    Returns
    -------
    array (...)
    """
    t = jnp.clip((x[..., None] - start) / width, 0.0, 1.0)
    return jnp.sum(width * rise(t, secant, slope[..., :-1], slope[..., 1:]), axis=-1)


def integral(width, secant, slope):
    """Area under the curve of :func:`evaluate`, exact.

    Parameters
    ----------
    width, secant : array (..., Piece)
    slope : array (..., Piece + 1)

    Returns
    -------
    array (...)
    """
    whole = width * secant
    before = jnp.cumsum(whole, axis=-1) - whole
    curvature = (slope[..., :-1] - slope[..., 1:]) * width / 12.0
    return jnp.sum(width * (before + 0.5 * whole + curvature), axis=-1)
