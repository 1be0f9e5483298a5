import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2, kstest, norm

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.inference.trust import Method, Trust, verdict
from dsps_sbi.spectroscopy.to_library import to_library

FWHM = 2.5
SHARP = ds.LSF("fwhm_aa", 1.2)


def blank(wave, lsf=SHARP, z=0.02, sigma=None, **options):
    sigma = np.ones_like(wave) if sigma is None else sigma
    return ds.Spectrum(wave, np.ones_like(wave), sigma, "vacuum", z, lsf=lsf, **options)


WAVE = np.arange(4450.0, 5500.0, 0.6)


def test_what_is_not_sharper_is_left_as_it_is():
    spectrum = blank(WAVE, ds.LSF("fwhm_aa", 2.6))
    done = to_library(spectrum, FWHM)
    assert done.spectrum is spectrum and not done.smoothed.any()
    assert np.all(done.noise_left == 1.0) and np.all(done.noise_pairs == 1.0)
    # the slowest stars make up for what is missing
    assert to_library(blank(WAVE, ds.LSF("fwhm_aa", 2.3)), FWHM, 90.0).spectrum.lsf.value == 2.3
    assert to_library(spectrum, FWHM, lsf=SHARP).smoothed.all()


# a little sharper, of less than a pixel's width, and much sharper; in one medium or the other
@pytest.mark.parametrize("medium", ["air", "vacuum"])
@pytest.mark.parametrize("fwhm", [2.58, 2.55, 2.3, 1.2, 0.9])
def test_lines_become_as_wide_as_the_populations(fwhm, medium):
    """Against the width that the library's resolution and a pixel have, with flux and place of the line."""
    spectrum = dataclasses.replace(blank(WAVE, ds.LSF("fwhm_aa", fwhm)), medium=medium)
    edges = np.append(WAVE - 0.3, WAVE[-1] + 0.3)
    sigma = np.sqrt((fwhm / 2.3548) ** 2 - 0.6**2 / 12.0)
    flux = np.diff(norm.cdf(edges, 5000.2, sigma)) / 0.6
    # on a faint continuum: runs of exact zeros are gaps
    flux = np.maximum(flux, 1e-30)
    done = to_library(dataclasses.replace(spectrum, flux=flux), FWHM)
    x, dense = WAVE - 5000.2, done.shares @ flux
    assert np.sum(dense * 0.6) == pytest.approx(1.0, abs=1e-5)
    assert np.sum(dense * x * 0.6) == pytest.approx(0.0, abs=1e-3)
    # in vacuum the same velocity is 1 part in 4000 more
    expected = (FWHM * 1.02 / 2.35482) ** 2
    rest = (5000.2 / np.exp(np.interp(5000.2, edges, done.spectrum.spectrograph().ln_edges))) ** 2
    expected = expected * rest + 0.6**2 / 12.0
    assert np.sum(dense * x**2 * 0.6) == pytest.approx(expected, rel=1e-3)
    assert done.spectrum.flux[800] == pytest.approx(dense[800], rel=1e-6)
    own = done.spectrum.spectrograph().ln_variance * 5000.0**2
    assert own[np.argmin(np.abs(x))] == pytest.approx((FWHM * 1.02 / 2.35482) ** 2 * rest, rel=5e-4)


# without the pixel's own width, lacking little and much
@pytest.mark.parametrize("sigma_pixel", [0.85, 1.1, 2.0])
@pytest.mark.parametrize("lack_pixel", [0.1, 0.4, 0.8, 1.5, 3.0])
def test_lines_have_the_height_of_broader_ones(sigma_pixel, lack_pixel):
    """Against integrals over pixels of the broader line: within 0.3 % of its height, anywhere in a pixel."""
    edges = np.append(WAVE - 0.3, WAVE[-1] + 0.3)
    for centre in (5000.0, 5000.15, 5000.3):
        flux = np.diff(norm.cdf(edges, centre, 0.6 * sigma_pixel)) / 0.6
        broad = np.diff(norm.cdf(edges, centre, 0.6 * np.hypot(sigma_pixel, lack_pixel))) / 0.6
        lsf = ds.LSF("fwhm_aa", 2.35482 * 0.6 * np.hypot(sigma_pixel, 1.0 / np.sqrt(12.0)))
        # at rest, where the line is
        library = 2.35482 * 0.6 * np.hypot(sigma_pixel, lack_pixel) / 1.02
        done = to_library(dataclasses.replace(blank(WAVE, lsf), flux=flux), library)
        np.testing.assert_allclose(done.shares @ flux, broad, atol=3e-3 * broad.max())


def test_sparse_bad_pixels_and_noisy_ones_do_not_spread():
    """Whatever the smoothing: single bad pixels take no neighbour with them; errors stay finite."""
    rng = np.random.default_rng(4)
    mask = np.zeros(WAVE.size, bool)
    mask[5::9] = True
    sigma = np.where(rng.random(WAVE.size) < 0.03, 30.0, 1.0)
    for fwhm in (2.5, 2.3, 2.0, 1.6, 1.2, 0.8):
        done = to_library(blank(WAVE, ds.LSF("fwhm_aa", fwhm), sigma=sigma, mask=mask), FWHM)
        inner = slice(5, -5)
        np.testing.assert_array_equal(done.spectrum.valid[inner], ~mask[inner])
        good = done.spectrum.valid
        assert done.spectrum.sigma[good].min() > 0.99 and np.isfinite(done.spectrum.sigma[good]).all()
        # no pixel has much more noise than it is told to have
        assert done.noise_left[good].max() < 1.2


def test_it_is_one_rule_for_the_smallest_lack_and_none():
    flux = 1.0 + 0.3 * np.sin(WAVE)
    # with the pixel's own width
    enough = np.hypot(FWHM * 1.02, 2.35482 * 0.6 / np.sqrt(12.0))
    spectra = [
        dataclasses.replace(blank(WAVE, ds.LSF("fwhm_aa", enough - x)), flux=flux) for x in (-0.1, 1e-4, 1e-3)
    ]
    none, least, little = (to_library(one, FWHM).spectrum.flux for one in spectra)
    np.testing.assert_array_equal(none, np.float32(flux))
    assert 0.0 < np.max(np.abs(least - none)) < 2e-5
    assert 1e-5 < np.max(np.abs(little - none)) < 2e-4


def test_bad_pixels_stay_bad_and_spoil_only_what_they_carry():
    flux, mask = 2.0 + 0.01 * (WAVE - 5000.0), np.zeros(WAVE.size, bool)
    mask[[300, 700]] = mask[900:910] = True
    flux[300], flux[700] = np.nan, 1e6
    done = to_library(dataclasses.replace(blank(WAVE, mask=mask), flux=flux), FWHM)
    lost = np.flatnonzero(~done.spectrum.valid)
    assert set(lost) >= {300, 700, *range(900, 910)}
    inner = lost[(lost > 10) & (lost < WAVE.size - 10)]
    assert set(inner) <= {300, 700, *range(897, 913)} and len(lost) <= 12 + 6 + 8
    good = done.spectrum.valid
    np.testing.assert_allclose(done.spectrum.flux[good][8:-8], flux[good][8:-8], rtol=1e-3)


def test_a_gap_is_not_smoothed_over():
    wave = np.delete(WAVE, [600, 601, 602])
    flux = np.where(wave < WAVE[601], 1.0, 5.0)
    done = to_library(dataclasses.replace(blank(wave), flux=flux), FWHM)
    np.testing.assert_allclose(done.spectrum.flux, flux, rtol=1e-6)
    assert 2 <= (~done.spectrum.valid).sum() <= 8


def test_errors_keep_what_the_data_know():
    """The precision of the mean is the same before and after, and the noise's covariance is as told."""
    rng = np.random.default_rng(1)
    sigma = rng.uniform(0.5, 2.0, WAVE.size)
    done = to_library(blank(WAVE, sigma=sigma), FWHM)
    smooth = to_library(blank(WAVE), FWHM).spectrum.sigma
    np.testing.assert_allclose(smooth[10:-10], 1.0, rtol=1e-4)
    covariance = (done.shares * sigma) @ (done.shares * sigma).T
    covariance = covariance.toarray() / np.outer(done.spectrum.sigma, done.spectrum.sigma)
    good = done.spectrum.valid
    covariance = covariance[np.ix_(good, good)]
    np.testing.assert_allclose(done.noise_left[good], np.diag(covariance), rtol=1e-5)
    np.testing.assert_allclose(done.noise_pairs[good], (covariance**2).sum(axis=1), rtol=1e-5)
    assert np.all(done.noise_left[good] < 0.7)


@pytest.fixture(scope="module")
def smoothed(likelihood, tau_model):
    """Spectra of one galaxy, sharp and with white noise in the sharp pixels; its parameters."""
    theta = jnp.array([0.3, 1.0, -0.4, 250.0, -3.0, 10.5])
    spectrum = blank(np.arange(4600.0, 5550.0, 0.6), z=0.05)
    sharp = dataclasses.replace(
        tau_model.geometry, spectrograph=spectrum.spectrograph(), sigma_v_km_s=(80.0, 450.0)
    )
    view = sharp.view(0.05)
    light = np.asarray(jax.jit(lambda v: tau_model.predict_fast(theta, v))(view), float)
    covered = np.flatnonzero(np.asarray(view.covered))
    light = np.interp(np.arange(light.size), covered, light[covered])
    rng, sigma = np.random.default_rng(5), light / 30.0
    sigma[::40] *= 3.0
    noise = sigma * rng.standard_normal((200, light.size))
    terms = tau_model.continuum.sigma * rng.standard_normal((200, view.basis.shape[-1]))
    noisy = light * (1.0 + terms @ np.asarray(view.basis, float).T) + noise
    return [dataclasses.replace(spectrum, flux=flux, sigma=sigma) for flux in (light, *noisy)], theta


def test_the_light_is_that_of_the_model(likelihood, smoothed):
    """A galaxy whose velocities make up for what the instrument is sharper: as the model has it."""
    (clean, *_), theta = smoothed
    target = likelihood.observed(clean, 0.0).target
    used, n = np.asarray(target.used), clean.wave_aa.size
    expected = np.asarray(jax.jit(lambda t: t.model.predict_fast(theta, t.view))(target))[used]
    np.testing.assert_allclose(np.asarray(target.flux)[used], expected, rtol=4e-3)
    count, share = likelihood.pixels_used(clean, likelihood.observed(clean, 0.0))
    assert count == used.sum() and share > 0.85 and used[n:].sum() == 0


def test_p_values_of_smoothed_noise_are_uniform(likelihood, smoothed):
    (_, *noisy), theta = smoothed
    run = jax.jit(lambda target: (*target.misfit(theta)[:2], target.chi2(theta)))
    found = np.array([run(likelihood.observed(one, 0.0).target) for one in noisy], float)
    p = chi2.sf(found[:, 0], found[:, 1])
    assert kstest(p, "uniform").pvalue > 0.01
    # as if pixels were independent, all would fit too well
    count = np.asarray(likelihood.observed(noisy[0], 0.0).target.used).sum()
    assert np.all(chi2.sf(found[:, 2], count) > 0.99)


def test_likelihood_is_the_mean_over_the_noise_that_smoothing_took(likelihood, smoothed):
    """Dense, without a polynomial: chi2 of independent noise has its mean back."""
    (_, noisy, *_), theta = smoothed
    target = likelihood.observed(noisy, 0.0).target
    plain = dataclasses.replace(target, noise_left=None, noise_pairs=None)
    theta = theta.at[4].set(-1.5)
    run = jax.jit(lambda t: (t.log_likelihood(theta), t.model.predict_fast(theta, t.view)))
    (value, light), (without, _) = run(target), run(plain)
    used, left = np.asarray(target.used), np.asarray(target.noise_left, float)
    sigma = np.asarray(target.sigma, float)[used]
    variance = 1.0 + (10.0**-1.5 * np.asarray(light, float)[used] / sigma) ** 2
    expected = -0.5 * np.sum((1.0 - left[used]) / variance)
    assert expected < -20.0
    assert float(value) - float(without) == pytest.approx(expected, abs=0.05)


def test_independent_pixels_have_the_chi2_that_they_had(likelihood, galaxies):
    """Not smoothed: the same numbers to the last digit."""
    target = likelihood.observed(galaxies[0], 0.0).target
    theta = jnp.array([0.3, 1.0, -0.4, 150.0, -2.5, 10.5])
    plain = dataclasses.replace(target, noise_left=None, noise_pairs=None)
    run = jax.jit(lambda t: t.misfit(theta))
    (found, n, stated), (same, count, _) = run(target), run(plain)
    assert float(n) == int(count) == np.asarray(target.used).sum() and float(found) == float(same)
    assert 0.0 < float(stated) < 1.0


def test_below_a_third_of_the_pixels_nothing_is_trusted():
    sound = (
        np.array([Method.IS]),
        np.array([500.0]),
        np.array([0.1]),
        np.nan,
        np.array([0.5]),
        np.nan,
        [True],
    )
    assert verdict(*sound, [0.34])[0] == verdict(*sound)[0] == Trust.TRUSTED
    assert verdict(*sound, [0.33])[0] == Trust.UNTRUSTED


@pytest.mark.optimized
def test_answers_of_sharp_spectra(untrained, likelihood, smoothed):
    (_, noisy, *_), _ = smoothed
    result = ds.weigh(untrained, noisy, model=likelihood, n_draws=200)
    row, fit = result.rows()[0], result.best_fit()
    assert row["n_pixels"] == fit.used.sum() and 0.85 < row["wave_used"] <= 1.0
    assert fit.smoothed.all() and fit.table()["smoothed"].all()
    np.testing.assert_array_equal(fit.spectrum.flux, likelihood.at_library(noisy).spectrum.flux)
    alone = untrained.infer(noisy, model=None, n_draws=50)
    assert alone.columns["n_pixels"][0] > 100 and alone.columns["wave_used"][0] > 0.9


def test_what_is_refused():
    with pytest.raises(UserError, match="has no redshift: read it with redshift="):
        to_library(blank(WAVE, z=None), FWHM)
    with pytest.raises(UserError, match="does not tell its LSF: pass lsf="):
        to_library(blank(WAVE, None), FWHM)
