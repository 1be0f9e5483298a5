import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_t

from dsps_sbi.kernels.student_mixture import NU, draw, local_factors, log_density, moments, whiten


@pytest.fixture(scope="module")
def mixture():
    rng = np.random.default_rng(3)
    factors = np.tril(0.3 * rng.normal(size=(4, 3, 3)))
    factors[:, range(3), range(3)] = rng.uniform(0.3, 1.0, size=(4, 3))
    return rng.normal(size=(4, 3)), factors


def test_density_is_that_of_scipy(mixture):
    centres, factors = mixture
    x = np.random.default_rng(4).normal(size=(20, 3))
    parts = [multivariate_t(c, f @ f.T, NU).pdf(x) for c, f in zip(centres, factors, strict=True)]
    found = log_density(*(jnp.asarray(a) for a in mixture), jnp.asarray(x))
    np.testing.assert_allclose(found, np.log(np.mean(parts, axis=0)), atol=2e-5)


def test_draws_follow_the_density(mixture):
    centres, factors = (jnp.asarray(a, jnp.float32) for a in mixture)
    x = draw(centres, factors, jax.random.key(5), 40_000)
    # a normal distribution weighed by the draws' density has evidence 1
    log_weight = jax.scipy.stats.norm.logpdf(x).sum(axis=1) - log_density(centres, factors, x)
    weight = np.exp(np.asarray(log_weight, float))
    error = weight.std() / np.sqrt(len(weight))
    assert error < 0.02
    assert abs(weight.mean() - 1.0) < 4.0 * error


def test_moments_are_those_of_numpy():
    rng = np.random.default_rng(6)
    x, log_weight = rng.normal(size=(500, 2)) * [1.0, 30.0], rng.normal(size=500)
    mean, factor = moments(jnp.asarray(x), jnp.asarray(log_weight))
    weight = np.exp(log_weight) / np.exp(log_weight).sum()
    covariance = np.cov(x.T, aweights=weight, bias=True)
    np.testing.assert_allclose(mean, weight @ x, rtol=1e-4, atol=1e-4)
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(factor @ factor.T / np.outer(scale, scale), np.corrcoef(x.T), atol=0.1)
    np.testing.assert_allclose(np.sqrt(np.diag(factor @ factor.T)), scale, rtol=2e-3)


def test_whiten_inverts_the_factor():
    factor = jnp.array([[2.0, 0.0], [1.0, 0.5]])
    white = jnp.array([[1.0, -1.0], [0.3, 2.0]])
    np.testing.assert_allclose(whiten(factor, white @ factor.T), white, rtol=1e-6)


def test_kernels_of_a_normal_distribution_are_alike():
    white = jax.random.normal(jax.random.key(7), (20_000, 2))
    factors = local_factors(white, jnp.zeros(len(white)), white[:64])
    np.testing.assert_array_equal(factors[::8], np.broadcast_to(np.eye(2), (8, 2, 2)))
    inner = (jnp.linalg.norm(white[:64], axis=1) < 1.0) & (np.arange(64) % 8 > 0)
    variance = np.asarray(jnp.einsum("cij,ckj->cik", factors, factors))[inner]
    # the least variance adds 0.001, few draws near add the covariance of all
    width2 = (1.0 / 64) ** (1.0 / 3.0)
    np.testing.assert_allclose(variance.mean(axis=0), width2 * np.eye(2), atol=0.02 * width2)


def test_kernels_lie_along_a_ring():
    angle = jnp.linspace(0.0, 2.0 * jnp.pi, 2000, endpoint=False)
    radius = jnp.sqrt(2.0) + 0.02 * jax.random.normal(jax.random.key(8), angle.shape)
    white = radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    factors = local_factors(white, jnp.zeros(len(white)), jnp.array([[np.sqrt(2.0), 0.0]] * 2))[1]
    along, across = (factors @ factors.T)[1, 1], (factors @ factors.T)[0, 0]
    # one covariance for all draws would be round; within reach the ring bends
    assert along > 3.0 * across


def test_a_kernel_without_neighbours_is_that_of_all():
    white = jnp.array([[10.0, 0.0], [-10.0, 0.0], [0.0, 10.0], [0.0, -10.0]])
    factors = local_factors(white, jnp.zeros(4), white)
    # one draw near: a quarter of the weight is its own, without width
    width2 = (1.0 / 4.0) ** (1.0 / 3.0)
    np.testing.assert_allclose(factors[1] @ factors[1].T, (0.75 + 1e-3) * width2 * jnp.eye(2), rtol=1e-4)
