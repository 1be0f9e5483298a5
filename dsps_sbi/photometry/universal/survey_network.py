"""The network for any filters as one for a given set of them, which may be used wherever such a one is."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ...components import pytree
from ...networks.base import FlowNetwork
from .data import UniversalData
from .light import Bands
from .network import UniversalNetwork

# Redshifts, equally spaced in ln(1+z), between which what the bands see is interpolated
N_REDSHIFTS = 513


@pytree(arrays=("network", "log_z", "pieces", "screen", "pivot_aa", "width", "floor"))
@dataclass(frozen=True, eq=False)
class SurveyNetwork(FlowNetwork):
    """A :class:`UniversalNetwork` behind the filters of one survey; a pytree.

    Parameters
    ----------
    network : UniversalNetwork
    log_z : array (Z,)
        ln(1+z), equally spaced.
    pieces : array (Z, Sub * Band, K)
    screen : array (Z, Sub, Band)
        What the bands see at these redshifts, see :class:`~dsps_sbi.photometry.universal.light.Bands`.
    pivot_aa, width : array (Band,)
    floor : array ()
        Relative error of the model's fluxes.
    """

    network: UniversalNetwork
    log_z: jax.Array
    pieces: jax.Array
    screen: jax.Array
    pivot_aa: jax.Array
    width: jax.Array
    floor: jax.Array

    @classmethod
    def of(cls, network: UniversalNetwork, filters, floor: float, n_z: int = N_REDSHIFTS) -> "SurveyNetwork":
        """For a :class:`~dsps_sbi.FilterSet` and a relative error of the model's fluxes."""
        low, high = np.log1p(network.prior.z)
        log_z = np.linspace(low, high, n_z)
        pieces, screen, _ = network.basis.pieces(filters, np.expm1(log_z))
        rest = (filters.pivot_aa, filters.log_width, floor)
        return cls(network, *(jnp.asarray(a, jnp.float32) for a in (log_z, pieces, screen, *rest)))

    @property
    def prior(self):
        """That of the network for any filters, as are the history and the cosmology."""
        return self.network.prior

    @property
    def sfh(self):
        """Star formation history."""
        return self.network.sfh

    @property
    def cosmology(self):
        """Cosmology."""
        return self.network.cosmology

    @property
    def log_mass_to_light(self):
        """Median over the prior."""
        return self.network.log_mass_to_light

    def layers(self, seed=0):
        """Fresh layers."""
        return self.network.layers(seed)

    @property
    def structure(self):
        """What the layers depend on."""
        return self.network.structure

    def condition(self, weights, flux, sigma, valid, upper, z):
        """As that of :class:`~dsps_sbi.photometry.network.PhotometryNetwork`."""
        flux, sigma = jnp.where(valid, flux, 0.0), jnp.where(valid, sigma, 1.0)
        n = len(self.log_z)
        step = (self.log_z[-1] - self.log_z[0]) / (n - 1)
        position = jnp.clip((jnp.log1p(z) - self.log_z[0]) / step, 0.0, n - 1.0)
        index = jnp.minimum(position.astype(int), n - 2)
        part = position - index

        def between(nodes):
            share = part.reshape(-1, *[1] * (nodes.ndim - 1))
            return (1.0 - share) * nodes[index] + share * nodes[index + 1]

        filters = (jnp.broadcast_to(column, flux.shape) for column in (self.pivot_aa, self.width))
        bands = Bands(between(self.pieces), between(self.screen), *filters)
        floor = jnp.broadcast_to(self.floor, z.shape)
        return self.network.condition(weights, UniversalData(flux, sigma, valid, upper, z, floor, bands))
