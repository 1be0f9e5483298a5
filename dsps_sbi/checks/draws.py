"""Draws of mocks' posteriors in normal coordinates: those of the flow, and weighed by the exact likelihood.

Everything that the checks ask of a posterior is in this file.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..kernels.mass import draw_mass, marginalise

# Draws per chunk: intermediate arrays then stay in the processor's cache
_CHUNK_DRAWS = 12_800


def chunk_size(n_draws: int) -> int:
    """Objects that are drawn for together."""
    return max(1, _CHUNK_DRAWS // n_draws)


def raw_sampler(post, n_draws: int):
    """Compiled function from (weights, mocks, key) to draws u (Object, Draw, Param) of the flow."""

    @jax.jit
    def sample(weights, mocks, key):
        condition = _condition(post, weights, mocks)
        noise = jax.random.normal(key, (len(mocks.z), n_draws, len(post.names)))
        return post.network.draw(weights, condition, noise)[0]

    return sample


def weighted_sampler(post, model, n_draws: int):
    """Compiled function from (weights, mocks, table, key) to draws of the exact posterior.

    The flow proposes everything but the mass, which is integrated out of the likelihood and then
    drawn from what it is given the rest: w = p(x | shape) p(shape) / q(shape | x). The mocks have
    one redshift, that of the table. Returns u (Object, Draw, Param) and log weights (Object, Draw),
    whose exponentials sum to one.
    """
    floor, mass = post.noise.floor, model.prior.marginals["log_mass_formed"]

    @jax.jit
    def sample(weights, mocks, table, key):
        n, n_shape = len(mocks.z), len(post.names) - 1
        noise_key, mass_key = jax.random.split(key)
        condition = _condition(post, weights, mocks)
        noise = jax.random.normal(noise_key, (n, n_draws, n_shape))
        shape, log_q = post.network.draw_shape(weights, condition, noise)
        # a galaxy of one solar mass for each draw
        unit = jnp.concatenate([shape, jnp.zeros_like(shape[..., :1])], axis=-1).reshape(-1, n_shape + 1)
        theta = model.prior.from_normal(unit, table.universe_gyr).at[:, -1].set(0.0)
        flux = model.predict_fast(theta, table).reshape(n, n_draws, -1)
        data = (mocks.flux[:, None], mocks.sky[:, None], mocks.valid[:, None])
        upper = mocks.upper[:, None]
        evidence, grid, cdf = marginalise(*data, flux, floor, mass.low, mass.high, upper)
        log_prior = jax.scipy.stats.norm.logpdf(shape).sum(axis=-1)
        log_mass = draw_mass(jax.random.uniform(mass_key, (n, n_draws)), grid, cdf)
        theta = theta.at[:, -1].set(log_mass.ravel())
        u_mass = model.prior.to_normal(theta, table.universe_gyr)[:, -1].reshape(n, n_draws, 1)
        log_weights = jax.nn.log_softmax(evidence + log_prior - log_q, axis=1)
        return jnp.concatenate([shape, u_mass], axis=-1), log_weights

    return sample


def _condition(post, weights, mocks):
    return post.network.condition(weights, *mocks.data)


def raw_draws(post, mocks, n_draws: int, key):
    """Chunks of rows and draws u (Object, Draw, Param) of the flow, for mocks of any redshifts.

    Yields
    ------
    rows : ndarray (Object,)
    u : ndarray (Object, Draw, Param)
    log_weights : None
    """
    sample, size = raw_sampler(post, n_draws), chunk_size(n_draws)
    for rows, some, own in _chunks(mocks, np.arange(len(mocks.z)), size, key):
        yield rows, np.asarray(sample(post.weights, some, own))[: len(rows)], None


def weighted_draws(post, model, mocks, pool, n_draws: int, key):
    """As :func:`raw_draws`, for weighted draws of the exact posterior, redshift by redshift.

    Parameters
    ----------
    pool : BandTable
        Tables at all redshifts that the mocks have, leading axis z.

    Yields
    ------
    rows, u, log_weights : ndarray (Object,), (Object, Draw, Param), (Object, Draw)
    """
    sample, size = weighted_sampler(post, model, n_draws), chunk_size(n_draws)
    for i, z in enumerate(np.asarray(pool.z)):
        table = jax.tree.map(lambda leaf, i=i: leaf[i], pool)
        for rows, some, own in _chunks(mocks, np.flatnonzero(mocks.z == z), size, jax.random.fold_in(key, i)):
            u, log_weights = sample(post.weights, some, table, own)
            yield rows, np.asarray(u)[: len(rows)], np.asarray(log_weights)[: len(rows)]


def _chunks(mocks, rows, size, key):
    """Row numbers, mocks of one fixed shape, and a key for each chunk."""
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        # filled up with the first one so that one compiled shape serves all
        padded = np.concatenate([part, np.full(size - len(part), part[0])])
        yield part, jax.tree.map(lambda a, padded=padded: a[padded], mocks), jax.random.fold_in(key, start)
