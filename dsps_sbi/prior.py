"""Priors, and the bijection between parameters and standard normal coordinates.

The flow works in u, where the prior is a unit normal: theta = ppf(Phi(u)). No draw can leave the
prior, none is rejected, and the age of the Universe is respected at every redshift.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri

from .errors import UserError

# Beyond 5 sigma Phi(u) is 1 in float32; draws there are moved to the edge of the prior.
_U_MAX = 5.0


@dataclass(frozen=True)
class Uniform:
    """Uniform between ``low`` and ``high``; with ``of_age`` in units of the age of the Universe at z."""

    low: float
    high: float
    of_age: bool = False

    def __post_init__(self):
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise UserError(f"uniform prior from {self.low} to {self.high}: give finite low < high")
        if self.of_age and not 0.0 <= self.low < self.high <= 1.0:
            raise UserError(f"a share of the age of the Universe from {self.low} to {self.high}: give 0 <= low < high <= 1")

    def ppf(self, v, universe_gyr):
        """Value at cumulative probability v."""
        value = self.low + v * (self.high - self.low)
        return value * universe_gyr if self.of_age else value

    def cdf(self, value, universe_gyr):
        """Cumulative probability of a value."""
        value = value / universe_gyr if self.of_age else value
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, eq=False)
class Prior:
    """Independent priors of named parameters.

    Parameters
    ----------
    marginals : mapping of str to Uniform
        In the order of the ``Param`` axis.
    z : tuple of float
        Range of redshifts, uniform, that a network trained under this prior knows.
    """

    marginals: Mapping[str, Uniform]
    z: tuple[float, float] = (0.001, 7.5)

    def __post_init__(self):
        object.__setattr__(self, "marginals", MappingProxyType(dict(self.marginals)))
        low, high = self.z
        if not 0.0 < low < high <= 12.0:
            raise UserError(f"redshift range {self.z}: give 0 < low < high <= 12")

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in order."""
        return tuple(self.marginals)

    def from_normal(self, u, universe_gyr):
        """Parameters theta (..., Param) from normal coordinates u (..., Param), or the first few of each."""
        v = ndtr(jnp.clip(u, -_U_MAX, _U_MAX))
        marginals = list(self.marginals.values())[: u.shape[-1]]
        columns = [p.ppf(v[..., i], universe_gyr) for i, p in enumerate(marginals)]
        return jnp.stack(columns, axis=-1)

    def to_normal(self, theta, universe_gyr):
        """Normal coordinates u (..., Param) of parameters theta (..., Param)."""
        columns = [p.cdf(theta[..., i], universe_gyr) for i, p in enumerate(self.marginals.values())]
        return jnp.clip(ndtri(jnp.clip(jnp.stack(columns, axis=-1), 1e-9, 1.0)), -_U_MAX, _U_MAX)

    def sample(self, key, z, universe_gyr):
        """Draw theta (len(z), Param) for given redshifts z (Object,)."""
        u = jax.random.normal(key, (*jnp.shape(z), len(self.marginals)))
        return self.from_normal(u, universe_gyr)

    def contains(self, theta, universe_gyr):
        """Whether theta (..., Param) lies inside the prior, edges included, to float32 round-off."""
        columns = [p.cdf(theta[..., i], universe_gyr) for i, p in enumerate(self.marginals.values())]
        v = jnp.stack(columns, axis=-1)
        return jnp.all((v >= -1e-6) & (v <= 1.0 + 1e-6), axis=-1)

    @classmethod
    def jades_pixels(cls) -> "Prior":
        """The prior of arXiv:2506.04336 for delayed-tau histories.

        log formed mass flat 4-12, tau log-uniform 0.01-100 Gyr, start uniform in the age of the
        Universe, [M/H] flat -2.27..0.40, A_V flat 0-4 mag, z flat 0.001-7.5.
        """
        return cls(
            {
                "log_tau": Uniform(-2.0, 2.0),
                "t_start": Uniform(0.0, 1.0, of_age=True),
                "metallicity": Uniform(-2.27, 0.40),
                "av": Uniform(0.0, 4.0),
                "log_mass_formed": Uniform(4.0, 12.0),
            }
        )
