"""Recipes for a posterior of spectra, side by side: ours, one network end to end, and two stages.

``two_stage`` is that of arXiv:2406.18661: an encoder (convolutions, attention over wavelength, 16 latents)
is trained to regress formation times and metallicity by a log-cosh loss. Then a flow is trained on the
latents, which stay as they are. ``joint`` is the same encoder and flow trained together on the flow's own
loss. ``ours`` is :class:`dsps_sbi.spectroscopy.network.SpectrumNetwork`. The flow is ours in all three
recipes, so that their losses are of one density; the paper's flow is masked autoregressive.
"""

import time
from dataclasses import dataclass, fields, replace

import jax
import jax.numpy as jnp
from flax import nnx

from dsps_sbi.components import pytree
from dsps_sbi.kernels.amplitude import amplitude
from dsps_sbi.networks import PosteriorFlow
from dsps_sbi.networks.base import FlowNetwork, n_flow_features
from dsps_sbi.networks.residual import ResidualEncoder
from dsps_sbi.networks.wavelengths import WavelengthEncoder
from dsps_sbi.sfh import formation_times
from dsps_sbi.spectroscopy.model import DECILES
from dsps_sbi.spectroscopy.network import SpectrumNetwork
from dsps_sbi.training.initial_guess import fit_guess
from dsps_sbi.training.trainer import Trainer

_N_CHANNEL, _N_TARGET = 3, len(DECILES) + 1
# What jax sees of a network of latents
_PARTS = {
    "arrays": ("cosmology", "subspace", "basis"),
    "static": ("arch", "prior", "sfh", "basis_sigma", "frozen"),
}


class _Layers(nnx.Module):
    def __init__(self, arch, n_shape, *, rngs: nnx.Rngs):
        self.wavelength = WavelengthEncoder(_N_CHANNEL, arch.conv_width, arch.n_latent, rngs=rngs)
        self.head = ResidualEncoder(arch.n_latent, arch.width, 1, _N_TARGET, rngs=rngs)
        self.encoder = ResidualEncoder(arch.n_latent, arch.width, arch.n_blocks, arch.n_context, rngs=rngs)
        sizes = arch.n_context, arch.flow_width, arch.n_layers, arch.n_bins
        self.flow = PosteriorFlow(n_shape, *sizes, n_flow_features(n_shape), rngs=rngs)


@pytree(**_PARTS)
@dataclass(frozen=True, eq=False)
class LatentNetwork(SpectrumNetwork):
    """Only the latents of convolutions and attention over wavelength reach the flow; a pytree.

    Parameters
    ----------
    frozen : bool
        The flow's loss does not change the latents.
    """

    frozen: bool = False

    def layers(self, rngs: nnx.Rngs) -> nnx.Module:
        """Fresh layers."""
        return _Layers(*self.structure, rngs=rngs)

    @property
    def structure(self):
        """What the layers depend on."""
        return self.arch, len(self.prior.names) - 1

    def init(self, seed: int):
        """Fresh weights: there are no components of spectra among them."""
        return FlowNetwork.init(self, seed)

    @classmethod
    def of(cls, network: SpectrumNetwork, frozen: bool = False):
        """One of the sizes of another network."""
        return cls(**{f.name: getattr(network, f.name) for f in fields(SpectrumNetwork)}, frozen=frozen)

    def _latents(self, layers, flux, sigma, valid):
        own = amplitude(jnp.where(valid, flux, 0.0))
        rows = [flux / own - 1.0, jnp.log10(own / sigma) / 2.0, jnp.ones_like(flux)]
        x = jnp.stack([jnp.where(valid, row, 0.0) for row in rows], axis=-1)
        return layers.wavelength(x), jnp.log10(own[:, 0])

    def condition(self, weights, flux, sigma, valid, z):
        """See :meth:`SpectrumNetwork.condition`."""
        layers = self._merge(weights)
        latents, log_amplitude = self._latents(layers, flux, sigma, valid)
        latents = jax.lax.stop_gradient(latents) if self.frozen else latents
        return layers.flow.hoist(layers.encoder(latents)), log_amplitude, self.cosmology.age(z)

    def regressed(self, weights, flux, sigma, valid, z):
        """Formation times as shares of the age of the Universe, and [M/H] (Object, 10)."""
        layers = self._merge(weights)
        return layers.head(self._latents(layers, flux, sigma, valid)[0])

    def targets(self, theta, universe):
        """What :meth:`regressed` should be, for theta (Object, Param) at ages of the Universe (Object,)."""
        fractions = jnp.asarray(DECILES, jnp.float32)
        params = theta[:, : len(self.sfh.names)]
        times = jax.vmap(lambda p, t: formation_times(self.sfh, p, fractions, t))(params, universe)
        metallicity = theta[:, self.prior.names.index("metallicity")]
        return jnp.concatenate([times / universe[:, None], metallicity[:, None]], axis=1)


@pytree(**_PARTS)
@dataclass(frozen=True, eq=False)
class Regression(LatentNetwork):
    """The first stage of two: the log-cosh loss in the place of -log q, for the same weights; a pytree."""

    def condition(self, weights, flux, sigma, valid, z):
        """What is regressed (Object, 10), and the age of the Universe (Object,)."""
        return self.regressed(weights, flux, sigma, valid, z), self.cosmology.age(z)

    def log_prob(self, weights, condition, u):
        """Minus the mean log-cosh (Object,) of what is left of the targets."""
        regressed, universe = condition
        left = regressed - self.targets(self.prior.from_normal(u, universe[:, None]), universe)
        # log cosh, without overflow
        each = jnp.abs(left) + jax.nn.softplus(-2.0 * jnp.abs(left)) - jnp.log(2.0)
        return -jnp.mean(each, axis=1)


def _run(trainer):
    return trainer.run(progress=False, on_record=lambda record: print(record, flush=True))


def _seconds(trained):
    return trained.history[-1]["seconds"]


def ours(network: SpectrumNetwork, simulator, config, guess_steps, checkpoint):
    """Network, what came of its training, and seconds."""
    start = time.perf_counter()
    options = {"seed": config.seed + 30, "steps": guess_steps, "n_z": config.batch, "n_per_z": 1}
    weights = fit_guess(network, simulator, network.init(config.seed), **options)
    before = time.perf_counter() - start
    trained = _run(Trainer(network, simulator, config, checkpoint, start=weights))
    return network, trained, before + _seconds(trained)


def joint(network: SpectrumNetwork, simulator, config, checkpoint):
    """As :func:`ours`, of latents alone."""
    own = LatentNetwork.of(network)
    trained = _run(Trainer(own, simulator, config, checkpoint))
    return own, trained, _seconds(trained)


def two_stage(network: SpectrumNetwork, simulator, config, checkpoint):
    """As :func:`joint`, regression first and then the flow, each for half of the steps."""
    own, half = LatentNetwork.of(network, frozen=True), replace(config, steps=config.steps // 2)
    first = _run(Trainer(Regression.of(network), simulator, half, checkpoint.with_suffix(".first")))
    second = replace(half, seed=config.seed + 1)
    trained = _run(Trainer(own, simulator, second, checkpoint, start=first.weights))
    return own, trained, _seconds(first) + _seconds(trained)
