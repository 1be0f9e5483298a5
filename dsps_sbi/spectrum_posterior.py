"""The amortised posterior of spectra: a trained network and the pixels that it sees."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from .errors import UserError
from .instruments.continuum import Continuum
from .instruments.lsf import LSF
from .instruments.spectrograph import Spectrograph
from .io.spectrum import Spectrum
from .spectra.at_rest import AtRest, at_rest
from .spectra.network import SpectrumNetwork
from .weighing import object_keys

# Velocity dispersion below which there is none to tell [km/s]
_LEAST_KM_S = 1.0


@dataclass(frozen=True, eq=False)
class SpectrumPosterior:
    """A trained network for spectra.

    Parameters
    ----------
    network : SpectrumNetwork
    weights : pytree
    frame : Spectrograph
        The network's pixels, at rest.
    usable : bool ndarray (Pixel,)
        Those of them that the SSPs cover and that no line of the gas is in.
    noise : mapping
        Options of the :class:`~dsps_sbi.SpectrumSimulator` that it was trained with, all of them.
    continuum : Continuum
    model_error, sharper, rest_aa
        Of the :class:`~dsps_sbi.SpectrumModel` that it was trained on.
    mixture : ndarray (Component, Draw)
    mixture_seed : int
        The network's components as mixtures of spectra of the prior, see
        :func:`dsps_sbi.spectra.subspace.mixing`: so that bundles need not hold what is made of SSPs.
    meta : mapping
        Provenance: SSPs, seed, simulations, loss.
    """

    network: SpectrumNetwork
    weights: object
    frame: Spectrograph
    usable: np.ndarray
    noise: Mapping
    continuum: Continuum
    model_error: float | str
    sharper: str
    rest_aa: tuple[float, float] | None
    mixture: np.ndarray
    mixture_seed: int
    meta: Mapping

    # how usual data are without SSPs is not known of spectra
    typicality: ClassVar[None] = None

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that the network infers, the order of theta's last axis."""
        return self.network.prior.names

    def prepared(self, spectrum: Spectrum, lsf: LSF | None = None) -> tuple[Spectrum, AtRest]:
        """A spectrum to weigh with and the same as the network sees it.

        Parameters
        ----------
        spectrum : Spectrum
            One of unknown scale comes back with such fluxes that its mass is in the middle of the prior.
        lsf : LSF, optional
            Instead of the spectrum's own.

        Raises
        ------
        UserError
            If redshift or LSF are missing, the redshift is not one of the prior, or too few pixels are
            left.
        """
        rest = at_rest(spectrum, self.frame, self.network.cosmology, lsf)
        low, high = self.network.prior.z
        # at rest is close enough to the lowest redshift
        if not -0.01 < rest.z <= high:
            raise UserError(
                f"{spectrum.label} has redshift {rest.z:g}, the network knows {low:g}-{high:g}: "
                "correct it or train another"
            )
        valid = rest.valid & self.usable
        if valid.sum() < 10:
            raise UserError(
                f"{spectrum.label}: {valid.sum()} pixels are left of those that the network sees "
                f"({self.frame.wave_aa[0]:.0f}-{self.frame.wave_aa[-1]:.0f} Angstrom at rest): check "
                "masks, redshift and units"
            )
        rest = replace(rest, valid=valid, z=max(rest.z, low))
        if not spectrum.absolute:
            mass = self.network.prior.marginals["log_mass_formed"]
            amplitude = np.sqrt(np.mean(np.float64(rest.flux[valid]) ** 2))
            now = np.log10(amplitude) + float(self.network.log_mass_to_light)
            factor = 10.0 ** (0.5 * (mass.low + mass.high) - now)
            spectrum = replace(spectrum, flux=spectrum.flux * factor, sigma=spectrum.sigma * factor)
            flux, sigma = (np.float32(a * factor) for a in (rest.flux, rest.sigma))
            rest = replace(rest, flux=flux, sigma=sigma, log_scale=rest.log_scale + np.log10(factor))
        return spectrum, rest

    def theta(self, u, universe_gyr, extra_km_s):
        """Parameters of draws u (..., Param), or of all but the mass, and the log of a prior's ratio (...).

        The network's velocity dispersion is that of the spectrum in its pixels: the galaxy's own, and
        what the instrument adds. The ratio is that of the prior of the galaxy's to what the network
        takes for it.

        Parameters
        ----------
        u : array (..., Param) or (..., Param - 1)
        universe_gyr : array ()
        extra_km_s : array ()
            See :class:`~dsps_sbi.spectra.at_rest.AtRest`.
        """
        theta = self.network.prior.from_normal(u, universe_gyr)
        i = self.names.index("sigma_v")
        marginal = self.network.prior.marginals["sigma_v"]
        whole = theta[..., i]
        own = jnp.sqrt(jnp.maximum(whole**2 - extra_km_s**2, 0.0))
        inside = (own >= marginal.low) & (own <= marginal.high) & (whole >= extra_km_s)
        log_ratio = jnp.where(inside, jnp.log(whole) - jnp.log(jnp.maximum(own, _LEAST_KM_S)), -jnp.inf)
        log_ratio = jnp.where(extra_km_s > 0.0, log_ratio, 0.0)
        return theta.at[..., i].set(jnp.clip(own, marginal.low, marginal.high)), log_ratio

    def in_range(self, data) -> np.ndarray:
        """Whether S/N and coverage of spectra (Object,) are as in training."""
        flux, sigma, valid, _ = (np.asarray(a) for a in data)
        snr = np.array([np.median((f / s)[v]) for f, s, v in zip(flux, sigma, valid, strict=True)])
        low, high = self.noise["snr"]
        # the median of one spectrum is not that of the sampling range to the last per cent
        return (snr >= 0.7 * low) & (snr <= 1.5 * high) & (valid.mean(axis=1) >= 0.7 * self.noise["shortest"])

    def draw_normal(self, data, ids, key, n_draws):
        """Draws u (Object, Draw, Param) of the network in normal coordinates."""
        return self._draw(self.weights, data, ids, key, n_draws)

    @cached_property
    def _draw(self):
        def draw(weights, data, ids, key, n_draws):
            shape = (n_draws, len(self.names))
            noise = jax.vmap(lambda k: jax.random.normal(k, shape))(object_keys(key, ids))
            return self.network.draw(weights, self.network.condition(weights, *data), noise)[0]

        return jax.jit(draw, static_argnums=4)
