"""A smooth history and one burst, of any age and any share of the mass."""

from dataclasses import dataclass
from functools import cached_property

import jax.numpy as jnp

from ..errors import UserError
from ..priors import Beta, Uniform
from .dirichlet import Dirichlet
from .protocol import formation_time_by_bisection

# A burst lasts a year at least: keeps one at the very moment of observation finite
_SHORTEST_GYR = 1e-9


@dataclass(frozen=True)
class DirichletBurst:
    """:class:`Dirichlet` with a burst: constant star formation for a share of its own age.

    Parameters in order: those of :class:`Dirichlet`, then ``burst_share`` (of the formed mass, 0-1) and
    ``log_burst_age`` (log10 of the age of its middle as a share of the age of the Universe).

    Parameters
    ----------
    n_quantiles, alpha, log_ssfr_low, log_ssfr_high
        Of the smooth part.
    share_a : float
        The share has the prior Beta(share_a, 1): with 0.5 one burst in ten has less than 1 % of the mass, one
        in four more than 56 %.
    log_age_low : float
        The age is log-uniform from here to the age of the Universe.
    width : float
        Duration of the burst as a share of its age, from 0 to 1; where it would begin before the Big Bang, it
        begins there.

    Raises
    ------
    UserError
        For a prior that is none, or a width that is no share.
    """

    n_quantiles: int = 3
    alpha: float = 1.0
    log_ssfr_low: float = -14.0
    log_ssfr_high: float = -7.5
    share_a: float = 0.5
    log_age_low: float = -2.5
    width: float = 0.2

    def __post_init__(self):
        if not 0.0 < self.width <= 1.0:
            raise UserError(f"burst as long as {self.width} of its age: give a share above 0, at most 1")
        self.marginals()  # what is wrong with the rest is said there

    @cached_property
    def smooth(self) -> Dirichlet:
        """The history without the burst."""
        return Dirichlet(self.n_quantiles, self.alpha, self.log_ssfr_low, self.log_ssfr_high)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Parameter names in order."""
        return (*self.smooth.names, "burst_share", "log_burst_age")

    def marginals(self) -> dict[str, Beta | Uniform]:
        """Marginals of the parameters for a :class:`dsps_sbi.priors.prior.Prior`."""
        own = {"burst_share": Beta(self.share_a, 1.0), "log_burst_age": Uniform(self.log_age_low, 0.0)}
        return self.smooth.marginals() | own

    def _burst(self, params, universe_gyr):
        """Youngest and oldest age of the burst's stars [Gyr]."""
        middle = 10.0 ** params[..., -1] * universe_gyr
        young = middle * (1.0 - 0.5 * self.width)
        old = jnp.minimum(middle * (1.0 + 0.5 * self.width), universe_gyr)
        return young, jnp.maximum(old, young + _SHORTEST_GYR)

    def fraction_younger(self, params, age_gyr, universe_gyr):
        """Share of the formed mass with lookback age <= ``age_gyr`` [Gyr]; see the protocol."""
        share = jnp.clip(params[..., -2], 0.0, 1.0)
        young, old = self._burst(params, universe_gyr)
        burst = jnp.clip((jnp.asarray(age_gyr) - young) / (old - young), 0.0, 1.0)
        return (1.0 - share) * self.smooth.fraction_younger(
            params[..., :-2], age_gyr, universe_gyr
        ) + share * burst

    def mean_age(self, params, universe_gyr):
        """Mass-weighted mean age at the epoch of observation [Gyr]."""
        share = jnp.clip(params[..., -2], 0.0, 1.0)
        burst = 0.5 * sum(self._burst(params, universe_gyr))
        return (1.0 - share) * self.smooth.mean_age(params[..., :-2], universe_gyr) + share * burst

    def formation_time(self, params, fraction, universe_gyr):
        """Cosmic time [Gyr since the Big Bang] at which a share of the formed mass existed."""
        return formation_time_by_bisection(self, params, fraction, universe_gyr)
