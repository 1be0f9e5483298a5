"""The network for any filters as one for a given set of them, which may be used wherever such a one is."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ...components import pytree
from ...instruments.coverage import USABLE
from ...networks.base import FlowNetwork
from ..data import PhotometryData
from ..redshift_nodes import between_nodes
from .data import UniversalData
from .light import Bands
from .network import UniversalNetwork

# Redshifts, equally spaced in ln(1+z), between which what the bands see is interpolated
N_REDSHIFTS = 513
# Numbers of bands to which those of surveys are filled up, and steps beyond: what is compiled for one survey
# serves others
N_BANDS, _MORE_BANDS = (6, 10, 14, 20, 28, 40), 20


def n_filled(n: int) -> int:
    """Number of bands to which n are filled up."""
    more = -(-max(n - N_BANDS[-1], 0) // _MORE_BANDS) * _MORE_BANDS
    return next((size for size in N_BANDS if size >= n), N_BANDS[-1] + more)


def held(pieces, screen, covered):
    """What bands see, held for one redshift more where a band leaves the wavelengths of the light.

    A band may be seen between the last redshift that covers it and the next: nothing is interpolated to zero.

    Parameters
    ----------
    pieces : ndarray (Z, Sub * Band, K)
    screen : ndarray (Z, Sub, Band)
    covered : bool ndarray (Z, Band)

    Returns
    -------
    pieces, screen : ndarray
    """
    pieces = pieces.reshape(*screen.shape, -1).copy()
    screen = screen.copy()
    for step in (1, -1):
        before = np.roll(covered, step, axis=0)
        before[0 if step == 1 else -1] = False
        i, band = np.nonzero(before & ~covered)
        pieces[i, :, band], screen[i, :, band] = pieces[i - step, :, band], screen[i - step, :, band]
    return pieces.reshape(len(screen), -1, pieces.shape[-1]), screen


def padded_bands(pieces, screen, n_sub: int):
    """What bands see, filled up by bands that see nothing.

    Parameters
    ----------
    pieces : ndarray (Z, Sub * Band, K)
    screen : ndarray (Z, Sub, Band)
    n_sub : int

    Returns
    -------
    pieces, screen : ndarray
    """
    n_z, _, n = screen.shape
    more = n_filled(n) - n
    pieces = np.pad(pieces.reshape(n_z, n_sub, n, -1), [(0, 0), (0, 0), (0, more), (0, 0)])
    screen = np.pad(screen, [(0, 0), (0, 0), (0, more)], constant_values=1.0)
    return pieces.reshape(n_z, n_sub * (n + more), -1), screen


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
        Filled up to one of few numbers of bands.
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
        pieces, screen, share = network.basis.pieces(filters, np.expm1(log_z))
        pieces, screen = held(pieces, screen, share >= 1.0 - USABLE)
        pieces, screen = padded_bands(pieces, screen, network.basis.n_sub)
        more = (0, screen.shape[-1] - len(filters.pivot_aa))
        # no number of bands that are not there may be odd
        pivot, width = (
            np.pad(column, more, constant_values=fill)
            for column, fill in ((filters.pivot_aa, 1e4), (filters.log_width, 0.1))
        )
        rest = (pivot, width, floor)
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

    def layers(self, rngs):
        """Fresh layers."""
        return self.network.layers(rngs)

    @property
    def structure(self):
        """What the layers depend on."""
        return self.network.structure

    def condition(self, weights, flux, sigma, valid, upper, z):
        """As that of :class:`~dsps_sbi.photometry.network.PhotometryNetwork`; of fewer bands too."""
        return self.network.condition(weights, self.seen(flux, sigma, valid, upper, z))

    def filled(self, flux, sigma, valid, upper, z) -> PhotometryData:
        """Data of all bands, those that are filled in missing; traceable."""
        more = [(0, 0), (0, len(self.pivot_aa) - flux.shape[1])]
        valid = jnp.pad(valid, more)
        flux, sigma = jnp.where(valid, jnp.pad(flux, more), 0.0), jnp.where(valid, jnp.pad(sigma, more), 1.0)
        return PhotometryData(flux, sigma, valid, jnp.pad(upper, more) & valid, z)

    def seen(self, flux, sigma, valid, upper, z) -> UniversalData:
        """Data with what their bands see, each object a survey of its own; traceable."""
        flux, sigma, valid, upper, _ = self.filled(flux, sigma, valid, upper, z)
        between = between_nodes(self.log_z, z)

        filters = (jnp.broadcast_to(column, flux.shape) for column in (self.pivot_aa, self.width))
        bands = Bands(between(self.pieces), between(self.screen), *filters)
        return UniversalData(flux, sigma, valid, upper, z, jnp.broadcast_to(self.floor, z.shape), bands)
