"""Draws for mocks: their bookkeeping, and weights against the likelihood integrated by brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from dsps_sbi.checks import draws as module
from dsps_sbi.checks.draws import raw_draws, weighted_draws

KEY = jax.random.key(4)
N_DRAWS = 40


@pytest.fixture(scope="module")
def pool(toy_simulator):
    return toy_simulator.table_pool(jax.random.key(1), 3)


@pytest.fixture(scope="module")
def mocks(toy_simulator, pool):
    mocks = jax.device_get(jax.jit(lambda: toy_simulator.draw(jax.random.key(2), pool, 3, 60))())
    bright = np.flatnonzero(np.asarray(toy_simulator.snr(mocks)) > 5)[:50]
    return jax.tree.map(lambda a: a[np.random.default_rng(0).permutation(bright)], mocks)


def gather(drawn, n):
    u, log_weights, seen = np.zeros((n, N_DRAWS, 5)), np.zeros((n, N_DRAWS)), []
    for rows, some, weights in drawn:
        u[rows], log_weights[rows] = some, 0.0 if weights is None else weights
        seen.append(rows)
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(n))
    return u, log_weights


@pytest.fixture(scope="module")
def weighted(tiny_posterior, toy_model, mocks, pool):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK_DRAWS", 7 * N_DRAWS)
        drawn = weighted_draws(tiny_posterior, toy_model, mocks, pool, N_DRAWS, KEY)
        return gather(drawn, len(mocks.z))


def test_raw_draws_follow_the_density_of_the_flow(tiny_posterior, mocks, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_DRAWS", 7 * N_DRAWS)
    u, _ = gather(raw_draws(tiny_posterior, mocks, N_DRAWS, KEY), len(mocks.z))
    assert np.isfinite(u).all() and len(np.unique(u[..., 0])) > 0.99 * u[..., 0].size
    # another route to the same posterior: medians of the mass agree within its scatter
    data = mocks.flux, mocks.sky, mocks.z
    theta = tiny_posterior.sample(*data, valid=mocks.valid, n_draws=N_DRAWS, seed=1)
    universe = tiny_posterior.network.cosmology.age(mocks.z)[:, None]
    other = np.asarray(tiny_posterior.network.prior.to_normal(theta, universe))
    pull = (u.mean(axis=1) - other.mean(axis=1)) / np.hypot(u.std(axis=1), other.std(axis=1))
    assert np.abs(pull).max() < 5 / np.sqrt(N_DRAWS) and np.std(pull) > 0.3 / np.sqrt(N_DRAWS)


def test_weights_are_the_exact_likelihood_over_the_flow(tiny_posterior, toy_model, mocks, weighted):
    u, log_weights = weighted
    np.testing.assert_allclose(logsumexp(log_weights, axis=1), 0.0, atol=1e-4)
    network, weights = tiny_posterior.network, tiny_posterior.weights
    condition = network.condition(weights, mocks.flux, mocks.sky, mocks.valid, mocks.z)
    log_q = jax.jit(network.log_prob_shape)
    grid = np.linspace(4.0, 12.0, 20_001)
    for i in (0, 11, 29):
        own = jax.tree.map(lambda a, i=i: jnp.repeat(a[i : i + 1], N_DRAWS, axis=0), condition)
        shape = jnp.asarray(u[i, :, :4], jnp.float32)
        theta = network.prior.from_normal(jnp.asarray(u[i], jnp.float32), toy_model.cosmology.age(mocks.z[i]))
        flux = jax.jit(jax.vmap(toy_model.predict, (0, None)))(theta.at[:, -1].set(0.0), mocks.z[i])
        use = mocks.valid[i]
        # float64, every band, every mass of the prior: no peak to be found
        model = 10.0 ** grid[:, None, None] * np.asarray(flux, float)[:, use]
        sd = np.hypot(mocks.sky[i][use], 0.05 * model)
        log_like = stats.norm.logpdf(mocks.flux[i][use].astype(float), model, sd).sum(axis=2)
        log_prior = stats.norm.logpdf(u[i, :, :4]).sum(axis=1)
        expected = logsumexp(log_like, axis=0) + log_prior - np.asarray(log_q(weights, own, shape))
        expected -= logsumexp(expected)
        heavy = expected > expected.max() - 8
        np.testing.assert_allclose(log_weights[i][heavy], expected[heavy], atol=0.15)
        # and the mass drawn with each shape lies where its own posterior is
        cdf = np.cumsum(np.exp(log_like - log_like.max(axis=0)), axis=0)
        cdf /= cdf[-1]
        place = [np.interp(m, grid, c) for m, c in zip(np.asarray(theta[:, -1]), cdf.T, strict=True)]
        assert stats.kstest(place, "uniform").pvalue > 1e-3


def test_chunks_do_not_change_who_gets_what(tiny_posterior, toy_model, mocks, pool, weighted):
    # the widths of masses alone, which the data set: the same objects in another order
    order = np.random.default_rng(1).permutation(len(mocks.z))
    shuffled = jax.tree.map(lambda a: a[order], mocks)
    u, log_weights = gather(
        weighted_draws(tiny_posterior, toy_model, shuffled, pool, N_DRAWS, KEY), len(order)
    )
    centre, other = weighted[0][order].mean(axis=1), u.mean(axis=1)
    assert np.corrcoef(centre[:, 4], other[:, 4])[0, 1] > 0.9
