"""Draws from the exact posterior of objects at redshifts of their own: NUTS, and weighted draws."""

from dataclasses import dataclass
from functools import partial

import blackjax
import jax
import numpy as np
from _exact import log_prior
from blackjax.diagnostics import effective_sample_size, potential_scale_reduction

from dsps_sbi.components import pytree
from dsps_sbi.photometry.likelihood import PhotometryLikelihood

N_CHAINS = 4
# Of a trajectory: 7 steps are a long way in coordinates in which the posterior is nearly a unit normal
MOST_DOUBLINGS = 3
# Weighted draws that are made at a time
CHUNK = 1000


@pytree(arrays=("likelihood",))
@dataclass(frozen=True, eq=False)
class ExactDraws:
    """The exact posterior of objects; a pytree.

    ``objects`` are :class:`~dsps_sbi.photometry.data.PhotometryData`, the network's condition, and a band
    table, each with a leading axis (Object, ...). The mass is integrated out, then drawn exactly.

    Parameters
    ----------
    likelihood : PhotometryLikelihood
    """

    likelihood: PhotometryLikelihood

    @property
    def post(self):
        """The posterior whose network proposes."""
        return self.likelihood.post

    @property
    def n_shape(self) -> int:
        """Number of parameters besides the mass."""
        return self.likelihood.n_shape

    @jax.jit
    def conditions(self, data):
        """The network's condition, which depends on the data alone."""
        return self.post.network.condition(self.post.weights, *data)

    def _log_shape(self, u, data, table):
        """Log posterior (Draw,) of shapes (Draw, n), and their masses' grid and cdf."""
        one = jax.tree.map(lambda a: a[None], data)
        log_like, grid, cdf = (a[0] for a in self.likelihood.shape_evidence(u[None], one, table))
        return log_like + log_prior(u), grid, cdf

    def _push(self, eps, condition):
        one = jax.tree.map(lambda a: a[None], condition)
        u, log_q = self.post.network.draw_shape(self.post.weights, one, eps[None])
        return u[0], log_q[0]

    def _log_base(self, eps, data, condition, table):
        """Log posterior () of a point (n,) of the flow's base space."""
        u, log_q = self._push(eps[None], condition)
        return (self._log_shape(u, data, table)[0] - log_q + log_prior(eps[None]))[0]

    def _with_mass(self, key, u, data, table):
        """Draws u (Draw, Param) with masses drawn exactly, and their log posterior of the shape."""
        log_p, grid, cdf = self._log_shape(u, data, table)
        return self.likelihood.with_mass(u, jax.random.uniform(key, log_p.shape), grid, cdf), log_p

    def _of_base(self, key, eps, data, condition, table):
        return self._with_mass(key, self._push(eps, condition)[0], data, table)[0]

    def _weighed(self, key, data, condition, table, of_prior):
        """CHUNK draws (Draw, Param) of the flow or of the prior, and their log weights."""
        noise_key, mass_key = jax.random.split(key)
        eps = jax.random.normal(noise_key, (CHUNK, self.n_shape))
        u, log_q = (eps, log_prior(eps)) if of_prior else self._push(eps, condition)
        u, log_p = self._with_mass(mass_key, u, data, table)
        return u, log_p - log_q

    def _chain(self, key, data, condition, table, n_warm, n_keep):
        """NUTS draws (n_keep, n_shape) of the base space, and the share of divergences."""
        start_key, warm_key, key = jax.random.split(key, 3)
        density = partial(self._log_base, data=data, condition=condition, table=table)
        # over-dispersed starts, so that R-hat can tell
        start = 2.0 * jax.random.normal(start_key, (self.n_shape,))
        warm = blackjax.window_adaptation(
            blackjax.nuts,
            density,
            is_mass_matrix_diagonal=False,
            adaptation_info_fn=lambda *_: None,
            max_num_doublings=MOST_DOUBLINGS,
        )
        (state, parameters), _ = warm.run(warm_key, start, n_warm)
        step = blackjax.nuts(density, **parameters).step

        def one(state, key):
            state, info = step(key, state)
            return state, (state.position, info.is_divergent)

        _, (eps, divergent) = jax.lax.scan(one, state, jax.random.split(key, n_keep))
        return eps, divergent.mean()

    @partial(jax.jit, static_argnames=("n_warm", "n_keep"))
    def _chains(self, keys, objects, n_warm, n_keep):
        chain = partial(self._chain, n_warm=n_warm, n_keep=n_keep)
        return jax.vmap(jax.vmap(chain, in_axes=(0, None, None, None)))(keys, *objects)

    def reference(self, key, objects, n_warm, n_keep):
        """Draws u (Object, Draw, Param), their effective number and R-hat (Object,), divergences."""
        chain_key, mass_key = jax.random.split(key)
        n = len(objects[0][0])
        keys = jax.random.split(chain_key, (n, N_CHAINS))
        eps, divergent = self._chains(keys, objects, n_warm=n_warm, n_keep=n_keep)
        u = self._finish(jax.random.split(mass_key, n), eps.reshape(n, -1, self.n_shape), objects)
        chains = u.reshape(n, N_CHAINS, n_keep, -1)
        halves = chains.reshape(n, 2 * N_CHAINS, n_keep // 2, -1)
        ess = effective_sample_size(chains, chain_axis=1, sample_axis=2).min(axis=-1)
        rhat = potential_scale_reduction(halves, chain_axis=1, sample_axis=2).max(axis=-1)
        return u, np.asarray(ess), np.asarray(rhat), np.asarray(divergent.mean(axis=1))

    @jax.jit
    def _finish(self, keys, eps, objects):
        """Draws (Object, Draw, Param) of points (Object, Draw, n) of the base space."""
        return jax.lax.map(lambda one: self._of_base(*one), (keys, eps, *objects))

    @partial(jax.jit, static_argnames=("n_draws", "of_prior"))
    def _weigh(self, key, objects, n_draws, of_prior):
        def one(here):
            keys = jax.random.split(here[0], n_draws // CHUNK)
            return jax.lax.map(lambda key: self._weighed(key, *here[1:], of_prior=of_prior), keys)

        u, log_w = jax.lax.map(one, (jax.random.split(key, len(objects[0][0])), *objects))
        return u.reshape(len(u), n_draws, -1), log_w.reshape(len(u), n_draws)

    def weighted(self, key, objects, n_draws, of_prior=False):
        """Draws u (Object, Draw, Param) of the flow, or of the prior, and log weights (Object, Draw)."""
        return self._weigh(key, objects, n_draws=n_draws, of_prior=of_prior)
