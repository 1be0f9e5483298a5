import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy import units as u
from scipy.optimize import curve_fit
from scipy.stats import norm

import dsps_sbi as ds
from dsps_sbi.constants import C_KM_S
from dsps_sbi.dust import Calzetti, CharlotFall
from dsps_sbi.kernels.vacuum import vacuum_to_air
from dsps_sbi.sfh import Burst

FWHM = 2.5
# burst_age, metallicity, sigma_v, log_model_error, log_mass_formed
THETA = np.array([6.0, 0.0, 150.0, -2.0, 9.0], np.float32)


def reference(model, light, theta, z, distance_mpc):
    """Flux [1e-17 erg/s/cm2/A] in float64 by brute force: the curve that the SSPs sample, one Gaussian."""
    s = model.spectrograph
    ln = np.linspace(np.log(4300.0), np.log(5510.0), 60_001)
    wave = np.exp(ln)
    y = light(vacuum_to_air(wave), theta[0], theta[1]) * wave
    x = ln + np.log1p(z)
    out = np.zeros(s.wave_aa.size)
    for i, (a, b) in enumerate(zip(s.ln_edges[:-1], s.ln_edges[1:], strict=True)):
        rest_aa = np.exp(0.5 * (a + b)) / (1 + z)
        sigma = np.sqrt((theta[2] / C_KM_S) ** 2 + s.ln_variance[i] - (FWHM / 2.35482 / rest_aa) ** 2)
        near = slice(*np.searchsorted(x, [a - 8 * sigma, b + 8 * sigma]))
        share = norm.cdf((b - x[near]) / sigma) - norm.cdf((a - x[near]) / sigma)
        out[i] = np.sum(y[near] * share) * (ln[1] - ln[0]) / np.diff(s.edges_aa)[i]
    area = 4 * np.pi * (distance_mpc * u.Mpc) ** 2
    return out * 10.0 ** float(theta[-1]) * (u.L_sun / area).to_value("erg / (s cm2)") / 1e-17


@pytest.mark.parametrize("sigma_v, tolerance", [(20.0, 1e-3), (150.0, 1e-4), (430.0, 1e-4)])
def test_against_brute_force(burst_model, curve, sigma_v, tolerance):
    theta = THETA.copy()
    theta[2] = sigma_v
    z = 0.012
    view = burst_model.view(z)
    distance = float(burst_model.cosmology.distance_mpc(z))
    expected = reference(burst_model, curve, theta, z, distance)
    covered = np.asarray(view.covered)
    got = np.asarray(burst_model.predict_fast(theta, view))
    assert 660 < covered.sum() < 720 and np.all(got[~covered] == 0.0)
    np.testing.assert_allclose(got[covered], expected[covered], rtol=tolerance)


def test_air_and_a_given_distance(burst_model, curve):
    air = dataclasses.replace(burst_model.spectrograph, medium="air", lsf=ds.LSF("resolving_power", 900.0))
    model = dataclasses.replace(burst_model, spectrograph=air)
    view = model.view(0.0)
    covered = np.asarray(view.covered)
    # at z = 0 the galaxy is 10 pc away
    expected = reference(model, curve, THETA, 0.0, 1e-5)[covered]
    np.testing.assert_allclose(model.predict_fast(THETA, view)[covered], expected, rtol=2e-4)
    near, far = (model.predict(THETA, 0.01, distance_mpc=d) for d in (20.0, 40.0))
    np.testing.assert_allclose(near, 4 * np.asarray(far), rtol=1e-5)


@pytest.mark.parametrize(
    "lsf, sigma_at",
    [
        (ds.LSF("fwhm_aa", 4.0), 4.0 / 2.35482),
        (ds.LSF("resolving_power", 1000.0), 4949.8 / 1000.0 / 2.35482),
        (ds.LSF("fwhm_aa", [3.0, 6.0], [4300.0, 5500.0]), (3.0 + 3.0 * 649.8 / 1200.0) / 2.35482),
        (ds.LSF("sigma_pixel", np.linspace(1.0, 3.0, 720)), 1.5 * (1.0 + 2.0 * 599.8 / 1078.5)),
    ],
)
def test_width_of_a_line_on_the_pixels(line_grid, burst_model, lsf, sigma_at):
    """An unresolved line at rest 4900, as the library sees it, comes out as wide as the LSF says."""
    wave, z = line_grid.wave_aa, 0.01
    line = 1e-4 * np.exp(-0.5 * ((wave - 4899.43) / (FWHM / 2.35482)) ** 2) + 1e-6
    grid = dataclasses.replace(line_grid, flux=np.broadcast_to(line, line_grid.flux.shape))
    s = dataclasses.replace(burst_model.spectrograph, lsf=lsf)
    model = dataclasses.replace(burst_model, ssp=grid, spectrograph=s)
    theta = THETA.copy()
    theta[2] = 0.0
    flux = np.asarray(model.predict(theta, z))
    near = np.abs(s.wave_aa - 4949.8) < 40.0
    gauss = lambda x, a, m, w, c: a * np.exp(-0.5 * ((x - m) / w) ** 2) + c  # noqa: E731
    best, _ = curve_fit(gauss, s.wave_aa[near], flux[near], [flux.max(), 4949.8, 2.0, flux[near].min()])
    assert best[1] == pytest.approx(4900.8 * (1 + z), abs=0.02)
    assert best[2] == pytest.approx(sigma_at, rel=5e-3)


def test_the_stars_lend_what_the_library_blurs_too_much(burst_model, curve):
    sharp = dataclasses.replace(burst_model.spectrograph, lsf=ds.LSF("fwhm_aa", 2.0), pixel_in_lsf=False)
    prior = ds.spectrum_prior(Burst(), metallicity=(-1.0, 0.4), sigma_v=(60.0, 450.0))
    model = dataclasses.replace(burst_model, spectrograph=sharp, prior=prior)
    view = model.view(0.012)
    assert float(view.borrowed) > 0.0 and not view.sharp.any()
    expected = reference(model, curve, THETA, 0.012, float(model.cosmology.distance_mpc(0.012)))
    covered = np.asarray(view.covered)
    np.testing.assert_allclose(model.predict_fast(THETA, view)[covered], expected[covered], rtol=1e-4)


def test_pixels_that_are_too_sharp(burst_model):
    lsf = ds.LSF("fwhm_aa", [2.0, 4.0], [4300.0, 5500.0])
    spectrograph = dataclasses.replace(burst_model.spectrograph, lsf=lsf, pixel_in_lsf=False)
    model = dataclasses.replace(burst_model, spectrograph=spectrograph)
    with pytest.raises(ds.UserError, match=r"sharper than that of the SSPs \(FWHM 2.5 .* start at \d+ km/s"):
        model.view(0.012)
    view = dataclasses.replace(model, sharper="mask").view(0.012)
    wave, sharp = spectrograph.wave_aa, np.asarray(view.sharp)
    # FWHM 2.5 (1 + z) is reached at 4618 Angstrom
    assert sharp[wave < 4610].sum() > 50 and not sharp[wave > 4622].any()
    assert not (sharp & np.asarray(view.valid)).any()


def test_masks(burst_model):
    valid = np.asarray(burst_model.view(0.012).valid)
    wave = burst_model.spectrograph.wave_aa
    near_hbeta = np.abs(wave / (4862.68 * 1.012) - 1) * C_KM_S < 395.0
    assert near_hbeta.sum() > 5 and not valid[near_hbeta].any()
    windows = dataclasses.replace(burst_model.spectrograph, mask_windows_aa=((4600.0, 4650.0),))
    fewer = np.asarray(dataclasses.replace(burst_model, spectrograph=windows).view(0.012).valid)
    np.testing.assert_array_equal(fewer, valid & ~((wave >= 4600) & (wave <= 4650)))


def test_derivatives(burst_model):
    """In the parameters that light depends on smoothly, and in redshift; traced z like plain z."""
    scale = jnp.asarray(1e-2 / np.median(burst_model.predict(THETA, 0.012)))

    def flux(sigma_v, metallicity, z):
        theta = jnp.asarray(THETA).at[2].set(sigma_v).at[1].set(metallicity)
        return burst_model.predict(theta, z) * scale

    at = [jnp.float32(v) for v in (150.0, -0.3, 0.012)]
    jacobian = jax.jit(jax.jacfwd(flux, argnums=(0, 1, 2)))(*at)
    inside = np.asarray(burst_model.view(0.0121).covered & burst_model.view(0.0119).covered)
    for i, step in enumerate((3.0, 0.02, 2e-5)):
        up, down = list(at), list(at)
        up[i], down[i] = at[i] + step, at[i] - step
        difference = (np.asarray(flux(*map(float, up))) - flux(*map(float, down))) / (2 * step)
        worst = np.abs(difference - np.asarray(jacobian[i]))[inside].max()
        assert worst < 0.02 * np.abs(difference[inside]).max()
    np.testing.assert_allclose(jax.jit(flux)(*at), flux(150.0, -0.3, 0.012), atol=1e-5)
    gradient = jax.jit(jax.grad(lambda s: jnp.sum(flux(s, 0.0, 0.012) ** 2)))(jnp.float32(0.0))
    assert np.isfinite(gradient)


def test_batches_and_views_are_pytrees(burst_model):
    theta = np.tile(THETA, (3, 1))
    theta[:, 2] = 50.0, 100.0, 200.0
    views = [burst_model.view(z) for z in (0.01, 0.02)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *views)
    both = jax.jit(jax.vmap(burst_model.predict_fast, in_axes=(None, 0)))(theta, stacked)
    assert both.shape == (2, 3, 720)
    np.testing.assert_allclose(both[1, 2], burst_model.predict_fast(theta[2], views[1]), rtol=1e-4)


def test_formation_times_are_ordered_and_within_the_age_of_the_universe(dirichlet_model):
    universe = float(dirichlet_model.cosmology.age(0.01))
    u = jax.random.normal(jax.random.key(1), (50, 8))
    draw = jax.jit(
        lambda u: dirichlet_model.formation_times(dirichlet_model.prior.from_normal(u, universe), 0.01)
    )
    times = np.asarray(draw(u))
    assert times.shape == (50, 9) and np.all(np.diff(times, axis=1) >= 0.0)
    assert times.min() >= 0.0 and times.max() <= universe


def test_alpha_and_dust_are_parameters_where_they_are_there(line_grid, spectrograph):
    richer = dataclasses.replace(line_grid, flux=1.2 * line_grid.flux)
    prior = ds.spectrum_prior(Burst(), alpha_fe=(0.0, 0.4), av=(0.0, 4.0))
    model = ds.SpectrumModel({0.0: line_grid, 0.4: richer}, spectrograph, prior, Burst(), dust=Calzetti())
    assert model.names[1:5] == ("metallicity", "alpha_fe", "av", "sigma_v")
    rows = [[6.0, 0.0, alpha, av, 100.0, -2.0, 9.0] for alpha, av in ((0.0, 0.0), (0.2, 0.0), (0.0, 1.0))]
    flux = np.asarray(jax.jit(lambda t: model.predict(t, 0.012))(jnp.array(rows)))
    covered = flux[0] > 0.0
    base, mixed, dusty = flux[:, covered]
    np.testing.assert_allclose(mixed / base, 1.1, rtol=1e-4)
    rest = spectrograph.wave_aa[covered] / 1.012
    np.testing.assert_allclose(dusty / base, 10.0 ** (-0.4 * np.asarray(Calzetti()(rest))), rtol=2e-3)


def test_simulator_and_likelihood_are_one_model(burst_model):
    """Mocks are as far from the prediction as the likelihood's covariance, polynomial included, says."""
    view = burst_model.view(0.012)
    theta = jnp.tile(jnp.asarray(THETA), (300, 1))
    template = np.asarray(burst_model.predict_fast(THETA, view), float)
    sigma = (0.02 * np.median(template) * np.linspace(0.5, 1.5, 720)).astype(np.float32)
    mocks = np.asarray(jax.jit(burst_model.simulate)(jax.random.key(3), theta, view, sigma))
    use = np.asarray(view.valid)
    design = (template[:, None] * np.asarray(view.basis))[use]
    covariance = np.diag(sigma**2.0 + (0.01 * template) ** 2)[np.ix_(use, use)] + 0.01 * design @ design.T
    residual = (mocks - template)[:, use]
    distance = np.einsum("ij,jk,ik->i", residual, np.linalg.inv(covariance), residual)
    n = use.sum()
    assert abs(distance.mean() / n - 1) < 4 * np.sqrt(2 / n / 300)
    got = jax.jit(burst_model.log_likelihood)(THETA, mocks[0], sigma, use, view)[0]
    _, log_det = np.linalg.slogdet(covariance)
    expected = -0.5 * (distance[0] + log_det + n * np.log(2 * np.pi))
    assert float(got) == pytest.approx(expected, abs=0.02)


def test_what_does_not_fit_together(line_grid, spectrograph, burst_model):
    prior = burst_model.prior
    with pytest.raises(ds.UserError, match="needs one of stick_1, .*, metallicity, sigma_v, log_model_error"):
        ds.SpectrumModel(line_grid, spectrograph, prior)
    with pytest.raises(ds.UserError, match="does not say its resolution: set it with"):
        dataclasses.replace(burst_model, ssp=dataclasses.replace(line_grid, fwhm_aa=None))
    with pytest.raises(ds.UserError, match="two screens: give a spectrum model one"):
        dataclasses.replace(burst_model, dust=CharlotFall())
    with pytest.raises(ds.UserError, match="sharper is 'assume'"):
        dataclasses.replace(burst_model, sharper="assume")
    with pytest.raises(ds.UserError, match="model_error is 2"):
        dataclasses.replace(burst_model, model_error=2.0)
    shifted = dataclasses.replace(line_grid, metallicity=line_grid.metallicity + 0.1)
    with pytest.raises(ds.UserError, match=r"other metallicity at \[alpha/Fe\] \+0.4"):
        dataclasses.replace(burst_model, ssp={0.0: line_grid, 0.4: shifted})


@pytest.mark.parametrize(
    "z, message",
    [
        (None, "redshift is None: give the galaxy's redshift"),
        (float("nan"), "redshift is nan"),
        (
            2.0,
            r"\(4350-5428 Angstrom\) do not overlap with the SSPs \(129.* z = 2\): check redshift and units",
        ),
    ],
)
def test_redshifts_that_cannot_be(burst_model, z, message):
    with pytest.raises(ds.UserError, match=message):
        burst_model.view(z)


def test_nothing_left_by_the_masks(burst_model):
    masked = dataclasses.replace(burst_model.spectrograph, mask_windows_aa=((4000.0, 6000.0),))
    with pytest.raises(ds.UserError, match="all pixels that the SSPs cover at z = 0.012 are masked"):
        dataclasses.replace(burst_model, spectrograph=masked).view(0.012)
