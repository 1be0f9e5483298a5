import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi as ds

THETA = np.array([6.0, 0.0, 150.0, -2.0, 9.0], np.float32)
Z = 0.012


@pytest.fixture(scope="module")
def spectrum(burst_model):
    view = burst_model.view(Z)
    template = np.asarray(burst_model.predict_fast(THETA, view))
    sigma = np.full(720, 0.02 * np.median(template), np.float32)
    flux = np.array(burst_model.simulate(jax.random.key(5), jnp.asarray(THETA), view, sigma))
    flux[100] = np.nan
    wave = burst_model.spectrograph.wave_aa
    return ds.Spectrum(wave, flux, sigma, "vacuum", Z, lsf=ds.LSF("fwhm_aa", 4.0), source="mock")


@pytest.fixture(scope="module")
def target(burst_model, spectrum):
    return ds.SpectrumTarget.of(burst_model, spectrum)


# ordinary; noise of the data alone; the model's error alone, 10 %; hardly any light
@pytest.mark.parametrize(
    ("snr", "log_error", "reach"), [(50.0, -2.0, 0.1), (100.0, -4.0, 0.1), (1e4, -1.0, 0.2), (0.5, -2.0, 0.5)]
)
def test_mass_integrated_by_hand(burst_model, snr, log_error, reach):
    """Against a fine sum of the likelihood over log mass."""
    view, theta = burst_model.view(Z), THETA.copy()
    theta[3] = log_error
    template = np.asarray(burst_model.predict_fast(theta, view))
    sigma = np.full(720, np.median(template) / snr, np.float32)
    flux = np.array(burst_model.simulate(jax.random.key(5), jnp.asarray(theta), view, sigma))
    target = ds.SpectrumTarget(burst_model, view, flux, sigma, np.arange(720) != 100)
    wrong_mass = theta.copy()
    wrong_mass[-1] = 6.0
    log_evidence, log_mass, width = jax.jit(target.log_marginal)(wrong_mass)
    grid = np.linspace(9.0 - reach, 9.0 + reach, 801).astype(np.float32)
    thetas = np.tile(theta, (801, 1))
    thetas[:, -1] = grid
    log_like = np.asarray(jax.jit(target.log_likelihood)(thetas), float)
    density = np.exp(log_like - log_like.max())
    expected = log_like.max() + np.log(np.trapezoid(density, grid)) - np.log(13.0 - 4.0)
    mean = np.trapezoid(density * grid, grid) / np.trapezoid(density, grid)
    spread = np.sqrt(np.trapezoid(density * (grid - mean) ** 2, grid) / np.trapezoid(density, grid))
    assert density[0] < 1e-6 and density[-1] < 1e-6
    assert float(log_evidence) == pytest.approx(expected, abs=2e-3)
    assert float(log_mass) == pytest.approx(mean, abs=0.01 * spread)
    assert float(width) == pytest.approx(spread, rel=1e-2)


def test_the_gradient_finds_back_what_made_the_spectrum(target):
    """Newton steps on exact derivatives in dispersion and mass."""

    def profile(pair):
        return target.log_likelihood(jnp.asarray(THETA).at[2].set(100.0 * pair[0]).at[-1].set(pair[1]))

    step = jax.jit(lambda pair: (jax.grad(profile)(pair), jax.hessian(profile)(pair)))
    pair = np.array([1.3, 9.01], np.float32)
    for _ in range(8):
        slope, bend = (np.asarray(a, float) for a in step(pair))
        pair = (pair - np.linalg.solve(bend, slope)).astype(np.float32)
    error = np.sqrt(np.diag(np.linalg.inv(-bend)))
    assert error[0] < 0.2 and error[1] < 0.01
    assert np.all(np.abs(pair - [1.5, 9.0]) < 4 * error)


def test_best_fit_leaves_noise_alone(target, spectrum):
    residual = (spectrum.flux - np.asarray(target.best_fit(THETA)))[target.used]
    spread = np.hypot(spectrum.sigma, 0.01 * np.abs(spectrum.flux))[target.used]
    assert np.std(residual / spread) == pytest.approx(1.0, abs=0.1)
    assert not target.used[100]


def test_density_in_normal_coordinates(target):
    u = jnp.array([0.3, -0.2, 0.1, 0.0, 0.5])
    theta = target.theta(u)
    expected = float(target.log_likelihood(theta)) - 0.5 * float(jnp.sum(u**2))
    assert float(target.log_density(u)) == pytest.approx(expected, rel=1e-6)
    assert np.isfinite(jax.jit(jax.grad(target.log_density))(u)).all()


def test_a_model_made_for_the_spectrum(line_grid, spectrum, burst_model):
    model = ds.SpectrumModel.for_spectrum(line_grid, spectrum, burst_model.prior, sfh=burst_model.sfh)
    assert ds.SpectrumTarget.of(model, spectrum).used.sum() > 500
    assert ds.SpectrumModel.for_spectrum(line_grid, spectrum).names[:4] == (
        "stick_1",
        "stick_2",
        "stick_3",
        "log_ssfr_now",
    )
    with pytest.raises(ds.UserError, match="mock does not tell its LSF: pass lsf="):
        ds.SpectrumModel.for_spectrum(line_grid, dataclasses.replace(spectrum, lsf=None))


def test_spectra_that_do_not_fit_the_model(burst_model, spectrum):
    with pytest.raises(ds.UserError, match="mock has no redshift: read it with redshift="):
        ds.SpectrumTarget.of(burst_model, dataclasses.replace(spectrum, redshift=None))
    with pytest.raises(ds.UserError, match=r"mock has \d+ pixels .* the model's spectrograph 720"):
        ds.SpectrumTarget.of(burst_model, spectrum.between(4500.0, 5000.0))
    covered = np.asarray(burst_model.view(Z).covered)
    with pytest.raises(ds.UserError, match="no pixel is left by its masks and those of the model"):
        ds.SpectrumTarget.of(burst_model, dataclasses.replace(spectrum, mask=covered))


def test_on_gpus_too_likelihoods_and_their_slopes_have_all_digits(target, inexact_products):
    """TF32 would take a quarter of the errors at S/N 1000."""
    products, inexact = inexact_products(jax.grad(lambda theta: target.log_marginal(theta)[0]), THETA)
    assert products and not inexact
