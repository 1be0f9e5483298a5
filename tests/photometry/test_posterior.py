import jax
import numpy as np
import pytest

from dsps_sbi.errors import UserError


def test_shapes_names_and_prior(tiny_posterior, mock_pixels):
    theta = tiny_posterior.sample(*mock_pixels, 2.0, n_draws=30)
    assert theta.shape == (42, 30, 5)
    assert tiny_posterior.names == ("log_tau", "t_start", "metallicity", "av", "log_mass_formed")
    universe = tiny_posterior.network.cosmology.age(2.0)
    assert np.all(tiny_posterior.network.prior.contains(theta, universe))
    draws = tiny_posterior.quantity_draws(*mock_pixels, 2.0, n_draws=30)
    assert draws.shape == (len(tiny_posterior.quantities), 42, 30)
    own = {name: draws[i] for i, name in enumerate(tiny_posterior.quantities)}
    for i, name in enumerate(tiny_posterior.names):
        np.testing.assert_allclose(own[name], theta[..., i], rtol=1e-4, atol=1e-4)
    assert np.all(own["log_mass_living"] <= own["log_mass"] + 1e-6)
    assert np.all(own["log_mass"] <= own["log_mass_formed"] + 1e-6)


def test_seed_and_ids_decide_the_draws_not_the_place(tiny_posterior, mock_pixels):
    flux, sky = mock_pixels
    ids = np.arange(100, 142)
    draws = np.asarray(tiny_posterior.sample(flux, sky, 2.0, n_draws=8, ids=ids))
    order = np.random.default_rng(0).permutation(42)
    shuffled = np.asarray(tiny_posterior.sample(flux[order], sky[order], 2.0, n_draws=8, ids=ids[order]))
    np.testing.assert_allclose(shuffled, draws[order], rtol=1e-4, atol=1e-4)
    other = np.asarray(tiny_posterior.sample(flux, sky, 2.0, n_draws=8, ids=ids, seed=1))
    assert np.all(np.abs(other - draws).max(axis=(1, 2)) > 1e-3)


def test_the_data_matter(tiny_posterior, mock_pixels):
    flux, sky = mock_pixels
    ids = np.zeros(42, int)
    mass = tiny_posterior.sample(flux, sky, 2.0, n_draws=8, ids=ids)[..., -1]
    brighter = tiny_posterior.sample(10 * flux, sky, 2.0, n_draws=8, ids=ids)[..., -1]
    assert np.median(brighter - mass) > 0.5


def test_unusable_values_are_missing_bands(tiny_posterior, mock_pixels):
    flux, sky = (a.copy() for a in mock_pixels)
    valid = np.ones(flux.shape, bool)
    valid[3, 2] = valid[4, 0] = valid[5, 18] = valid[6, 7] = False
    expected = np.asarray(tiny_posterior.sample(flux, sky, 2.0, n_draws=4, valid=valid))
    flux[3, 2], sky[4, 0], sky[5, 18], sky[6, 7] = np.nan, -1.0, 0.0, np.inf
    np.testing.assert_array_equal(tiny_posterior.sample(flux, sky, 2.0, n_draws=4), expected)


def test_align(tiny_posterior):
    flux = np.arange(6.0).reshape(3, 2)
    (full,) = tiny_posterior.align(("F444W", "HST/ACS F606W"), flux)
    assert full.shape == (3, 19) and np.isfinite(full).sum() == 6
    np.testing.assert_array_equal(full[:, tiny_posterior.filters.index("jwst_f444w")], flux[:, 0])
    np.testing.assert_array_equal(full[:, tiny_posterior.filters.index("acs_wfc_f606w")], flux[:, 1])
    with pytest.raises(UserError, match="jwst_f770w are unknown to the bundle, which has .*: leave them out"):
        tiny_posterior.align(("F444W", "F770W"), flux)
    with pytest.raises(UserError, match="filter 'F445W' is not known"):
        tiny_posterior.align(("F445W", "F277W"), flux)


@pytest.mark.parametrize("z", [0.0005, 7.6, 14.2, float("nan")])
def test_redshift_range(tiny_posterior, z):
    with pytest.raises(UserError, match=f"redshift {z:g} is outside the bundle's range 0.001-7.5"):
        tiny_posterior.check_redshifts(np.array([z]))


def test_wrong_shapes(tiny_posterior, mock_pixels):
    flux, sky = mock_pixels
    for f, s in ((flux[:, :3], sky[:, :3]), (flux, sky[:5]), (flux[0], sky[0])):
        with pytest.raises(UserError, match=r"give two arrays \(objects, 19\), see align"):
            tiny_posterior.sample(f, s, 2.0)


def test_log_prob_is_that_of_the_draws(tiny_posterior, mock_pixels):
    flux, sky = (a[:6] for a in mock_pixels)
    network, weights = tiny_posterior.network, tiny_posterior.weights
    z = np.full(6, 2.0, np.float32)
    condition = network.condition(weights, *tiny_posterior.prepared(flux, sky, z))
    u, log_q = network.draw(weights, condition, 0.5 * jax.random.normal(jax.random.key(0), (6, 1, 5)))
    theta = network.prior.from_normal(u[:, 0], network.cosmology.age(z))
    np.testing.assert_allclose(tiny_posterior.log_prob(theta, flux, sky, 2.0), log_q[:, 0], atol=0.02)
    # many draws of an object: its data are looked at once
    many = np.stack([theta, theta[::-1]], axis=1)
    found = tiny_posterior.log_prob(many, flux, sky, 2.0)
    assert found.shape == (6, 2)
    np.testing.assert_allclose(found[:, 0], log_q[:, 0], atol=0.02)
    np.testing.assert_allclose(
        found[2, 1], tiny_posterior.log_prob(theta[3:4], flux[2:3], sky[2:3], 2.0)[0], atol=0.02
    )
    with pytest.raises(UserError, match=r"theta has shape \(6, 2, 4\): expected \(6, 5\) or \(6, draws, 5\)"):
        tiny_posterior.log_prob(many[..., :4], flux, sky, 2.0)
