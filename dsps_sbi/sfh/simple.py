"""The two simplest star formation histories, for tests and experiments."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp

from ..priors import Uniform

# One year: keeps a history of no length, or at the very moment of observation, finite
_SHORTEST_GYR = 1e-6


@dataclass(frozen=True)
class Burst:
    """All stars form at once, ``burst_age`` [Gyr] before the epoch of observation.

    The age is held between a year and the age of the Universe. All mass falls on one SSP age, so
    that light has no gradient in ``burst_age`` (it is zero).
    """

    names: ClassVar[tuple[str, ...]] = ("burst_age",)

    def marginals(self) -> dict[str, Uniform]:
        """Marginals for a :class:`dsps_sbi.priors.prior.Prior`: age uniform in the age of the Universe."""
        return {"burst_age": Uniform(0.0, 1.0, of_age=True)}

    def fraction_younger(self, params, age_gyr, universe_gyr):
        """Share of the formed mass with lookback age <= ``age_gyr`` [Gyr]: 0 or 1."""
        return jnp.where(age_gyr >= self.mean_age(params, universe_gyr), 1.0, 0.0)

    def mean_age(self, params, universe_gyr):
        """Age of all stars [Gyr]."""
        return jnp.clip(params[..., 0], _SHORTEST_GYR, universe_gyr)

    def formation_time(self, params, fraction, universe_gyr):
        """Cosmic time of the burst [Gyr since the Big Bang], whatever the fraction."""
        time = universe_gyr - self.mean_age(params, universe_gyr)
        return jnp.broadcast_to(time, jnp.broadcast_shapes(jnp.shape(time), jnp.shape(fraction)))


@dataclass(frozen=True)
class Constant:
    """Constant SFR from ``t_start`` [Gyr since the Big Bang] to the epoch of observation."""

    names: ClassVar[tuple[str, ...]] = ("t_start",)

    def marginals(self) -> dict[str, Uniform]:
        """Marginals for a :class:`dsps_sbi.priors.prior.Prior`: start uniform in the age of the Universe."""
        return {"t_start": Uniform(0.0, 1.0, of_age=True)}

    def _duration(self, params, universe_gyr):
        return jnp.clip(universe_gyr - params[..., 0], _SHORTEST_GYR, universe_gyr)

    def fraction_younger(self, params, age_gyr, universe_gyr):
        """Share of the formed mass with lookback age <= ``age_gyr`` [Gyr]; see the protocol."""
        return jnp.clip(age_gyr / self._duration(params, universe_gyr), 0.0, 1.0)

    def mean_age(self, params, universe_gyr):
        """Mass-weighted mean age at the epoch of observation [Gyr]."""
        return 0.5 * self._duration(params, universe_gyr)

    def formation_time(self, params, fraction, universe_gyr):
        """Cosmic time [Gyr since the Big Bang] at which a share of the formed mass existed."""
        return universe_gyr - (1.0 - fraction) * self._duration(params, universe_gyr)
