"""Monotone rational-quadratic splines (Durkan et al. 2019, arXiv:1906.04032, eqs. 4-8)."""

import math

import jax
import jax.numpy as jnp

MIN_BIN = 1e-3
MIN_SLOPE = 1e-3
# softplus(this) + MIN_SLOPE = 1: the slope of a raw zero
_SLOPE_ONE = math.log(math.expm1(1.0 - MIN_SLOPE))


def knots(params, bound):
    """Knots of a spline on [-bound, bound] whose slope is 1 at both ends.

    Parameters
    ----------
    params : array (..., 3K - 1)
        Unconstrained widths (K), heights (K) and inner slopes (K - 1); all zero is the identity.
    bound : float

    Returns
    -------
    x, y, slope : array (..., K + 1)
    """
    n_bin = (params.shape[-1] + 1) // 3

    def positions(raw):
        size = MIN_BIN + (1.0 - MIN_BIN * n_bin) * jax.nn.softmax(raw, axis=-1)
        inner = jnp.cumsum(size, axis=-1)[..., :-1]
        edge = jnp.zeros_like(inner[..., :1])
        return bound * (2.0 * jnp.concatenate([edge, inner, edge + 1.0], axis=-1) - 1.0)

    x = positions(params[..., :n_bin])
    y = positions(params[..., n_bin : 2 * n_bin])
    slope = MIN_SLOPE + jax.nn.softplus(params[..., 2 * n_bin :] + _SLOPE_ONE)
    one = jnp.ones_like(slope[..., :1])
    return x, y, jnp.concatenate([one, slope, one], axis=-1)


def _bin(value, edges, tables):
    """Left and right entries of several (..., K + 1) tables for the bin that holds each value."""
    above = value[..., None] >= edges[..., 1:-1]
    # a thermometer code: True up to the bin's left edge; its steps pick entries without gathers
    ones = jnp.ones_like(above[..., :1])
    left = jnp.concatenate([ones, above], axis=-1)
    right = jnp.concatenate([above, ~ones], axis=-1)
    pick = (left & ~right).astype(value.dtype)
    return [(jnp.sum(t[..., :-1] * pick, axis=-1), jnp.sum(t[..., 1:] * pick, axis=-1)) for t in tables]


def forward(x, params, bound):
    """Spline value and log derivative; the identity outside [-bound, bound].

    The same function as :func:`knots` defines, written bin by bin on whole arrays: without a short
    last axis it is four times faster, and this is what every draw goes through. (Training goes
    through :func:`inverse`, whose form differentiates better.)

    Parameters
    ----------
    x : array (...)
    params : array (..., 3K - 1)

    Returns
    -------
    y, log_det : array (...)
    """
    n_bin = (params.shape[-1] + 1) // 3
    columns = [params[..., k] for k in range(3 * n_bin - 1)]
    inside = jnp.abs(x) < bound
    xs = jnp.where(inside, x, 0.0)
    xk, yk = (_edges(columns[start : start + n_bin], bound) for start in (0, n_bin))
    flat = jnp.zeros_like(xs)
    slope = [flat, *columns[2 * n_bin :], flat]
    x0, x1, y0, y1, d0, d1 = xk[0], xk[1], yk[0], yk[1], slope[0], slope[1]
    for k in range(1, n_bin):
        beyond = xs >= xk[k]
        pick = [
            (x0, xk[k]),
            (x1, xk[k + 1]),
            (y0, yk[k]),
            (y1, yk[k + 1]),
            (d0, slope[k]),
            (d1, slope[k + 1]),
        ]
        x0, x1, y0, y1, d0, d1 = (jnp.where(beyond, new, old) for old, new in pick)
    d0, d1 = (MIN_SLOPE + jax.nn.softplus(d + _SLOPE_ONE) for d in (d0, d1))
    width, height = x1 - x0, y1 - y0
    s = height / width
    t = jnp.clip((xs - x0) / width, 0.0, 1.0)
    tt = t * (1.0 - t)
    denominator = s + (d0 + d1 - 2.0 * s) * tt
    y = y0 + height * (s * t**2 + d0 * tt) / denominator
    log_det = _log_slope(s, t, d0, d1, denominator)
    return jnp.where(inside, y, x), jnp.where(inside, log_det, 0.0)


def _edges(raw, bound):
    """Bin edges (K + 1 arrays) of unconstrained sizes (K arrays)."""
    n_bin = len(raw)
    top = jax.tree.reduce(jnp.maximum, raw)
    size = [jnp.exp(r - top) for r in raw]
    scale = (1.0 - MIN_BIN * n_bin) / sum(size)
    share, out = jnp.zeros_like(top), [jnp.full_like(top, -bound)]
    for part in size[:-1]:
        share = share + (MIN_BIN + part * scale)
        out.append(bound * (2.0 * share - 1.0))
    return [*out, jnp.full_like(top, bound)]


def _log_slope(s, t, d0, d1, denominator):
    """Log derivative of the forward map at the share t of a bin."""
    rise = d1 * t**2 + 2.0 * s * t * (1.0 - t) + d0 * (1.0 - t) ** 2
    return 2.0 * jnp.log(s) + jnp.log(rise) - 2.0 * jnp.log(denominator)


def inverse(y, params, bound):
    """Inverse of :func:`forward` and its log derivative."""
    inside = jnp.abs(y) < bound
    ys = jnp.where(inside, y, 0.0)
    xk, yk, slope = knots(params, bound)
    (y0, y1), (x0, x1), (d0, d1) = _bin(ys, yk, (yk, xk, slope))
    width, height = x1 - x0, y1 - y0
    s = height / width
    step = ys - y0
    curvature = d0 + d1 - 2.0 * s
    a = height * (s - d0) + step * curvature
    b = height * d0 - step * curvature
    c = -s * step
    # the root that stays finite as a -> 0
    root = jnp.sqrt(jnp.maximum(b**2 - 4.0 * a * c, 1e-24))
    t = jnp.clip(2.0 * c / (-b - root), 0.0, 1.0)
    tt = t * (1.0 - t)
    denominator = s + curvature * tt
    log_det = -_log_slope(s, t, d0, d1, denominator)
    return jnp.where(inside, x0 + t * width, y), jnp.where(inside, log_det, 0.0)
