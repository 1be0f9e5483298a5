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

    @jax.jit
    def both(key):
        theta = model.prior.sample(key, jnp.zeros(40), view.universe_gyr)
        found = jax.vmap(lambda t: coefficients(model, subspace, t, view.universe_gyr))(theta)
        return found @ subspace.components, model.unit_flux(theta, view)

    got, spectra = (np.asarray(a) for a in both(jax.random.key(3)))
    amplitude = np.sqrt(np.mean(spectra**2, axis=1, keepdims=True))
    assert float(subspace.error) < 1e-3
    left = (got - spectra) / amplitude
    # no better than float32 itself
    assert np.sqrt(np.mean(left**2)) < 1.5 * float(subspace.error) + 2e-6
    np.testing.assert_allclose(np.median(np.log10(amplitude)), -subspace.log_mass_to_light, atol=0.3)


def test_coefficients_follow_velocity_dispersion(dirichlet_model, subspace):
    """Slopes are those of the model itself."""
    model, view = dirichlet_model, dirichlet_model.view(0.0)
    theta = model.prior.sample(jax.random.key(4), jnp.zeros(1), view.universe_gyr)[0]
    i = model.names.index("sigma_v")

    def ways(t):
        of_model = model.unit_flux(t, view) @ subspace.components.T
        return coefficients(model, subspace, t, view.universe_gyr), of_model

    along = np.eye(len(theta), dtype=np.float32)[i]
    slopes = jax.jit(lambda t: jax.jvp(ways, (t,), (along,))[1])
    for sigma_v in (60.0, 200.0, 380.0):
        slope, expected = (np.asarray(a) for a in slopes(theta.at[i].set(sigma_v)))
        np.testing.assert_allclose(slope, expected, atol=0.02 * np.abs(expected).max())


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
    data = 3.0 * np.asarray(jax.jit(unit)(u))
    scale = 1e-3 * np.linalg.norm(data)
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
