"""When galaxies formed their stars: curves over cosmic time, from draws of their histories."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from .. import sfh as families
from ..errors import UserError

# Bins from the Big Bang to the epoch of observation
_N_BIN = 100


@dataclass(frozen=True, eq=False)
class HistoryQuantiles:
    """Quantiles of star formation histories over the draws, at each time by itself.

    Parameters
    ----------
    quantiles : tuple of float
    times_gyr : ndarray (Object, Time)
        Cosmic times, edges of bins [Gyr since the Big Bang].
    formed : ndarray (Object, Quantile, Time)
        Share of the formed mass that existed then; NaN after the epoch of observation.
    sfr : ndarray (Object, Quantile, Time - 1)
        Mean star formation rate of each bin for a formed mass of 1 [1/Gyr]; NaN for bins that end after
        the epoch of observation.
    """

    quantiles: tuple[float, ...]
    times_gyr: np.ndarray
    formed: np.ndarray
    sfr: np.ndarray


@partial(jax.jit, static_argnums=(0, 4))
def draw_times(sfh, params, fractions, universe_gyr, counted):
    """Times (Object, Draw, Fraction) of shares of the formed mass [Gyr].

    Parameters
    ----------
    sfh : StarFormationHistory
    params : array (Object, Draw, n)
    fractions : array (Fraction,)
    universe_gyr : array (Object,)
    counted : str
        See :func:`dsps_sbi.sfh.formation_times`.
    """
    return families.formation_times(sfh, params, fractions, universe_gyr[:, None], counted)


@partial(jax.jit, static_argnums=0)
def draw_ages(sfh, params, universe_gyr):
    """Mass-weighted mean ages (Object, Draw) [Gyr] of histories (Object, Draw, n)."""
    return sfh.mean_age(params, universe_gyr[:, None])


@partial(jax.jit, static_argnums=0)
def _formed(sfh, params, times_gyr, universe_gyr):
    """Share of the mass (Draw, Time) that one galaxy of histories (Draw, n) had formed by some times."""
    age = jnp.clip(universe_gyr - times_gyr, 0.0, universe_gyr)
    return 1.0 - sfh.fraction_younger(params[:, None, :], age, universe_gyr)


def history_quantiles(sfh, params, universe_gyr, times_gyr=None, quantiles=(0.16, 0.5, 0.84)):
    """Quantiles of the histories of some galaxies.

    Parameters
    ----------
    sfh : StarFormationHistory
    params : array (Object, Draw, n)
    universe_gyr : array (Object,)
        Age of the Universe at the epoch of observation [Gyr].
    times_gyr : array (Time,), optional
        Cosmic times [Gyr since the Big Bang], increasing. Default: 101 from the Big Bang to the epoch of
        observation of each galaxy.
    quantiles : sequence of float
        From 0 to 1.

    Returns
    -------
    HistoryQuantiles

    Raises
    ------
    UserError
        If times do not increase from 0 up, or quantiles are not from 0 to 1.
    """
    universe = np.asarray(universe_gyr, np.float64)
    times = _times(universe, times_gyr)
    quantiles = tuple(float(q) for q in np.atleast_1d(quantiles))
    if not quantiles or not all(0.0 <= q <= 1.0 for q in quantiles):
        raise UserError(f"quantiles {quantiles}: give numbers from 0 to 1")
    formed, sfr = [], []
    # one after the other: all draws of all galaxies at all times would not fit in memory
    for histories, t, now in zip(params, times, universe, strict=True):
        share = np.asarray(_formed(sfh, histories, jnp.asarray(t, jnp.float32), jnp.float32(now)))
        # rounding must not make a rate negative
        rate = np.maximum(np.diff(share, axis=1), 0.0) / np.diff(t)
        # the default's last time is the epoch of observation itself
        later = t > now * (1.0 + 1e-6)
        formed.append(np.where(later, np.nan, np.quantile(share, quantiles, axis=0)))
        sfr.append(np.where(later[1:], np.nan, np.quantile(rate, quantiles, axis=0)))
    return HistoryQuantiles(quantiles, times, np.stack(formed), np.stack(sfr))


def _times(universe, times_gyr):
    """Edges of the time bins (Object, Time)."""
    if times_gyr is None:
        return universe[:, None] * np.linspace(0.0, 1.0, _N_BIN + 1)
    times = np.asarray(times_gyr, np.float64)
    good = times.ndim == 1 and times.size >= 2 and np.isfinite(times).all() and times[0] >= 0.0
    if not good or not (np.diff(times) > 0.0).all():
        raise UserError(
            f"times of shape {times.shape}: give two or more, in Gyr since the Big Bang, increasing from 0 up"
        )
    return np.tile(times, (len(universe), 1))
