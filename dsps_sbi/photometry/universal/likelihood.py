"""The likelihood of photometry in any filters, of objects at redshifts of their own.

Light is that of the model in few functions of wavelength (:mod:`dsps_sbi.photometry.wave_basis`): fluxes
are within 0.003 % (median) and 0.2 % (99th percentile) of those of the model's band tables. What the bands
of an object see of the functions at its redshift is a small integral, where a band table takes the spectra of
all stellar populations. One compiled program serves all redshifts, and all surveys of about as many bands.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...components import pytree
from ..compressed import DEX, log_scale
from ..data import PhotometryData
from ..likelihood import PhotometryLikelihood
from ..wave_basis import WaveBasis
from .survey_network import SurveyNetwork, padded_bands
from .weight_light import WeightLight

# Draws of an object whose fluxes are computed at a time; fewer are computed for all objects at once
_FEW_DRAWS = 64


class ObjectBands(NamedTuple):
    """What the bands of objects see, each at its own redshift; a pytree.

    Parameters
    ----------
    pieces : array (Object, Sub * Band, K)
        As those of :class:`~dsps_sbi.photometry.universal.light.Bands`.
    screen : array (Object, Sub, Band)
    rest_aa : array (Object, Band)
        Pivot wavelengths at rest [Angstrom].
    z : array (Object,)
    """

    pieces: jax.Array
    screen: jax.Array
    rest_aa: jax.Array
    z: jax.Array


@pytree(arrays=("network", "weights"))
@dataclass(frozen=True, eq=False)
class Proposal:
    """What proposes draws for a survey, without what tells surveys of equally many bands apart; a pytree.

    Parameters
    ----------
    network : SurveyNetwork
    weights : pytree
    """

    network: SurveyNetwork
    weights: object

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters."""
        return self.network.prior.names


@pytree(arrays=("proposal", "light_of", "cosmology"), aside=("post", "model", "basis"))
@dataclass(frozen=True, eq=False)
class AnyFiltersLikelihood(PhotometryLikelihood):
    """A posterior for some filters, and the light of the model that it was trained on; a pytree.

    Parameters
    ----------
    post : SurveyPosterior
        Not for what is compiled: that takes :attr:`proposal`.
    model : GalaxyModel
        Behind its filters.
    basis : WaveBasis
        Of the model.
    """

    post: object
    model: object
    basis: WaveBasis

    @cached_property
    def proposal(self) -> Proposal:
        """Network and weights."""
        return Proposal(self.post.network, self.post.weights)

    @cached_property
    def light_of(self) -> WeightLight:
        """The light of :attr:`basis`, prepared for many draws."""
        return WeightLight.kept(self.basis)

    @cached_property
    def cosmology(self):
        """That of the model."""
        return self.basis.cosmology

    @property
    def floor(self):
        """Relative error of the model's fluxes (), of each band's own."""
        return self.proposal.network.floor

    @property
    def prior(self):
        """That of the network, which is that of the model."""
        return self.proposal.network.prior

    def views(self, data: PhotometryData):
        """All rows; what their bands see is made batch by batch, see :meth:`view_of`."""
        yield np.arange(len(data.z)), None

    def one_view(self, z):
        """As :meth:`views`, of objects at one redshift."""
        return None

    def view_of(self, view, data) -> ObjectBands:
        """What the bands of a batch of objects see."""
        z = np.asarray(data.z, np.float32)
        different, index = np.unique(z, return_inverse=True)
        pieces, screen = (columns[index] for columns in self._seen(different))
        pivot = np.pad(
            self.post.filter_set.pivot_aa, (0, screen.shape[-1] - len(self.post.filters)), constant_values=1e4
        )
        rest_aa = np.float32(pivot / (1.0 + z[:, None]))
        return jax.tree.map(jnp.asarray, ObjectBands(pieces, screen, rest_aa, z))

    def part_of(self, view, rows) -> ObjectBands:
        """That of some of the objects."""
        return jax.tree.map(lambda a: np.asarray(a)[rows], view)

    def _seen(self, z):
        """Pieces and screens of redshifts (Z,); the last ones are kept: pixels of an image share one."""
        last = self.__dict__.get("_last_seen")
        if last is None or not np.array_equal(last[0], z):
            pieces, screen, _ = self.basis.pieces(self.post.filter_set, z)
            last = z, padded_bands(pieces, screen, self.basis.n_sub)
            self.__dict__["_last_seen"] = last
        return last[1]

    def unit_fluxes(self, u, view: ObjectBands):
        """Fluxes (Object, Draw, Part, Band) [uJy] of one solar mass formed, of shapes u (Object, Draw, n)."""
        sfh, prior, cosmology = self.proposal.network.sfh, self.prior, self.cosmology

        def of_object(of_one):
            u, pieces, screen, z = of_one
            universe = cosmology.age(z)
            theta = prior.from_normal(u, universe)
            flux = self.light_of.fluxes(sfh, theta, universe, pieces, screen)
            # of one solar mass
            return flux * 10.0 ** -(DEX + log_scale(cosmology, z))

        each = u, view.pieces, view.screen, view.z
        # one by one where there are many draws: what is in between stays in the processor's cache
        return jax.vmap(of_object)(each) if u.shape[1] < _FEW_DRAWS else jax.lax.map(of_object, each)

    def shared_errors(self, parts, view: ObjectBands, u):
        """Errors (Object, Draw, Mode, Band) that bands share, of fluxes (Object, Draw, Part, Band) of u."""
        error = self.proposal.network.network.error
        if error is None:
            return None
        # (Mode, Part, Object, Band)
        relative = error.at(view.rest_aa)
        errors = jnp.einsum("odpb,mpob->odmb", parts, relative, precision=jax.lax.Precision.HIGHEST)
        return errors * self.error_strengths(error, u)
