import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.kernels.projection import project
from dsps_sbi.spectroscopy.compressed import Projected

N_PIXEL, N_COMPONENT, PRIOR_SIGMA = 240, 5, 0.1


@pytest.fixture(scope="module")
def space():
    """Orthonormal components, the first one positive, and a polynomial of two terms."""
    x = np.linspace(-1.0, 1.0, N_PIXEL)
    rows = [np.ones_like(x)] + [np.sin(7.0 * (k + 2) * x + k) for k in range(N_COMPONENT - 1)]
    components = np.linalg.qr(np.array(rows).T)[0].T
    return components * np.sign(components[:1, :1]), np.stack([x, 1.5 * x**2 - 0.5], axis=-1)


@pytest.fixture(scope="module")
def spectra(space):
    """Noisy spectra with a polynomial; one has errors of the model, one a gap, one no end."""
    components, basis = space
    rng = np.random.default_rng(3)
    truth = np.r_[15.0, 1.0, 0.5, 0.3, 0.2] * (1.0 + 0.3 * rng.standard_normal((4, N_COMPONENT)))
    template = truth @ components
    sigma = np.array([0.01, 0.01, 0.02, 0.05])[:, None] * np.ones(N_PIXEL)
    share = np.array([0.0, 0.03, 0.0, 0.0])[:, None]
    spread = np.hypot(sigma, share * template)
    flux = template * (1.0 + PRIOR_SIGMA * rng.standard_normal((4, 2)) @ basis.T)
    flux = flux + spread * rng.standard_normal(flux.shape)
    valid = np.ones(flux.shape, bool)
    valid[2, 100:150] = False
    valid[3, 190:] = False
    flux[~valid], sigma[~valid] = np.nan, np.nan
    return truth, flux, sigma, valid


@pytest.fixture(scope="module")
def seen(space, spectra):
    _, flux, sigma, valid = spectra
    components, basis = (jnp.asarray(a, jnp.float32) for a in space)
    run = jax.jit(lambda f, s, v: project(f, s, v, components, basis, PRIOR_SIGMA))
    return Projected(
        *run(*(jnp.asarray(a) for a in (flux.astype(np.float32), sigma.astype(np.float32), valid)))
    )


def test_log_likelihood_is_that_of_the_whole_covariance(space, spectra, seen):
    """Differences between models, against a dense covariance in float64."""
    components, basis = space
    truth, flux, sigma, valid = spectra
    rng = np.random.default_rng(5)
    for i in range(4):
        use = valid[i]
        w, d = components[:, use], flux[i, use]
        template = first_template(w, d, sigma[i, use])
        variance = sigma[i, use] ** 2 + np.exp(2.0 * float(seen.ln_error[i])) * template**2
        design = PRIOR_SIGMA * basis[use] * template[:, None]
        inverse = np.linalg.inv(np.diag(variance) + design @ design.T)

        def exact(m, w=w, d=d, inverse=inverse):
            return -0.5 * (d - m @ w) @ inverse @ (d - m @ w)

        def ours(m, i=i):
            off = m - np.asarray(seen.coefficients[i], float)
            return np.asarray(seen.gradient[i]) @ off - 0.5 * off @ np.asarray(seen.precision[i], float) @ off

        models = truth[i] * (1.0 + 0.01 * rng.standard_normal((6, N_COMPONENT)))
        expected = np.diff([exact(m) for m in models])
        np.testing.assert_allclose(np.diff([ours(m) for m in models]), expected, rtol=2e-3, atol=0.02)


def first_template(w, d, sigma):
    weight = 1.0 / (sigma**2 + 0.01**2)
    matrix = (w * weight) @ w.T
    matrix += 1e-6 * np.diag(matrix).max() * np.eye(len(w))
    return np.linalg.solve(matrix, (w * weight) @ d) @ w


def test_error_of_the_model_is_found(spectra, seen):
    share, sigma = np.exp(np.asarray(seen.ln_error)), spectra[2][:, 0]
    assert abs(share[1] - 0.03) < 0.005
    # chi2's own scatter looks like an error of the model well below the noise
    assert np.all(share[[0, 2, 3]] < 0.7 * sigma[[0, 2, 3]])
    # the template of the first look knows no polynomial: 10 % of one leave 0.7 % at S/N 100
    assert seen.chi2[1] > 5 and seen.chi2[0] < 2.5 and np.all(np.abs(seen.chi2[2:] - 1) < 0.5)


def test_coefficients_are_right_within_their_errors(spectra, seen):
    truth = spectra[0]
    for i in range(4):
        off = np.asarray(seen.coefficients[i]) - truth[i]
        assert off @ np.asarray(seen.precision[i]) @ off < 25.0  # chi2 of 5


def test_nothing_valid_says_nothing(space):
    components, basis = (jnp.asarray(a, jnp.float32) for a in space)
    none = jnp.zeros((1, N_PIXEL), bool)
    out = Projected(
        *project(jnp.ones((1, N_PIXEL)), jnp.ones((1, N_PIXEL)), none, components, basis, PRIOR_SIGMA)
    )
    assert np.all(np.asarray(out.precision) == 0) and np.all(np.asarray(out.gradient) == 0)


def test_without_a_polynomial(space, spectra):
    """Weighted least squares in float64, and nothing integrated out."""
    components, _ = space
    _, flux, sigma, valid = spectra
    data = (jnp.asarray(a) for a in (flux.astype(np.float32), sigma.astype(np.float32), valid))
    basis = jnp.zeros((N_PIXEL, 0))
    seen = Projected(*project(*data, jnp.asarray(components, jnp.float32), basis, PRIOR_SIGMA))
    for i in range(4):
        use = valid[i]
        c, d, s = components[:, use], flux[i, use], sigma[i, use]
        variance = s**2 + (np.exp(float(seen.ln_error[i])) * first_template(c, d, s)) ** 2
        precision = (c / variance) @ c.T
        np.testing.assert_allclose(seen.precision[i], precision, rtol=1e-3, atol=1e-4 * precision.max())
        errors = np.diag(np.linalg.inv(precision)) ** 0.5
        best = np.linalg.solve(precision, (c / variance) @ d)
        assert np.all(np.abs(np.asarray(seen.coefficients[i]) - best) < 0.01 * errors)
