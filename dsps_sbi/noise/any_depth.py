"""Noise of surveys of any depth in any bands."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import UserError
from .depth import DepthNoise


@dataclass(frozen=True)
class AnyDepth:
    """Sky of any survey, whatever its filters, drawn independently of the galaxy.

    log10 of the sky's sigma is that of the object, tilted over ln wavelength, and scattered from band to
    band; some bands are shallower or deeper than their neighbours by far.

    Parameters
    ----------
    log_sky_ujy : tuple of float
        Range of the object's depth [log10 uJy], uniform.
    tilt_dex : float
        Standard deviation of the change per unit of ln wavelength [dex].
    jitter_dex, p_odd, odd_dex : float
        Standard deviation of each band, and of a share of the bands [dex].
    floor : tuple of float
        Range of the relative error of the model's fluxes, uniform in log.

    Raises
    ------
    UserError
        For ranges that are empty or not positive.
    """

    log_sky_ujy: tuple[float, float] = (-4.5, 2.0)
    tilt_dex: float = 0.4
    jitter_dex: float = 0.25
    p_odd: float = 0.1
    odd_dex: float = 0.8
    floor: tuple[float, float] = (0.01, 0.2)

    def __post_init__(self):
        if not self.log_sky_ujy[0] < self.log_sky_ujy[1]:
            raise UserError(f"depths {self.log_sky_ujy} log10 uJy: give low < high")
        if not 0.0 < self.floor[0] <= self.floor[1] < 1.0:
            raise UserError(f"noise floor {self.floor}: give 0 < low <= high < 1, such as (0.01, 0.2)")

    def sample(self, key, pivot_aa):
        """Sky sigmas (Object, Band) [uJy] and floors (Object,) for pivots (Object, Band) [Angstrom]."""
        keys = jax.random.split(key, 6)
        n, shape = len(pivot_aa), pivot_aa.shape
        common = jax.random.uniform(keys[0], (n, 1), minval=self.log_sky_ujy[0], maxval=self.log_sky_ujy[1])
        tilt = self.tilt_dex * jax.random.normal(keys[1], (n, 1)) * jnp.log(pivot_aa / 1e4)
        jitter = self.jitter_dex * jax.random.normal(keys[2], shape)
        odd = jax.random.uniform(keys[3], shape) < self.p_odd
        odd = jnp.where(odd, self.odd_dex * jax.random.normal(keys[4], shape), 0.0)
        floor = jax.random.uniform(keys[5], (n,), minval=np.log(self.floor[0]), maxval=np.log(self.floor[1]))
        return 10.0 ** (common + tilt + jitter + odd), jnp.exp(floor)

    def for_bands(self, n_band: int, floor: float) -> DepthNoise:
        """The same noise of given bands and one floor, to which no tilt is known."""
        low, high = self.log_sky_ujy
        middle = 0.5 * (low + high)
        jitter = float(np.hypot(self.jitter_dex, np.sqrt(self.p_odd) * self.odd_dex))
        return DepthNoise(np.full(n_band, 10.0**middle), (low - middle, high - middle), jitter, floor)

    def covers(self, sky):
        """Whether sky sigmas (..., Band) [uJy] lie in the trained range, give or take 1 dex."""
        log_sky = np.log10(np.asarray(sky))
        return (log_sky > self.log_sky_ujy[0] - 1.0) & (log_sky < self.log_sky_ujy[1] + 1.0)
