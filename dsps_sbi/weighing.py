"""Weighing draws with an exact likelihood, whatever the data: the network proposes, the model decides.

The flow proposes everything but the mass; the mass is integrated out and drawn exactly. A draw's weight is
p(x | shape) p(shape) / q(shape | x).
"""

from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jax.scipy.stats import norm

from .kernels.psis import effective_draws, pareto_smooth, systematic_resample

# Branches of an object's key: the flow's noise is the key itself
_RESAMPLE = 1


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


class BaseWeigher:
    """What weighs draws, given the likelihood of one kind of data.

    A subclass has ``post``, and

    - ``shape_evidence(u, data, table)``: of shapes u (Object, Draw, Param - 1) the log evidence, the mass
      integrated out, and two arrays that the masses' posteriors are known by, all (Object, Draw, ...);
    - ``with_mass(u, share, *two)``: shapes and masses (Object, Draw, Param), the mass in normal
      coordinates and at cumulative probability ``share`` (Object, Draw);
    - ``ppc_p(u, data, table, ids, key)``: a predictive p-value (Object,), from equally weighted draws.

    ``data`` is what the network takes, ``table`` what else the likelihood needs. One that ``climbs`` has
    also ``precision_root(u, mass, table)``: of one object's shape u (n,) a lower root (n, n) of the
    posterior's precision, where ``mass`` is the first of the two arrays of ``shape_evidence``.
    """

    climbs = False

    @cached_property
    def refiner(self):
        """The :class:`~dsps_sbi.refiner.Refiner` of this weigher, compiled once for all who refine."""
        from .refiner import Refiner

        return Refiner(self)

    @property
    def n_shape(self) -> int:
        """Number of parameters besides the mass."""
        return len(self.post.names) - 1

    def log_target(self, u, data, table):
        """Log of evidence times prior (Object, Draw) of shapes u (Object, Draw, Param - 1)."""
        return self.shape_evidence(u, data, table)[0] + norm.logpdf(u).sum(axis=-1)

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

    def answer(self, data, table, ids, key, n_draws):
        """Draws u and what they are worth; compiled.

        Parameters
        ----------
        data : tuple
            What the network takes, as jax arrays.
        table : pytree
            Of photometry the BandTable of the redshift of all objects.
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
