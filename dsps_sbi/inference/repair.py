"""Repair of what weights leave untrusted: population Monte Carlo, mode search, Hamiltonian chains; compiled.

Each function takes a batch as :func:`~dsps_sbi.inference.importance.importance_sample` does, and starts from
weighted draws.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ..kernels.full_precision import einsum, matmul
from ..kernels.psis import systematic_resample
from ..kernels.student_mixture import moments, whiten
from .edges import converged
from .exported import exported
from .hmc import N_CHAINS, run_chains
from .importance import Likelihood, WeightedDraws, branch, judged, like_judged, object_keys
from .misfit import Misfit
from .modes import mode_search
from .pmc import N_ITERATIONS, pool, population_monte_carlo

# Branches of an object's key, beyond those of weighing
_PMC, _START, _CHAINS, _MASS, _MODES, _ONCE = 11, 12, 13, 14, 15, 16
_SAMPLE = ("u", "log_weight")
# Draws from kernels and from the flow of a single iteration: half of what repair makes, and more often enough
_ONCE_DRAWS = 450, 62


def by_weights(likelihood, data, view, ids, key, n_draws, weighted: WeightedDraws, iteration=0):
    """Population Monte Carlo; each ``iteration`` has random numbers of its own.

    Returns
    -------
    u, weighted, misfit
        As :func:`~dsps_sbi.inference.importance.importance_sample`.
    """
    # of one shape, wherever the draws come from: compiled once
    start = pool(weighted.u[..., :-1], weighted.log_weight)
    iteration = jnp.asarray(iteration, jnp.uint32)
    return _by_weights(likelihood, data, view, ids, key, start, iteration, n_draws=n_draws)


def by_one_iteration(likelihood, data, view, ids, key, n_draws, weighted: WeightedDraws, iteration=0):
    """As :func:`by_weights`, of a single iteration: for draws that are nearly good enough."""
    start = pool(weighted.u[..., :-1], weighted.log_weight)
    iteration = jnp.asarray(iteration, jnp.uint32)
    return _by_weights(likelihood, data, view, ids, key, start, iteration, n_draws=n_draws, once=True)


@exported(like_judged)
@partial(jax.jit, static_argnames=("n_draws", "once"))
def _by_weights(likelihood: Likelihood, data, view, ids, key, start, iteration, n_draws, once=False):
    keys = branch(branch(object_keys(key, ids), _ONCE if once else _PMC), iteration)
    numbers = (1, *_ONCE_DRAWS) if once else (N_ITERATIONS,)
    weighted = population_monte_carlo(likelihood, data, view, keys, *start, *numbers)
    return judged(likelihood, weighted, data, view, ids, key, n_draws)


def together(likelihood, data, view, ids, key, n_draws, found, most):
    """Draws of several iterations of :func:`by_weights` as one sample.

    Where no mixture of kernels follows a posterior well, each iteration leaves few effective draws, and the
    next one is no better: those of all iterations add up. The first ones of fewer effective draws than
    converged are left out. From then on each iteration counts as much as any other, however good its weights
    look: the sample that found what others missed has the worst weights.

    Parameters
    ----------
    found : sequence of WeightedDraws
        Of one length.
    most : int
        How many there can be: the sample is filled up, so that one program serves all.

    Returns
    -------
    u, weighted, misfit
        As :func:`~dsps_sbi.inference.importance.importance_sample`.
    """
    u, log_weight = (np.concatenate([getattr(one, name) for one in found], axis=1) for name in _SAMPLE)
    adapted = np.logical_or.accumulate(converged(np.stack([one.ess for one in found], axis=1)), axis=1)
    adapted |= ~adapted.any(axis=1, keepdims=True)
    # the evidence is a mean over all places
    share = np.where(adapted, np.log(most / adapted.sum(axis=1, keepdims=True)), -np.inf)
    n = found[0].u.shape[1]
    more = ((0, 0), (0, (most - len(found)) * n))
    log_weight = np.pad(log_weight + np.repeat(share, n, axis=1), more, constant_values=-np.inf)
    sample = np.pad(u, (*more, (0, 0))), log_weight.astype(np.float32)
    return _together(likelihood, data, view, ids, key, sample, n_draws=n_draws)


@exported(like_judged)
@partial(jax.jit, static_argnames="n_draws")
def _together(likelihood: Likelihood, data, view, ids, key, sample, n_draws):
    return judged(likelihood, WeightedDraws.of(*sample), data, view, ids, key, n_draws)


def by_modes(likelihood, data, view, ids, key, n_draws, weighted: WeightedDraws, iteration=0):
    """As :func:`by_weights`, about the modes that climbs find; of one object.

    Only for likelihoods that know their curvature: ``likelihood.finds_modes``.
    """
    start = pool(weighted.u[..., :-1], weighted.log_weight)
    iteration = jnp.asarray(iteration, jnp.uint32)
    return _by_modes(likelihood, data, view, ids, key, start, iteration, n_draws=n_draws)


@exported(like_judged)
@partial(jax.jit, static_argnames="n_draws")
def _by_modes(likelihood: Likelihood, data, view, ids, key, start, iteration, n_draws):
    keys = branch(branch(object_keys(key, ids), _MODES), iteration)
    weighted = mode_search(likelihood, data, view, keys, *start)
    return judged(likelihood, weighted, data, view, ids, key, n_draws)


def by_chains(likelihood, data, view, ids, key, n_draws, weighted: WeightedDraws):
    """Hamiltonian chains started from weighted draws.

    Returns
    -------
    u : array (Object, n_draws, Param)
    r_hat, ess : array (Object,)
    misfit : Misfit
    """
    start = weighted.u[..., : likelihood.n_shape], weighted.log_weight
    return _by_chains(likelihood, data, view, ids, key, *start, n_draws=n_draws)


@exported(lambda *_, n_draws: (0, 0, 0, Misfit(*[0] * 6)))
@partial(jax.jit, static_argnames="n_draws")
def _by_chains(likelihood: Likelihood, data, view, ids, key, u, log_weight, n_draws):
    keys, n = object_keys(key, ids), likelihood.n_shape
    mean, factor = jax.vmap(moments)(u, log_weight)
    shift = jax.vmap(jax.random.uniform)(branch(keys, _START))
    index = systematic_resample(shift, log_weight, N_CHAINS)
    start = jnp.take_along_axis(u, index[..., None], axis=1) - mean[:, None]
    start = jax.vmap(whiten)(factor, start)

    # what objects have of their own goes with each of them
    own = (data, view) if likelihood.own_views else (data, None)

    def log_density(y, of_object):
        mean, factor, own = of_object
        data, own_view = jax.tree.map(lambda a: a[None], own)
        seen = own_view if likelihood.own_views else view
        return likelihood.log_target((mean + matmul(factor, y))[None, None], data, seen)[0, 0]

    y, r_hat, ess = run_chains(log_density, branch(keys, _CHAINS), (start, (mean, factor, own)))
    y = y.reshape(len(ids), -1, n)
    y = y[:, jnp.linspace(0, y.shape[1] - 1, n_draws).astype(int)]
    u = mean[:, None] + einsum("oij,odj->odi", factor, y)
    _, *mass = likelihood.shape_evidence(u, data, view)
    share = jax.vmap(lambda k: jax.random.uniform(k, (n_draws,)))(branch(keys, _MASS))
    u = likelihood.with_mass(u, share, *mass)
    return u, r_hat, ess, likelihood.misfit(u, data, view)
