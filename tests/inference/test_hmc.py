import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.inference.hmc import run_chains

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def test_chains_find_gaussians_of_each_object_and_say_where_they_do_not():
    """Three objects: a correlated Gaussian, one with an edge, and two peaks far apart."""
    factor = jnp.array([[1.0, 0.0], [0.8, 0.6]])

    def log_density(x, kind):
        y = jax.scipy.linalg.solve_triangular(factor, x, lower=True)
        correlated = -0.5 * jnp.sum(y**2)
        edge = jnp.where(x[0] > 0, -0.5 * jnp.sum(x**2), jnp.nan)
        peaks = jnp.logaddexp(-0.5 * jnp.sum((x - 30) ** 2), -0.5 * jnp.sum((x + 30) ** 2))
        return jnp.select([kind == 0, kind == 1], [correlated, edge], peaks)

    start = jax.random.normal(jax.random.key(0), (3, 8, 2))
    start = start.at[1].set(jnp.abs(start[1])).at[2].add(30.0 * (-1.0) ** jnp.arange(8)[:, None])
    run = jax.jit(lambda keys, start: run_chains(log_density, keys, start, n_warmup=100, n_samples=300))
    draws, r_hat, ess = run(jax.random.split(jax.random.key(1), 3), (start, jnp.arange(3)))
    assert draws.shape == (3, 8, 300, 2) and np.isfinite(np.asarray(draws)).all()
    assert r_hat[0] < 1.05 and r_hat[1] < 1.05 and r_hat[2] > 1.5
    assert ess[0] > 300 and ess[2] < 100
    covariance = np.cov(np.asarray(draws[0]).reshape(-1, 2).T)
    error = 5 * np.sqrt(2 / float(ess[0]))
    np.testing.assert_allclose(covariance, [[1.0, 0.8], [0.8, 1.0]], atol=error)
    half = np.asarray(draws[1])[..., 0].ravel()
    assert half.min() > 0 and abs(half.mean() - np.sqrt(2 / np.pi)) < 4 * 0.6 / np.sqrt(float(ess[1]))
