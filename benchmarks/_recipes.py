"""Recipes for a posterior of spectra, side by side: ours, one network end to end, and two stages.

``two_stage`` is that of arXiv:2406.18661: an encoder (convolutions, attention over wavelength, 16 latents) is
trained to regress formation times and metallicity by a log-cosh loss, then a flow on its latents, which stay
as they are. ``joint`` is the same encoder and flow trained together on the flow's own loss. ``ours`` is
:class:`dsps_sbi.spectra.network.SpectrumNetwork`. The flow is ours in all three, so that their losses are of
one density; the paper's is masked autoregressive.
"""

import time
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import nnx

from dsps_sbi.encoders.residual import ResidualEncoder
from dsps_sbi.encoders.spectrum import WavelengthEncoder
from dsps_sbi.fit_guess import fit_guess
from dsps_sbi.flow_network import n_flow_features
from dsps_sbi.flows import PixelFlow
from dsps_sbi.kernels.amplitude import amplitude
from dsps_sbi.sfh import formation_times
from dsps_sbi.spectra.model import DECILES
from dsps_sbi.spectra.network import SpectrumNetwork
from dsps_sbi.training import Trainer

_N_CHANNEL, _N_TARGET = 3, len(DECILES) + 1


class _Layers(nnx.Module):
    def __init__(self, arch, n_shape, *, rngs: nnx.Rngs):
        self.wavelength = WavelengthEncoder(_N_CHANNEL, arch.conv_width, arch.n_latent, rngs=rngs)
        self.head = ResidualEncoder(arch.n_latent, arch.width, 1, _N_TARGET, rngs=rngs)
        self.encoder = ResidualEncoder(arch.n_latent, arch.width, arch.n_blocks, arch.n_context, rngs=rngs)
        sizes = arch.n_context, arch.flow_width, arch.n_layers, arch.n_bins
        self.flow = PixelFlow(n_shape, *sizes, n_flow_features(n_shape), rngs=rngs)


@dataclass(frozen=True, eq=False)
class LatentNetwork(SpectrumNetwork):
    """Only the latents of convolutions and attention over wavelength reach the flow.

    Parameters
    ----------
    frozen : bool
        The flow's loss does not change the latents.
    """

    frozen: bool = False

    def _layers(self, seed=0):
        return _Layers(self.arch, len(self.prior.names) - 1, rngs=nnx.Rngs(seed))

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

    def targets(self, theta, z):
        """What :meth:`regressed` should be."""
        fractions, universe = jnp.asarray(DECILES, jnp.float32), self.cosmology.age(z)
        params = theta[:, : len(self.sfh.names)]
        times = jax.vmap(lambda p, t: formation_times(self.sfh, p, fractions, t))(params, universe)
        metallicity = theta[:, self.prior.names.index("metallicity")]
        return jnp.concatenate([times / universe[:, None], metallicity[:, None]], axis=1)


class Regression(Trainer):
    """The first stage of two."""

    def loss(self, weights, mocks):
        """Mean log-cosh of what is left."""
        left = self.network.regressed(weights, *mocks.data) - self.network.targets(mocks.theta, mocks.z)
        # log cosh, without overflow
        return jnp.mean(jnp.abs(left) + jax.nn.softplus(-2.0 * jnp.abs(left)) - jnp.log(2.0))


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
    own = LatentNetwork(**vars(network))
    trained = _run(Trainer(own, simulator, config, checkpoint))
    return own, trained, _seconds(trained)


def two_stage(network: SpectrumNetwork, simulator, config, checkpoint):
    """As :func:`joint`, regression first and then the flow, each for half of the steps."""
    own = LatentNetwork(**vars(network), frozen=True)
    half = replace(config, steps=config.steps // 2)
    first = _run(Regression(own, simulator, half, checkpoint.with_suffix(".first")))
    second = replace(half, seed=config.seed + 1)
    trained = _run(Trainer(own, simulator, second, checkpoint, start=first.weights))
    return own, trained, _seconds(first) + _seconds(trained)
