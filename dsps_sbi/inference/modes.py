"""Mode search: where the network is far off, climb to the modes of the exact posterior and draw about them.

Laplace's approximation at each peak, with the tails of Student's t, proposes; the exact likelihood weighs,
so that what peaks are found decides how good the weights are, not what they say. Where the network is wrong,
so is its idea of where to start, and a posterior of high signal-to-noise may have several peaks: climbs start
at some draws that there are, and from every corner of the prior, two for each parameter; then, twice, from
the draws of the largest weights, which tell what no peak stands for yet.
"""

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from ..kernels.cholesky import solve_lower
from ..kernels.full_precision import matmul
from ..kernels.levenberg import levenberg_marquardt
from ..kernels.psis import systematic_resample
from ..kernels.student_mixture import draw, log_density
from .importance import Likelihood, WeightedDraws, branch
from .pmc import N_DRAWS, temper

# Iterations of the search, steps of each climb; in the first iteration, climbs from draws at hand, and how
# many draws of the prior the best of each corner are taken from
N_ITERATIONS, N_STEPS, N_FROM_DRAWS, N_PRIOR = 3, 30, 4, 2000
# What is beyond this, in standard deviations of the prior, is a corner
_CORNER = 0.8
# Peaks of less evidence than this below the best [nat] are none
_DEEP = 15.0
# Peaks are this much wider than Laplace has them
_WIDER = 1.2


def mode_search(likelihood: Likelihood, data, view, keys, u, log_weight) -> WeightedDraws:
    """Draws about the modes of one object's exact posterior; traceable.

    Parameters
    ----------
    likelihood : Likelihood
        With a ``precision_root``.
    data, view
        As for :func:`~dsps_sbi.inference.importance.importance_sample`, of one object.
    keys : array of keys (1,)
    u : array (1, Draw, Param - 1)
        Shapes to start from.
    log_weight : array (1, Draw)

    Returns
    -------
    WeightedDraws
        N_DRAWS draws of the last iteration.
    """
    n = likelihood.n_shape
    keys_of = [branch(keys, j)[0] for j in range(4)]

    def log_target(u):
        evidence, *mass = likelihood.shape_evidence(u[None], data, view)
        return evidence[0] + norm.logpdf(u).sum(axis=-1), *mass

    def one(u):
        value, mass, _ = log_target(u[None])
        return value[0], mass[0, 0]

    def at(u):
        (value, mass), slope = jax.value_and_grad(one, has_aux=True)(u)
        root = likelihood.precision_root(u, mass, view)
        return matmul(root.T, root), slope, -2.0 * value, root

    def one_iteration(before, i):
        start, found = before
        peaks, (_, _, cost, root) = jax.vmap(lambda u: levenberg_marquardt(at, u, N_STEPS))(start)
        factors = solve_lower(root, jnp.eye(n))
        log_volume = jnp.log(jnp.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        new = peaks, factors, _no_nan(log_volume - 0.5 * cost)
        found = jax.tree.map(lambda a, b: a.at[i].set(b), found, new)
        mixture = _mixture(*(a.reshape(-1, *a.shape[2:]) for a in found))
        u = draw(*mixture, jax.random.fold_in(keys_of[2], i), N_DRAWS)
        log_p, mean, width = log_target(u)
        log_weight = _no_nan(log_p - log_density(*mixture, u))
        return (u[jax.lax.top_k(log_weight, len(start))[1]], found), (u, log_weight, mean[0], width[0])

    index = systematic_resample(jax.random.uniform(keys_of[0], (1,)), temper(log_weight), N_FROM_DRAWS)
    wide = jax.random.normal(keys_of[1], (N_PRIOR, n))
    start = jnp.concatenate([u[0, index[0]], wide[_corners(wide, _no_nan(log_target(wide)[0]))]])
    shapes = (len(start), n), (len(start), n, n), (len(start),)
    none = tuple(jnp.full((N_ITERATIONS, *shape), -jnp.inf) for shape in shapes)
    _, iterations = jax.lax.scan(one_iteration, (start, none), jnp.arange(N_ITERATIONS))
    u, log_weight, mean, width = (a[-1:] for a in iterations)
    share = jax.random.uniform(keys_of[3], (1, N_DRAWS))
    return WeightedDraws.of(likelihood.with_mass(u, share, mean, width), log_weight)


def _mixture(peaks, factors, log_evidence):
    """Centres and factors of kernels; in the place of what is no peak, the best one again."""
    highest = jnp.argmax(log_evidence)
    which = jnp.where(log_evidence > log_evidence[highest] - _DEEP, jnp.arange(len(peaks)), highest)
    return peaks[which], _WIDER * factors[which]


def _corners(u, log_p):
    """Indices (2 n,) of the best draws u (Draw, n) at either end of each coordinate."""
    end = jnp.concatenate([u.T, -u.T]) > _CORNER
    return jnp.argmax(jnp.where(end, log_p, -jnp.inf), axis=1)


def _no_nan(log):
    return jnp.where(jnp.isnan(log), -jnp.inf, log)
