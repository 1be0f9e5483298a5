"""The mass integrated out of the likelihood: given the spectrum's shape it is one-dimensional.

All fluxes scale with mass, f = 10^M g, so that for each draw of the other parameters the posterior
of M = log10 mass is known on a grid: its integral is that draw's evidence, and its mass can be drawn
exactly.
"""

import jax
import jax.numpy as jnp

from .likelihood import log_likelihood

N_GRID = 48
# Half-width of the grid in standard deviations of the mass
_REACH = 6.0


def mass_grid(flux_obs, sky, valid, unit_flux, floor, low, high, upper=None):
    """Grid of log masses that covers the posterior, within the prior.

    The best mass solves the linear least-squares problem with the variances of the model itself,
    iterated. Where the mass is not detected, the grid reaches down to the prior's lower edge. An
    upper limit counts as a datum at the limit while the model exceeds it, and not below; it bounds
    the grid from above alone.

    Parameters
    ----------
    flux_obs, sky : array (..., Band)
    valid : bool array (..., Band)
    unit_flux : array (..., Band)
        Fluxes of one solar mass formed [uJy].
    floor : float
    low, high : float
        Prior's range of log10 mass.
    upper : bool array (..., Band), optional
        Upper limits, see :func:`dsps_sbi.kernels.likelihood.log_likelihood`.

    Returns
    -------
    array (..., N_GRID)
        Uniform in log10 mass.
    """
    unit = jnp.where(valid, sky, 1.0)
    d = jnp.where(valid, flux_obs, 0.0) / unit
    # masses relative to a reference keep float32 in range
    reference = 0.5 * (low + high)
    g = jnp.where(valid, unit_flux, 0.0) / unit * 10.0**reference

    is_limit = jnp.zeros_like(valid) if upper is None else upper

    def least_squares(mass, free):
        """Best mass and its width with limits that are ``free`` left out; 0 and infinite without data."""
        variance = 1.0 + (floor * mass[..., None] * g) ** 2
        g2 = jnp.where(free, 0.0, g**2 / variance)
        precision = jnp.sum(g2, axis=-1)
        some = precision > 0.0
        precision = jnp.where(some, precision, 1.0)
        best = jnp.sum(jnp.where(free, 0.0, d * g / variance), axis=-1) / precision
        return some, jnp.where(some, best, 0.0), precision**-0.5

    def step(mass, width):
        some, *new = least_squares(jnp.maximum(mass, 0.0), is_limit & (mass[..., None] * g < d))
        return [jnp.where(some, a, b) for a, b in zip(new, (mass, width), strict=True)]

    _, mass, width = least_squares(jnp.zeros_like(d[..., 0]), jnp.zeros_like(is_limit))
    for _ in range(6):
        mass, width = step(mass, width)
    if upper is None:
        below = width
    else:
        some, _, below = least_squares(jnp.maximum(mass, 0.0), is_limit)
        below = jnp.where(some, below, jnp.inf)
    top = jnp.log10(jnp.maximum(mass + _REACH * width, 1e-12)) + reference
    bottom = jnp.where(
        mass > _REACH * below, jnp.log10(jnp.maximum(mass - _REACH * below, 1e-12)) + reference, low
    )
    top = jnp.clip(top, low + 1e-3, high)
    bottom = jnp.clip(bottom, low, top - 1e-3)
    return bottom[..., None] + (top - bottom)[..., None] * jnp.linspace(0.0, 1.0, N_GRID)


def marginalise(flux_obs, sky, valid, unit_flux, floor, low, high, upper=None):
    """Evidence of a spectrum's shape, and the posterior of its mass; arguments as :func:`mass_grid`'s.

    Returns
    -------
    log_evidence : array (...)
        log of the likelihood averaged over the uniform prior of log10 mass.
    grid : array (..., N_GRID)
        log10 masses.
    cdf : array (..., N_GRID)
        Posterior probability below each.
    """
    grid = mass_grid(flux_obs, sky, valid, unit_flux, floor, low, high, upper)
    model = 10.0 ** grid[..., None] * unit_flux[..., None, :]
    data = [a if a is None else a[..., None, :] for a in (flux_obs, sky, valid, upper)]
    log_like = log_likelihood(*data[:3], model, floor, data[3])
    peak = jnp.max(log_like, axis=-1, keepdims=True)
    density = jnp.exp(log_like - peak)
    step = grid[..., 1] - grid[..., 0]
    pieces = 0.5 * (density[..., 1:] + density[..., :-1])
    total = jnp.sum(pieces, axis=-1)
    log_evidence = peak[..., 0] + jnp.log(total * step) - jnp.log(high - low)
    cdf = jnp.cumsum(pieces, axis=-1) / total[..., None]
    return log_evidence, grid, jnp.concatenate([jnp.zeros_like(cdf[..., :1]), cdf], axis=-1)


def draw_mass(share, grid, cdf):
    """log10 mass (...) at cumulative probability ``share`` (...) of :func:`marginalise`'s posterior."""
    flat = [a.reshape(-1, a.shape[-1]) for a in (cdf, grid)]
    return jax.vmap(jnp.interp)(share.ravel(), *flat).reshape(share.shape)
