"""The exact likelihood of photometry, that draws are weighed with."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri
from jax.scipy.stats import chi2

from .band_table import BandTable
from .errors import UserError
from .kernels.likelihood import log_normal_cdf
from .kernels.mass import draw_mass, marginalise
from .match import check_match, model_of
from .model import GalaxyModel
from .ssp import available
from .ssp.fetch import FILES
from .weighing import BaseWeigher, branch, object_keys

# Branch of an object's key, beyond those of weighing
_PREDICT = 2
# Draws whose fluxes are computed at a time
_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Weigher(BaseWeigher):
    """A posterior and the model that it was trained on.

    Parameters
    ----------
    post : AmortizedPosterior
    model : GalaxyModel
        See :func:`weigher`, which makes sure of that.
    """

    post: object
    model: GalaxyModel

    @property
    def mass_range(self) -> tuple[float, float]:
        """Prior's range of log10 formed mass."""
        mass = self.model.prior.marginals["log_mass_formed"]
        return mass.low, mass.high

    def unit_fluxes(self, u, table: BandTable):
        """Fluxes (Object, Draw, Band) [uJy] of one solar mass formed, of shapes u (Object, Draw, n_shape)."""

        def of_some(u):
            theta = self.model.prior.from_normal(u, table.universe_gyr)
            # of one solar mass
            return self.model.predict_fast(jnp.pad(theta, ((0, 0), (0, 1))), table)

        # in turns: light of each metallicity and piece of a band then stays in the processor's cache
        rows = u.reshape(-1, self.n_shape)
        n_turn = math.ceil(len(rows) / _ROWS)
        if n_turn == 1:
            return of_some(rows).reshape(*u.shape[:2], -1)
        size = math.ceil(len(rows) / n_turn)
        filled = jnp.pad(rows, ((0, n_turn * size - len(rows)), (0, 0)))
        flux = jax.lax.map(of_some, filled.reshape(n_turn, size, -1))
        return flux.reshape(n_turn * size, -1)[: len(rows)].reshape(*u.shape[:2], -1)

    def shape_evidence(self, u, data, table: BandTable):
        """Evidence of shapes, and the posterior of the mass of each; traceable and differentiable.

        Parameters
        ----------
        u : array (Object, Draw, Param - 1)
        data : tuple
            Of :meth:`~dsps_sbi.posterior.AmortizedPosterior.prepared`.
        table : BandTable
            Of the redshift of all objects.

        Returns
        -------
        log_evidence, grid, cdf
            As :func:`dsps_sbi.kernels.mass.marginalise`, with axes (Object, Draw, ...).
        """
        flux, sky, valid, upper, _ = data
        columns = [a[:, None] for a in (flux, sky, valid)]
        return marginalise(
            *columns, self.unit_fluxes(u, table), self.post.noise.floor, *self.mass_range, upper[:, None]
        )

    def with_mass(self, u, share, grid, cdf):
        """Shapes and masses (Object, Draw, Param), the mass at cumulative probability ``share``."""
        low, high = self.mass_range
        v = (draw_mass(share, grid, cdf) - low) / (high - low)
        return jnp.concatenate([u, ndtri(jnp.clip(v, 1e-7, 1.0 - 1e-7))[..., None]], axis=-1)

    def ppc_p(self, u, data, table, ids, key):
        """Predictive p-value (Object,) of the data, from equally weighted draws u (Object, Draw, Param).

        The chi2 of the data about one draw from the posterior. If the data come from the model it
        follows the chi2 distribution of as many degrees of freedom as there are bands, exactly and
        whatever the data determine: draw and data have the same joint distribution as truth and
        data (Johnson 2004, Annals of Statistics 32, 2361). The flux below an upper limit is drawn
        too, from the Gaussian cut off there.
        """
        flux, sky, valid, upper, _ = data
        keys = branch(object_keys(key, ids), _PREDICT)
        pick = jax.vmap(lambda k: jax.random.randint(k, (1, 1), 0, u.shape[1]))(keys)
        one = jnp.take_along_axis(u, pick, axis=1)[:, 0]
        model = self.model.predict_fast(self.model.prior.from_normal(one, table.universe_gyr), table)
        # in units of the sky, as in the likelihood
        residual = (flux - model) / sky * (1.0 + (self.post.noise.floor * model / sky) ** 2) ** -0.5
        share = jax.vmap(lambda k: jax.random.uniform(k, flux.shape[1:], minval=1e-6))(branch(keys, 0))
        log_v = jnp.log(share) + log_normal_cdf(residual)
        # far in the tail -x^2 / 2 is all that counts
        hidden = jnp.where(log_v < -80.0, -jnp.sqrt(-2.0 * log_v), ndtri(jnp.exp(jnp.maximum(log_v, -80.0))))
        square = jnp.where(valid, jnp.where(upper, hidden, residual) ** 2, 0.0)
        return chi2.sf(square.sum(axis=1), jnp.maximum(valid.sum(axis=1), 1))


def weigher(post, model="auto") -> Weigher | None:
    """What weighs a posterior's draws, or None where that cannot be done.

    Parameters
    ----------
    post : AmortizedPosterior
    model : GalaxyModel, "auto" or None
        "auto" builds the model of the bundle from its SSP grid if that is in the cache. None is
        for no weights.

    Raises
    ------
    UserError
        If the model is not that of training, see :func:`~dsps_sbi.match.check_match`.
    """
    if model is None or isinstance(model, Weigher):
        return model
    if isinstance(model, str):
        if model != "auto":
            raise UserError(f"model {model!r}: give a GalaxyModel, 'auto' or None")
        name = post.meta.get("ssp", {}).get("name")
        # a bundle without reference fluxes cannot tell whether a model is its own
        if name not in FILES or not available(name) or "reference" not in post.meta:
            return None
        return Weigher(post, model_of(post))
    check_match(post, model)
    return Weigher(post, model)
