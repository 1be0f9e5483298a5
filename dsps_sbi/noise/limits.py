"""Upper limits: what a catalogue gives where a band was looked at and nothing was seen."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from ..errors import UserError


@dataclass(frozen=True)
class UpperLimits:
    """Some objects have their faint bands replaced by limits of k times the sky's sigma.

    What is censored is the noisy flux, as a survey does it: a band becomes a limit where its measured
    flux lies below k sigma. Its flux is then L = k sigma and its sky sigma stays, so that
    k = flux / sky is known to whoever reads the data. Which objects and which k is independent
    of the galaxy.

    Parameters
    ----------
    p_common, p_each : float
        Shares of objects with one k for all bands, and with a k of each band's own.
    k : tuple of float
        Range of k, uniform.

    Raises
    ------
    UserError
        For shares outside 0-1, or a range that is empty or not positive.
    """

    p_common: float = 0.15
    p_each: float = 0.1
    k: tuple[float, float] = (1.0, 5.0)

    def __post_init__(self):
        if self.p_common < 0 or self.p_each < 0 or self.p_common + self.p_each > 1:
            raise UserError(
                f"shares of objects with limits {self.p_common} and {self.p_each}: "
                "give two that sum to at most 1"
            )
        if not 0.0 < self.k[0] <= self.k[1]:
            raise UserError(f"limits of {self.k} sigma: give 0 < low <= high, such as (1, 5)")

    def thresholds(self, key, n, n_band):
        """Limits k (n, Band) in sigmas; 0 where what is measured is reported whatever it is."""
        kind_key, common_key, each_key = jax.random.split(key, 3)
        low, high = self.k
        common = jax.random.uniform(common_key, (n, 1), minval=low, maxval=high)
        each = jax.random.uniform(each_key, (n, n_band), minval=low, maxval=high)
        kind = jax.random.uniform(kind_key, (n, 1))
        k = jnp.where(kind < self.p_common, common, each)
        return jnp.where(kind < self.p_common + self.p_each, k, 0.0)

    def censor(self, key, flux, sky, valid):
        """Replace measured fluxes below k sigma by limits.

        Parameters
        ----------
        flux, sky : array (Object, Band)
            Noisy fluxes and sky sigmas [uJy].
        valid : bool array (Object, Band)

        Returns
        -------
        flux : array (Object, Band)
            The limit where there is one [uJy].
        upper : bool array (Object, Band)
        """
        k = self.thresholds(key, *flux.shape)
        limit = k * sky
        upper = valid & (k > 0.0) & (flux < limit)
        return jnp.where(upper, limit, flux), upper

    def covers(self, flux, sky):
        """Whether limits of flux / sky sigmas lie in the trained range."""
        ratio = flux / sky
        return (ratio >= 0.99 * self.k[0]) & (ratio <= 1.01 * self.k[1])
