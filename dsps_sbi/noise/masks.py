"""Which bands an object has: random subsets and the patterns of real surveys."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ..components import pytree
from ..errors import UserError


@pytree(arrays=("patterns",), static=("p_all", "p_pattern", "fewest", "most"))
@dataclass(frozen=True, eq=False)
class BandMasks:
    """Masks drawn independently of the galaxy: a mixture of all bands, patterns, and random subsets.

    Parameters
    ----------
    patterns : bool ndarray (n_pattern, Band)
        Band sets that surveys have.
    p_all, p_pattern : float
        Probabilities of all bands and of a pattern (each equally likely); the rest are random
        subsets whose size is uniform from ``fewest`` to ``most``.
    fewest : int
    most : int or None
        None for all.
    """

    patterns: np.ndarray
    p_all: float = 0.4
    p_pattern: float = 0.2
    fewest: int = 3
    most: int | None = None

    def __post_init__(self):
        if self.p_all < 0 or self.p_pattern < 0 or self.p_all + self.p_pattern > 1:
            raise UserError(
                f"mask probabilities {self.p_all} and {self.p_pattern}: give shares that sum to at most 1"
            )
        if self.patterns.sum(axis=1).min() < self.fewest or self.fewest < 1:
            raise UserError(f"a band pattern has fewer than {self.fewest} bands: drop it or lower fewest")
        if not self.fewest <= self._most <= self.patterns.shape[1]:
            raise UserError(
                f"random subsets of {self.fewest} to {self._most} bands out of {self.patterns.shape[1]}: "
                "give fewest <= most <= number of bands"
            )

    @property
    def _most(self) -> int:
        return self.patterns.shape[1] if self.most is None else self.most

    @classmethod
    def exactly(cls, n: int, n_band: int) -> "BandMasks":
        """Random subsets of n out of n_band bands."""
        return cls(np.ones((1, n_band), bool), p_all=0.0, p_pattern=0.0, fewest=n, most=n)

    @classmethod
    def jades(cls, names: tuple[str, ...], **kwargs) -> "BandMasks":
        """Patterns of JADES and its neighbours: deep fields without the reddest medium bands, NIRCam
        alone, NIRCam wide, wide with ACS, and ACS with the short-wavelength channel.
        """
        nircam = {n for n in names if n.startswith("jwst")}
        acs = {n for n in names if n.startswith("acs")}
        wide = {n for n in nircam if n.endswith("w")}
        short = {"jwst_f090w", "jwst_f115w", "jwst_f150w", "jwst_f200w"}
        deep = set(names) - {"jwst_f430m", "jwst_f460m", "jwst_f480m"}
        sets = [deep, deep - {"jwst_f182m", "jwst_f210m"}, nircam, wide, wide | acs, acs | short]
        rows = [[n in chosen for n in names] for chosen in sets]
        return cls(np.array(rows), **kwargs)

    def sample(self, key, n):
        """Masks (n, Band), True where the band is there."""
        n_band = self.patterns.shape[1]
        which, pattern, size, order = jax.random.split(key, 4)
        rank = jnp.argsort(jnp.argsort(jax.random.uniform(order, (n, n_band)), axis=1), axis=1)
        subset = rank < jax.random.randint(size, (n, 1), self.fewest, self._most + 1)
        picked = jnp.asarray(self.patterns)[jax.random.randint(pattern, (n,), 0, len(self.patterns))]
        draw = jax.random.uniform(which, (n, 1))
        mask = jnp.where(draw < self.p_all + self.p_pattern, picked, subset)
        return jnp.where(draw < self.p_all, True, mask)
