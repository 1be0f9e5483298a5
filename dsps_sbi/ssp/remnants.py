"""Mass locked in stellar remnants, from the mass in living stars."""

import numpy as np

# Initial mass function of Kroupa (2001, MNRAS 322, 231, eq. 2): edges (M_sun) and slopes.
IMF_EDGES = (0.1, 0.5, 100.0)
IMF_SLOPES = (1.3, 2.3)
# Remnants of Renzini & Ciotti (1993, ApJ 416, L49): stars that were born with less than
# 8.5 M_sun leave a white dwarf of 0.077 M + 0.48 M_sun, up to 40 M_sun a neutron star of
# 1.4 M_sun, above that a black hole of half their mass.
WHITE_DWARF_BELOW = 8.5
NEUTRON_STAR_BELOW = 40.0


def _imf(mass):
    """Stars per unit mass (not normalised): continuous at the edge."""
    low = mass ** -IMF_SLOPES[0]
    high = IMF_EDGES[1] ** (IMF_SLOPES[1] - IMF_SLOPES[0]) * mass ** -IMF_SLOPES[1]
    return np.where(mass < IMF_EDGES[1], low, high)


def remnant_mass(mass: np.ndarray) -> np.ndarray:
    """Mass of the remnant of a star (Renzini & Ciotti 1993).

    Parameters
    ----------
    mass : array_like (...)
        Initial mass, M_sun.

    Returns
    -------
    numpy.ndarray (...)
        Mass of the remnant, M_sun.
    """
    mass = np.asarray(mass, np.float64)
    heavy = np.where(mass < NEUTRON_STAR_BELOW, 1.4, 0.5 * mass)
    return np.where(mass < WHITE_DWARF_BELOW, 0.077 * mass + 0.48, heavy)


def _cumulative():
    """Mass below each initial mass, and remnants of the stars above it, per mass formed."""
    corners = [IMF_EDGES[1], WHITE_DWARF_BELOW, NEUTRON_STAR_BELOW]
    mass = np.unique(np.r_[np.geomspace(IMF_EDGES[0], IMF_EDGES[-1], 4001), corners])
    middle = 0.5 * (mass[1:] + mass[:-1])
    number = _imf(middle) * np.diff(mass)
    below = np.r_[0.0, np.cumsum(number * middle)]
    dead = np.r_[0.0, np.cumsum(number * remnant_mass(middle))]
    return mass, below / below[-1], (dead[-1] - dead) / below[-1]


def surviving_fraction(living_fraction: np.ndarray) -> np.ndarray:
    """Mass in stars and remnants, given that in living stars alone.

    The living fraction gives the turn-off mass: the mass below which the stars of a Kroupa
    (2001) initial mass function from 0.1 to 100 M_sun hold that fraction of the mass formed.
    All heavier stars have left the remnants of Renzini & Ciotti (1993).

    Parameters
    ----------
    living_fraction : array_like (..., Age)
        Mass in living stars per mass formed, ages rising. Where it rises with age (rounding
        in the source), the smallest value so far is used.

    Returns
    -------
    numpy.ndarray (..., Age)
        Mass in living stars and remnants per mass formed: 0 to 1.
    """
    living = np.asarray(living_fraction, np.float64)
    falling = np.minimum.accumulate(living, axis=-1)
    _, below, dead = _cumulative()
    return np.minimum(living + np.interp(falling, below, dead), 1.0)
