"""What a star formation history has to offer, and what follows from it for every family.

A family states one function, the share of the formed mass younger than an age. Mass weights on
the SSP ages, star formation rates over any timescale and formation times all follow from it, so
that they cannot disagree with each other, and mass is conserved by construction. A family without
closed forms takes :func:`mean_age_by_quadrature` and :func:`formation_time_by_bisection`.

Metallicity histories: the models give all stars of a galaxy one metallicity, the parameter
``metallicity``. For stars whose metallicity depends on their age, make joint weights (..., Age, Met)
and hand them to :func:`dsps_sbi.kernels.csp.composite_joint`; for [M/H] = mh(age), with ages (Age,)::

    ages = mass_weights(sfh, params, edges_gyr, universe_gyr)
    joint = ages[:, None] * metallicity_weights(mh(age_gyr), nodes)
    light = composite_joint(joint, grid)
"""

from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import UserError


class StarFormationHistory(Protocol):
    """A family of star formation histories.

    Attributes
    ----------
    names : tuple of str
        Its parameters, in the order in which ``params`` holds them.
    """

    names: tuple[str, ...]

    def marginals(self):
        """Marginals (dict) of the parameters, the prior that the presets give them."""

    def fraction_younger(self, params, age_gyr, universe_gyr):
        """Share of the formed mass with lookback age <= ``age_gyr``, from 0 to 1.

        Parameters
        ----------
        params : array (Param,)
        age_gyr : array
            Lookback time from the epoch of observation [Gyr].
        universe_gyr : scalar
            Age of the Universe at the epoch of observation [Gyr].
        """

    def mean_age(self, params, universe_gyr):
        """Mass-weighted mean age at the epoch of observation [Gyr]."""

    def formation_time(self, params, fraction, universe_gyr):
        """Cosmic time [Gyr since the Big Bang] at which a share of the formed mass existed."""


def age_edges(age_gyr: np.ndarray) -> np.ndarray:
    """Edges of the age bins that SSPs stand for: geometric midpoints, from 0 to infinity.

    Parameters
    ----------
    age_gyr : ndarray (Age,)

    Returns
    -------
    ndarray (Age + 1,)
        The last edge is 1e3 Gyr: older than any Universe, finite for the gradients.
    """
    return np.concatenate([[0.0], np.sqrt(age_gyr[1:] * age_gyr[:-1]), [1e3]])


def mass_weights(sfh: StarFormationHistory, params, edges_gyr, universe_gyr):
    """Share of the formed mass in each age bin, the exact integral of the SFH over the bin.

    Parameters
    ----------
    edges_gyr : array (Age + 1,)

    Returns
    -------
    array (Age,)
        Sums to 1.
    """
    younger = sfh.fraction_younger(params, jnp.asarray(edges_gyr), universe_gyr)
    return jnp.diff(younger)


def log_ssfr_formed(sfh: StarFormationHistory, params, timescale_gyr, universe_gyr, floor=-14.0):
    """log10 of the SFR averaged over the last ``timescale_gyr`` per formed mass [1/yr], floored."""
    younger = sfh.fraction_younger(params, jnp.asarray(timescale_gyr), universe_gyr)
    return jnp.log10(jnp.maximum(younger / (timescale_gyr * 1e9), 10.0**floor))


# How a time is counted: what it is called in messages, from cosmic time and the age of the Universe
_COUNTED = {
    "cosmic": lambda time, universe: time,
    "lookback": lambda time, universe: universe - time,
    "fraction": lambda time, universe: time / universe,
}


def formation_times(sfh: StarFormationHistory, params, fractions, universe_gyr, counted: str = "cosmic"):
    """When shares of the formed mass existed: t10, t50, t90 for fractions 0.1, 0.5, 0.9.

    Parameters
    ----------
    sfh : StarFormationHistory
    params : array (..., n)
    fractions : array (Fraction,)
        From 0 to 1.
    universe_gyr : array (...)
        Age of the Universe at the epoch of observation [Gyr].
    counted : {"cosmic", "lookback", "fraction"}
        In Gyr since the Big Bang, in Gyr before the epoch of observation, or as a share of the age of
        the Universe then.

    Returns
    -------
    array (..., Fraction)

    Raises
    ------
    UserError
        For another way of counting.
    """
    if counted not in _COUNTED:
        raise UserError(f"times counted as {counted!r}: give one of {', '.join(_COUNTED)}")
    universe = jnp.asarray(universe_gyr)[..., None]
    time = sfh.formation_time(jnp.asarray(params)[..., None, :], jnp.asarray(fractions), universe)
    return _COUNTED[counted](time, universe)


# Quadrature in x = sqrt(age / age of the Universe): nodes crowd where young stars are
_N_PANEL = 32
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_X = ((np.arange(_N_PANEL)[:, None] + 0.5 * (_NODES + 1.0)) / _N_PANEL).ravel()
_DX = np.tile(0.5 * _WEIGHTS / _N_PANEL, _N_PANEL)


def mean_age_by_quadrature(sfh: StarFormationHistory, params, universe_gyr):
    """Mass-weighted mean age [Gyr]: the integral of the mass older than an age over all ages.

    Good to 1e-5 of the age of the Universe for continuous histories, 1e-2 where all stars form at once.

    Parameters
    ----------
    params : array (..., Param)
    universe_gyr : array (...)
        [Gyr].
    """
    universe = jnp.asarray(universe_gyr)[..., None]
    x = jnp.asarray(_X, jnp.float32)
    older = 1.0 - sfh.fraction_younger(params[..., None, :], x**2 * universe, universe)
    return universe_gyr * jnp.sum(older * 2.0 * x * jnp.asarray(_DX, jnp.float32), axis=-1)


def formation_time_by_bisection(sfh: StarFormationHistory, params, fraction, universe_gyr, n_step=40):
    """Cosmic time [Gyr since the Big Bang] at which a share of the formed mass existed.

    Bisection cannot leave the age of the Universe. Its gradient is that of the implicit function:
    one Newton step whose value is zero. Where no stars form the gradient is capped, not infinite.

    Parameters
    ----------
    params : array (..., Param)
    fraction : array (...)
        From 0 to 1.
    universe_gyr : array (...)
        [Gyr].
    n_step : int
        Halvings of the age of the Universe; 40 end at the resolution of float32.
    """
    universe = jnp.asarray(universe_gyr)
    young = 1.0 - jnp.asarray(fraction)

    def mismatch(age):
        return sfh.fraction_younger(params, age, universe) - young

    shape = jnp.broadcast_shapes(jnp.shape(params)[:-1], young.shape, universe.shape)
    high = jnp.broadcast_to(universe, shape)

    def halve(_, bracket):
        low, high = bracket
        middle = 0.5 * (low + high)
        above = mismatch(middle) >= 0.0
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    # the loop's result is a constant to autodiff, so that reverse mode need not store it
    low, high = jax.lax.fori_loop(0, n_step, halve, (jnp.zeros_like(high), high))
    age = jax.lax.stop_gradient(0.5 * (low + high))
    off, slope = jax.jvp(mismatch, (age,), (jnp.ones_like(age),))
    slope = jax.lax.stop_gradient(jnp.maximum(slope, 1e-6 / universe))
    return universe - (age - (off - jax.lax.stop_gradient(off)) / slope)
