"""Population Monte Carlo: where the network's proposal is poor, draws about the best of the first ones.

After Cappé et al. (2004, J. Comput. Graph. Stat. 13, 907): each iteration proposes from Student-t kernels
about draws of the last one, tempered until enough of them count, and, as a safeguard, from the flow itself.
Every draw is weighed by the whole mixture, so that the weights stay exact.
"""

import math

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from ..kernels.full_precision import einsum
from ..kernels.psis import systematic_resample
from ..kernels.student_mixture import draw, local_factors, log_density, moments, whiten
from .importance import Likelihood, WeightedDraws, branch

N_ITERATIONS = 3
N_KERNEL, N_FLOW = 900, 100
N_DRAWS = N_KERNEL + N_FLOW
_N_CENTRES = 128
# Draws that must count before kernels are put on them
_FEWEST = 40.0


def temper(log_weight, fewest=_FEWEST):
    """Log weights (Object, Draw) to the highest power <= 1 that leaves enough effective draws."""

    def effective(power):
        w = jax.nn.softmax(jnp.where(finite, power[:, None] * log_weight, -jnp.inf), axis=1)
        return 1.0 / jnp.sum(w**2, axis=1)

    def halve(bounds, _):
        low, high = bounds
        middle = 0.5 * (low + high)
        good = effective(middle) >= fewest
        return (jnp.where(good, middle, low), jnp.where(good, high, middle)), None

    finite = jnp.isfinite(log_weight)
    log_weight = jnp.where(finite, log_weight - jnp.max(log_weight, axis=1, keepdims=True), -1e30)
    ends = jnp.zeros(len(log_weight)), jnp.ones(len(log_weight))
    (low, _), _ = jax.lax.scan(halve, ends, length=24)
    power = jnp.where(effective(ends[1]) >= fewest, 1.0, low)
    return jnp.where(finite, power[:, None] * log_weight, -jnp.inf)


@jax.jit
def pool(u, log_weight):
    """The best N_DRAWS of some draws, or all of them and zeros of no weight."""
    n = min(N_DRAWS, log_weight.shape[1])
    log_weight, index = jax.lax.top_k(jnp.where(jnp.isnan(log_weight), -jnp.inf, log_weight), n)
    u = jnp.take_along_axis(u, index[..., None], axis=1)
    # without any finite weight all draws are as good as each other
    log_weight = jnp.where(jnp.isfinite(log_weight[:, :1]), log_weight, 0.0)
    more = ((0, 0), (0, N_DRAWS - n))
    return jnp.pad(u, (*more, (0, 0))), jnp.pad(log_weight, more, constant_values=-jnp.inf)


def population_monte_carlo(
    likelihood: Likelihood,
    data,
    view,
    keys,
    u,
    log_weight,
    n_iterations=N_ITERATIONS,
    n_kernel=N_KERNEL,
    n_flow=N_FLOW,
) -> WeightedDraws:
    """Iterations of adapted importance sampling; traceable.

    Parameters
    ----------
    likelihood : Likelihood
    data, view
        As for :func:`~dsps_sbi.inference.importance.importance_sample`.
    keys : array of keys (Object,)
    u : array (Object, N_DRAWS, Param - 1)
        Shapes to start from, of :func:`pool`.
    log_weight : array (Object, N_DRAWS)
    n_iterations : int
    n_kernel, n_flow : int
        Draws of an iteration from the kernels, and from the flow.

    Returns
    -------
    WeightedDraws
        The draws of the last iteration.
    """
    n_draws = n_kernel + n_flow
    network, weights = likelihood.proposal.network, likelihood.proposal.weights
    n = likelihood.n_shape
    condition = network.condition(weights, *data)
    per_draw = jax.tree.map(lambda a: a[:, None], condition)

    def one_iteration(before, i):
        keys_of = [branch(branch(keys, i), j) for j in range(4)]
        u, log_weight = before
        soft = temper(log_weight)
        factor = jax.vmap(moments)(u, soft)[1]
        white = jax.vmap(whiten)(factor, u)
        index = systematic_resample(jax.vmap(jax.random.uniform)(keys_of[0]), soft, _N_CENTRES)
        centres = jnp.take_along_axis(white, index[..., None], axis=1)
        mixture = centres, jax.vmap(local_factors)(white, soft, centres)
        kernel = jax.vmap(lambda *of: draw(*of, n_kernel))(*mixture, keys_of[1])
        noise = jax.vmap(lambda k: jax.random.normal(k, (n_flow, n)))(keys_of[2])
        flow, _ = network.draw_shape(weights, condition, noise)
        u = jnp.concatenate([einsum("oij,odj->odi", factor, kernel), flow], axis=1)
        white = jnp.concatenate([kernel, jax.vmap(whiten)(factor, flow)], axis=1)
        log_det = jnp.log(jnp.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
        log_kernel = jax.vmap(log_density)(*mixture, white) - log_det[:, None]
        log_flow = network.log_prob_shape(weights, per_draw, u)
        log_flow = jnp.where(jnp.isnan(log_flow), -jnp.inf, log_flow)
        log_q = jnp.logaddexp(
            log_kernel + math.log(n_kernel / n_draws), log_flow + math.log(n_flow / n_draws)
        )
        evidence, *mass = likelihood.shape_evidence(u, data, view)
        log_weight = evidence + norm.logpdf(u).sum(axis=-1) - log_q
        share = jax.vmap(lambda k: jax.random.uniform(k, (n_draws,)))(keys_of[3])
        log_weight = jnp.where(jnp.isnan(log_weight), -jnp.inf, log_weight)
        return (u, log_weight), likelihood.with_mass(u, share, *mass)

    if n_iterations == 1:
        (_, log_weight), u = one_iteration((u, log_weight), 0)
        return WeightedDraws.of(u, log_weight)
    (_, log_weight), u = jax.lax.scan(one_iteration, (u, log_weight), jnp.arange(n_iterations))
    return WeightedDraws.of(u[-1], log_weight)
