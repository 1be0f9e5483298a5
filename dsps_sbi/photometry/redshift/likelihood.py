"""The likelihood of photometry at any redshift of each galaxy: light of few functions of wavelength.

A band table, which :class:`~dsps_sbi.photometry.likelihood.PhotometryLikelihood` takes, holds all stellar
populations at one redshift. Here every galaxy is tried at redshifts of its own: their light comes as
functions of wavelength (:class:`~dsps_sbi.photometry.wave_basis.WaveBasis`), through bands on a grid of
redshifts, between which it is linear. Distances and ages of the Universe are those of the redshift itself.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...components import pytree
from ...instruments.coverage import USABLE
from ...kernels.full_precision import matmul
from ..compressed import DEX, log_scale
from ..data import PhotometryData
from ..likelihood import PhotometryLikelihood
from ..redshift_nodes import between_nodes
from ..universal.likelihood import Proposal
from ..universal.survey_network import SurveyNetwork, n_filled, padded_bands
from ..universal.weight_basis import weight_basis
from ..universal.weight_light import WeightLight

# Steps of the grid of redshifts in ln(1+z)
_STEP = 0.002
# A screen of one magnitude in natural logarithm
_LN_MAG = 0.921034037


class AnyRedshift(NamedTuple):
    """What the likelihood needs of the redshifts of objects; a pytree.

    Parameters
    ----------
    universe_gyr : array (Object,)
        Age of the Universe.
    log_scale : array (Object,)
        See :func:`~dsps_sbi.photometry.compressed.log_scale`.
    pieces : array (Object, Sub * Band, K)
    screen : array (Object, Sub, Band)
        See :class:`~dsps_sbi.photometry.universal.light.Bands`.
    errors : array (Object, Mode, Part, Band) or None
        Relative errors that bands share.
    """

    universe_gyr: jax.Array
    log_scale: jax.Array
    pieces: jax.Array
    screen: jax.Array
    errors: jax.Array | None


class SharedErrors(NamedTuple):
    """Of an :class:`AnyRedshift` the errors alone, of each draw: (Object, Draw, Mode, Part, Band)."""

    errors: jax.Array | None


@pytree(
    arrays=("proposal", "mixed", "error", "log_z", "pieces", "screen", "pivot_aa", "noise_floor"),
    aside=("post", "model", "covered"),
)
@dataclass(frozen=True, eq=False)
class RedshiftLikelihood(PhotometryLikelihood):
    """A :class:`PhotometryLikelihood` for objects at redshifts of their own; a pytree.

    Its views are :class:`AnyRedshift`. Where the network serves any filters, bands are filled up as those of
    the network are: surveys of about as many bands share what is compiled.

    Parameters
    ----------
    post : PhotometryPosterior
        Not for what is compiled: that takes :attr:`proposal`.
    model : None
        What it was made of is not kept.
    mixed : WeightLight
    error : ModelError or None
    log_z : array (Z,)
        ln(1+z), equally spaced.
    pieces : array (Z, Sub * Band, K)
    screen : array (Z, Sub, Band)
    pivot_aa : array (Band,)
    noise_floor : array ()
        Relative error of the model's fluxes.
    covered : bool ndarray (Z, Band)
        Where bands lie within the light.
    """

    mixed: WeightLight
    error: object
    log_z: jax.Array
    pieces: jax.Array
    screen: jax.Array
    pivot_aa: jax.Array
    noise_floor: jax.Array
    covered: np.ndarray

    @classmethod
    def of(cls, likelihood: PhotometryLikelihood, z_range: tuple[float, float]) -> "RedshiftLikelihood":
        """The same likelihood at redshifts of a range; those of the last ranges are kept."""
        kept = likelihood.__dict__.setdefault("_kept_redshifts", {})
        known = [one for (low, high), one in kept.items() if low <= z_range[0] and z_range[1] <= high]
        if known:
            return known[0]
        model = likelihood.model
        basis = weight_basis(model)
        low, high = np.log1p(z_range)
        log_z = np.linspace(low, high, max(int(np.ceil((high - low) / _STEP)) + 1, 2))
        pieces, screen, share = basis.pieces(model.filters, np.expm1(log_z))
        pivot_aa, covered = model.filters.pivot_aa, share >= 1.0 - USABLE
        if isinstance(likelihood.post.network, SurveyNetwork):
            pieces, screen = padded_bands(pieces, screen, basis.n_sub)
            more = (0, n_filled(len(pivot_aa)) - len(pivot_aa))
            pivot_aa = np.pad(pivot_aa, more, constant_values=1e4)
            covered = np.pad(covered, [(0, 0), more])
        arrays = (log_z, pieces, screen, pivot_aa, likelihood.post.noise.floor)
        arrays = (jnp.asarray(a, jnp.float32) for a in arrays)
        made = cls(likelihood.post, None, WeightLight.kept(basis), model.error, *arrays, covered)
        if len(kept) > 1:
            kept.pop(next(iter(kept)))
        kept[z_range] = made
        return made

    @cached_property
    def proposal(self) -> Proposal:
        """Network and weights."""
        return Proposal(self.post.network, self.post.weights)

    @property
    def floor(self):
        """Relative error of the model's fluxes (), of each band's own."""
        return self.noise_floor

    @property
    def prior(self):
        """Prior of the parameters."""
        return self.proposal.network.prior

    def filled(self, data: PhotometryData) -> PhotometryData:
        """Data of as many bands as the likelihood has, those that are added missing; on the host."""
        more = [(0, 0), (0, len(self.pivot_aa) - data.flux.shape[1])]
        flux, sigma, valid, upper = (np.asarray(a) for a in data[:4])
        sigma = np.pad(sigma, more, constant_values=1.0)
        return PhotometryData(np.pad(flux, more), sigma, np.pad(valid, more), np.pad(upper, more), data.z)

    def views(self, data):
        """All objects at once."""
        yield np.arange(len(data.z)), self.view(jnp.asarray(data.z))

    def view(self, z) -> AnyRedshift:
        """What is needed of redshifts z (Object,); traceable."""
        between = between_nodes(self.log_z, z)

        cosmology = self.proposal.network.cosmology
        errors = self.errors_at(z)
        scale = log_scale(cosmology, z)
        return AnyRedshift(cosmology.age(z), scale, between(self.pieces), between(self.screen), errors)

    def errors_at(self, z):
        """Relative errors (..., Mode, Part, Band) at redshifts z (...); None without such."""
        if self.error is None:
            return None
        errors = self.error.at(self.pivot_aa / (1.0 + z[..., None]))
        return jnp.moveaxis(errors, (0, 1), (-3, -2))

    def unit_fluxes(self, u, view: AnyRedshift):
        """Fluxes (Object, Draw, Part, Band) [uJy] of one solar mass formed, of shapes u (Object, Draw, n)."""
        sfh = self.proposal.network.sfh
        theta = self.prior.from_normal(u, view.universe_gyr[:, None])
        ages = jnp.repeat(view.universe_gyr, u.shape[1])
        parts = self.mixed.parts_of(sfh, theta.reshape(-1, theta.shape[-1]), ages)
        parts = parts.reshape(*theta.shape[:2], *parts.shape[1:])
        av = theta[..., len(sfh.names) + 1]

        def of_object(parts, av, pieces, screen):
            n_draw, n_part, k = parts.shape
            seen = matmul(parts.reshape(-1, k), pieces.T).reshape(n_draw, n_part, *screen.shape)
            through = jnp.exp(-_LN_MAG * av[:, None, None] * screen)
            return jnp.sum(seen * through[:, None], axis=2)

        flux = jax.vmap(of_object)(parts, av, view.pieces, view.screen)
        return flux * 10.0 ** (-DEX - view.log_scale)[:, None, None, None]

    def shared_errors(self, parts, view: AnyRedshift | SharedErrors, u):
        """Errors (..., Mode, Band) that bands share, of fluxes (Object, Draw, Part, Band) of draws u."""
        if view.errors is None:
            return None
        errors = view.errors if isinstance(view, SharedErrors) else view.errors[:, None]
        return jnp.sum(parts[..., None, :, :] * errors, axis=-2) * self.error_strengths(self.error, u)

    def usable(self, z) -> np.ndarray:
        """Which bands (..., Band) are modelled at redshifts z (...)."""
        low, high = np.asarray(self.log_z[jnp.array([0, -1])], float)
        position = (np.log1p(z) - low) / (high - low) * (len(self.covered) - 1)
        index = np.clip(position.astype(int), 0, len(self.covered) - 2)
        # light that ends between two redshifts of the grid is known at neither
        covered = self.covered[index] & self.covered[index + 1]
        inside = self.post.coverage(z)[1]
        covered[..., : inside.shape[-1]] &= inside
        return covered
