"""The compressed forward model against the one that it was made of."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.dust import CharlotFall, Noll
from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.photometry.band_table import shape_fluxes
from dsps_sbi.photometry.compress import compress
from dsps_sbi.photometry.compressed import DEX, TableGrid, log_scale
from dsps_sbi.photometry.model import GalaxyModel

BANDS = ("acs_wfc_f606w", "jwst_f200w", "jwst_f444w")
# fixed and free gas; one screen, free parameters, two screens
CASES = {
    "plain": ("calzetti", -2.0),
    "free": (Noll(slope=None, bump=2.0), "free"),
    "clouds": (CharlotFall(mu=None), None),
}


@pytest.fixture(scope="module", params=CASES)
def model(request, toy):
    dust, log_u = CASES[request.param]
    whole = GalaxyModel.preset(ssp=toy, dust=dust, log_u=log_u)
    return replace(whole, filters=FilterSet.from_names(BANDS))


@pytest.fixture(scope="module")
def grid(model):
    return compress(model, rank=20, n_z=65)


def compressed(model, grid):
    """Function of theta (Object, Param) and z to fluxes (Object, Band) [uJy]."""

    def fluxes(theta, z):
        table = grid.at(z, model.cosmology.age(z))
        unit = 10.0 ** (theta[..., -1:] - DEX - log_scale(model.cosmology, z))
        return shape_fluxes(table, model.sfh, theta[..., :-1], grid.log_u) * unit

    return fluxes


def test_fluxes_are_those_of_the_model(model, grid):
    z = np.linspace(0.13, 7.1, 40).astype(np.float32)
    theta = model.prior.sample(jax.random.key(3), jnp.asarray(z), model.cosmology.age(z))
    expected = np.asarray(jax.vmap(model.predict)(theta, z))
    got = np.asarray(jax.jit(jax.vmap(compressed(model, grid)))(theta, z))
    bright = expected > 1e-3 * expected.max(axis=1, keepdims=True)
    error = np.abs(got[bright] / expected[bright] - 1.0)
    assert np.quantile(error, 0.683) < 0.02, np.quantile(error, [0.5, 0.683, 0.9, 1.0])
    # and it says so itself
    stated = np.log(10.0) * np.asarray(grid.scatter_dex)
    assert 0.3 < np.quantile(error, 0.683) / stated.mean() < 3.0, (np.quantile(error, 0.683), stated)


def test_one_galaxy_is_as_many(model, grid):
    z = jnp.float32(1.3)
    theta = model.prior.sample(jax.random.key(4), jnp.full(5, z), model.cosmology.age(z))
    fluxes = jax.jit(compressed(model, grid))
    np.testing.assert_allclose(fluxes(theta, z), [fluxes(one, z) for one in theta], rtol=1e-4)


def test_stored_and_read(model, grid):
    arrays = grid.as_arrays()
    assert arrays["curves.0"].dtype == np.float16
    again = TableGrid.from_arrays(arrays, model.dust)
    for one, two in zip(jax.tree.leaves(again), jax.tree.leaves(grid), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)
    assert (again.dust, again.n_young) == (grid.dust, grid.n_young)
    del arrays["basis.0"], arrays["screen"]
    with pytest.raises(KeyError, match="screen"):
        TableGrid.from_arrays(arrays, model.dust)


def test_more_rank_and_redshifts_are_closer(toy_model):
    errors = [
        np.mean(compress(toy_model, rank=k, n_z=n).scatter_dex) for k, n in ((3, 65), (20, 65), (20, 9))
    ]
    assert errors[1] < 0.3 * errors[0] and errors[1] < 0.7 * errors[2], errors


@pytest.mark.parametrize("sizes", [(0, 9), (4, 1)])
def test_sizes_that_are_none(toy_model, sizes):
    with pytest.raises(UserError, match=f"rank {sizes[0]} at {sizes[1]} redshifts: give at least 1 and 2"):
        compress(toy_model, rank=sizes[0], n_z=sizes[1])


def test_beyond_the_grid_its_edge_holds(grid, model):
    age = jnp.float32(1.0)
    edge, beyond = (grid.at(jnp.float32(z), age) for z in (7.5, 9.0))
    np.testing.assert_allclose(edge.layers[0].pieces, beyond.layers[0].pieces, rtol=1e-4)
