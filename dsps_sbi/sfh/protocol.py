"""What a star formation history has to offer, and what follows from it for every family.

A family states one function, the share of the formed mass younger than an age. Mass weights on
the SSP ages, star formation rates over any timescale and formation times all follow from it, so
that they cannot disagree with each other, and mass is conserved by construction.
"""

from typing import Protocol

import jax.numpy as jnp
import numpy as np


class StarFormationHistory(Protocol):
    """A family of star formation histories.

    Attributes
    ----------
    names : tuple of str
        Its parameters, in the order in which ``params`` holds them.
    """

    names: tuple[str, ...]

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
        ...

    def mean_age(self, params, universe_gyr):
        """Mass-weighted mean age at the epoch of observation [Gyr]."""
        ...

    def formation_time(self, params, fraction, universe_gyr):
        """Cosmic time [Gyr since the Big Bang] at which a share of the formed mass existed."""
        ...


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
