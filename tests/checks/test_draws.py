"""Draws for mocks: their bookkeeping, and weights against the likelihood integrated by brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from dsps_sbi.checks import draws as module
from dsps_sbi.checks.draws import raw_draws, weighted_draws
from dsps_sbi.simulate import Mocks

KEY = jax.random.key(4)
N, N_DRAWS = 23, 40


@pytest.fixture
def numbered():
    """Mocks that say who they are, at three redshifts."""
    number, z = np.arange(N, dtype=np.float32), np.float32([0.5, 1.5, 2.5])[np.arange(N) % 3]
    return Mocks(number, number, z, number, number, number)


def gather(drawn, shape):
    u, seen = np.full(shape, np.nan), []
    for rows, some, _ in drawn:
        u[rows] = some
        seen.append(rows)
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(len(u)))
    return u


def test_every_object_gets_its_own_draws(numbered, monkeypatch, tiny_posterior):
    """Chunks that do not divide the number of objects, redshift by redshift or not."""
    monkeypatch.setattr(module, "_CHUNK_DRAWS", 5 * N_DRAWS)
    keys = []

    def sampler(*_):
        def sample(weights, mocks, *rest):
            assert len(mocks.z) == 5
            keys.append(tuple(jax.random.key_data(rest[-1]).tolist()))
            z = mocks.z if len(rest) == 1 else np.full(5, rest[0])
            u = np.stack([mocks.u, z], axis=1)
            return u if len(rest) == 1 else (u, u)

        return sample

    monkeypatch.setattr(module, "raw_sampler", sampler)
    monkeypatch.setattr(module, "weighted_sampler", sampler)
    pool = type("Pool", (), {"z": np.float32([0.5, 1.5, 2.5])})
    jax.tree_util.register_pytree_node(pool, lambda p: ((p.z,), None), lambda _, leaves: leaves[0])
    expected = np.stack([numbered.u, numbered.z], axis=1)
    np.testing.assert_array_equal(gather(raw_draws(tiny_posterior, numbered, N_DRAWS, KEY), (N, 2)), expected)
    drawn = weighted_draws(tiny_posterior, None, numbered, pool(), N_DRAWS, KEY)
    np.testing.assert_array_equal(gather(drawn, (N, 2)), expected)
    # 5 chunks, and 2 for each redshift; no random number is used twice by one method
    assert len(keys) == 5 + 6 and len(set(keys[:5])) == 5 and len(set(keys[5:])) == 6


def test_weights_are_the_exact_likelihood_over_the_flow(
    tiny_posterior, toy_model, toy_simulator, monkeypatch
):
    monkeypatch.setattr(module, "_CHUNK_DRAWS", 4 * N_DRAWS)
    pool = jax.tree.map(lambda leaf: leaf[None], toy_model.band_table(1.7))
    table = jax.tree.map(lambda leaf: leaf[0], pool)
    u = jax.random.normal(KEY, (200, 5))
    flux, theta = toy_simulator.noiseless(u, table)
    mocks = toy_simulator.observe(jax.random.key(5), u, theta, jnp.full(200, table.z), flux)
    bright = np.flatnonzero(np.asarray(toy_simulator.snr(mocks)) > 5)[:4]
    mocks = jax.device_get(jax.tree.map(lambda a: a[bright], mocks))
    ((_, u, log_weights),) = weighted_draws(tiny_posterior, toy_model, mocks, pool, N_DRAWS, KEY)
    np.testing.assert_allclose(logsumexp(log_weights, axis=1), 0.0, atol=1e-4)

    network, weights = tiny_posterior.network, tiny_posterior.weights
    repeated = jax.tree.map(lambda a: jnp.repeat(a, N_DRAWS, axis=0), mocks)
    data = repeated.flux, repeated.sky, repeated.valid, repeated.z
    shape = jnp.asarray(u[..., :4].reshape(-1, 4))
    log_q = jax.jit(lambda w, *d: network.log_prob_shape(w, network.condition(w, *d), shape))(weights, *data)
    log_q = np.asarray(log_q).reshape(4, N_DRAWS)
    grid, places = np.linspace(4.0, 12.0, 8001), []
    for i in range(4):
        theta = toy_model.prior.from_normal(jnp.asarray(u[i]), table.universe_gyr)
        flux = toy_model.predict_fast(theta.at[:, -1].set(0.0), table)
        use = mocks.valid[i]
        # float64, every mass of the prior: no peak has to be found
        model = 10.0 ** grid[:, None, None] * np.asarray(flux, float)[:, use]
        sd = np.hypot(mocks.sky[i][use], toy_simulator.noise.floor * model)
        log_like = stats.norm.logpdf(mocks.flux[i][use].astype(float), model, sd).sum(axis=2)
        expected = logsumexp(log_like, axis=0) + stats.norm.logpdf(u[i, :, :4]).sum(axis=1) - log_q[i]
        expected -= logsumexp(expected)
        heavy = expected > expected.max() - 8
        np.testing.assert_allclose(log_weights[i][heavy], expected[heavy], atol=0.1)
        assert np.all(log_weights[i][~heavy] < log_weights[i].max() - 7)
        # the mass that goes with each shape comes from its own posterior
        cdf = np.cumsum(np.exp(log_like - log_like.max(axis=0)), axis=0)
        cdf /= cdf[-1]
        masses = zip(np.asarray(theta[:, -1])[heavy], cdf.T[heavy], strict=True)
        places += [np.interp(m, grid, c) for m, c in masses]
    assert len(places) >= 8 and stats.kstest(places, "uniform").pvalue > 1e-3
