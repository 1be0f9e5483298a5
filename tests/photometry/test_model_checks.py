"""Parameters, redshifts and grids that a model does not stand for: refused by name, with the remedy."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.photometry.model import GalaxyModel
from dsps_sbi.photometry.prior import photometry_prior
from dsps_sbi.priors import Prior

THETA = np.array([0.3, 0.5, -0.3, 0.4, 9.0])


@pytest.fixture(scope="module")
def model(toy):
    return GalaxyModel(toy, FilterSet.from_names(("F814W", "F200W")), photometry_prior(), log_u=None)


def some_ages(grid, rows):
    tables = {
        name: getattr(grid, name)[:, rows] for name in ("flux", "living_fraction", "surviving_fraction")
    }
    return replace(grid, age_gyr=grid.age_gyr[rows], nebular=None, **tables)


def test_draws_from_the_prior_pass_edges_included(model):
    z = np.linspace(*model.prior.z, 50)
    universe = model.cosmology.age(z)
    u = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    u[:10], u[10:20] = 9.0, -9.0
    model.check(model.prior.from_normal(jnp.asarray(u), universe), z)
    model.check(THETA, 2.0)
    model.check(np.tile(THETA, (4, 3, 1)), 2.0)


@pytest.mark.parametrize(
    ("change", "z", "message"),
    [
        ({0: 2.5}, 1.0, r"theta outside the prior at z = 1: bring log_tau = 2.5 inside"),
        ({1: 6.5, 3: -0.1}, 1.0, "at z = 1: bring t_start = 6.5, av = -0.1 inside"),
        ({2: np.nan}, 1.0, "bring metallicity = nan inside"),
        ({4: np.inf}, 1.0, "bring log_mass_formed = inf inside"),
        ({}, 9.0, "redshift 9 is outside the model's range 0.001-7.5: correct it"),
        ({}, 0.0, "redshift 0 is outside"),
        ({}, np.nan, "redshift nan is outside"),
    ],
)
def test_values_outside_are_named(model, change, z, message):
    theta = THETA.copy()
    for i, value in change.items():
        theta[i] = value
    with pytest.raises(UserError, match=message):
        model.check(theta, z)
    with pytest.raises(UserError, match=message):
        model.check(np.stack([THETA, theta]), np.stack([1.0, z]))


@pytest.mark.parametrize("theta", [THETA[:4], np.float32(1.0), np.zeros((5, 4))])
def test_wrong_shapes(model, theta):
    with pytest.raises(UserError, match=r"theta has shape .*, expected \(..., 5\): log_tau, t_start, metal"):
        model.check(theta, 1.0)


def test_a_grid_that_ends_before_the_universe(model):
    young = some_ages(model.ssp, np.arange(20))
    end = young.age_gyr[-1]
    message = f"SSP grid toy-0 ends at {end:g} Gyr, at z = 0.001 the Universe is 13.5 Gyr old: use a grid"
    with pytest.raises(UserError, match=message):
        replace(model, ssp=young)
    # where the Universe is younger the same grid will do
    assert replace(model, ssp=young, prior=Prior(model.prior.marginals, (2.5, 7.5))).names == model.names


def test_stars_younger_than_the_youngest_ssp(model):
    old = replace(model, ssp=some_ages(model.ssp, np.arange(10, 24)))
    first = 1e3 * old.ssp.age_gyr[0]
    assert first > 60.0
    with pytest.raises(
        UserError, match=rf"of the stars are younger than .* toy-0 \({first:g} Myr\): use a g"
    ):
        old.check(np.array([2.0, 5.5, -0.3, 0.4, 9.0]), 1.0)
    # all stars formed long ago
    old.check(np.array([-1.0, 0.5, -0.3, 0.4, 9.0]), 1.0)
    model.check(np.array([2.0, 5.5, -0.3, 0.4, 9.0]), 1.0)


@pytest.mark.parametrize("log_u", [-4.5, 0.0, float("nan"), "high"])
def test_ionisation_parameters_that_the_grid_does_not_have(model, log_u):
    with pytest.raises(UserError, match=f"log U is {log_u!r}: give -4 to -1, 'free', or None for no gas"):
        replace(model, log_u=log_u)
