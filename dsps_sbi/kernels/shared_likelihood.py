"""The likelihood of fluxes of a model with errors that bands share, the mass among what is given."""

import jax.numpy as jnp

from .likelihood import log_likelihood, log_normal_cdf
from .mass import solve_beside_unit


def log_likelihood_of(flux_obs, sky, valid, flux_model, floor, upper=None, modes=None):
    """Log likelihood (...) of observed fluxes; its mean over masses is :func:`.mass.marginalise`'s evidence.

    Parameters
    ----------
    flux_obs, sky, valid, flux_model, floor, upper
        As for :func:`dsps_sbi.kernels.likelihood.log_likelihood`.
    modes : array (..., Mode, Band), optional
        Errors of ``flux_model`` [uJy] that bands share, of unit normal amplitudes; of bands with an upper
        limit they count as independent.
    """
    upper = jnp.zeros_like(valid) if upper is None else upper & valid
    seen = valid & ~upper
    value = log_likelihood(flux_obs, sky, seen, flux_model, floor)
    unit = jnp.where(valid, sky, 1.0)
    model, data = (jnp.where(valid, flux, 0.0) / unit for flux in (flux_model, flux_obs))
    variance = 1.0 + (floor * model) ** 2
    spread = variance
    if modes is not None:
        modes = jnp.where(valid[..., None, :], modes, 0.0) / unit[..., None, :]
        spread = variance + jnp.sum(modes**2, axis=-2)
        scale = jnp.where(seen, variance**-0.5, 0.0)
        rows = [modes[..., i, :] * scale for i in range(modes.shape[-2])]
        residual = (data - model) * scale
        pairs = [[jnp.sum(a * b, axis=-1) for b in rows[: i + 1]] for i, a in enumerate(rows)]
        shared = [jnp.sum(row * residual, axis=-1) for row in rows]
        solved, log_det = solve_beside_unit(pairs, shared)
        value = value + 0.5 * (sum(a * b for a, b in zip(solved, shared, strict=True)) - log_det)
    chance = log_normal_cdf((data - model) * spread**-0.5)
    return value + jnp.sum(jnp.where(upper, chance, 0.0), axis=-1)
