"""What draws predict whose redshifts are inferred: each draw is seen at its own redshift."""

from dataclasses import dataclass
from functools import cached_property

import jax
import numpy as np

from ...constants import PERCENTILES
from ...inference.engine import BATCH_DRAWS, padded
from ...inference.result import percentiles
from ...instruments.coverage import USABLE
from ..data import PhotometryData
from ..predictive import Predicted, Predictive, fluxes_of
from .likelihood import RedshiftLikelihood
from .sample import beyond


@jax.jit
def _at_redshifts(likelihood, u, data, ids):
    return fluxes_of(likelihood, u, data, likelihood.view(data.z), ids)


@dataclass(frozen=True, eq=False)
class RedshiftPredictive(Predictive):
    """A :class:`~dsps_sbi.photometry.predictive.Predictive` of draws at redshifts of their own.

    ``data.z`` is not read, ``data.valid`` has the bands that are there, whatever the redshift.

    Parameters
    ----------
    redshifts : ndarray (Object, Draw)
    """

    redshifts: np.ndarray = None

    @cached_property
    def used(self) -> np.ndarray:
        """Bands (Object, Band) that the best draw's likelihood rests on."""
        z = self.best_redshifts if self.likelihood is not None else np.median(self.redshifts, axis=1)
        return np.asarray(self.data.valid) & self.post.coverage(z)[1]

    @property
    def best_redshifts(self) -> np.ndarray:
        """Those of the draws of the highest likelihood (Object,)."""
        best = self._predicted.best
        return np.asarray(self.redshifts)[np.arange(len(best)), best]

    @cached_property
    def _light(self) -> RedshiftLikelihood:
        low, high = (float(end) for end in (self.redshifts.min(), self.redshifts.max()))
        # one redshift is no range
        return RedshiftLikelihood.of(self._likelihood, (low, max(high, low + 1e-3 * (1.0 + low))))

    @cached_property
    def _predicted(self) -> Predicted:
        n, n_draws = self.u.shape[:2]
        n_band, shape = np.shape(self.data.flux)[1], (n, n_draws)
        light, z = self._light, np.asarray(self.redshifts, np.float32)
        flux, shared = (np.full((*shape, n_band), np.nan, np.float32) for _ in range(2))
        log_p = np.full(shape, -np.inf)
        columns = [np.asarray(a) for a in light.filled(PhotometryData(*self.data[:4], None))[:4]]
        size = min(padded(n * n_draws), max(1, BATCH_DRAWS // 8))
        for first in range(0, n * n_draws, size):
            pairs = np.arange(first, min(first + size, n * n_draws))
            batch = np.resize(pairs, size)
            i, k = np.divmod(batch, n_draws)
            data = PhotometryData(*(a[i] for a in columns), z[i, k])
            usable = light.usable(data.z)
            data = data._replace(valid=data.valid & usable, upper=data.upper & usable)
            # of few amplitudes: numbers of galaxies may be as large as they come
            ids = np.uint32(np.asarray(self.ids)[i] * n_draws + k)
            found = _at_redshifts(light, self.u[i, k][:, None], data, ids)
            seen, mean, value = (np.asarray(a)[: len(pairs), 0] for a in found)
            at = i[: len(pairs)], k[: len(pairs)]
            known = np.asarray(self._likelihood.model.coverage(data.z[: len(pairs)])) >= 1.0 - USABLE
            flux[at] = np.where(known, seen[:, :n_band], np.nan)
            shared[at], log_p[at] = mean[:, :n_band], value
        # likelihoods at two redshifts compare where they are of the same bands
        flat = columns[0], columns[1], columns[2], columns[3]
        log_p += beyond(*flat, columns[2][:, None] & light.usable(z), np.asarray(light.pivot_aa, float))
        log_p = np.where(np.isfinite(log_p), log_p, -np.inf)
        best, rows = log_p.argmax(axis=1), np.arange(n)
        fluxes = np.full((len(PERCENTILES), n, n_band), np.nan, np.float32)
        fluxes[:] = percentiles(np.swapaxes(flux, 1, 2))
        return Predicted(fluxes, best, np.float32(log_p[rows, best]), shared[rows, best])

    def _redshift(self, i: int):
        return np.float32(self.best_redshifts[i])
