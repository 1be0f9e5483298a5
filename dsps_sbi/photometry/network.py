"""Encoder and flow put together: photometry to a posterior over the model's parameters."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from ..components import pytree
from ..cosmology import Cosmology
from ..networks import PosteriorFlow
from ..networks.bands import features
from ..networks.base import FlowNetwork, n_flow_features
from ..networks.gauss_newton import GaussNewton
from ..networks.residual import ResidualEncoder
from ..priors import Prior
from ..sfh import StarFormationHistory
from .band_table import shape_fluxes
from .compressed import FAINTEST, TableGrid, log_scale


@dataclass(frozen=True)
class PhotometryArchitecture:
    """Sizes of the network.

    Parameters
    ----------
    width, n_blocks, n_context : int
        Of the encoder: residual blocks of two layers each, and the context that it hands over.
    flow_width, n_layers, n_bins : int
        Of the flow: hidden units of each conditioner, coupling layers, spline bins.
    guess_width : int
        Of the first guess that Gauss-Newton steps start from; without width there are none, and no
        compressed forward model.
    rank, n_redshifts : int
        Of that model, see :func:`dsps_sbi.photometry.compress.compress`.
    """

    width: int = 256
    n_blocks: int = 4
    n_context: int = 192
    flow_width: int = 128
    n_layers: int = 8
    n_bins: int = 8
    guess_width: int = 256
    rank: int = 32
    n_redshifts: int = 257

    def as_dict(self) -> dict[str, int]:
        """Plain dictionary, for the bundle's configuration."""
        return asdict(self)


class _Layers(nnx.Module):
    def __init__(self, arch: PhotometryArchitecture, n_band: int, n_shape: int, *, rngs: nnx.Rngs):
        n_inputs, n_more = 5 * n_band + 6, 0
        if arch.guess_width:
            self.newton = GaussNewton(n_band, n_shape, n_inputs, arch.guess_width, rngs=rngs)
            n_more = GaussNewton.n_out(n_band, n_shape)
        self.encoder = ResidualEncoder(
            n_inputs + n_more, arch.width, arch.n_blocks, arch.n_context, rngs=rngs
        )
        sizes = arch.n_context, arch.flow_width, arch.n_layers, arch.n_bins
        self.flow = PosteriorFlow(n_shape, *sizes, n_flow_features(n_shape), rngs=rngs)


@pytree(arrays=("cosmology", "tables"), static=("arch", "n_band", "prior", "sfh"))
@dataclass(frozen=True, eq=False)
class PhotometryNetwork(FlowNetwork):
    """The network's structure, a pytree; its weights are a separate one, passed to every method.

    Parameters
    ----------
    arch : PhotometryArchitecture
    n_band : int
    prior : Prior
        The last parameter must be ``log_mass_formed``.
    sfh : StarFormationHistory
    cosmology : Cosmology
    tables : TableGrid or None
        The compressed forward model, needed where ``arch`` has a first guess.
    """

    arch: PhotometryArchitecture
    n_band: int
    prior: Prior
    sfh: StarFormationHistory
    cosmology: Cosmology
    tables: TableGrid | None = None

    # median over the prior, mass formed above luminosity in uJy Mpc^2
    log_mass_to_light: ClassVar[float] = 2.3

    def layers(self, rngs: nnx.Rngs) -> nnx.Module:
        """Fresh layers."""
        return _Layers(*self.structure, rngs=rngs)

    @property
    def structure(self):
        """What the layers depend on."""
        return self.arch, self.n_band, len(self.prior.names) - 1

    def table(self, z):
        """Compressed table of redshift z ()."""
        return self.tables.at(z, self.cosmology.age(z))

    def log_light(self, u, table):
        """log10 fluxes (Band,) of a shape u (n_shape,) by a table, or (Draw, Band) of (Draw, n_shape).

        Of 10^8 Msun at distance^2 / (1+z) of 1 Mpc^2, see
        :func:`~dsps_sbi.photometry.compressed.log_scale`; fluxes below 1e-7 of the brightest band are set to
        that.
        """
        theta = self.prior.from_normal(u, table.universe_gyr)
        # else the compiler would do all of it again for every age of every history
        theta = jax.lax.optimization_barrier(theta)
        flux = shape_fluxes(table, self.sfh, theta, self.tables.log_u)
        return jnp.log10(jnp.maximum(flux, FAINTEST * jnp.max(flux, axis=-1, keepdims=True)))

    def emulate(self, u, z):
        """As :meth:`log_light`, (Object, Draw, Band) for shapes u (Object, Draw, n_shape) at z (Object,)."""
        return jax.vmap(lambda u, z: self.log_light(u, self.table(z)))(u, z)

    def guess(self, weights, flux, sky, valid, upper, z):
        """First guess u (Object, n_shape) that Gauss-Newton steps start from."""
        distance, age = jnp.log10(self.cosmology.distance_mpc(z)), self.cosmology.age(z)
        inputs, _ = features(flux, sky, valid, upper, z, distance, age)
        return self._merge(weights).newton.guess(inputs)

    def condition(self, weights, flux, sky, valid, upper, z):
        """Everything that depends on the data alone, computed once per object.

        Parameters
        ----------
        flux, sky : array (Object, Band)
            [uJy].
        valid, upper : bool array (Object, Band)
            Bands that are there, and those of them whose flux is an upper limit.
        z : array (Object,)

        Returns
        -------
        condition : pytree of (Object, ...) arrays
            For :meth:`log_prob` and :meth:`draw`.
        """
        layers, data = self._merge(weights), (flux, sky, valid, upper, z)
        universe = self.cosmology.age(z)
        distance = jnp.log10(self.cosmology.distance_mpc(z))
        inputs, log_lum = features(*data, distance, universe)
        if self.arch.guess_width:
            scale = log_scale(self.cosmology, z)
            more = layers.newton(inputs, data, scale, self.table, self.log_light)
            inputs = jnp.concatenate([inputs, more], axis=-1)
        return layers.flow.hoist(layers.encoder(inputs)), log_lum, universe
