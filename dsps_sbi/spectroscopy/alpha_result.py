"""A posterior of history, metallicity and [alpha/Fe], and how it is told."""

from dataclasses import dataclass

import numpy as np

from ..constants import PERCENTILES
from ..errors import UserError
from ..inference.edges import limit_text, told
from ..inference.engine import Posteriors
from ..inference.trust import Trust
from ..io.spectrum import Spectrum
from ..sfh import StarFormationHistory
from .history import draw_ages, draw_times


@dataclass(frozen=True, eq=False)
class AlphaResult:
    """Posterior of one spectrum.

    Parameters
    ----------
    names : tuple of str
        Parameters, ``alpha_fe`` among them.
    sfh : StarFormationHistory
    spectrum : Spectrum
    posteriors : Posteriors
        Draws in normal coordinates, and whether they can be trusted; of one object.
    theta : ndarray (Draw, Param)
        The same draws as parameters of the galaxy.
    edge : ndarray of int (Param,)
        Edge of the prior, and of the SSPs' range, that a posterior is at: -1, 0 or 1.
    limit : ndarray (Param,)
        One-sided 95 % limit there, else NaN.
    z, universe_gyr : float
        Redshift, and the age of the Universe there [Gyr].
    n_pixels : int
        How many pixels count.
    source : str
        What told [alpha/Fe].
    """

    names: tuple[str, ...]
    sfh: StarFormationHistory
    spectrum: Spectrum
    posteriors: Posteriors
    theta: np.ndarray
    edge: np.ndarray
    limit: np.ndarray
    z: float
    universe_gyr: float
    n_pixels: int
    source: str

    @property
    def trust(self) -> str:
        """``trusted`` or ``untrusted``."""
        return Trust(int(self.posteriors.trust[0])).name.lower()

    @property
    def ess(self) -> float:
        """Effective number of draws."""
        return float(self.posteriors.ess[0])

    def draws(self, name: str) -> np.ndarray:
        """Draws (Draw,) of a parameter, of ``mass_weighted_age``, or of ``t50`` and other times [Gyr].

        Raises
        ------
        UserError
            If there is none of that name.
        """
        if name in self.names:
            return self.theta[:, self.names.index(name)]
        params, universe = self._history
        if name == "mass_weighted_age":
            return np.asarray(draw_ages(self.sfh, params[None], universe))[0]
        if name.startswith("t") and name[1:].isdigit() and 0 < int(name[1:]) < 100:
            return self.formation_times([int(name[1:]) / 100.0])[:, 0]
        known = ", ".join((*self.names, "mass_weighted_age"))
        raise UserError(
            f"quantity {name!r} is not there: choose from {known}, or times such as t10, t50, t90"
        )

    @property
    def _history(self):
        return self.theta[:, : len(self.sfh.names)], np.float32([self.universe_gyr])

    def formation_times(self, fractions, counted: str = "cosmic") -> np.ndarray:
        """Times (Draw, Fraction) at which these fractions of the formed mass existed [Gyr].

        Parameters
        ----------
        fractions : sequence of float
        counted : str
            See :func:`dsps_sbi.sfh.formation_times`.
        """
        params, universe = self._history
        return np.asarray(draw_times(self.sfh, params[None], np.float32(fractions), universe, counted))[0]

    def percentiles(self, name: str, q=PERCENTILES) -> np.ndarray:
        """Percentiles (len(q),) of a quantity."""
        return np.percentile(self.draws(name), q)

    def told(self, name: str) -> str:
        """A quantity in words: median and error, a limit at the edge of the prior, or not converged."""
        low, median, high = self.percentiles(name, (16, 50, 84))
        limit = ""
        if name in self.names and self.edge[self.names.index(name)]:
            i = self.names.index(name)
            limit = limit_text(self.edge[i], self.limit[i])
        return told(median, low, high, self.ess, limit)
