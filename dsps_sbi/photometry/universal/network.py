"""Encoder and flow for any set of bands: photometry to a posterior over the model's parameters."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from ...components import pytree
from ...networks import PosteriorFlow
from ...networks.band_set import N_GLOBAL, N_TOKEN, BandSet, brightness, tokens
from ...networks.base import FlowNetwork, n_flow_features
from ...networks.gauss_newton import n_of_peak, of_peak
from ...networks.residual import ResidualEncoder
from ...priors import Prior
from ...sfh import StarFormationHistory
from ..compressed import log_scale
from ..model_error import ModelError
from ..wave_basis import WaveBasis
from .data import UniversalData
from .newton import peaks

# Relative error of the truncated basis, beside the noise's floor
_SCATTER = 0.005
# First guesses stay within so many standard deviations of the prior
_FARTHEST = 3.0


@dataclass(frozen=True)
class UniversalArchitecture:
    """Sizes of the network.

    Parameters
    ----------
    token_width, n_pooled : int
        Hidden units and outputs of what looks at bands one by one.
    guess_width : int
        Hidden units of the first guess that Gauss-Newton steps start from.
    width, n_blocks, n_context : int
        Of the encoder: residual blocks of two layers each, and the context that it hands over.
    flow_width, n_layers, n_bins : int
        Of the flow: hidden units of each conditioner, coupling layers, spline bins.
    rank, gas_rank : int
        Functions of wavelength, of stars and of gas, that Gauss-Newton steps use.
    step_dex : float
        Width of the age bins that they use [dex].
    n_mixture : int
        Mixtures of ages of gas that they use.
    n_steps : int
        Gauss-Newton steps.
    """

    token_width: int = 96
    n_pooled: int = 96
    guess_width: int = 192
    width: int = 256
    n_blocks: int = 4
    n_context: int = 192
    flow_width: int = 128
    n_layers: int = 8
    n_bins: int = 8
    rank: int = 48
    gas_rank: int = 24
    step_dex: float = 0.06
    n_mixture: int = 12
    n_steps: int = 3

    def as_dict(self) -> dict:
        """Plain dictionary, for the bundle's configuration."""
        return asdict(self)


class _Guess(nnx.Module):
    """First guess from the tokens of the bands alone."""

    def __init__(self, arch, n_shape, *, rngs):
        self.bands = BandSet(N_TOKEN, arch.token_width, arch.n_pooled, rngs=rngs)
        n_in = self.bands.n_out + N_GLOBAL
        self.last = ResidualEncoder(n_in, arch.guess_width, 2, arch.guess_width, rngs=rngs)
        self.out = nnx.Linear(arch.guess_width, n_shape, rngs=rngs)

    def __call__(self, tokens, counted, context):
        pooled = self.bands(tokens, counted)
        return self.out(self.last(jnp.concatenate([pooled, context], axis=-1)))


class _Layers(nnx.Module):
    def __init__(self, arch: UniversalArchitecture, n_shape: int, *, rngs: nnx.Rngs):
        # named as in other networks: what is ready before the flow is trained
        self.newton = _Guess(arch, n_shape, rngs=rngs)
        self.bands = BandSet(N_TOKEN + n_shape + 1, arch.token_width, arch.n_pooled, rngs=rngs)
        n_inputs = self.bands.n_out + N_GLOBAL + n_of_peak(n_shape) + 1
        self.encoder = ResidualEncoder(n_inputs, arch.width, arch.n_blocks, arch.n_context, rngs=rngs)
        sizes = arch.n_context, arch.flow_width, arch.n_layers, arch.n_bins
        self.flow = PosteriorFlow(n_shape, *sizes, n_flow_features(n_shape), rngs=rngs)


@pytree(arrays=("basis", "error"), static=("arch", "prior", "sfh"))
@dataclass(frozen=True, eq=False)
class UniversalNetwork(FlowNetwork):
    """The network's structure and its forward model, a pytree; weights are passed to every method.

    Data come as one or several :class:`~dsps_sbi.photometry.universal.data.UniversalData`, each with a number
    of bands of its own: what depends on bands is then done for each, and the rest for all objects at once.

    Parameters
    ----------
    arch : UniversalArchitecture
    prior : Prior
        The last parameter must be ``log_mass_formed``.
    sfh : StarFormationHistory
    basis : WaveBasis
        Light of the stellar populations in as many functions as ``arch`` says.
    error : ModelError or None
        Errors of the SSPs that bands share.
    """

    arch: UniversalArchitecture
    prior: Prior
    sfh: StarFormationHistory
    basis: WaveBasis
    error: ModelError | None = None

    # median over the prior, mass formed above luminosity in uJy Mpc^2
    log_mass_to_light: ClassVar[float] = 2.3

    @property
    def cosmology(self):
        """That of the forward model."""
        return self.basis.cosmology

    def layers(self, rngs: nnx.Rngs) -> nnx.Module:
        """Fresh layers."""
        return _Layers(*self.structure, rngs=rngs)

    @property
    def structure(self):
        """What the layers depend on."""
        return self.arch, len(self.prior.names) - 1

    def guess(self, weights, *data: UniversalData):
        """First guess u (Object, n_shape) that Gauss-Newton steps start from."""
        newton = self._merge(weights).newton
        found = []
        for bucket in data:
            *_, (of_bands, of_object) = self._context(bucket)
            found.append(newton(of_bands, bucket.valid, of_object))
        return jnp.concatenate(found)

    def condition(self, weights, *data: UniversalData):
        """Everything that depends on the data alone, computed once per object.

        Parameters
        ----------
        weights : pytree
        *data : UniversalData

        Returns
        -------
        condition : pytree of (Object, ...) arrays
            For :meth:`log_prob` and :meth:`draw`.
        """
        layers = self._merge(weights)
        seen = [self._inputs(layers, bucket) for bucket in data]
        inputs, log_lum, universe = (jnp.concatenate(parts) for parts in zip(*seen, strict=True))
        return layers.flow.hoist(layers.encoder(inputs)), log_lum, universe

    def _context(self, data):
        universe = self.cosmology.age(data.z)
        distance = jnp.log10(self.cosmology.distance_mpc(data.z))
        relative, log_amplitude, log_lum = brightness(data, distance)
        each = len(data.z) // len(data.bands.pivot_aa)
        filters = [jnp.repeat(column, each, axis=0) for column in (data.bands.pivot_aa, data.bands.width)]
        return universe, log_lum, tokens(data, *filters, relative, log_amplitude, log_lum, universe)

    def _inputs(self, layers, data):
        """Features of objects (Object, n), log10 luminosity, age of the Universe."""
        universe, log_lum, (of_bands, of_object) = self._context(data)
        start = layers.newton(of_bands, data.valid, of_object)
        start = jax.lax.stop_gradient(jnp.clip(start, -_FARTHEST, _FARTHEST))
        per_band, peak = self._steps(data, universe, start)
        pooled = layers.bands(jnp.concatenate([of_bands, per_band], axis=-1), data.valid)
        return jnp.concatenate([pooled, of_object, peak], axis=-1), log_lum, universe

    def _steps(self, data, universe, start):
        """What steps on the forward model tell, of bands (Object, Band, n_shape + 1) and of objects."""
        bands = data.bands
        n_survey = len(bands.pivot_aa)
        unit = jnp.where(data.valid, data.sigma, 1.0)
        # a limit says that there is little flux: as good as a measurement of none
        seen = jnp.where(data.valid & ~data.upper, data.flux, 0.0) / unit
        scale = 10.0 ** -log_scale(self.cosmology, data.z)[:, None] / unit

        def by_survey(array):
            return array.reshape(n_survey, -1, *array.shape[1:])

        z, ages = (by_survey(a)[:, 0] for a in (data.z, universe))
        errors = None
        if self.error is not None:
            errors = jax.vmap(self.error.at)(bands.pivot_aa / (1.0 + z[:, None]))
        each = peaks(
            self.basis,
            self.prior,
            self.sfh,
            self.error,
            by_survey(start),
            by_survey(seen),
            by_survey(data.valid),
            by_survey(data.floor**2 + _SCATTER**2),
            bands,
            errors,
            by_survey(scale),
            ages,
            self.arch.n_steps,
        )
        peak, step, covariance, residual, slope = (a.reshape(len(start), *a.shape[2:]) for a in each)
        sigma = jnp.sqrt(jnp.diagonal(covariance, axis1=1, axis2=2))
        of_slopes = jnp.swapaxes(slope, 1, 2) * sigma[:, None]
        of_bands = jnp.concatenate([jnp.arcsinh(residual)[..., None] / 2.0, of_slopes], axis=-1)
        misfit = jnp.log1p(jnp.sum(residual**2, axis=1, keepdims=True)) / 4.0
        of_object = jnp.concatenate([*of_peak(start, peak, step, covariance), misfit], axis=-1)
        clean = [jnp.clip(jnp.nan_to_num(a, nan=0.0), -6.0, 6.0) for a in (of_bands, of_object)]
        return jax.lax.stop_gradient(clean)
