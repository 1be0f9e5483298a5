"""A residual that is linear between nodes, of Gaussian amplitudes at these, integrated out of a likelihood.

With independent amplitudes b_j ~ N(0, 1) and the shares H of each pixel, 1 - a of the node before it and a of
the one after, the covariance of neighbouring pixels falls to zero over two intervals. The normal matrix of
the amplitudes is tridiagonal: hundreds of them cost little.
"""

import jax.numpy as jnp

from .full_precision import einsum
from .tridiagonal import solve_tridiagonal

# The mean over an interval of (1 - a)^2 + a^2, which makes the mean variance one
_MEAN = 2.0 / 3.0


def place_between(position, n_node: int, most: int):
    """Where pixels lie between nodes.

    Parameters
    ----------
    position : array (Pixel,)
        Of pixels, in intervals from the first node, in rising order.
    n_node : int
        How many nodes there are.
    most : int
        Most pixels in an interval.

    Returns
    -------
    before : int array (Pixel,)
        The node before each pixel, never falling.
    part : array (Pixel,)
        How far each pixel is from that to the next one, 0 to 1.
    pixels : int array (Node, Most)
        The pixels after each node; where there are fewer, numbers beyond the last one. No pixel is after the
        last node.
    """
    position = jnp.clip(position, 0.0, n_node - 1.001)
    before = jnp.floor(position).astype(jnp.int32)
    first = jnp.searchsorted(before, jnp.arange(n_node))
    pixels = first[:, None] + jnp.arange(most)
    own = before.at[pixels].get(mode="fill", fill_value=-1) == jnp.arange(n_node)[:, None]
    return before, position - before, jnp.where(own, pixels, len(position))


def at_pixels(nodes, values):
    """Values (..., Node) at nodes, in pixels (..., Pixel): of mean variance one, if theirs is one.

    ``nodes`` is what :func:`place_between` gives, here and below.
    """
    before, part, _ = nodes
    after = jnp.minimum(before + 1, values.shape[-1] - 1)
    return ((1.0 - part) * values[..., before] + part * values[..., after]) * _MEAN**-0.5


def at_nodes(nodes, values):
    """The transpose of :func:`at_pixels`: (..., Node) of values (..., Pixel)."""
    low, high = _collected(nodes, values, 1.0 - nodes[1], nodes[1])
    return (low + _later(high)) * _MEAN**-0.5


def at_nodes_times(nodes, values, terms):
    """As :func:`at_nodes`, of values (..., Pixel) times terms (Pixel, Term): (..., Term, Node)."""
    _, part, pixels = nodes
    own, part = _own(pixels, values), _own(pixels, part)[..., None]
    terms = jnp.asarray(terms).at[pixels].get(mode="fill", fill_value=0.0)
    low, high = (einsum("...jk,jkt->...tj", own, terms * share) for share in (1.0 - part, part))
    return (low + _later(high)) * _MEAN**-0.5


def normal(nodes, weight):
    """Diagonal and elements beside it (..., Node) of H' W H for weights (..., Pixel)."""
    a = nodes[1]
    low, beside, high = _collected(nodes, weight, (1.0 - a) ** 2, a * (1.0 - a), a**2)
    return (low + _later(high)) / _MEAN, beside / _MEAN


def _collected(nodes, values, *shares):
    """Sums (..., Node) over the interval after each node of values (..., Pixel) times shares (Pixel,)."""
    own = _own(nodes[2], values)
    return tuple(einsum("...jk,jk->...j", own, _own(nodes[2], share)) for share in shares)


def _own(pixels, values):
    """Values (..., Pixel) by interval (..., Node, Most), 0 where there is no pixel."""
    return jnp.asarray(values).at[..., pixels].get(mode="fill", fill_value=0.0)


def standardised(rows, scale, nodes):
    """Rows whose products are those under the covariance of white noise and residuals between nodes.

    With Z = diag(scale) H, the covariance is C = 1 + Z Z'. Rows X become (X - Z b, b), where b are the best
    amplitudes for X under their prior: products of two of these are X' C^-1 Y, and no large numbers are
    subtracted.

    Parameters
    ----------
    rows : array (..., Row, Pixel)
        In units of the white noise, 0 where there is none.
    scale : array (..., Pixel)
        Standard deviation of the residual in the same units.
    nodes : tuple
        Of :func:`place_between`.

    Returns
    -------
    rows : array (..., Row, Pixel + Node)
    log_det : array (...)
        ln of the determinant of C.
    """
    diagonal, beside = normal(nodes, scale**2)
    of_rows = at_nodes(nodes, rows * scale[..., None, :])
    best, log_det = solve_tridiagonal(1.0 + diagonal, beside, of_rows)
    left = rows - scale[..., None, :] * at_pixels(nodes, best)
    return jnp.concatenate([left, best], axis=-1), log_det


def _later(array):
    """Moved by one place along the last axis."""
    return jnp.concatenate([jnp.zeros_like(array[..., :1]), array[..., :-1]], axis=-1)
