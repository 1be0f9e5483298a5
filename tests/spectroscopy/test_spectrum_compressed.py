import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.dust import Calzetti
from dsps_sbi.errors import UserError
from dsps_sbi.spectroscopy.compressed import Subspace, find_subspace
from dsps_sbi.spectroscopy.peak import peak


@pytest.fixture(scope="module")
def subspace(dirichlet_model):
    return find_subspace(dirichlet_model, dirichlet_model.view(0.0), n_component=24, n_draw=600, n_node=12)


def coefficients(model, subspace, theta, universe):
    value = dict(zip(model.names, theta, strict=True))
    params = theta[: len(model.sfh.names)]
    rest = value["metallicity"], jnp.zeros(()), value["sigma_v"]
    return subspace.coefficients(*subspace.shares(params, *rest, model.sfh, universe))


def test_components_stand_for_spectra(dirichlet_model, subspace):
    model, view = dirichlet_model, dirichlet_model.view(0.0)
    np.testing.assert_allclose(subspace.components @ subspace.components.T, np.eye(24), atol=1e-5)
    theta = model.prior.sample(jax.random.key(3), jnp.zeros(40), view.universe_gyr)
    spectra = model.unit_flux(theta, view)
    amplitude = jnp.sqrt(jnp.mean(spectra**2, axis=1, keepdims=True))
    got = jax.vmap(lambda t: coefficients(model, subspace, t, view.universe_gyr))(theta) @ subspace.components
    assert float(subspace.error) < 1e-3
    left = (got - spectra) / amplitude
    # no better than float32 itself
    assert float(jnp.sqrt(jnp.mean(left**2))) < 1.5 * float(subspace.error) + 2e-6
    np.testing.assert_allclose(jnp.median(jnp.log10(amplitude)), -subspace.log_mass_to_light, atol=0.3)


def test_coefficients_follow_velocity_dispersion(dirichlet_model, subspace):
    """Slopes are those of the model itself."""
    model, view = dirichlet_model, dirichlet_model.view(0.0)
    theta = model.prior.sample(jax.random.key(4), jnp.zeros(1), view.universe_gyr)[0]
    i = model.names.index("sigma_v")
    for sigma_v in (60.0, 200.0, 380.0):
        at = theta.at[i].set(sigma_v)
        along = jnp.zeros_like(theta).at[i].set(1.0)
        slope = jax.jvp(lambda t: coefficients(model, subspace, t, view.universe_gyr), (at,), (along,))[1]
        expected = jax.jvp(lambda t: model.unit_flux(t, view) @ subspace.components.T, (at,), (along,))[1]
        np.testing.assert_allclose(slope, expected, atol=0.02 * float(jnp.abs(expected).max()))


def test_arrays_there_and_back(subspace):
    again = Subspace.from_arrays(subspace.as_arrays())
    assert again.sigma_v == subspace.sigma_v
    for one, two in zip(jax.tree.leaves(again), jax.tree.leaves(subspace), strict=True):
        np.testing.assert_array_equal(one, two)


def test_peak_is_where_the_truth_is(dirichlet_model, subspace):
    """Exact coefficients, measured well: steps from elsewhere end at a model that is as good."""
    model, view = dirichlet_model, dirichlet_model.view(0.0)

    def unit(u):
        theta = model.prior.from_normal(u, view.universe_gyr)
        return coefficients(model, subspace, jnp.append(theta, 0.0), view.universe_gyr)

    def slopes(u):
        return unit(u), jax.jacfwd(unit)(u).T

    u = 0.5 * jax.random.normal(jax.random.key(6), (len(model.names) - 1,))
    data = 3.0 * unit(u)
    scale = 1e-3 * jnp.linalg.norm(data)
    found, step, covariance, residual = jax.jit(
        lambda u: peak(unit, slopes, u, data / scale, jnp.eye(24) / scale, 15)
    )(u + 0.3)
    assert float(jnp.sum(residual**2)) < 1.0
    assert np.all(np.linalg.eigvalsh(covariance) > 0) and np.all(np.abs(step) < 0.3)
    # what is measured well is found: metallicity and dispersion
    for name in ("metallicity", "sigma_v"):
        i = model.names.index(name)
        assert abs(float(found[i] - u[i])) < 5.0 * float(covariance[i, i]) ** 0.5 + 0.02


def test_what_has_no_subspace(line_grid, spectrograph, dirichlet_model):
    prior = ds.spectrum_prior(metallicity=(-1.0, 0.4), av=(0.0, 2.0))
    dusty = ds.SpectrumModel(line_grid, spectrograph, prior, dust=Calzetti())
    with pytest.raises(UserError, match="takes a model without dust"):
        find_subspace(dusty, dusty.view(0.0))
    with pytest.raises(UserError, match="9 components of 5 spectra: give at least 1, and more spectra"):
        find_subspace(dirichlet_model, dirichlet_model.view(0.0), n_component=9, n_draw=5)
