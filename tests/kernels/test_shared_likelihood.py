"""The likelihood of given masses, against its definition and against the mean over masses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from dsps_sbi.kernels.mass import marginalise
from dsps_sbi.kernels.shared_likelihood import log_likelihood_of, shared_amplitudes

SKY = np.array([0.1, 0.2, 0.15, 0.3])
MODEL = np.array([1.0, 2.0, 1.5, 0.8])
MODES = 0.1 * MODEL * np.array([[1.0, 0.8, 0.3, 0.0], [0.0, 0.4, -0.5, 0.9]])
DATA = MODEL + np.array([0.05, -0.3, 0.2, 0.1])


@pytest.mark.parametrize("limit", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_by_definition(limit, shared):
    upper = np.array([False, False, False, limit])
    modes = MODES if shared else None
    value = log_likelihood_of(
        *(jnp.asarray(a) for a in (DATA, SKY, np.ones(4, bool), MODEL)), 0.05, upper, modes
    )
    cov = np.diag(SKY**2 + (0.05 * MODEL) ** 2) + (MODES.T @ MODES if shared else 0.0)
    seen = ~upper
    expected = multivariate_normal.logpdf(DATA[seen], MODEL[seen], cov[np.ix_(seen, seen)])
    if limit:
        expected += norm.logcdf((DATA[3] - MODEL[3]) / np.sqrt(cov[3, 3]))
    assert float(value) == pytest.approx(expected, abs=2e-4)


def test_its_mean_over_masses_is_the_evidence():
    valid, upper = np.ones(4, bool), np.zeros(4, bool)
    masses = np.linspace(-1.0, 1.0, 4001)
    scale = 10.0 ** masses[:, None]
    args = (jnp.asarray(np.broadcast_to(a, (4001, 4))) for a in (DATA, SKY, valid))
    values = log_likelihood_of(*args, jnp.asarray(scale * MODEL), 0.05, upper, scale[..., None] * MODES)
    expected = np.log(np.mean(np.exp(np.asarray(values, float))))
    evidence = marginalise(
        *(jnp.asarray(a) for a in (DATA, SKY, valid, MODEL)), 0.05, -1.0, 1.0, None, MODES
    )[0]
    assert float(evidence) == pytest.approx(expected, abs=5e-3)


def test_amplitudes_are_those_of_the_posterior():
    upper = np.zeros(4, bool)
    n = 20_000
    args = (jnp.asarray(np.broadcast_to(a, (n, 4))) for a in (DATA, SKY, np.ones(4, bool), MODEL))
    modes = jnp.asarray(np.broadcast_to(MODES, (n, 2, 4)))
    drawn = np.asarray(shared_amplitudes(*args, 0.05, upper, modes, jax.random.key(1)), float)
    weight = 1.0 / (SKY**2 + (0.05 * MODEL) ** 2)
    cov = np.linalg.inv(np.eye(2) + (MODES * weight) @ MODES.T)
    mean = cov @ (MODES * weight) @ (DATA - MODEL)
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.02)
    np.testing.assert_allclose(np.cov(drawn.T), cov, atol=0.03)
    one = (jnp.asarray(a) for a in (DATA, SKY, np.ones(4, bool), MODEL))
    np.testing.assert_allclose(shared_amplitudes(*one, 0.05, upper, jnp.asarray(MODES)), mean, atol=1e-5)
