"""Star formation histories in bins of lookback time under the continuity prior."""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import UserError
from ..priors import StudentT

# Ends of the two youngest bins [Gyr], and of the last but one as a share of the age of the
# Universe (Leja et al. 2019, ApJ 876, 3, sect. 2.2)
_YOUNG_GYR = (0.03, 0.1)
_LAST_SHARE = 0.85
# A bin with less than this share of the mass is below float32's resolution of the sum
_SMALLEST_SHARE = 1e-7


@dataclass(frozen=True)
class Continuity:
    """Constant star formation in each of n bins of lookback time.

    Leja et al. (2019, ApJ 876, 3): the youngest bins are 0-30 and 30-100 Myr, the oldest one 0.85
    to 1 of the age of the Universe, those between are equal in log age. Parameters in order:
    ``log_sfr_ratio_1`` ... ``log_sfr_ratio_{n-1}``, log10 SFR_i / SFR_{i+1} of neighbours, bin 1
    the youngest. Under the prior they follow a Student-t distribution that favours, weakly, a
    smooth history.

    Parameters
    ----------
    n_bins : int
        At least 4.
    scale, nu : float
        Of the Student-t prior; 0.3 dex and 2 in Leja et al. (2019).

    Raises
    ------
    UserError
        For fewer than four bins.
    """

    n_bins: int = 7
    scale: float = 0.3
    nu: int = 2

    def __post_init__(self):
        if self.n_bins < 4:
            raise UserError(f"{self.n_bins} bins of lookback time: give at least 4 (2 young, 1 old, 1 other)")
        self.marginals()  # StudentT says what is wrong with scale and nu

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Parameter names in order."""
        return tuple(f"log_sfr_ratio_{i + 1}" for i in range(self.n_bins - 1))

    def marginals(self) -> dict[str, StudentT]:
        """Marginals of the parameters for a :class:`dsps_sbi.priors.prior.Prior`."""
        return {name: StudentT(self.scale, self.nu) for name in self.names}

    def edges_gyr(self, universe_gyr):
        """Edges (..., n_bins + 1) of the bins [Gyr of lookback time], for a Universe older than 0.12 Gyr."""
        universe = jnp.asarray(universe_gyr)[..., None]
        part = np.linspace(0.0, 1.0, self.n_bins - 2)
        middle = _YOUNG_GYR[1] * (_LAST_SHARE * universe / _YOUNG_GYR[1]) ** part
        young = jnp.broadcast_to(jnp.array([0.0, _YOUNG_GYR[0]]), (*universe.shape[:-1], 2))
        return jnp.concatenate([young, middle, universe], axis=-1)

    def bin_shares(self, params, universe_gyr):
        """Share of the formed mass (..., n_bins) in each bin."""
        log_sfr = -jnp.cumsum(jnp.concatenate([jnp.zeros_like(params[..., :1]), params], -1), -1)
        width = jnp.diff(self.edges_gyr(universe_gyr), axis=-1)
        # in logarithms: the tails of the prior reach ratios of many decades
        return jax.nn.softmax(log_sfr * jnp.log(10.0) + jnp.log(width), axis=-1)

    def fraction_younger(self, params, age_gyr, universe_gyr):
        """Share of the formed mass with lookback age <= ``age_gyr`` [Gyr]; see the protocol."""
        edges = self.edges_gyr(universe_gyr)
        age = jnp.asarray(age_gyr)[..., None]
        part = jnp.clip((age - edges[..., :-1]) / jnp.diff(edges, axis=-1), 0.0, 1.0)
        return jnp.minimum(jnp.sum(self.bin_shares(params, universe_gyr) * part, axis=-1), 1.0)

    def mean_age(self, params, universe_gyr):
        """Mass-weighted mean age at the epoch of observation [Gyr]."""
        edges = self.edges_gyr(universe_gyr)
        middle = 0.5 * (edges[..., 1:] + edges[..., :-1])
        return jnp.sum(self.bin_shares(params, universe_gyr) * middle, axis=-1)

    def formation_time(self, params, fraction, universe_gyr):
        """Cosmic time [Gyr since the Big Bang] at which a share of the formed mass existed."""
        share = self.bin_shares(params, universe_gyr)[..., ::-1]
        width = jnp.diff(self.edges_gyr(universe_gyr), axis=-1)[..., ::-1]
        before = jnp.cumsum(share, axis=-1) - share
        part = (jnp.asarray(fraction)[..., None] - before) / jnp.maximum(share, _SMALLEST_SHARE)
        return jnp.minimum(jnp.sum(width * jnp.clip(part, 0.0, 1.0), axis=-1), universe_gyr)
