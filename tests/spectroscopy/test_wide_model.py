"""Spectra as galaxies have them: metallicity history, velocity, scale of errors, correlated misfit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

import dsps_sbi as ds
from dsps_sbi.inference.trust import populations_fit
from dsps_sbi.sfh import DelayedTau
from dsps_sbi.spectroscopy.compressed import find_subspace
from dsps_sbi.spectroscopy.curvature import precision_root
from dsps_sbi.spectroscopy.network import SpectrumNetwork
from dsps_sbi.spectroscopy.nuisances import typical_terms

WIDE = {
    "metallicity_rise": 0.4,
    "velocity": 30.0,
    "log_error_scale": (-0.4, 0.4),
    "log_misfit": (-3.5, -1.0),
}
EXTRA = ("metallicity_rise", "velocity", "log_model_error", "log_error_scale", "log_misfit")


@pytest.fixture(scope="module")
def model(line_grid):
    wave = np.exp(np.arange(np.log(4400.0), np.log(5350.0), 3e-4))
    prior = ds.spectrum_prior(DelayedTau(), metallicity=(-1.0, 0.4), **WIDE)
    frame, options = ds.Spectrograph(wave, ds.LSF("fwhm_aa", 3.5)), {"continuum": ds.Continuum(2, 0.1)}
    return ds.SpectrumModel(line_grid, frame, prior, DelayedTau(), **options)


@pytest.fixture(scope="module")
def mocks(model):
    simulator = ds.SpectrumSimulator(model, snr=(10.0, 200.0), p_whole=1.0)
    return simulator.mocks(jax.random.key(3), simulator.table_pool(jax.random.key(4), 64), 512, 1)


def dense(model, view, theta, flux, sigma, valid):
    """Covariance (n, n) and residual (n,) of the pixels that count, in float64."""
    used = np.asarray(valid & view.valid)
    value = dict(zip(model.names, np.asarray(theta, float), strict=True))
    template = np.asarray(model.predict_fast(theta, view), float)[used]
    # amplitudes at nodes 500 km/s apart, linear between them
    centre = np.asarray(0.5 * (model.spectrograph.ln_edges[1:] + model.spectrograph.ln_edges[:-1]))[used]
    at = (centre - model.geometry.grid.ln0 + 0.5 * model.geometry.grid.step) * 299792.458 / 500.0
    hats = np.maximum(1.0 - np.abs(at[:, None] - np.arange(int(at.max()) + 2)), 0.0) * np.sqrt(1.5)
    misfit = 10.0 ** value["log_misfit"]
    size = np.r_[[0.1] * 2, [2.0 * misfit] * (view.basis.shape[1] - 2)]
    terms = np.hstack([np.asarray(view.basis, float)[used] * size, misfit * hats])
    design = template[:, None] * terms
    errors = 10.0 ** value["log_error_scale"] * np.asarray(sigma, float)[used]
    covariance = np.diag(errors**2 + (10.0 ** value["log_model_error"] * template) ** 2)
    return covariance + design @ design.T, np.asarray(flux, float)[used] - template


def test_likelihood_is_that_of_the_dense_covariance(model, mocks):
    for i in range(3):
        view, theta = model.view(0.0), mocks.theta[i]
        flux, sigma, valid = (a[i] for a in mocks.data[:3])
        covariance, residual = dense(model, view, theta, flux, sigma, valid)
        expected = residual @ np.linalg.solve(covariance, residual)
        expected = -0.5 * (expected + np.linalg.slogdet(2.0 * np.pi * covariance)[1])
        found = float(model.log_likelihood(theta, flux, sigma, valid, view)[0])
        # no better than single precision
        assert found == pytest.approx(expected, rel=1e-6)


def test_simulator_and_likelihood_are_of_one_model(model, mocks):
    """At the truth chi2 is distributed as such, and slopes of the log likelihood have zero mean."""
    view, data = model.view(0.0), mocks.data

    def one(theta, flux, sigma, valid, z):
        own = jax.tree_util.tree_map(lambda a: a, view)
        target = ds.SpectrumTarget(model, own, flux, sigma, valid)
        slope = jax.grad(target.log_likelihood)(theta)
        return target.misfit(theta)[:2], slope

    # histories of the age of the Universe at z = 0, those of the mocks at their own
    keys = jax.random.split(jax.random.key(8), len(mocks.theta))
    theta = model.prior.from_normal(mocks.u, view.universe_gyr)
    template = model.predict_fast(theta, view)
    sigma = 0.02 * template
    flux = jax.vmap(lambda k, f, t, s: model.observe(k, f, t, view, s))(keys, template, theta, sigma)
    both = jax.jit(lambda *of: jax.lax.map(lambda o: one(*o), of, batch_size=64))
    (chi2, count), slopes = both(theta, flux, sigma, data.valid, data.z)
    p = jax.scipy.special.gammaincc(np.asarray(count) / 2.0, np.asarray(chi2) / 2.0)
    assert kstest(np.asarray(p), "uniform").pvalue > 1e-3
    slopes = np.asarray(slopes, float)
    for name in (*EXTRA, "sigma_v"):
        column = slopes[:, model.names.index(name)]
        assert column.std() > 0.0
        assert abs(column.mean()) < 4.0 * column.std() / np.sqrt(len(column)), name


def test_curvature_knows_scale_and_misfit(model):
    """Against the Fisher information of a Gaussian with all its covariances (Tegmark et al. 1997, eq. 15)."""
    view = model.view(0.0)
    u = jnp.asarray([0.3, -0.2, 0.4, 0.2, 0.1, 0.3, -1.0, 0.2, 0.4], jnp.float32)

    def theta_of(u):
        return jnp.append(model.prior.from_normal(u, view.universe_gyr), 10.5)

    flux = np.asarray(model.predict_fast(theta_of(u), view))
    sigma, valid = flux / 50.0, np.ones(flux.size, bool)
    target = ds.SpectrumTarget(model, view, flux, sigma, valid)
    names = ("log_error_scale", "log_misfit", "velocity")
    places, step = [model.names.index(name) for name in names], 0.05
    changes = []
    for i in places:
        ends = [dense(model, view, theta_of(u.at[i].add(s)), flux, sigma, valid) for s in (step, -step)]
        changes.append([(a - b) / (2.0 * step) for a, b in zip(*ends, strict=True)])
    covariance, _ = dense(model, view, theta_of(u), flux, sigma, valid)
    inverse = np.linalg.inv(covariance)
    root = np.asarray(precision_root(target, theta_of, u, 10.5), float)
    found = (root.T @ root)[np.ix_(places, places)]
    for k, (d_covariance, d_residual) in enumerate(changes[:2]):
        product = inverse @ d_covariance
        expected = 1.0 + 0.5 * np.sum(product * product.T) + d_residual @ inverse @ d_residual
        assert found[k, k] == pytest.approx(expected, rel=0.05), names[k]
    # what else is linear may hide a velocity, but cannot tell it better
    assert 1.0 < found[2, 2] <= 1.02 * (1.0 + changes[2][1] @ inverse @ changes[2][1])


def test_features_do_not_depend_on_what_errors_are_stated(model, mocks, small_arch):
    view = model.view(0.0)
    subspace = find_subspace(model, view, n_component=16, n_light=12, n_node=8, n_draw=400)
    parts = model.prior, model.sfh, model.cosmology, subspace, view.basis, typical_terms(model)
    network = SpectrumNetwork(small_arch, *parts)
    data = jax.tree.map(lambda a: a[:192], mocks.data)
    features = jax.jit(lambda sigma: network._features(subspace, data.flux, sigma, *data[2:])[0])
    at, other = (np.asarray(features(scale * data.sigma)) for scale in (1.0, 1.6))
    scale = 10.0 ** np.asarray(mocks.theta[:192, model.names.index("log_error_scale")])
    error = 10.0 ** np.asarray(mocks.theta[:192, model.names.index("log_model_error")])
    share = np.median(np.asarray(data.sigma / data.flux), axis=1)
    # where the data's own errors are what is seen, and the scale is not at its edge
    misfit = 10.0 ** np.asarray(mocks.theta[:192, model.names.index("log_misfit")])
    inside = (scale > 0.7) & (scale < 2.2) & (np.maximum(error, misfit) < 0.3 * scale * share)
    assert inside.sum() > 10
    # the last one is the scale itself, the second of the whole is chi2 as stated
    told = at[:, -1] - other[:, -1]
    assert np.quantile(np.abs(told[inside] - 2.0 * np.log(1.6)), 0.9) < 0.1
    same = np.delete(np.abs(at - other)[inside], [32 + 1, 32 + 7], axis=1)
    assert np.median(same) < 1e-3 and np.quantile(same, 0.99) < 0.1


def test_compressed_spectra_follow_velocity_and_rise(model):
    view = model.view(0.0)
    subspace = find_subspace(model, view, n_component=24, n_light=24, n_node=12, n_draw=800)
    theta = model.prior.sample(jax.random.key(5), jnp.zeros(1), view.universe_gyr)[0]
    theta = theta.at[model.names.index("sigma_v")].set(200.0)

    def coefficients(theta):
        value = dict(zip(model.names, theta, strict=True))
        rest = value["metallicity"], jnp.zeros(()), value["sigma_v"], model.sfh, view.universe_gyr
        more = value["metallicity_rise"], value["velocity"]
        return subspace.coefficients(*subspace.shares(theta[: len(model.sfh.names)], *rest, *more))

    for name, other in (("velocity", 40.0), ("velocity", -50.0), ("metallicity_rise", 0.6)):
        moved = theta.at[model.names.index(name)].set(other)
        expected = model.unit_flux(moved, view)
        left = np.asarray(coefficients(moved) @ subspace.components - expected) / np.median(expected)
        change = np.asarray(model.unit_flux(theta, view) - expected) / np.median(expected)
        assert np.std(left) < 0.1 * np.std(change) + 3e-3, name


def test_a_velocity_is_a_redshift(model):
    """c d ln(wavelength): that of a redshift a little higher."""
    theta = np.asarray(model.prior.sample(jax.random.key(2), jnp.zeros(1), 13.0)[0])
    i, z = model.names.index("velocity"), 60.0 / 299792.458
    at_rest, moving = theta.copy(), theta.copy()
    at_rest[i], moving[i] = 0.0, 60.0
    one = np.asarray(model.predict(moving, 0.0, 10.0))
    two = np.asarray(model.predict(at_rest, np.expm1(z), 10.0))
    ratio = (one / two)[100:-100]
    np.testing.assert_allclose(ratio / np.median(ratio), 1.0, atol=1e-4)
    assert np.abs(one / np.asarray(model.predict(at_rest, 0.0, 10.0)) - 1.0)[100:-100].max() > 0.01


def test_populations_that_do_not_fit_are_untrusted():
    found = populations_fit([0, 0, 1, 2, 0], [0.5, 0.001, 0.001, 0.001, np.nan])
    np.testing.assert_array_equal(found, [0, 1, 1, 2, 0])
