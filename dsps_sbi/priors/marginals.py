"""Priors of single parameters: distributions with a cumulative distribution and its inverse."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc, ndtr, ndtri
from scipy import special

from ..arrays import number
from ..errors import UserError
from ..kernels import monotone_cubic

# Probabilities below this count as this: keeps powers and logarithms of them, and gradients, finite
_V_MIN = 1e-9
# Range and number of nodes of the beta distribution's table in logit(probability)
_LOGIT_MAX = 21.0
_N_LOGIT = 513


def _check_numbers(marginal, *names):
    """Refuse what is no number, and keep numbers of other kinds as Python's own."""
    for name in names:
        value = getattr(marginal, name)
        if type(value) not in (int, float):
            words = f"{name} of a {type(marginal).__name__} prior"
            object.__setattr__(marginal, name, number(value, words))


@dataclass(frozen=True)
class Uniform:
    """Uniform between ``low`` and ``high``; with ``of_age`` in units of the age of the Universe at z."""

    low: float
    high: float
    of_age: bool = False

    def __post_init__(self):
        _check_numbers(self, "low", "high")
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise UserError(f"uniform prior from {self.low} to {self.high}: give finite low < high")
        if self.of_age and not 0.0 <= self.low < self.high <= 1.0:
            raise UserError(
                f"share of the age of the Universe from {self.low} to {self.high}: give 0 <= low < high <= 1"
            )

    def ppf(self, v, universe_gyr):
        """Value at cumulative probability v."""
        value = self.low + v * (self.high - self.low)
        return value * universe_gyr if self.of_age else value

    def cdf(self, value, universe_gyr):
        """Cumulative probability of a value."""
        value = value / universe_gyr if self.of_age else value
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Beta:
    """Beta distribution on 0-1 with shape parameters ``a`` and ``b``, each 0.3 to 100.

    The inverse CDF is a closed form where a or b is 1, else a table made once (good to 1e-5).
    """

    a: float
    b: float

    def __post_init__(self):
        _check_numbers(self, "a", "b")
        for name, value in (("a", self.a), ("b", self.b)):
            if not 0.3 <= value <= 100.0:
                raise UserError(f"beta prior with {name} = {value}: give 0.3 <= {name} <= 100")

    @cached_property
    def _table(self):
        """Logit of the value and its slope at each node of the logit of the probability."""
        x = np.linspace(-_LOGIT_MAX, _LOGIT_MAX, _N_LOGIT)
        v = special.expit(x)
        # 1 - v and 1 - value from the mirrored distribution: exact in the upper tail too
        value = special.betaincinv(self.a, self.b, v)
        rest = special.betaincinv(self.b, self.a, special.expit(-x))
        log_pdf = (self.a - 1) * np.log(value) + (self.b - 1) * np.log(rest) - special.betaln(self.a, self.b)
        slope = np.exp(np.log(v) + np.log(special.expit(-x)) - log_pdf - np.log(value) - np.log(rest))
        return np.log(value) - np.log(rest), slope

    def ppf(self, v, universe_gyr):
        """Value at cumulative probability v; ``universe_gyr`` has no effect."""
        if self.b == 1.0:
            return jnp.maximum(v, _V_MIN) ** (1.0 / self.a)
        if self.a == 1.0:
            return 1.0 - jnp.maximum(1.0 - v, _V_MIN) ** (1.0 / self.b)
        y, slope = (jnp.asarray(t, jnp.float32) for t in self._table)
        step = 2.0 * _LOGIT_MAX / (_N_LOGIT - 1)
        x = jnp.log(jnp.maximum(v, _V_MIN)) - jnp.log(jnp.maximum(1.0 - v, _V_MIN))
        position = (x + _LOGIT_MAX) / step
        i = jnp.clip(jnp.floor(position).astype(int), 0, _N_LOGIT - 2)
        t = position - i
        # in units of the step between nodes
        rise = monotone_cubic.rise(t, y[i + 1] - y[i], step * slope[i], step * slope[i + 1])
        return jax.nn.sigmoid(y[i] + rise)

    def cdf(self, value, universe_gyr):
        """Cumulative probability of a value; ``universe_gyr`` has no effect."""
        x = jnp.clip(value, 0.0, 1.0)
        if self.b == 1.0:
            v = jnp.maximum(x, _V_MIN) ** self.a
        elif self.a == 1.0:
            v = 1.0 - jnp.maximum(1.0 - x, _V_MIN) ** self.b
        else:
            v = betainc(self.a, self.b, x)
        # below 0 or above 1 for values outside, as Uniform has it: Prior.contains looks for that
        return v + (value - x)


@dataclass(frozen=True)
class StudentT:
    """Student's t distribution about 0 with ``nu`` = 1 or 2 degrees of freedom, cut at +-``bound``.

    With nu = 2 and scale = 0.3 dex this is the continuity prior of Leja et al. (2019, ApJ 876, 3)
    on ratios of star formation rates; the cut at 10 dex leaves out 0.1 % of it.
    """

    scale: float
    nu: int = 2
    bound: float = 10.0

    def __post_init__(self):
        _check_numbers(self, "scale", "bound")
        if not (np.isfinite(self.scale) and self.scale > 0.0):
            raise UserError(f"Student-t prior of scale {self.scale}: give a finite scale > 0")
        if self.nu not in (1, 2):
            raise UserError(f"Student-t prior with nu = {self.nu}: give nu = 1 or 2, which have closed forms")
        if not (np.isfinite(self.bound) and self.bound > 0.0):
            raise UserError(f"Student-t prior cut at {self.bound}: give a finite bound > 0")

    @property
    def low(self) -> float:
        """Lower end."""
        return -self.bound

    @property
    def high(self) -> float:
        """Upper end."""
        return self.bound

    def _centred(self, t, lib):
        """CDF less one half of the uncut distribution at t scales."""
        return lib.arctan(t) / np.pi if self.nu == 1 else 0.5 * t / lib.sqrt(2.0 + t * t)

    def ppf(self, v, universe_gyr):
        """Value at cumulative probability v; ``universe_gyr`` has no effect."""
        c = (2.0 * v - 1.0) * self._centred(self.bound / self.scale, np)
        t = jnp.tan(np.pi * c) if self.nu == 1 else c * jnp.sqrt(2.0 / (0.25 - c * c))
        return jnp.clip(self.scale * t, -self.bound, self.bound)

    def cdf(self, value, universe_gyr):
        """Cumulative probability of a value; ``universe_gyr`` has no effect."""
        return 0.5 + 0.5 * self._centred(value / self.scale, jnp) / self._centred(self.bound / self.scale, np)


@dataclass(frozen=True)
class Normal:
    """Gaussian of a mean and a standard deviation, cut at ``bound`` standard deviations on either side."""

    mean: float
    sigma: float
    bound: float = 4.0

    def __post_init__(self):
        _check_numbers(self, "mean", "sigma", "bound")
        if not (np.isfinite(self.mean) and np.isfinite(self.sigma) and self.sigma > 0.0):
            raise UserError(
                f"normal prior of mean {self.mean} and sigma {self.sigma}: give a finite mean and sigma > 0"
            )
        if not 1.0 <= self.bound <= 5.0:
            raise UserError(f"normal prior cut at {self.bound} sigma: give 1 to 5")

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.bound * self.sigma

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.bound * self.sigma

    @property
    def _inside(self):
        """Probability of the uncut distribution below the upper end, less one half."""
        return float(special.ndtr(self.bound)) - 0.5

    def ppf(self, v, universe_gyr):
        """Value at cumulative probability v; ``universe_gyr`` has no effect."""
        v = jnp.clip(v, 0.0, 1.0)
        x = jnp.clip(ndtri(0.5 + (2.0 * v - 1.0) * self._inside), -self.bound, self.bound)
        return self.mean + self.sigma * x

    def cdf(self, value, universe_gyr):
        """Cumulative probability of a value; ``universe_gyr`` has no effect."""
        x = (value - self.mean) / self.sigma
        v = 0.5 + 0.5 * (ndtr(x) - 0.5) / self._inside
        # below 0 or above 1 for values outside: Prior.contains looks for that
        return v + (x - jnp.clip(x, -self.bound, self.bound))


MARGINALS: Mapping[str, type] = MappingProxyType(
    {"uniform": Uniform, "beta": Beta, "student_t": StudentT, "normal": Normal}
)
"""Marginals by the names that configurations have for them."""
