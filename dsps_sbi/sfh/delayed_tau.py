"""Delayed-tau star formation histories, the parametric family of arXiv:2506.04336."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp

from ..kernels import delayed_tau as kernel
from ..priors import Uniform

# One year: keeps a history that starts at the very moment of observation finite
_SHORTEST_GYR = 1e-6


@dataclass(frozen=True)
class DelayedTau:
    r"""SFR(t) proportional to (t - t_start) exp(-(t - t_start)/tau) for t > t_start, else 0.

    Parameters in order: ``log_tau`` (log10 tau/Gyr) and ``t_start`` (cosmic time of the first star
    [Gyr since the Big Bang]). All integrals are closed forms (:mod:`dsps_sbi.kernels.delayed_tau`).
    """

    names: ClassVar[tuple[str, ...]] = ("log_tau", "t_start")

    def marginals(self) -> dict[str, Uniform]:
        """Marginals for a :class:`dsps_sbi.priors.prior.Prior`, those of arXiv:2506.04336.

        tau log-uniform 0.01-100 Gyr, start uniform in the age of the Universe.
        """
        return {"log_tau": Uniform(-2.0, 2.0), "t_start": Uniform(0.0, 1.0, of_age=True)}

    def _duration_tau(self, params, universe_gyr):
        duration = jnp.maximum(universe_gyr - params[..., 1], _SHORTEST_GYR)
        return duration, 10.0 ** params[..., 0]

    def fraction_younger(self, params, age_gyr, universe_gyr):
        """Share of the formed mass with lookback age <= ``age_gyr`` [Gyr]; see the protocol."""
        duration, tau = self._duration_tau(params, universe_gyr)
        return kernel.fraction_younger(age_gyr, duration, tau)

    def mean_age(self, params, universe_gyr):
        """Mass-weighted mean age at the epoch of observation [Gyr]."""
        return kernel.mean_age(*self._duration_tau(params, universe_gyr))

    def formation_time(self, params, fraction, universe_gyr):
        """Cosmic time [Gyr since the Big Bang] at which a share of the formed mass existed."""
        duration, tau = self._duration_tau(params, universe_gyr)
        start = jnp.minimum(params[..., 1], universe_gyr - duration)
        return start + kernel.time_of_fraction(fraction, duration, tau)
