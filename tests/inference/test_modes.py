from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.inference.modes import mode_search
from dsps_sbi.inference.pmc import N_DRAWS

PEAKS, SIGMA, SHARES = np.array([[1.2, -0.5, 0.3], [-0.8, 1.0, 0.0]]), np.array([0.02, 0.1, 0.3]), (0.3, 0.7)


class Split:
    """A likelihood of a posterior of two narrow peaks: density of evidence 1."""

    n_shape = 3
    post = SimpleNamespace()

    def log_peaks(self, u):
        """Log density (..., Peak) of each peak's share."""
        log_p = jax.scipy.stats.norm.logpdf(u[..., None, :], PEAKS, SIGMA).sum(axis=-1)
        return log_p + np.log(SHARES)

    def shape_evidence(self, u, data, table):
        log_p = jax.nn.logsumexp(self.log_peaks(u), axis=-1)
        return log_p - jax.scipy.stats.norm.logpdf(u).sum(axis=-1), u[..., 0], u[..., 1]

    def precision_root(self, u, mass, table):
        return jnp.diag(1.0 / jnp.asarray(SIGMA))

    def with_mass(self, u, share, mean, width):
        return jnp.concatenate([u, share[..., None]], axis=-1)


@jax.jit
def found(start, log_weight):
    keys = jax.random.split(jax.random.key(5), 1)
    return mode_search(Split(), None, None, keys, start, log_weight)


@pytest.fixture(scope="module")
def climbed():
    # the network has seen neither peak
    start = 0.1 * jax.random.normal(jax.random.key(1), (1, 200, 3)) + jnp.array([0.0, -1.5, 1.5])
    return found(start, jnp.zeros((1, 200)))


def test_both_peaks_are_found_and_count_as_they_should(climbed):
    assert climbed.u.shape == (1, N_DRAWS, 4)
    assert float(climbed.ess[0]) > 0.2 * N_DRAWS
    assert float(climbed.pareto_k[0]) < 0.7
    np.testing.assert_allclose(climbed.log_evidence, 0.0, atol=4.0 / np.sqrt(0.2 * N_DRAWS))
    weight = jax.nn.softmax(climbed.log_weight[0])
    second = climbed.u[0, :, 0] < 0.2
    assert float(weight @ second) == pytest.approx(SHARES[1], abs=4.0 * 0.5 / np.sqrt(200.0))
    own = jnp.where(second, weight, 0.0) / (weight @ second)
    width = jnp.sqrt(own @ (climbed.u[0, :, :3] - PEAKS[1]) ** 2)
    np.testing.assert_allclose(width, SIGMA, rtol=0.25)


def test_draws_without_any_weight_do_no_harm():
    # of the same type as above: compiled once
    start, log_weight = (
        jnp.full(s, v, jnp.float32) for s, v in (((1, 200, 3), jnp.nan), ((1, 200), -jnp.inf))
    )
    assert float(found(start, log_weight).ess[0]) > 100.0
