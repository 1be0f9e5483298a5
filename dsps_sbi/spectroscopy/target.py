"""An observed spectrum and the model of it: exact densities to optimise, sample or weigh with."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import UserError
from ..io.spectrum import Spectrum
from ..kernels.full_precision import matmul
from ..kernels.linear_gaussian import best_scale, chi2_along, whole_chi2
from .model import SpectrumModel
from .view import SpectrumView

# Gauss-Hermite nodes of the integral over mass: exact for a Gaussian times a polynomial of degree 13
_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(7)
# Rounds of linear least squares for the mass, and the largest step after them [dex]
_N_LINEAR, _LONGEST = 2, 0.1


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["model", "view", "flux", "sigma", "valid", "noise_left", "noise_pairs"],
    meta_fields=[],
)
@dataclass(frozen=True, eq=False)
class SpectrumTarget:
    """The likelihood of one spectrum as a function of theta; a pytree.

    Parameters
    ----------
    model : SpectrumModel
    view : SpectrumView
        Of the model's spectrograph at the galaxy's redshift.
    flux, sigma : ndarray (Pixel,)
        In the units of the spectrum.
    valid : bool ndarray (Pixel,)
    noise_left, noise_pairs : ndarray (Pixel,), optional
        What smoothing made of the noise, see :class:`~dsps_sbi.spectroscopy.to_library.AtLibrary`; 1 where
        pixels are as they were observed. By default all are.
    """

    model: SpectrumModel
    view: SpectrumView
    flux: np.ndarray
    sigma: np.ndarray
    valid: np.ndarray
    noise_left: np.ndarray | None = None
    noise_pairs: np.ndarray | None = None

    @classmethod
    def of(cls, model: SpectrumModel, spectrum: Spectrum, distance_mpc: float | None = None):
        """Point a model at a spectrum.

        Raises
        ------
        UserError
            If the spectrum has other pixels than the model's spectrograph, no redshift, or no pixel
            that can be used.
        """
        wave = model.spectrograph.wave_aa
        if spectrum.wave_aa.shape != wave.shape or not np.allclose(
            spectrum.wave_aa, wave, rtol=1e-7, atol=0.0
        ):
            raise UserError(
                f"{spectrum.label} has {spectrum.wave_aa.size} pixels ({spectrum.wave_aa[0]:.1f}-"
                f"{spectrum.wave_aa[-1]:.1f} Angstrom), the model's spectrograph {wave.size} ({wave[0]:.1f}-"
                f"{wave[-1]:.1f}): make the model with SpectrumModel.for_spectrum"
            )
        if spectrum.redshift is None:
            raise UserError(f"{spectrum.label} has no redshift: read it with redshift=")
        view = model.view(spectrum.redshift, distance_mpc)
        if not (spectrum.valid & np.asarray(view.valid)).any():
            raise UserError(
                f"{spectrum.label}: no pixel is left by its masks and those of the model: mend them"
            )
        return cls(model, view, spectrum.flux, spectrum.sigma, spectrum.valid)

    @property
    def used(self):
        """Pixels (Pixel,) that count."""
        return self.valid & self.view.valid

    def log_likelihood(self, theta):
        """Exact log likelihood (...) of theta (..., Param), polynomial and misfit integrated out.

        Of smoothed pixels it is the mean over what noise would have to be added for theirs to be independent
        again: their residuals are small because they were smoothed, not because the model is good.
        """
        theta = jnp.asarray(theta)
        return self._log_likelihood_of(self.model.predict_fast(theta, self.view), self._nuisances(theta))

    def _nuisances(self, theta):
        return self.model.nuisances(theta, self.view)

    def _log_likelihood_of(self, template, nuisances):
        data = self.flux, self.sigma, self.valid, self.view
        value = self.model.log_likelihood_of(template, nuisances, *data)[0]
        if self.noise_left is None:
            return value
        missing = jnp.where(self.used, 1.0 - self.noise_left, 0.0)
        return value - 0.5 * jnp.sum(missing * self._stated(template, nuisances), axis=-1)

    def _stated(self, template, nuisances):
        """The share (..., Pixel) of the variances that the data's errors are."""
        return nuisances.stated(template / jnp.where(self.used, self.sigma, 1.0))

    def chi2(self, theta):
        """Chi2 (...) of theta (..., Param), of as many degrees of freedom as there are pixels that count.

        That is where no pixel is smoothed; see :meth:`misfit`.
        """
        return whole_chi2(*self._misfit(theta))[0]

    def misfit(self, theta):
        """:meth:`chi2` (...) as one that follows the chi2 distribution, and what it consists of.

        The chi2 of smoothed pixels has a smaller mean and another variance than that of independent ones: it
        is scaled, and its degrees of freedom are such that both are right (Satterthwaite 1946, Biometrics
        Bulletin 2, 110). What the polynomial takes up is smooth, and as uncertain as without smoothing.

        Returns
        -------
        chi2 : array (...)
        count : array (...)
            Its degrees of freedom.
        stated : array (...)
            The share of the variances that the stated errors are, the rest being the model's: a mean over
            pixels.
        """
        theta = jnp.asarray(theta)
        chi2, count = self.chi2(theta), jnp.sum(self.used)
        share = self._stated(self.model.predict_fast(theta, self.view), self._nuisances(theta))
        stated = jnp.sum(jnp.where(self.used, share, 0.0), axis=-1) / jnp.maximum(count, 1)
        if self.noise_left is None:
            return chi2, count, stated
        less = jnp.where(self.used, share * (1.0 - self.noise_left), 0.0)
        mean = count - jnp.sum(less, axis=-1)
        # half of the variance: what the model's error adds has no part in the covariances
        other = jnp.where(self.used, share**2 * (1.0 - self.noise_pairs), 0.0)
        half = count - jnp.sum(2.0 * (1.0 - share) * less + other, axis=-1)
        scale = half / jnp.maximum(mean, 1.0)
        return chi2 / scale, mean / scale, stated

    def chi2_along(self, theta, light):
        """How much of :meth:`chi2` light of other kinds would take away.

        Parameters
        ----------
        theta : array (Param,)
        light : array (Direction, Grid)
            Mixtures of SSPs, see :func:`~dsps_sbi.spectroscopy.population_modes.population_modes`.

        Returns
        -------
        array ()
            See :func:`dsps_sbi.kernels.linear_gaussian.chi2_along`.
        """
        unit = jnp.where(self.used, self.sigma, 1.0)
        seen = self.model.seen(light, jnp.asarray(theta), self.view) / unit
        *parts, correlated = self._misfit(theta)
        return chi2_along(*parts, seen, correlated)

    def _misfit(self, theta):
        """What :func:`whole_chi2` takes, in units of the errors."""
        template, unit = self.model.predict_fast(theta, self.view), jnp.where(self.used, self.sigma, 1.0)
        template = template / unit
        residual = jnp.where(self.used, self.flux, 0.0) / unit - template
        nuisances = self._nuisances(theta)
        variance = nuisances.variance(template)
        nuisance = self.view.basis, nuisances.terms, nuisances.correlated(self.view)
        return residual, variance, self.used, template, *nuisance

    def best_fit(self, theta):
        """Flux (..., Pixel) of theta (..., Param) with the best polynomial."""
        _, terms = self.model.log_likelihood(theta, self.flux, self.sigma, self.valid, self.view)
        return self.model.predict_fast(theta, self.view) * (1.0 + matmul(terms, self.view.basis.T))

    def log_marginal(self, theta):
        """As :meth:`log_likelihood`, with the mass integrated out too.

        The last column of theta, log_mass_formed, has no effect: the integral is over a prior that
        is flat in it and as wide as the model's (edges do not cut, they only normalise). Mass is
        linear, and spectra that can be fitted at all fix it to some per cent: its posterior is close
        to a Gaussian, and Gauss-Hermite nodes about its peak integrate it.

        Parameters
        ----------
        theta : array (..., Param)

        Returns
        -------
        log_evidence : array (...)
        log_mass, log_mass_sigma : array (...)
            Mean and width of the posterior of log10 of the formed mass.
        """
        theta = jnp.asarray(theta)
        template = self.model.unit_flux(theta, self.view)
        nuisances = self._nuisances(theta)
        # nodes are where they are: the integral, not their places, carries the gradient
        fixed = jax.lax.stop_gradient((template, nuisances))

        def at(log_mass, template=template, nuisances=nuisances):
            flux = template * 10.0 ** log_mass[..., None]
            return self._log_likelihood_of(flux, nuisances)

        def along(function):
            return lambda x: jax.jvp(function, (x,), (jnp.ones_like(x),))[1]

        slopes = along(lambda x: at(x, *fixed))
        peak = self._first_mass(*fixed)
        slope, curvature = slopes(peak), along(slopes)(peak)
        curvature = jnp.minimum(curvature, -1e-6)
        peak = peak + jnp.clip(-slope / curvature, -_LONGEST, _LONGEST)
        width = (-curvature) ** -0.5
        x, w = (jnp.asarray(a, jnp.float32).reshape(-1, *[1] * peak.ndim) for a in (_NODES, _WEIGHTS))
        offset = np.sqrt(2.0) * width * x
        terms = jax.lax.map(at, peak + offset) + x * x + jnp.log(w)
        marginal = self.model.prior.marginals["log_mass_formed"]
        share = jax.nn.softmax(terms, axis=0)
        mean = jnp.sum(share * offset, axis=0)
        spread = jnp.sqrt(jnp.sum(share * (offset - mean) ** 2, axis=0))
        log_evidence = jax.nn.logsumexp(terms, axis=0) + jnp.log(np.sqrt(2.0) * width)
        return log_evidence - np.log(marginal.high - marginal.low), peak + mean, spread

    def _first_mass(self, unit_flux, nuisances):
        """Generalised least-squares log10 mass (...), without what the mass does to the variances."""
        # that residuals are correlated moves it by less than a step
        use, nuisance = self.used, (self.view.basis, nuisances.terms)
        unit = jnp.where(use, self.sigma, 1.0)
        template, data = jnp.where(use, unit_flux / unit, 0.0), jnp.where(use, self.flux, 0.0) / unit
        largest = jnp.max(template, axis=-1, keepdims=True)
        t = template / largest
        scale = jnp.sum(data * t, axis=-1) / jnp.sum(t * t, axis=-1)
        for _ in range(_N_LINEAR):
            light = jnp.maximum(scale, 1e-3)[..., None] * t
            variance = nuisances.variance(light)
            ratio = best_scale(data, variance, use, light, *nuisance)
            # noise may make a best factor that no mass can have
            scale = jnp.maximum(scale, 1e-3) * jnp.clip(ratio, 0.1, 10.0)
        return jnp.log10(jnp.maximum(scale, 1e-3)) - jnp.log10(largest[..., 0])

    def log_density(self, u):
        """Log posterior density (...) in the prior's normal coordinates u (..., Param), up to a constant.

        Unbounded and smooth: for optimisers and Hamiltonian samplers.
        """
        theta = self.theta(u)
        return self.log_likelihood(theta) - 0.5 * jnp.sum(jnp.asarray(u) ** 2, axis=-1)

    def theta(self, u):
        """Parameters theta (..., Param) of normal coordinates u (..., Param)."""
        return self.model.prior.from_normal(jnp.asarray(u), self.view.universe_gyr)
