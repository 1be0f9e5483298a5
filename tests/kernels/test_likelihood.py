import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from dsps_sbi.kernels.likelihood import below, log_likelihood, log_normal_cdf, mean_snr


@pytest.fixture(scope="module", params=[1.0, 1e-4, 1e-12, 1e6])
def data(request):
    """Fluxes and skies in units of the parameter [uJy], half of the bands valid, junk elsewhere."""
    rng = np.random.default_rng(2)
    model = request.param * 10.0 ** rng.uniform(-3, 3, (20, 9))
    sky = request.param * 10.0 ** rng.uniform(-1, 1, (20, 9))
    flux = model + sky * rng.normal(size=(20, 9)) + 0.05 * model * rng.normal(size=(20, 9))
    valid = rng.random((20, 9)) < 0.5
    valid[0] = False
    return [a.astype(np.float32) for a in (flux, sky)] + [valid, model.astype(np.float32)]


@pytest.mark.parametrize("floor", [0.0, 0.05, 0.5])
def test_against_scipy(data, floor):
    flux, sky, valid, model = data
    f, s, m = (a.astype(float) for a in (flux, sky, model))
    terms = norm.logpdf(f, m, np.sqrt(s**2 + (floor * m) ** 2))
    expected = np.where(valid, terms, 0.0).sum(axis=1)
    got = log_likelihood(flux, sky, valid, model, floor)
    # (f - m) / sky is the difference of two float32 numbers up to 1e4
    np.testing.assert_allclose(got, expected, rtol=1e-3 if floor == 0.0 else 2e-5, atol=1e-4)
    assert got[0] == 0.0


def test_upper_limits_against_scipy(data):
    flux, sky, valid, model = data
    upper = np.random.default_rng(4).random(flux.shape) < 0.5
    limit = np.where(upper, 3.0 * sky, flux)
    f, s, m = (a.astype(float) for a in (limit, sky, model))
    sigma = np.sqrt(s**2 + (0.05 * m) ** 2)
    terms = np.where(upper, norm.logcdf(f, m, sigma), norm.logpdf(f, m, sigma))
    expected = np.where(valid, terms, 0.0).sum(axis=1)
    np.testing.assert_allclose(
        log_likelihood(limit, sky, valid, model, 0.05, upper), expected, rtol=2e-5, atol=1e-4
    )
    none = log_likelihood(limit, sky, valid, model, 0.05, np.zeros_like(upper))
    np.testing.assert_array_equal(none, log_likelihood(limit, sky, valid, model, 0.05))


def test_log_normal_cdf_and_its_gradient_in_both_tails():
    x = np.r_[-1e3, np.linspace(-41.0, 41.0, 400)].astype(np.float32)
    got = np.asarray(log_normal_cdf(jnp.asarray(x)))
    slope = np.asarray(jax.vmap(jax.grad(log_normal_cdf))(jnp.asarray(x)))
    exact = norm.logcdf(x.astype(float))
    np.testing.assert_allclose(got, exact, rtol=1e-6, atol=6e-8)  # one ulp of Phi = 1
    np.testing.assert_allclose(slope, np.exp(norm.logpdf(x.astype(float)) - exact), rtol=2e-5, atol=1e-30)
    beyond = jnp.array([-1e15, -1e6, 1e6, 1e15])
    slope = jax.vmap(jax.grad(log_normal_cdf))(beyond)
    np.testing.assert_allclose(slope, [1e15, 1e6, 0.0, 0.0])


def test_masked_values_change_nothing_not_even_gradients(data):
    flux, sky, valid, model = data
    junk = [
        np.where(valid, a, bad).astype(np.float32) for a, bad in ((flux, np.nan), (sky, 0.0), (model, np.inf))
    ]
    np.testing.assert_array_equal(
        log_likelihood(junk[0], junk[1], valid, junk[2], 0.05), log_likelihood(flux, sky, valid, model, 0.05)
    )
    gradient = jax.grad(lambda m: log_likelihood(junk[0], junk[1], valid, m, 0.05).sum())(model)
    assert np.all(np.isfinite(gradient)) and np.all(np.asarray(gradient)[~valid] == 0.0)
    assert np.any(np.asarray(gradient)[valid] != 0.0)


def test_mean_snr_uses_named_bands_then_all_then_none():
    flux = np.array([[2.0, 6.0, 40.0, np.nan]] * 4, np.float32)
    sky = np.array([[1.0, 2.0, 4.0, 0.0]] * 4, np.float32)
    valid = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    named = np.array([False, True, True, True])
    # bands 2 and 3 (3 + 10) / 2; band 3 alone; none of the named: band 1; no band at all
    np.testing.assert_allclose(mean_snr(flux, sky, valid, named), [6.5, 10.0, 2.0, 0.0])
    np.testing.assert_allclose(mean_snr(flux, sky, valid, np.zeros(4, bool)), [5.0, 6.0, 2.0, 0.0])


def test_mean_snr_of_tiny_fluxes_and_negative_ones():
    flux = np.array([[-3e-20, 1e-20]], np.float32)
    sky = np.array([[1e-20, 1e-20]], np.float32)
    np.testing.assert_allclose(
        mean_snr(flux, sky, np.ones((1, 2), bool), np.ones(2, bool)), [-1.0], rtol=1e-5
    )


def test_mean_snr_counts_limits_as_nothing():
    flux, sky = np.array([[3.0, 10.0, 30.0]], np.float32), np.ones((1, 3), np.float32)
    upper = np.array([[True, False, False]])
    valid, named = np.ones((1, 3), bool), np.array([True, True, False])
    np.testing.assert_allclose(mean_snr(flux, sky, valid, named, upper), [5.0])
    np.testing.assert_allclose(mean_snr(flux, sky, valid, named, ~upper), [1.5])


def test_moments_below_a_limit():
    x = np.array([-300.0, -40.0, -10.5, -9.5, -3.0, 0.0, 2.0, 9.0], np.float32)
    mean, variance = below(jnp.asarray(x))
    expected = truncnorm(-np.inf, np.float64(x[2:]))
    np.testing.assert_allclose(mean[2:], expected.mean(), rtol=2e-3)
    np.testing.assert_allclose(variance[2:], expected.var(), rtol=0.02)
    # far below it is an exponential of this scale
    np.testing.assert_allclose(mean[:2], x[:2], rtol=2e-3)
    np.testing.assert_allclose(variance[:2], 1.0 / x[:2] ** 2, rtol=5e-3)
