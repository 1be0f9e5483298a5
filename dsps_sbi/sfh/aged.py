"""Histories that ended: stars that formed by a cosmic time, and have aged passively ever since."""

import math
from dataclasses import dataclass, replace

import jax.numpy as jnp

from ..arrays import number
from ..errors import UserError
from .protocol import StarFormationHistory


@dataclass(frozen=True)
class Aged:
    """Another family's history up to a cosmic time, and no star formation after it.

    The same stars, seen at any later epoch. A galaxy at z = 3.2 and its passive descendant today have equal
    parameters in ``Aged(sfh, until_gyr)`` with the age of the Universe at z = 3.2. Times of formation are
    those of ``sfh``, ages grow with the age of the Universe. Seen before ``until_gyr``, it is ``sfh`` itself.

    Parameters
    ----------
    sfh : StarFormationHistory
        Its parameters are these: what they count from now, they count from ``until_gyr``.
    until_gyr : float
        Cosmic time of the end [Gyr since the Big Bang].

    Raises
    ------
    UserError
        If the time is none.
    """

    sfh: StarFormationHistory
    until_gyr: float

    def __post_init__(self):
        until = number(self.until_gyr, "until_gyr")
        if not 0.0 < until < math.inf:
            raise UserError(f"until_gyr is {until:g}: give the cosmic time of the end in Gyr, above 0")
        if isinstance(self.sfh, Aged):
            raise UserError("a history that has aged cannot age again: give its sfh and the earlier time")
        object.__setattr__(self, "until_gyr", float(until))

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in order."""
        return tuple(self.sfh.names)

    def marginals(self) -> dict:
        """Marginals of the family, as they are for a galaxy at ``until_gyr``."""
        return {name: self._at_the_end(marginal) for name, marginal in self.sfh.marginals().items()}

    def _at_the_end(self, marginal):
        if not getattr(marginal, "of_age", False):
            return marginal
        until = self.until_gyr
        return replace(marginal, low=marginal.low * until, high=marginal.high * until, of_age=False)

    def _since(self, universe_gyr):
        """Age of the Universe at the end, and time since [Gyr]."""
        universe = jnp.asarray(universe_gyr)
        end = jnp.minimum(universe, self.until_gyr)
        return end, universe - end

    def fraction_younger(self, params, age_gyr, universe_gyr):
        """Share of the formed mass with lookback age <= ``age_gyr`` [Gyr]; see the protocol."""
        end, since = self._since(universe_gyr)
        age = jnp.asarray(age_gyr) - since
        share = self.sfh.fraction_younger(params, jnp.maximum(age, 0.0), end)
        return jnp.where(age >= 0.0, share, 0.0)

    def mean_age(self, params, universe_gyr):
        """Mass-weighted mean age at the epoch of observation [Gyr]."""
        end, since = self._since(universe_gyr)
        return since + self.sfh.mean_age(params, end)

    def formation_time(self, params, fraction, universe_gyr):
        """Cosmic time [Gyr since the Big Bang] at which a share of the formed mass existed."""
        return self.sfh.formation_time(params, fraction, self._since(universe_gyr)[0])
