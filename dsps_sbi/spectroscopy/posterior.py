"""The amortised posterior of spectra: a trained network and the pixels that it sees."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from ..components import pytree
from ..errors import UserError
from ..inference.protocol import Posterior
from ..instruments.continuum import Continuum
from ..instruments.lsf import LSF
from ..instruments.spectrograph import Spectrograph
from ..io.spectrum import Spectrum
from ..ssp import load
from ..ssp.fetch import FILES
from .at_rest import AtRest, at_rest
from .data import SpectrumData
from .fingerprint import check_match
from .held_out import held_out
from .infer import infer_spectra
from .likelihood import SpectrumLikelihood
from .model import SpectrumModel
from .network import SpectrumNetwork
from .simulator import SpectrumSimulator

# Velocity dispersion below which there is none to tell [km/s]
_LEAST_KM_S = 1.0


@pytree(
    arrays=("network", "weights"),
    static=("continuum", "model_error", "sharper", "rest_aa"),
    aside=("frame", "usable", "noise", "mixture", "mixture_seed", "meta"),
)
@dataclass(frozen=True, eq=False)
class SpectrumPosterior(Posterior):
    """A trained network for spectra; a pytree.

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
        :func:`dsps_sbi.spectroscopy.compressed.mixing`: so that bundles need not hold what is made of SSPs.
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

    kind: ClassVar[str] = "spectrum"
    data_words: ClassVar[str] = "spectra"
    # how usual data are without SSPs is not known of spectra
    typicality: ClassVar[None] = None

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

    def pixels_seen(self, spectrum: Spectrum, rest: AtRest, lsf: LSF | None = None) -> tuple[int, float]:
        """How many of its own pixels the network sees, and the share of a spectrum's that it sees.

        That share is of good pixels at wavelengths that the network has, outside the masks of emission lines.
        """
        instrument, frame = spectrum.spectrograph(lsf), self.frame
        edges = instrument.ln_edges - np.log1p(spectrum.redshift)
        at = np.searchsorted(frame.ln_edges, 0.5 * (edges[1:] + edges[:-1]), side="right") - 1
        inside = (at >= 0) & (at < len(frame.wave_aa))
        at = np.clip(at, 0, len(frame.wave_aa) - 1)
        could = spectrum.valid & inside & self.usable[at]
        return int(rest.valid.sum()), float((could & rest.valid[at]).sum() / max(could.sum(), 1))

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
            See :class:`~dsps_sbi.spectroscopy.at_rest.AtRest`.
        """
        theta = self.network.prior.from_normal(u, universe_gyr)
        i = self.names.index("sigma_v")
        marginal = self.network.prior.marginals["sigma_v"]
        whole = theta[..., i]
        stellar = jnp.sqrt(jnp.maximum(whole**2 - extra_km_s**2, 0.0))
        inside = (stellar >= marginal.low) & (stellar <= marginal.high) & (whole >= extra_km_s)
        log_ratio = jnp.where(inside, jnp.log(whole) - jnp.log(jnp.maximum(stellar, _LEAST_KM_S)), -jnp.inf)
        log_ratio = jnp.where(extra_km_s > 0.0, log_ratio, 0.0)
        return theta.at[..., i].set(jnp.clip(stellar, marginal.low, marginal.high)), log_ratio

    def in_range(self, data: SpectrumData) -> np.ndarray:
        """Whether S/N and coverage of spectra (Object,) are as in training."""
        flux, sigma, valid = (np.asarray(a) for a in data[:3])
        snr = np.array([np.median((f / s)[v]) for f, s, v in zip(flux, sigma, valid, strict=True)])
        low, high = self.noise["snr"]
        # the median of one spectrum is not that of the sampling range to the last per cent
        return (snr >= 0.7 * low) & (snr <= 1.5 * high) & (valid.mean(axis=1) >= 0.7 * self.noise["shortest"])

    def model(self, ssp=None) -> SpectrumModel:
        """The model that it was trained on, made again of its configuration.

        Parameters
        ----------
        ssp : SSPGrid or mapping of float to SSPGrid, optional
            By default the grid in the cache whose name the bundle holds; several by [alpha/Fe] have to be
            given.

        Raises
        ------
        UserError
            If the SSPs are not at hand, or are others, see :meth:`check_match`.
        """
        ssp = bundled_ssp(self.meta) if ssp is None else ssp
        options = {name: getattr(self, name) for name in ("continuum", "model_error", "sharper", "rest_aa")}
        network = self.network
        model = SpectrumModel(
            ssp, self.frame, network.prior, network.sfh, cosmology=network.cosmology, **options
        )
        self.check_match(model)
        return model

    def check_match(self, model: SpectrumModel) -> float:
        """Refuse another model than that of training, see :mod:`dsps_sbi.spectroscopy.fingerprint`."""
        return check_match(self, model)

    def likelihood_of(self, model: SpectrumModel) -> SpectrumLikelihood:
        """The exact likelihood under a model that matches."""
        return SpectrumLikelihood(self, model)

    def simulator(self, model: SpectrumModel) -> SpectrumSimulator:
        """Mocks as those of the training."""
        return SpectrumSimulator(model, **self.noise)

    def held_out(self, model, n, key, on_chunk=None):
        """Mocks in slices, see :func:`dsps_sbi.spectroscopy.held_out.held_out`."""
        return held_out(self.simulator(model), n, key, on_chunk)

    def summary(self) -> str:
        """What it takes and where it holds, in a few words."""
        (low, high), (first, last) = self.network.prior.z, self.frame.wave_aa[[0, -1]]
        seen = f"spectra of {first:.0f}-{last:.0f} Angstrom at rest"
        return f"{seen}, z {low:g}-{high:g}, SSPs {', '.join(self.grids) or 'unknown'}"

    def infer(
        self,
        data,
        *,
        weigh: bool = True,
        refine: bool = False,
        model="auto",
        n_draws: int = 1000,
        seed: int = 0,
        progress: bool = False,
        **options,
    ):
        """Posteriors of spectra of any pixels and resolution.

        Parameters
        ----------
        data : Spectrum or sequence of Spectrum
            With redshift, errors and LSF.
        weigh : bool
            Weigh the draws with the exact likelihood in the pixels of each spectrum, where the SSPs are at
            hand, else (or without them) they are the network's own and every answer is ``unchecked``.
        refine : bool
            Repair what weighing leaves untrusted, see :mod:`dsps_sbi.inference.repair`; seconds each.
        model : SpectrumModel or "auto"
            What the draws are weighed with; "auto" makes the bundle's model again if its SSPs are in the
            cache.
        n_draws, seed : int
        progress : bool
            Show a bar.
        **options
            ``lsf``, ``ids``, ``labels`` and ``error_scale``, see
            :func:`dsps_sbi.spectroscopy.infer.infer_spectra`.

        Returns
        -------
        SpectrumResult

        Raises
        ------
        UserError
            If a spectrum lacks what it takes, the model is another one, or there is none to refine with.
        """
        likelihood = self.weighed_by(model, weigh, refine)
        common = {"refine": refine, "n_draws": n_draws, "seed": seed, "progress": progress}
        return infer_spectra(self, data, likelihood, **common, **options)


def bundled_ssp(meta):
    """The SSP grid in the cache whose name a bundle holds.

    Raises
    ------
    UserError
        If it is not there, or there are several.
    """
    names = meta["ssp"]["name"]
    if len(names) > 1:
        raise UserError(
            f"bundle {meta['name']} was trained on several grids ({', '.join(names)}): give them as ssp="
        )
    if names[0] not in FILES:
        raise UserError(f"bundle {meta['name']} was trained on the grid {names[0]}: give it as ssp=")
    return load(names[0])
