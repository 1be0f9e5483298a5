from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from dsps_sbi.kernels.laplace import laplace

N_BAND, N = 9, 3
RNG = np.random.default_rng(2)
SLOPES = (RNG.normal(size=(N_BAND, N)) * 0.2).astype(np.float32)
LEVEL = RNG.uniform(1.0, 2.0, N_BAND).astype(np.float32)
ALL = np.ones(N_BAND, bool)


def log_light(u):
    """Curved, as galaxies are."""
    return LEVEL + SLOPES @ u + 0.02 * (SLOPES @ u) ** 2


run = jax.jit(partial(laplace, log_light), static_argnames="n_steps")


def minus_log_posterior(x, data, relative2):
    """Of u and ln mass, in float64, without the determinant of the variances."""
    u, log_mass = x[:N], x[N]
    model = np.exp(log_mass) * 10.0 ** np.asarray(log_light(u), float)
    return 0.5 * np.sum((data - model) ** 2 / (1.0 + relative2 * model**2)) + 0.5 * np.sum(u**2)


@pytest.mark.parametrize("relative2", [0.0, 0.05**2])
def test_peak_is_that_of_a_minimiser(relative2):
    truth = np.array([0.7, -0.4, 0.9], np.float32)
    data = 3.0 * 10.0 ** np.asarray(log_light(truth)) + RNG.normal(size=N_BAND)
    peak, step, _, _ = run(
        np.zeros(N, np.float32),
        data.astype(np.float32),
        ALL,
        np.full(N_BAND, relative2, np.float32),
        n_steps=12,
    )
    assert np.abs(step).max() < 1e-3
    best = minimize(
        minus_log_posterior,
        np.append(truth, np.log(3.0)),
        (data, relative2),
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 20000, "maxfev": 20000},
    )
    # variances that move with the model shift the minimum by a fraction of its width
    np.testing.assert_allclose(peak, best.x[:N], atol=2e-3 if relative2 == 0.0 else 0.1)


def test_covariance_is_that_of_the_linearised_problem():
    truth = np.zeros(N, np.float32)
    data = 0.5 * 10.0 ** np.asarray(log_light(truth), np.float32)
    peak, _, covariance, residual = run(
        np.full(N, 0.1, np.float32), data, ALL, np.zeros(N_BAND, np.float32), n_steps=10
    )
    np.testing.assert_allclose(peak, 0.0, atol=1e-4)
    np.testing.assert_allclose(residual, 0.0, atol=0.02)
    # without residuals the Hessian is J'J; the mass is marginalised by inverting the whole of it
    slope = np.c_[np.log(10.0) * SLOPES, np.ones(N_BAND)].astype(float) * data[:, None]
    hessian = slope.T @ slope + np.diag([1.0] * N + [1e-2])
    np.testing.assert_allclose(covariance, np.linalg.inv(hessian)[:N, :N], rtol=2e-3, atol=1e-9)


def test_bands_that_do_not_count_do_not_matter():
    counted = np.arange(N_BAND) < 6
    data = 5.0 * 10.0 ** np.asarray(log_light(np.full(N, 0.2, np.float32)))
    relative2, start = np.full(N_BAND, 1e-3, np.float32), np.zeros(N, np.float32)
    one = run(start, data, counted, relative2, n_steps=3)
    other = run(start, np.where(counted, data, -7.0).astype(np.float32), counted, relative2, n_steps=3)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.all(np.asarray(one[3])[6:] == 0.0)


def test_without_data_it_is_the_prior():
    start = np.array([0.5, -0.2, 0.1], np.float32)
    peak, step, covariance, _ = run(
        start, np.zeros(N_BAND, np.float32), ~ALL, np.zeros(N_BAND, np.float32), n_steps=4
    )
    np.testing.assert_allclose(peak, 0.0, atol=1e-6)
    np.testing.assert_allclose(covariance, np.eye(N), atol=1e-6)
    assert jnp.abs(step).max() < 1e-6


def test_steps_that_make_things_worse_are_not_taken():
    """Light that saturates: whole Gauss-Newton steps overshoot and swing."""

    def saturating(u):
        return LEVEL + jnp.tanh(2.0 * SLOPES @ u)

    truth = np.array([0.9, -0.8, 0.7], np.float32)
    data = (10.0 ** np.asarray(saturating(truth)) * 40.0).astype(np.float32)
    relative2, start = np.full(N_BAND, 1e-4, np.float32), np.array([-0.8, 0.8, -0.8], np.float32)
    fit = jax.jit(partial(laplace, saturating), static_argnames="n_steps")
    badness = []
    for n_steps in range(0, 13, 2):
        peak, _, _, residual = fit(start, data, ALL, relative2, n_steps=n_steps)
        badness.append(float(np.sum(np.square(residual)) + np.sum(np.square(peak))))
    assert np.all(np.diff(badness) <= 1e-5 * badness[0]), badness
    assert badness[-1] < 0.05 * badness[0], badness
