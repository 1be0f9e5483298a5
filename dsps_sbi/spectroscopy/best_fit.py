"""The best fit of a spectrum, in its own pixels."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from astropy import units as u
from astropy.table import Table

from ..io.spectrum import Spectrum
from ..io.spectrum_columns import FLUX_UNIT

_TEXT = {
    "wave": "observed wavelength, in {}",
    "flux": "flux density that the likelihood sees: as observed, or brought to the resolution of the SSPs",
    "error": "its standard deviation, as given; of smoothed pixels that of an average over many of them",
    "smoothed": "whether the pixel was sharper than the SSPs: it shares noise with its neighbours",
    "used": "whether the pixel counts in the likelihood",
    "best_fit": "flux of the draw of the highest likelihood, with its best polynomial",
    "error_total": "standard deviation of flux - best_fit in this pixel: of the data and of the model",
    "residual": "(flux - best_fit) / error_total",
}


@dataclass(frozen=True, eq=False)
class SpectrumFit:
    """A spectrum and its best fit.

    Parameters
    ----------
    spectrum : Spectrum
        That the likelihood sees: where it was sharper than the SSPs it is smoothed.
    smoothed : bool ndarray (Pixel,)
        Where that is.
    used : bool ndarray (Pixel,)
        Pixels that count in the likelihood.
    best_fit : ndarray (Pixel,)
        Flux of the draw of the highest likelihood with its best polynomial, in the unit of the spectrum;
        NaN where the SSPs do not reach.
    error_total : ndarray (Pixel,)
        Standard deviations of a pixel: of the data, and of the model at that draw. In smoothed pixels the
        noise is less than the spectrum's ``sigma``, which is that of an average over many of them.
    theta : ndarray (Param,)
        Parameters of that draw.
    """

    spectrum: Spectrum
    smoothed: np.ndarray
    used: np.ndarray
    best_fit: np.ndarray
    error_total: np.ndarray
    theta: np.ndarray

    @property
    def residual(self) -> np.ndarray:
        """Data less fit (Pixel,) in units of ``error_total``, NaN in pixels that do not count."""
        apart = np.where(self.used, self.spectrum.flux - self.best_fit, np.nan)
        return apart / np.where(self.used, self.error_total, 1.0)

    @property
    def chi2_per_pixel(self) -> float:
        """Mean of the squares of the residuals."""
        return float(np.nanmean(self.residual**2))

    def table(self, meta=None) -> Table:
        """All of it as a table with units, a row per pixel.

        Parameters
        ----------
        meta : mapping, optional
            Provenance.
        """
        spectrum = self.spectrum
        unit = u.Unit(FLUX_UNIT) if spectrum.absolute else u.dimensionless_unscaled
        columns = {
            "wave": (spectrum.wave_aa, u.AA),
            "flux": (spectrum.flux, unit),
            "error": (spectrum.sigma, unit),
            "smoothed": (self.smoothed, None),
            "used": (self.used, None),
            "best_fit": (np.float32(self.best_fit), unit),
            "error_total": (np.float32(self.error_total), unit),
            "residual": (np.float32(self.residual), u.dimensionless_unscaled),
        }
        table = Table({name: values for name, (values, _) in columns.items()}, meta=dict(meta or {}))
        for name, (_, unit_of) in columns.items():
            table[name].unit = unit_of
            table[name].description = _TEXT[name].format(spectrum.medium)
        return table


def best_fit(likelihood, spectrum: Spectrum, theta, lsf=None) -> SpectrumFit:
    """The best of some draws, told by the exact likelihood.

    Parameters
    ----------
    likelihood : SpectrumLikelihood
    spectrum : Spectrum
    theta : array (Draw, Param)
        Parameters as :func:`~dsps_sbi.spectroscopy.infer.weigh_spectra` returns them.
    lsf : LSF, optional
        Instead of the spectrum's own.
    """
    scaled, rest = likelihood.post.prepared(spectrum, lsf)
    target = likelihood.observed(scaled, rest.extra_km_s, lsf).target
    best, flux, error = (np.asarray(a, np.float64) for a in _best(target, jnp.asarray(theta)))
    done = likelihood.at_library(spectrum, lsf)
    n, valid = spectrum.wave_aa.size, spectrum.valid
    # of spectra on an unknown scale the likelihood sees other fluxes
    scale = float(np.median(np.float64(scaled.sigma[valid]) / spectrum.sigma[valid]))
    covered = np.asarray(target.view.covered)[:n]
    flux = np.where(covered, flux[:n] / scale, np.nan)
    total = np.hypot(np.sqrt(done.noise_left) * done.spectrum.sigma, error[:n] / scale)
    return SpectrumFit(done.spectrum, done.smoothed, np.asarray(target.used)[:n], flux, total, best)


@jax.jit
def _best(target, theta):
    log_p = target.log_likelihood(theta)
    # in other units than those of training a draw may be impossible
    best = theta[jnp.argmax(jnp.where(jnp.isfinite(log_p), log_p, -jnp.inf))]
    template = target.model.predict_fast(best, target.view)
    return best, target.best_fit(best), target.model.error_share(best) * template
