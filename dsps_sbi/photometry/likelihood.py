"""The exact likelihood of photometry, that draws are weighed with."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri

from ..components import pytree
from ..inference.importance import Likelihood
from ..inference.misfit import Misfit, misfit_of
from ..inference.trust import FEWEST_EFFECTIVE
from ..kernels.full_precision import einsum
from ..kernels.likelihood import below
from ..kernels.mass import draw_mass, marginalise, whitened
from .band_table import BandTable
from .data import PhotometryData
from .model import GalaxyModel

# Draws whose fluxes are computed at a time
_ROWS = 1024
# So many independent draws at least have the error of one quasi-random draw (benchmarks/quasi_random.py). And
# so many are made at least: fewer would miss a mode that the network all but misses
_WORTH, _FEWEST_PROPOSED = 2, 256


@pytree(arrays=("post", "model"))
@dataclass(frozen=True, eq=False)
class PhotometryLikelihood(Likelihood):
    """A posterior of photometry and the model that it was trained on; a pytree.

    Parameters
    ----------
    post : PhotometryPosterior
    model : GalaxyModel
        ``post.likelihood(model)`` makes sure that it was trained on that.
    """

    adapts: ClassVar[bool] = True

    post: object
    model: GalaxyModel

    def n_proposed(self, n_draws: int) -> int:
        """So many quasi-random draws that percentiles have the error of n_draws independent ones.

        A power of 2, with which they are most even. How many draws are asked for has no part in the verdict,
        unless they are too few for any: those are as many.
        """
        if n_draws < FEWEST_EFFECTIVE:
            return n_draws
        return max(2 ** math.ceil(math.log2(n_draws / _WORTH)), _FEWEST_PROPOSED)

    def views(self, data: PhotometryData):
        """Rows of each redshift, and the band table there; all tables have one shape."""
        redshifts = np.asarray(data.z)
        for z in np.unique(redshifts):
            yield np.flatnonzero(redshifts == z), self.model.band_table(z, trim=False)

    def one_view(self, z):
        """As :meth:`views`, of objects at one redshift."""
        return self.model.band_table(z, trim=False)

    @property
    def floor(self):
        """Relative error of the model's fluxes, of each band's own."""
        return self.post.noise.floor

    @property
    def prior(self):
        """That of the model."""
        return self.model.prior

    @property
    def mass_range(self) -> tuple[float, float]:
        """Prior's range of log10 formed mass."""
        mass = self.prior.marginals["log_mass_formed"]
        return mass.low, mass.high

    def unit_fluxes(self, u, view: BandTable):
        """Fluxes of one solar mass formed, of shapes u (Object, Draw, n_shape).

        Returns
        -------
        array (Object, Draw, Part, Band)
            [uJy], of stars of each range of ages of the model's error; of all stars, without such.
        """

        def of_some(u):
            # of one solar mass
            theta = jnp.pad(self.prior.from_normal(u, view.universe_gyr), ((0, 0), (0, 1)))
            return self.fluxes(theta, view)

        # in chunks: light of each metallicity and piece of a band then stays in the processor's cache
        rows = u.reshape(-1, self.n_shape)
        n_chunk = math.ceil(len(rows) / _ROWS)
        if n_chunk == 1:
            flux = of_some(rows)
        else:
            size = math.ceil(len(rows) / n_chunk)
            filled = jnp.pad(rows, ((0, n_chunk * size - len(rows)), (0, 0)))
            flux = jax.lax.map(of_some, filled.reshape(n_chunk, size, -1))
            flux = flux.reshape(n_chunk * size, *flux.shape[2:])[: len(rows)]
        return flux.reshape(*u.shape[:2], *flux.shape[1:])

    def light(self, u, view: BandTable):
        """Fluxes of one solar mass, see :meth:`unit_fluxes`."""
        return self.unit_fluxes(u, view)

    def fluxes(self, theta, view: BandTable):
        """Fluxes (Object, Part, Band) [uJy] of parameters theta (Object, Param), as :meth:`unit_fluxes`."""
        if self.model.error is None:
            return self.model.predict_fast(theta, view)[:, None]
        return self.model.predict_parts(theta, view)

    def shared_errors(self, parts, view: BandTable, u):
        """Errors (..., Mode, Band) that bands share; None without such.

        Parameters
        ----------
        parts : array (..., Part, Band)
            Fluxes of stars of each range of ages.
        view : BandTable
        u : array (..., Param)
            Normal coordinates, or the first few: errors depend on metallicity.
        """
        if self.model.error is None:
            return None
        errors = einsum("...pb,mpb->...mb", parts, self.model.band_errors(view.z))
        return errors * self.error_strengths(self.model.error, u)

    def error_strengths(self, error, u):
        """Factors (..., Mode, 1) of the errors of normal coordinates u (..., Param)."""
        return error.strengths(self.prior.value("metallicity", u))[..., None]

    def shape_evidence(self, u, data: PhotometryData, view: BandTable, light=None):
        """Evidence of shapes, and the posterior of the mass of each; differentiable.

        Parameters
        ----------
        u : array (Object, Draw, Param - 1)
        data : PhotometryData
        view : BandTable
            Of the redshift of all objects.

        Returns
        -------
        log_evidence, grid, cdf
            As :func:`dsps_sbi.kernels.mass.marginalise`, with axes (Object, Draw, ...).
        """
        flux, sigma, valid, upper = (a[:, None] for a in data[:4])
        parts, floor = self.unit_fluxes(u, view) if light is None else light, self.floor
        errors = self.shared_errors(parts, view, u)
        total = jnp.sum(parts, axis=-2)
        return marginalise(flux, sigma, valid, total, floor, *self.mass_range, upper, errors)

    def with_mass(self, u, share, grid, cdf):
        """Shapes and masses (Object, Draw, Param), the mass at cumulative probability ``share``."""
        low, high = self.mass_range
        v = (draw_mass(share, grid, cdf) - low) / (high - low)
        return jnp.concatenate([u, ndtri(jnp.clip(v, 1e-7, 1.0 - 1e-7))[..., None]], axis=-1)

    def misfit(self, u, data: PhotometryData, view: BandTable, light=None) -> Misfit:
        """Misfit of data (Object,) over draws u (Object, Draw, Param); see the base class.

        The flux below an upper limit is unknown: its mean and variance count, those of the Gaussian cut off
        there.
        """
        flux, sky, valid, upper = (a[:, None] for a in data[:4])
        low, high = self.mass_range
        mass = 10.0 ** (low + (high - low) * ndtr(u[..., -1]))
        light = self.unit_fluxes(u[..., :-1], view) if light is None else light
        parts = light * mass[..., None, None]
        model, errors = jnp.sum(parts, axis=-2) / sky, self.shared_errors(parts, view, u)
        extra = 0.0
        if errors is not None:
            errors = jnp.where(valid[..., None, :], errors, 0.0) / sky[..., None, :]
            extra = jnp.where(upper, jnp.sum(errors**2, axis=-2), 0.0)
            errors = jnp.where(upper[..., None, :], 0.0, errors)
        # in units of the sky, as in the likelihood
        scale = (1.0 + (self.floor * model) ** 2 + extra) ** -0.5
        residual = (flux / sky - model) * scale
        hidden, variance = below(residual)
        residual = jnp.where(valid, jnp.where(upper, hidden, residual), 0.0)
        variance = jnp.where(valid & upper, variance, 0.0)
        stated = jnp.mean(jnp.where(valid & ~upper, scale, 0.0), axis=1)
        stated = stated[:, None] * jnp.eye(stated.shape[-1], dtype=stated.dtype)
        if errors is not None:
            errors = errors * scale[..., None, :]
            residual = whitened(errors, residual)
            stated = whitened(jnp.mean(errors, axis=1)[:, None], stated)
        return misfit_of(residual, variance, stated, data.valid.sum(axis=1))
