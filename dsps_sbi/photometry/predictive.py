"""What draws predict: fluxes in each band, and the spectrum of the best of them.

Where bands share errors of the model, data tell their amplitudes too: predicted fluxes have these, drawn from
their posterior, as the likelihood integrates over them. What each band has of its own is left out.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from ..constants import PERCENTILES
from ..errors import UserError
from ..inference.engine import BATCH_DRAWS, padded
from ..inference.importance import object_keys
from ..inference.result import percentiles
from ..instruments.coverage import USABLE
from ..instruments.filters import FilterSet
from ..kernels.full_precision import einsum
from ..kernels.shared_likelihood import log_likelihood_of, shared_amplitudes
from .data import PhotometryData
from .quantities import theta_of

# Of the amplitudes of shared errors
_SEED = 0


class BestSpectrum(NamedTuple):
    """Spectrum of the draw of the highest likelihood.

    Parameters
    ----------
    wave_aa, flux_ujy : ndarray (Wave,)
        Observed wavelengths [Angstrom], and f_nu [uJy] of the parameters; lines fill the pixel that they fall
        in.
    theta : ndarray (Param,)
    log_likelihood : float
    shared : ndarray (Band,)
        Mean of the errors that bands share, after the data, over the flux of the parameters; 0 without such.
    z : float
        Redshift: that of the draw where redshifts are inferred.
    """

    wave_aa: np.ndarray
    flux_ujy: np.ndarray
    theta: np.ndarray
    log_likelihood: float
    shared: np.ndarray
    z: float

    def as_seen(self, pivot_aa) -> np.ndarray:
        """Flux (Wave,) with the shared errors, straight in ln wavelength between pivots (Band,)."""
        known = np.isfinite(self.shared)
        order = np.argsort(pivot_aa[known])
        x = np.log(pivot_aa[known][order])
        return self.flux_ujy * (1.0 + np.interp(np.log(self.wave_aa), x, self.shared[known][order]))


class Predicted(NamedTuple):
    """Percentiles (3, Object, Band) of fluxes; of the best draws their number, likelihood, shared errors."""

    fluxes: np.ndarray
    best: np.ndarray
    log_likelihood: np.ndarray
    shared: np.ndarray


@dataclass(frozen=True, eq=False)
class Predictive:
    """Draws of galaxies beside the data and the likelihood that they were weighed with.

    Parameters
    ----------
    post : PhotometryPosterior
    likelihood : PhotometryLikelihood or None
        None where the stellar populations are not at hand: all but the data is refused.
    data : PhotometryData
    u : array (Object, Draw, Param)
        In normal coordinates.
    ids : array (Object,)
        What is drawn of a galaxy depends on its number.
    """

    post: object
    likelihood: object
    data: PhotometryData
    u: np.ndarray
    ids: np.ndarray

    def fluxes(self) -> np.ndarray:
        """Percentiles 16, 50 and 84 (3, Object, Band) of the model's fluxes [uJy], in the posterior's bands.

        Errors that bands share are among them. Bands that were not measured or are left out are predicted
        too: from stars and gas alone. NaN where the stellar populations end.

        Raises
        ------
        UserError
            Without stellar populations.
        """
        return self._predicted.fluxes

    def spectrum(self, i: int) -> BestSpectrum:
        """Spectrum of the draw of the highest likelihood of a galaxy.

        Raises
        ------
        UserError
            Without stellar populations.
        """
        best, z = int(self._predicted.best[i]), self._redshift(i)
        u = jnp.asarray(self.u[i : i + 1, best : best + 1])
        theta = theta_of(self.post.network, None, u, jnp.asarray(z)[None])[0, 0]
        wave, flux = _spectrum(self._likelihood.model, theta, jnp.asarray(z))
        log_p = float(self._predicted.log_likelihood[i])
        found = (np.asarray(a) for a in (wave, flux, theta))
        return BestSpectrum(*found, log_p, self._predicted.shared[i], float(z))

    def _redshift(self, i: int):
        return self.data.z[i]

    @property
    def used(self) -> np.ndarray:
        """Bands (Object, Band) that answers rest on."""
        return np.asarray(self.data.valid)

    @property
    def rest_aa(self) -> np.ndarray:
        """Wavelengths (Wave,) of :meth:`spectrum` at rest [Angstrom]."""
        model = self._likelihood.model
        return np.asarray(model.rest_aa)[: model.n_wave]

    @cached_property
    def pivot_aa(self) -> np.ndarray:
        """Pivot wavelengths (Band,) [Angstrom] of the posterior's bands."""
        if self.likelihood is not None:
            return np.asarray(self.likelihood.model.filters.pivot_aa)
        known = getattr(self.post, "filter_set", None)
        return np.asarray((FilterSet.from_names(self.post.filters) if known is None else known).pivot_aa)

    @property
    def _likelihood(self):
        if self.likelihood is None:
            raise UserError(
                "fluxes and spectra of the model need the stellar populations of the bundle: run dsps-sbi "
                "fetch for them, and leave out weigh=False"
            )
        return self.likelihood

    @cached_property
    def _predicted(self) -> Predicted:
        likelihood, n_draws = self._likelihood, self.u.shape[1]
        largest = max(1, BATCH_DRAWS // n_draws)
        n, n_band = np.shape(self.data.flux)
        fluxes = np.full((len(PERCENTILES), n, n_band), np.nan, np.float32)
        best, log_p = np.zeros(n, int), np.full(n, np.nan, np.float32)
        shared = np.full((n, n_band), np.nan, np.float32)
        for members, view in likelihood.views(self.data):
            for first in range(0, len(members), largest):
                rows = members[first : first + largest]
                # few sizes: few compilations
                batch = np.resize(rows, min(padded(len(rows)), largest))
                part = jax.tree.map(lambda a: np.asarray(a)[batch], self.data)  # noqa: B023
                part = jax.tree.map(jnp.asarray, self.post.filled(part))
                seen = likelihood.view_of(view, part)
                ids = jnp.asarray(np.asarray(self.ids)[batch], jnp.uint32)
                found = fluxes_of(likelihood, jnp.asarray(self.u[batch]), part, seen, ids)
                flux, mean, values = (np.asarray(a)[: len(rows)] for a in found)
                flux, mean = flux[..., :n_band], mean[..., :n_band]
                # light of few functions of wavelength is 0 where the stellar populations end
                known = np.asarray(likelihood.model.coverage(self.data.z[rows])) >= 1.0 - USABLE
                flux = np.where(known[:, None], flux, np.nan)
                fluxes[:, rows] = percentiles(np.swapaxes(flux, 1, 2))
                values = np.where(np.isfinite(values), values, -np.inf)
                best[rows], log_p[rows] = values.argmax(axis=1), values.max(axis=1)
                shared[rows] = mean[np.arange(len(rows)), best[rows]]
        return Predicted(fluxes, best, log_p, shared)


@jax.jit
def fluxes_of(likelihood, u, data, view, ids):
    """Fluxes (Object, Draw, Band) [uJy] of draws, their mean shared errors, and log likelihoods."""
    low, high = likelihood.mass_range
    mass = 10.0 ** (low + (high - low) * ndtr(u[..., -1]))
    parts = likelihood.unit_fluxes(u[..., :-1], view) * mass[..., None, None]
    flux, sigma, valid, upper = (a[:, None] for a in data[:4])
    model, errors = jnp.sum(parts, axis=-2), likelihood.shared_errors(parts, view, u)
    floor = likelihood.floor
    given = flux, sigma, valid, model, floor, upper, errors
    log_p = log_likelihood_of(*given)
    if errors is None:
        return model, jnp.zeros_like(model), log_p

    def drawn(key, *one):
        return shared_amplitudes(*one[:4], floor, *one[4:], key)

    keys = object_keys(jax.random.key(_SEED), ids)
    amplitudes = jax.vmap(drawn)(keys, flux, sigma, valid, model, upper, errors)
    mean = shared_amplitudes(*given)
    both = (einsum("...m,...mb->...b", a, errors) for a in (amplitudes, mean))
    seen, mean = both
    return model + seen, mean / model, log_p


@jax.jit
def _spectrum(model, theta, z):
    return model.spectrum(theta, z)
