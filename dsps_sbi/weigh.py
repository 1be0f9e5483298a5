"""Draws weighed with the exact likelihood: the network proposes, the model decides.

The flow proposes everything but the mass; the mass is integrated out and drawn exactly
(:mod:`dsps_sbi.kernels.mass`). A draw's weight is p(x | shape) p(shape) / q(shape | x).
"""

from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import chi2, norm

from .band_table import BandTable
from .errors import UserError
from .kernels.likelihood import log_normal_cdf
from .kernels.mass import draw_mass, marginalise
from .kernels.psis import effective_draws, pareto_smooth, systematic_resample
from .match import check_match, model_of
from .model import GalaxyModel
from .ssp import available
from .ssp.fetch import FILES

# Branches of an object's key: the flow's noise is the key itself
_RESAMPLE, _PREDICT = 1, 2


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["u", "log_weight", "pareto_k", "ess", "log_evidence"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Weighed:
    """Draws and their weights.

    Parameters
    ----------
    u : array (Object, Draw, Param)
        Normal coordinates, mass included.
    log_weight : array (Object, Draw)
        Pareto-smoothed; the evidence is the mean of their exponentials.
    pareto_k, ess, log_evidence : array (Object,)
        Shape of the tail of the weights, effective number of draws, and log of the density of the
        data [1/uJy per band with a flux].
    """

    u: jax.Array
    log_weight: jax.Array
    pareto_k: jax.Array
    ess: jax.Array
    log_evidence: jax.Array

    @classmethod
    def of(cls, u, log_weight) -> "Weighed":
        """Smooth raw weights and say what they are worth."""
        log_weight, k = pareto_smooth(log_weight)
        log_evidence = jax.scipy.special.logsumexp(log_weight, axis=1) - jnp.log(log_weight.shape[1])
        return cls(u, log_weight, k, effective_draws(log_weight), log_evidence)


def object_keys(key, ids):
    """One key for each object, whatever its place in the batch."""
    return jax.vmap(partial(jax.random.fold_in, key))(ids)


def branch(keys, i):
    """Branch i of each object's key (Object,)."""
    return jax.vmap(lambda key: jax.random.fold_in(key, i))(keys)


@dataclass(frozen=True, eq=False)
class Weigher:
    """A posterior and the model that it was trained on.

    Parameters
    ----------
    post : AmortizedPosterior
    model : GalaxyModel
        See :func:`weigher`, which makes sure of that.
    """

    post: object
    model: GalaxyModel

    @cached_property
    def refiner(self):
        """The :class:`~dsps_sbi.refiner.Refiner` of this weigher, compiled once for all who refine."""
        from .refiner import Refiner

        return Refiner(self)

    @property
    def n_shape(self) -> int:
        """Number of parameters besides the mass."""
        return len(self.post.names) - 1

    @property
    def mass_range(self) -> tuple[float, float]:
        """Prior's range of log10 formed mass."""
        mass = self.model.prior.marginals["log_mass_formed"]
        return mass.low, mass.high

    def unit_fluxes(self, u, table: BandTable):
        """Fluxes (Object, Draw, Band) [uJy] of one solar mass formed, of shapes u (Object, Draw, n_shape)."""
        theta = self.model.prior.from_normal(u.reshape(-1, self.n_shape), table.universe_gyr)
        theta = jnp.concatenate([theta, jnp.zeros_like(theta[:, :1])], axis=1)
        return self.model.predict_fast(theta, table).reshape(*u.shape[:2], -1)

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

    def log_target(self, u, data, table):
        """Log of evidence times prior (Object, Draw) of shapes u (Object, Draw, Param - 1)."""
        return self.shape_evidence(u, data, table)[0] + norm.logpdf(u).sum(axis=-1)

    def with_mass(self, u, share, grid, cdf):
        """Shapes and masses (Object, Draw, Param), the mass at cumulative probability ``share``."""
        low, high = self.mass_range
        v = (draw_mass(share, grid, cdf) - low) / (high - low)
        return jnp.concatenate([u, ndtri(jnp.clip(v, 1e-7, 1.0 - 1e-7))[..., None]], axis=-1)

    def propose(self, weights, data, table, ids, key, n_draws) -> Weighed:
        """Draws of the flow with some weights, and how much each counts; traceable.

        The random numbers are those of :meth:`~dsps_sbi.posterior.AmortizedPosterior.sample`: the
        same shapes are proposed as without weights.
        """
        network = self.post.network
        noise = jax.vmap(lambda k: jax.random.normal(k, (n_draws, self.n_shape + 1)))(object_keys(key, ids))
        u, log_q = network.draw_shape(weights, network.condition(weights, *data), noise[..., :-1])
        evidence, grid, cdf = self.shape_evidence(u, data, table)
        log_weight = evidence + norm.logpdf(u).sum(axis=-1) - log_q
        return Weighed.of(self.with_mass(u, ndtr(noise[..., -1]), grid, cdf), log_weight)

    def resample(self, weighed: Weighed, ids, key, n_draws):
        """Equally weighted draws u (Object, n_draws, Param), by systematic resampling."""
        keys = branch(object_keys(key, ids), _RESAMPLE)
        shift = jax.vmap(jax.random.uniform)(keys)
        index = systematic_resample(shift, weighed.log_weight, n_draws)
        return jnp.take_along_axis(weighed.u, index[..., None], axis=1)

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

    def answer(self, data, table, ids, key, n_draws):
        """Draws u and what they are worth; compiled.

        Parameters
        ----------
        data : tuple
            Of :meth:`~dsps_sbi.posterior.AmortizedPosterior.prepared`, as jax arrays.
        table : BandTable
            Of the redshift of all objects.
        ids : array of uint32 (Object,)
        key : key
        n_draws : int

        Returns
        -------
        u : array (Object, Draw, Param)
            Equally weighted.
        weighed : Weighed
            What they were resampled from.
        ppc_p : array (Object,)
        """
        return self._answer(self.post.weights, data, table, ids, key, n_draws)

    @cached_property
    def _answer(self):
        def answer(weights, data, table, ids, key, n_draws):
            weighed = self.propose(weights, data, table, ids, key, n_draws)
            u = self.resample(weighed, ids, key, n_draws)
            return u, weighed, self.ppc_p(u, data, table, ids, key)

        return jax.jit(answer, static_argnums=5)


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
