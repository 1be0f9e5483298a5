import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial.legendre import legfit, legval
from scipy.stats import kstest

import dsps_sbi as ds
from dsps_sbi.spectroscopy.by_prior import PriorLikelihood
from dsps_sbi.spectroscopy.held_out import draw_mocks
from dsps_sbi.spectroscopy.population_modes import misfit_light, population_modes


@pytest.fixture(scope="module")
def modes(tau_model):
    return population_modes(tau_model)


def test_modes_are_mixtures_of_the_populations_that_no_polynomial_makes(tau_model, modes):
    ssps = np.asarray(tau_model.light, float).reshape(-1, tau_model.light.shape[-1])
    assert 1 <= len(modes) <= min(10, len(ssps)) and np.isfinite(modes).all()
    shares = np.linalg.lstsq(ssps.T, modes.T, rcond=None)[0]
    np.testing.assert_allclose(ssps.T @ shares, modes.T, atol=1e-4 * np.abs(modes).max())
    mean = (ssps / ssps.mean(axis=1, keepdims=True)).mean(axis=0)
    x = np.linspace(-1.0, 1.0, len(mean))
    lines = [mode - legval(x, legfit(x, mode, tau_model.continuum.degree)) for mode in modes / mean]
    np.testing.assert_allclose(np.inner(lines, lines), np.eye(len(modes)), atol=1e-3)
    assert len(population_modes(tau_model, 2)) == 2


@pytest.fixture(scope="module")
def mocks(tau_model):
    return draw_mocks(ds.SpectrumSimulator(tau_model, snr=(30.0, 100.0)), jax.random.key(2), 200)


def observed_of(likelihood, mocks, i, flux=None):
    flux = mocks.data.flux[i] if flux is None else flux
    return likelihood.observed_mock(flux, mocks.data.sigma[i], mocks.data.valid[i], mocks.z[i])


def test_p_value_is_uniform_for_the_truth(likelihood, mocks):
    """A single draw that is the truth itself: exactly a draw from the posterior."""
    key = jax.random.key(0)
    p = [
        float(likelihood.population_p(mocks.u[i][None, None], observed_of(likelihood, mocks, i), [i], key)[0])
        for i in range(len(mocks.z))
    ]
    assert kstest(p, "uniform").pvalue > 0.01


def test_light_of_other_stars_is_all_seen(likelihood, tau_model, mocks, modes):
    """Young stars over others: all that they add to chi2 lies along the modes."""
    i = int(np.argmax(np.median(mocks.data.flux / mocks.data.sigma, axis=1)))
    plain = observed_of(likelihood, mocks, i)
    theta, view = likelihood.theta(jnp.asarray(mocks.u[i]), plain)[0], plain.target.view
    n = len(mocks.data.flux[i])
    young = np.asarray(tau_model.seen(tau_model.light[1, 0], theta, view))[:n]
    young = young / np.median(young) * np.median(mocks.data.flux[i])

    @jax.jit
    def run(observed):
        return observed.target.chi2_along(theta, modes), observed.target.chi2(theta)

    found = [
        run(observed_of(likelihood, mocks, i, mocks.data.flux[i] + share * young)) for share in (0.0, 0.1)
    ]
    (along, whole), (more, larger) = np.asarray(found, float)
    assert 0.0 < along < whole and larger - whole > 30.0
    assert more - along == pytest.approx(larger - whole, rel=0.05)
    key = jax.random.key(0)
    odd = observed_of(likelihood, mocks, i, mocks.data.flux[i] + 0.1 * young)
    assert likelihood.population_p(mocks.u[i][None, None], odd, [0], key)[0] < 1e-3


def test_p_value_needs_no_network(likelihood, tau_model, mocks):
    u, key = mocks.u[0][None, None], jax.random.key(0)
    bare = PriorLikelihood.of(tau_model)
    found, expected = (
        one.population_p(u, observed_of(one, mocks, 0), [0], key) for one in (bare, likelihood)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_misfit_is_as_large_as_it_says(tau_model):
    """A root mean square of 1, whose strongest directions are those of the modes, moving."""
    light = np.asarray(misfit_light(tau_model, 5, 12), float)
    shares = light[1:] / light[0]
    assert np.mean(np.sum(shares**2, axis=0)) == pytest.approx(1.0, rel=1e-4)
    size = np.sqrt(np.mean(shares**2, axis=1))
    assert (np.diff(size) <= 1e-6).all() and len(shares) == 12
