from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.inference.pmc import N_DRAWS, pool, population_monte_carlo, temper


class Banana:
    """A likelihood of a curved posterior far from a network that knows nothing: density of evidence 1."""

    n_shape = 2

    def __init__(self, offset):
        self.offset = offset
        self.proposal = SimpleNamespace(
            weights=None,
            network=SimpleNamespace(
                condition=lambda weights, *data: data[0][:, :1],
                draw_shape=lambda weights, condition, noise: (noise, None),
                log_prob_shape=lambda weights, condition, u: jax.scipy.stats.norm.logpdf(u).sum(axis=-1),
            ),
        )

    def shape_evidence(self, u, data, table):
        x, y = u[..., 0] / 0.5, (u[..., 1] - u[..., 0] ** 2 - self.offset) / 0.1
        log_p = jax.scipy.stats.norm.logpdf(x) + jax.scipy.stats.norm.logpdf(y) - jnp.log(0.05)
        prior = jax.scipy.stats.norm.logpdf(u).sum(axis=-1)
        return log_p - prior, None, None

    def with_mass(self, u, share, grid, cdf):
        return jnp.concatenate([u, share[..., None]], axis=-1)


@pytest.fixture(scope="module")
def adapted():
    likelihood, n = Banana(1.5), 6
    keys = jax.random.split(jax.random.key(1), n)
    u = jax.vmap(lambda k: jax.random.normal(jax.random.fold_in(k, 9), (500, 2)))(keys)
    prior = jax.scipy.stats.norm.logpdf(u).sum(axis=-1)
    log_weight = likelihood.shape_evidence(u, None, None)[0] + prior - prior
    start = pool(u, log_weight)
    data = (jnp.zeros((n, 1)),)
    return jax.jit(lambda *start: population_monte_carlo(likelihood, data, None, *start))(keys, *start)


def test_a_curved_posterior_is_found(adapted):
    assert (adapted.ess > 0.3 * N_DRAWS).all()
    assert (adapted.pareto_k < 0.7).all()


def test_weights_stay_exact(adapted):
    # the target's own integral is 1
    np.testing.assert_allclose(adapted.log_evidence, 0.0, atol=4.0 / np.sqrt(0.3 * N_DRAWS))
    weight = jax.nn.softmax(adapted.log_weight, axis=1)
    x, y = adapted.u[..., 0], adapted.u[..., 1]
    np.testing.assert_allclose(jnp.sum(weight * x, axis=1), 0.0, atol=4.0 * 0.5 / np.sqrt(300.0))
    np.testing.assert_allclose(jnp.sum(weight * x**2, axis=1), 0.25, atol=0.1)
    np.testing.assert_allclose(jnp.sum(weight * y, axis=1), 1.75, atol=0.15)


def test_tempering_leaves_enough_draws():
    log_weight = 30.0 * jax.random.normal(jax.random.key(2), (5, 1000))
    weight = jax.nn.softmax(temper(log_weight, 40.0), axis=1)
    np.testing.assert_allclose(1.0 / jnp.sum(weight**2, axis=1), 40.0, rtol=0.02)


def test_good_weights_are_not_tempered():
    log_weight = jax.random.normal(jax.random.key(2), (5, 1000))
    largest = log_weight.max(axis=1, keepdims=True)
    np.testing.assert_allclose(temper(log_weight, 40.0), log_weight - largest, atol=1e-5)


@pytest.mark.parametrize("n", [100, 3 * N_DRAWS])
def test_pools_have_one_shape(n):
    u = jax.random.normal(jax.random.key(3), (2, n, 3))
    log_weight = u[..., 0].at[0, 0].set(jnp.nan)
    pooled, weight = pool(u, log_weight)
    assert pooled.shape == (2, N_DRAWS, 3)
    assert jnp.isfinite(weight).sum(axis=1).tolist() == [min(n - 1, N_DRAWS), min(n, N_DRAWS)]
    np.testing.assert_allclose(weight[1].max(), u[1, :, 0].max())
    np.testing.assert_array_equal(pooled[1, weight[1].argmax()], u[1, u[1, :, 0].argmax()])


def test_without_any_weight_all_draws_are_as_good():
    _, weight = pool(jnp.ones((1, 10, 3)), jnp.full((1, 10), -jnp.inf))
    assert (weight[0, :10] == 0.0).all()
    assert jnp.isneginf(weight[0, 10:]).all()
