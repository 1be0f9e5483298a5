"""Monotone rational-quadratic splines (Durkan et al. 2019, arXiv:1906.04032, eqs. 4-8)."""

import jax
import jax.numpy as jnp

MIN_BIN = 1e-3
MIN_SLOPE = 1e-3


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
    # softplus(offset) + MIN_SLOPE = 1 where the raw slope is zero
    offset = jnp.log(jnp.expm1(1.0 - MIN_SLOPE))
    slope = MIN_SLOPE + jax.nn.softplus(params[..., 2 * n_bin :] + offset)
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

    Parameters
    ----------
    x : array (...)
    params : array (..., 3K - 1)

    Returns
    -------
    y, log_det : array (...)
    """
    inside = jnp.abs(x) < bound
    xs = jnp.where(inside, x, 0.0)
    xk, yk, slope = knots(params, bound)
    (x0, x1), (y0, y1), (d0, d1) = _bin(xs, xk, (xk, yk, slope))
    width, height = x1 - x0, y1 - y0
    s = height / width
    t = jnp.clip((xs - x0) / width, 0.0, 1.0)
    tt = t * (1.0 - t)
    denominator = s + (d0 + d1 - 2.0 * s) * tt
    y = y0 + height * (s * t**2 + d0 * tt) / denominator
    log_det = (
        2.0 * jnp.log(s)
        + jnp.log(d1 * t**2 + 2.0 * s * tt + d0 * (1.0 - t) ** 2)
        - 2.0 * jnp.log(denominator)
    )
    return jnp.where(inside, y, x), jnp.where(inside, log_det, 0.0)


def inverse(y, params, bound):
    """Inverse of :func:`forward` and its log derivative."""
    inside = jnp.abs(y) < bound
    ys = jnp.where(inside, y, 0.0)
    xk, yk, slope = knots(params, bound)
    (y0, y1), (x0, x1), (d0, d1) = _bin(ys, yk, (yk, xk, slope))
    width, height = x1 - x0, y1 - y0
    s = height / width
    step = ys - y0
    bend = d0 + d1 - 2.0 * s
    a = height * (s - d0) + step * bend
    b = height * d0 - step * bend
    c = -s * step
    # the root that stays finite as a -> 0
    root = jnp.sqrt(jnp.maximum(b**2 - 4.0 * a * c, 1e-24))
    t = jnp.clip(2.0 * c / (-b - root), 0.0, 1.0)
    tt = t * (1.0 - t)
    denominator = s + bend * tt
    log_det = (
        2.0 * jnp.log(denominator)
        - 2.0 * jnp.log(s)
        - jnp.log(d1 * t**2 + 2.0 * s * tt + d0 * (1.0 - t) ** 2)
    )
    return jnp.where(inside, x0 + t * width, y), jnp.where(inside, log_det, 0.0)
