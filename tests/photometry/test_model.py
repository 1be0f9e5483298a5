import os
import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.photometry.band_table import fast_fluxes
from dsps_sbi.photometry.model import GalaxyModel
from dsps_sbi.photometry.prior import photometry_prior
from dsps_sbi.photometry.simulator import PhotometrySimulator
from dsps_sbi.priors import Prior, Uniform

# log_tau, t_start, metallicity, av, log_mass_formed
THETA = jnp.array(
    [
        [0.0, 0.5, -0.3, 0.4, 9.0],
        [-1.5, 0.1, 0.2, 1.5, 10.0],
        [2.0, 0.6, -2.0, 0.0, 8.0],
        [0.5, 0.69, 0.0, 3.0, 9.5],
    ]
)


@pytest.fixture(scope="module")
def few(toy):
    """Toy model with three bands only: it compiles in a moment."""
    return GalaxyModel(
        toy, FilterSet.from_names(("acs_wfc_f606w", "jwst_f182m", "jwst_f444w")), photometry_prior()
    )


@pytest.fixture(scope="module")
def predict(few):
    """`predict` of the small model over objects (theta and z alike), compiled once."""
    return jax.jit(jax.vmap(few.predict))


@pytest.fixture(scope="module")
def jacobian(few):
    """Its derivatives with theta and z over as many objects, compiled once."""
    return jax.jit(jax.vmap(jax.jacfwd(few.predict, argnums=(0, 1))))


def errors_of_the_fast_path(simulator, redshifts, n):
    """Fast over exact fluxes less 1, by redshift, for bands above a thousandth of the brightest."""
    model = simulator.model
    # compiled already, with the model as an argument: jit would make the light of its SSPs a constant
    exact, fast = jax.vmap(model.predict, (0, None)), jax.jit(simulator.noiseless)
    for z in np.float32(redshifts):
        u = np.random.default_rng(int(z * 100)).normal(size=(n, 5)).astype(np.float32)
        flux, theta = (np.asarray(a, float) for a in fast(u, model.band_table(z)))
        expected = np.asarray(exact(theta, z), float)
        bright = expected > 1e-3 * expected.max(axis=1, keepdims=True)
        assert bright.mean() > 0.4
        yield np.abs(flux[bright] / expected[bright] - 1.0)


def test_fast_path_is_the_exact_one(toy_simulator):
    errors = list(errors_of_the_fast_path(toy_simulator, (0.01, 0.5, 2.0, 4.4, 7.4), 200))
    assert max(np.quantile(error, 0.99) for error in errors) < 0.005
    errors = np.concatenate(errors)
    assert errors.max() < 0.02


def test_fast_path_is_the_exact_one_on_a_real_grid(real_grid):
    simulator = PhotometrySimulator.jades_pixels(GalaxyModel.preset(ssp=real_grid))
    for error in errors_of_the_fast_path(simulator, (0.1, 1.0, 3.5, 7.4), 30):
        assert error.max() < 0.02 and np.quantile(error, 0.99) < 0.005


def test_without_dust_the_fast_path_loses_nothing(few, predict):
    z, theta = np.float32(1.3), THETA.at[:, 3].set(0.0)
    table = few.band_table(z)
    fast = jax.jit(fast_fluxes, static_argnums=1)(table, few.sfh, theta[:, :2], theta[:, 2], theta[:, 3])
    np.testing.assert_allclose(fast * 10.0 ** theta[:, 4:], predict(theta, jnp.full(4, z)), rtol=2e-5)


def test_vmap_is_a_loop(few, predict):
    z = jnp.array([0.3, 1.1, 2.5, 5.0])
    one = jax.jit(few.predict)
    together = predict(THETA, z)
    assert together.shape == (4, 3) and np.all(np.isfinite(together)) and np.asarray(together).min() >= 0
    for i in range(4):
        np.testing.assert_allclose(one(THETA[i], z[i]), together[i], rtol=1e-5)


def test_flux_is_proportional_to_mass(predict):
    z = jnp.full(4, 0.8)
    ten = predict(THETA.at[:, 4].add(1.0), z) / predict(THETA, z)
    np.testing.assert_allclose(ten, 10.0, rtol=1e-5)


def test_flux_follows_the_distance(few, predict):
    # H0 rescales distances; the ages that it rescales too are put back
    other = replace(few.cosmology, ln_ratio=few.cosmology.ln_ratio + np.log(2.0))
    further = jax.jit(jax.vmap(replace(few, cosmology=other).predict))(THETA, jnp.full(4, 0.8))
    np.testing.assert_allclose(predict(THETA, jnp.full(4, 0.8)) / further, 4.0, rtol=1e-5)


@pytest.mark.parametrize("z", [0.05, 1.7, 4.0])
def test_spectrum_through_the_filters_is_predict(few, predict, z):
    got = np.asarray(predict(THETA, jnp.full(4, z)), float)
    spectrum = jax.jit(few.spectrum)
    edges = np.asarray(few.pixel_edges_aa, float) * (1.0 + z)
    for theta, fluxes in zip(THETA, got, strict=True):
        wave, f_nu = (np.asarray(a, float) for a in spectrum(theta, z))
        np.testing.assert_allclose(wave, few.ssp.wave_aa * (1.0 + z), rtol=1e-6)
        expected = []
        for curve_aa, trans in zip(few.filters.wave_aa, few.filters.trans, strict=True):
            fine = np.linspace(curve_aa[0], curve_aa[-1], 100_001)
            t = np.interp(fine, curve_aa, trans)
            pixel = np.searchsorted(edges, fine) - 1
            # the pixels hold constant L_lambda
            f_lambda = (f_nu / wave**2)[pixel]
            expected.append(np.trapezoid(f_lambda * fine * t, fine) / np.trapezoid(t / fine, fine))
        # lines are spread over their pixel: good to the change of the filter across it
        np.testing.assert_allclose(fluxes, expected, rtol=2e-3, atol=1e-4 * max(expected))


def test_derivatives_are_finite_and_right(jacobian, predict):
    by_theta, by_z = jacobian(THETA, jnp.array([0.3, 1.1, 2.5, 5.0]))
    assert np.all(np.isfinite(by_theta)) and np.all(np.isfinite(by_z))
    flux = predict(THETA, jnp.array([0.3, 1.1, 2.5, 5.0]))
    np.testing.assert_allclose(by_theta[..., 4], np.log(10) * flux, rtol=1e-4)
    up, down = (predict(THETA.at[:, 3].add(d), jnp.array([0.3, 1.1, 2.5, 5.0])) for d in (0.02, -0.02))
    slope = np.asarray(up - down, float) / 0.04
    ok = np.asarray(THETA[:, 3]) > 0.02
    np.testing.assert_allclose(by_theta[ok][..., 3], slope[ok], rtol=5e-3, atol=1e-6)


def test_derivatives_are_finite_over_the_whole_prior(few, jacobian):
    z = jnp.linspace(0.001, 7.5, 100)
    u = jax.random.normal(jax.random.key(0), (100, 5)).at[::10].set(9.0).at[5::10].set(-9.0)
    theta = jax.jit(jax.vmap(few.prior.from_normal))(u, few.cosmology.age(z))
    for some, redshifts in zip(np.split(np.asarray(theta), 25), np.split(np.asarray(z), 25), strict=True):
        assert np.all(np.isfinite(jacobian(some, redshifts)[0]))


def test_without_nebular_emission(few, predict):
    stars = jax.jit(jax.vmap(replace(few, log_u=None).predict))
    young, old = [2.0, 0.0, 0.0, 0.0, 9.0], [-2.0, 0.0, 0.0, 0.0, 9.0]
    theta, z = np.float32([young, young, old, old]), np.full(4, 0.05, np.float32)
    without, complete = np.asarray(stars(theta, z)), np.asarray(predict(theta, z))
    ratio = without[:2] / complete[:2]
    assert np.all(np.isfinite(ratio)) and ratio.min() < 0.98
    # gas is gone after 20 Myr
    np.testing.assert_allclose(without[2:], complete[2:], rtol=1e-5)


def test_a_grid_without_gas_needs_log_u_none(toy, few):
    dry = replace(toy, nebular=None)
    with pytest.raises(UserError, match="no nebular tables"):
        GalaxyModel.preset(ssp=dry)
    assert replace(few, ssp=dry, log_u=None).light.shape == toy.flux.shape


def test_unusable_models(toy, toy_model):
    with pytest.raises(UserError, match="preset 'jades' is unknown"):
        GalaxyModel.preset("jades", ssp=toy)
    for names in (("av",), ("t_start", "log_tau", "metallicity", "av", "log_mass_formed")):
        prior = Prior({name: Uniform(0.0, 1.0) for name in names})
        with pytest.raises(UserError, match="this model needs one of log_tau, t_start, metallicity"):
            replace(toy_model, prior=prior)
    assert toy_model.names == photometry_prior().names


@pytest.mark.parametrize("z", [0.0, -1.0, 7.6, np.nan])
def test_redshift_outside_the_prior(few, z):
    with pytest.raises(UserError, match="outside the model's range 0.001-7.5"):
        few.band_table(z)


def test_age_in_the_table_is_that_of_the_cosmology(few):
    expected = FlatLambdaCDM(H0=70.0, Om0=0.3).age(2.0).value
    assert float(few.band_table(2.0).universe_gyr) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("enabled", [False, True])
def test_double_precision_is_left_as_found(enabled):
    code = (
        "import jax, dsps_sbi\n"
        "from dsps_sbi.photometry.model import GalaxyModel\n"
        "from dsps_sbi.ssp import toy_grid\n"
        "model = GalaxyModel.preset(ssp=toy_grid())\n"
        "light = model.light\n"
        f"assert jax.config.jax_enable_x64 is {enabled}\n"
        "print(light.dtype)\n"
    )
    environment = os.environ | {"JAX_ENABLE_X64": str(int(enabled))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "float32"
