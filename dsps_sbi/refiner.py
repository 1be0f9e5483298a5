"""Repair what weighing left untrusted: adapted importance sampling, climbs to peaks, Hamiltonian chains."""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp

from .adapt import adapt, pool
from .climb import climb
from .hmc import N_CHAINS, run_chains
from .kernels.exact import einsum, matmul
from .kernels.psis import systematic_resample
from .kernels.student_mixture import moments, whiten
from .weighing import BaseWeigher, Weighed, branch, object_keys

# Branches of an object's key, beyond those of weigh
_ADAPT, _START, _CHAINS, _MASS, _CLIMB = 11, 12, 13, 14, 15


@dataclass(frozen=True, eq=False)
class Refiner:
    """Repairs answers of one weigher.

    Parameters
    ----------
    weigher : BaseWeigher
    """

    weigher: BaseWeigher

    def by_weights(self, data, table, ids, key, n_draws, weighed, turn=0):
        """As :meth:`~dsps_sbi.weighing.BaseWeigher.answer`, by adapted sampling from weighed draws.

        Each ``turn`` has random numbers of its own.
        """
        turn = jnp.asarray(turn, jnp.uint32)
        # of one shape, wherever the draws come from: compiled once
        draws = pool(weighed.u[..., :-1], weighed.log_weight)
        return self._by_weights(self.weigher.post.weights, data, table, ids, key, n_draws, draws, turn)

    @cached_property
    def _by_weights(self):
        def run(weights, data, table, ids, key, n_draws, draws, turn):
            keys = branch(branch(object_keys(key, ids), _ADAPT), turn)
            weighed = adapt(self.weigher, weights, data, table, keys, *draws)
            u = self.weigher.resample(weighed, ids, key, n_draws)
            return u, weighed, self.weigher.ppc_p(u, data, table, ids, key)

        return jax.jit(run, static_argnums=5)

    def by_peaks(self, data, table, ids, key, n_draws, weighed):
        """As :meth:`by_weights`, about the peaks that climbs find; of one object.

        Only for weighers that know the curvature of their likelihood: ``weigher.climbs``.
        """
        draws = pool(weighed.u[..., :-1], weighed.log_weight)
        return self._by_peaks(data, table, ids, key, n_draws, draws)

    @cached_property
    def _by_peaks(self):
        def run(data, table, ids, key, n_draws, draws):
            weighed = climb(self.weigher, data, table, branch(object_keys(key, ids), _CLIMB), *draws)
            u = self.weigher.resample(weighed, ids, key, n_draws)
            return u, weighed, self.weigher.ppc_p(u, data, table, ids, key)

        return jax.jit(run, static_argnums=4)

    @cached_property
    def by_chains(self):
        """Compiled chains started from weighed draws: to draws u, R-hat, effective draws, ``ppc_p``."""
        n = self.weigher.n_shape

        def run(data, table, ids, key, n_draws, weighed: Weighed):
            keys = object_keys(key, ids)
            u, log_weight = weighed.u[..., :n], weighed.log_weight
            mean, factor = jax.vmap(moments)(u, log_weight)
            shift = jax.vmap(jax.random.uniform)(branch(keys, _START))
            index = systematic_resample(shift, log_weight, N_CHAINS)
            start = jnp.take_along_axis(u, index[..., None], axis=1) - mean[:, None]
            start = jax.vmap(whiten)(factor, start)

            def log_density(y, own):
                mean, factor, data = own
                one = [a[None] for a in data]
                return self.weigher.log_target((mean + matmul(factor, y))[None, None], one, table)[0, 0]

            own = (mean, factor, data)
            y, r_hat, ess = run_chains(log_density, branch(keys, _CHAINS), (start, own))
            y = y.reshape(len(ids), -1, n)
            y = y[:, jnp.linspace(0, y.shape[1] - 1, n_draws).astype(int)]
            u = mean[:, None] + einsum("oij,odj->odi", factor, y)
            _, grid, cdf = self.weigher.shape_evidence(u, data, table)
            share = jax.vmap(lambda k: jax.random.uniform(k, (n_draws,)))(branch(keys, _MASS))
            u = self.weigher.with_mass(u, share, grid, cdf)
            return u, r_hat, ess, self.weigher.ppc_p(u, data, table, ids, key)

        return jax.jit(run, static_argnums=4)
