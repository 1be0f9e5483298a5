"""Errors of a model that bands share, the mass among what is given: the likelihood, and their posterior.

Amplitudes are unit normal before the data. Given a model's fluxes they are Gaussian after, with the precision
1 + e e' of the errors e in units of each band's own standard deviation.
"""

import jax
import jax.numpy as jnp

from .likelihood import countable, log_likelihood, log_normal_cdf
from .mass import solve_beside_unit


class _InUnits:
    """Residuals (..., Band), and errors, a list (Mode) of (..., Band), in units of bands' own deviations."""

    def __init__(self, residual, rows, spread):
        self.residual, self.rows, self.spread = residual, rows, spread

    @property
    def pairs(self):
        return [[jnp.sum(a * b, axis=-1) for b in self.rows[: i + 1]] for i, a in enumerate(self.rows)]

    def onto(self, values):
        """Projections, a list (Mode) of (...), of values (..., Band)."""
        return [jnp.sum(row * values, axis=-1) for row in self.rows]


def _in_units(flux_obs, sky, valid, flux_model, floor, upper, modes):
    unit = jnp.where(valid, countable(flux_obs, sky), 1.0)
    model, data = (jnp.where(valid, flux, 0.0) / unit for flux in (flux_model, flux_obs))
    modes = jnp.where(valid[..., None, :], modes, 0.0) / unit[..., None, :]
    variance = 1.0 + (floor * model) ** 2
    scale = jnp.where(valid & ~upper, variance**-0.5, 0.0)
    rows = [modes[..., i, :] * scale for i in range(modes.shape[-2])]
    return _InUnits((data - model) * scale, rows, variance + jnp.sum(modes**2, axis=-2))


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
    if modes is None:
        return log_likelihood(flux_obs, sky, valid, flux_model, floor, upper)
    upper = jnp.zeros_like(valid) if upper is None else upper & valid
    value = log_likelihood(flux_obs, sky, valid & ~upper, flux_model, floor)
    whole = _in_units(flux_obs, sky, valid, flux_model, floor, upper, modes)
    shared = whole.onto(whole.residual)
    solved, log_det = solve_beside_unit(whole.pairs, shared)
    value = value + 0.5 * (sum(a * b for a, b in zip(solved, shared, strict=True)) - log_det)
    unit = jnp.where(valid, countable(flux_obs, sky), 1.0)
    below = (jnp.where(valid, flux_obs - flux_model, 0.0) / unit) * whole.spread**-0.5
    return value + jnp.sum(jnp.where(upper, log_normal_cdf(below), 0.0), axis=-1)


def shared_amplitudes(flux_obs, sky, valid, flux_model, floor, upper, modes, key=None):
    """Amplitudes (..., Mode) of errors that bands share, given data and fluxes of a model.

    Parameters
    ----------
    flux_obs, sky, valid, flux_model, floor, upper, modes
        As for :func:`log_likelihood_of`. Upper limits do not count.
    key : key, optional
        For a draw of their posterior; without, its mean.
    """
    whole = _in_units(flux_obs, sky, valid, flux_model, floor, upper, modes)
    right = whole.onto(whole.residual)
    if key is not None:
        # the mean for data and prior means that are disturbed by their own errors is a draw
        prior, own = jax.random.split(key)
        disturbed = whole.onto(jax.random.normal(own, whole.residual.shape))
        before = jax.random.normal(prior, (len(right), *right[0].shape))
        right = [a + b + c for a, b, c in zip(right, disturbed, before, strict=True)]
    solved, _ = solve_beside_unit(whole.pairs, right)
    return jnp.stack(solved, axis=-1)
