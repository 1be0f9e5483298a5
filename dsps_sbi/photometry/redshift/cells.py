"""Densities of one galaxy's redshift, constant in cells of ln(1+z): what its redshifts are drawn from."""

import numpy as np
from scipy.special import logsumexp

from .prior import RedshiftPrior

N_CELL = 1024
# Points of a cell at which the prior is looked at
_N_FINE = 8
# Shares of the next set's density: what the evidence tells, its root, and the ladder's
_SHARES = 0.85, 0.1, 0.05


class Cells:
    """Cells between the ends of one galaxy's prior, and the densities that were drawn from so far.

    Parameters
    ----------
    prior : RedshiftPrior
        Of one galaxy.
    """

    def __init__(self, prior: RedshiftPrior):
        low, high = (float(np.log1p(end[0])) for end in prior.support())
        self._of_prior = prior
        self.low, self.step = low, (high - low) / N_CELL
        self.middle = low + (np.arange(N_CELL) + 0.5) * self.step
        # means over cells: a density may have spikes
        fine = low + (np.arange(N_CELL * _N_FINE) + 0.5) * self.step / _N_FINE
        self.prior = logsumexp(self.log_prior(fine).reshape(N_CELL, -1), axis=1) - np.log(_N_FINE)
        allowed = np.isfinite(self.prior)
        # one that is narrower than all points
        allowed = allowed if allowed.any() else np.ones(N_CELL, bool)
        self.even = allowed / allowed.sum()
        self.drawn = np.zeros(N_CELL)
        self.n = 0

    def log_prior(self, x) -> np.ndarray:
        """Log prior (n,) per unit of x = ln(1+z)."""
        return self._of_prior.log_density(np.expm1(x)[None])[0] + x

    def draw(self, share, random) -> np.ndarray:
        """Values of x (n,) of a share of each cell (N_CELL,), one in each of n equally likely parts.

        Parameters
        ----------
        share : array (N_CELL,)
        random : array (n,)
            Uniform in 0-1.
        """
        n = len(random)
        self.drawn = (self.n * self.drawn + n * share / share.sum()) / (self.n + n)
        self.n += n
        cumulative = np.append(0.0, np.cumsum(share))
        at = (np.arange(n) + random) / n
        # cells of no share have no points
        return self.low + self.step * np.interp(at, cumulative / cumulative[-1], np.arange(N_CELL + 1))

    def log_weight(self, x) -> np.ndarray:
        """Log of prior over the density of all that was drawn so far, at values (n,) of x."""
        index = np.clip(((x - self.low) / self.step).astype(int), 0, N_CELL - 1)
        return self.log_prior(x) - np.log(self.drawn[index] / self.step)

    def next_share(self, x, log_evidence) -> np.ndarray:
        """Share of each cell (N_CELL,) for the next set, from the evidence (n,) of some x (n,)."""
        order = np.argsort(x)
        x, seen = x[order], log_evidence[order]
        # the mean of three neighbours: a poor proposal makes one of them too small
        padded = np.pad(seen, 1, mode="edge")
        seen = logsumexp([padded[:-2], padded[1:-1], padded[2:]], axis=0) - np.log(3.0)
        density = np.interp(self.middle, x, seen) + self.prior
        if not np.isfinite(density).any():
            return self.even
        out = _SHARES[2] * self.even
        for part, power in zip(_SHARES[:2], (1.0, 0.5), strict=True):
            out = out + part * np.exp(power * density - logsumexp(power * density))
        return out
