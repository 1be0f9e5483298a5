"""Noise of survey images: sky of any depth plus a relative floor."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from astropy import units as u

from ..arrays import plain
from ..components import pytree
from ..errors import UserError
from ..instruments.jades import JADES_DEPTH_UJY
from ..kernels.likelihood import log_likelihood

# An error is as good as none if it is this many times the largest flux of the other bands, and the flux below
# this many errors
_LARGER, _DETECTED = 10.0, 5.0


@pytree(arrays=("depth_ujy",), static=("offset_dex", "jitter_dex", "floor"))
@dataclass(frozen=True, eq=False)
class DepthNoise:
    """f_obs ~ N(f, sky^2 + (floor f)^2), the sky drawn independently of the galaxy.

    Parameters
    ----------
    depth_ujy : ndarray (Band,)
        Reference 1-sigma sky per pixel [uJy].
    offset_dex : tuple of float
        Range of the object's depth against the reference, uniform in log10; +2.5 dex is the sky
        of a sum of 10^5 pixels, or of a shallow survey.
    jitter_dex : float
        Standard deviation of each band about the object's common offset [dex].
    floor : float
        Relative error of the model flux, independent from band to band.

    Raises
    ------
    UserError
        For depths that are not positive, an empty range, or a floor outside [0, 1).
    """

    depth_ujy: np.ndarray
    offset_dex: tuple[float, float] = (-1.0, 2.5)
    jitter_dex: float = 0.3
    floor: float = 0.05

    def __post_init__(self):
        object.__setattr__(self, "depth_ujy", plain(self.depth_ujy, "depth_ujy", u.uJy))
        if not (np.all(np.isfinite(self.depth_ujy)) and np.all(self.depth_ujy > 0)):
            raise UserError(f"depths {self.depth_ujy} uJy: give one positive 1-sigma sky per band")
        if not self.offset_dex[0] <= self.offset_dex[1] or self.jitter_dex < 0:
            raise UserError(
                f"depth range {self.offset_dex} dex, jitter {self.jitter_dex}: give low <= high, jitter >= 0"
            )
        if not 0.0 <= self.floor < 1.0:
            raise UserError(f"noise floor {self.floor}: give a relative error in [0, 1), such as 0.05")

    @classmethod
    def jades(cls, **kwargs) -> "DepthNoise":
        """The 19 JADES bands at their per-pixel depths; see :mod:`dsps_sbi.instruments.jades`."""
        return cls(JADES_DEPTH_UJY, **kwargs)

    def sample_sky(self, key, n):
        """Sky sigmas (n, Band) [uJy], independent of everything else."""
        common, each = jax.random.split(key)
        low, high = self.offset_dex
        offset = jax.random.uniform(common, (n, 1), minval=low, maxval=high)
        jitter = self.jitter_dex * jax.random.normal(each, (n, len(self.depth_ujy)))
        return jnp.asarray(self.depth_ujy, jnp.float32) * 10.0 ** (offset + jitter)

    def add(self, key, flux, sky):
        """Noisy fluxes (..., Band) [uJy] from noiseless ones and sky sigmas."""
        # two draws: their variances add, and nothing is squared in uJy (underflow)
        sky_key, floor_key = jax.random.split(key)
        noise = sky * jax.random.normal(sky_key, flux.shape)
        return flux + noise + self.floor * flux * jax.random.normal(floor_key, flux.shape)

    def log_likelihood(self, flux_obs, sky, valid, flux_model, upper=None):
        """Exact log likelihood (...) of observed fluxes and ``upper`` limits (..., Band) [uJy]."""
        return log_likelihood(flux_obs, sky, valid, flux_model, self.floor, upper)

    def covers(self, sky):
        """Whether sky sigmas (..., Band) lie in the trained range, give or take three times the jitter.

        Of training's own objects one in a thousand has a band beyond that.
        """
        dex = np.log10(np.asarray(sky) / self.depth_ujy)
        return (dex >= self.offset_dex[0] - 3 * self.jitter_dex) & ~self._above(sky)

    def _above(self, sky):
        dex = np.log10(np.asarray(sky) / self.depth_ujy)
        return dex > self.offset_dex[1] + 3 * self.jitter_dex

    def says_nothing(self, flux, sky, valid):
        """Bands (Object, Band) that are there in name only: with an error that stands for a missing one.

        Such an error (9.9e9 is common) lies above the trained range and is more than 10 times the largest
        flux of the bands in that range; the flux beside it is below 5 errors. The exact likelihood hardly
        sees such a band, and a network that has never seen one goes astray.

        Parameters
        ----------
        flux, sky : array (Object, Band)
            [uJy]
        valid : bool array (Object, Band)
            Bands that are there.
        """
        flux, sky = np.abs(np.where(valid, flux, 0.0)), np.where(valid, sky, 1.0)
        above = valid & self._above(sky)
        others = valid & ~above
        largest = np.max(np.where(others, flux, 0.0), axis=1, keepdims=True)
        far = (sky > _LARGER * largest) & (flux < _DETECTED * sky)
        return above & far & others.any(axis=1, keepdims=True)
