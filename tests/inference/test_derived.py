import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.inference.derived import LOG_SSFR_FLOOR, MassTable, derive, describe, quantities_of
from dsps_sbi.kernels.csp import metallicity_weights
from dsps_sbi.sfh import DelayedTau, age_edges, mass_weights

NAMES = ("log_tau", "t_start", "metallicity", "av", "log_mass_formed")
N = 300


@pytest.fixture(scope="module")
def galaxies():
    """Parameters over the whole prior, and ages of the Universe from 0.7 to 13.4 Gyr."""
    rng = np.random.default_rng(2)
    universe = rng.uniform(0.7, 13.4, N)
    columns = [rng.uniform(-2, 2, N), rng.uniform(0, 0.999, N) * universe, rng.uniform(-2.27, 0.4, N)]
    theta = np.stack([*columns, rng.uniform(0, 4, N), rng.uniform(4, 12, N)], axis=1)
    return jnp.asarray(theta, jnp.float32), jnp.asarray(universe, jnp.float32)


# Largest error and 95th percentile [dex] of log_mass and log_mass_living
TOLERANCES = {"real_grid": ((2.5e-3, 1.2e-3), (6e-3, 3e-3)), "toy": ((1e-2, 4e-3), (2e-2, 8e-3))}


@pytest.mark.parametrize("name", TOLERANCES)
def test_mass_fractions_against_the_full_grid_of_ages(name, request, galaxies):
    """Forty bins against every SSP: worst are bursts shorter than a bin (the toy's ages are coarser)."""
    grid = request.getfixturevalue(name)
    theta, universe = galaxies
    derived = derive(DelayedTau(), MassTable.from_grid(grid), theta, NAMES, universe)
    edges = jnp.asarray(age_edges(grid.age_gyr), jnp.float32)
    weights = jax.jit(jax.vmap(lambda t, u: mass_weights(DelayedTau(), t[:2], edges, u)))(theta, universe)
    mets = metallicity_weights(theta[:, 2], jnp.asarray(grid.metallicity, jnp.float32))
    tables = {"log_mass": grid.surviving_fraction, "log_mass_living": grid.living_fraction}
    for (key, fraction), (worst, most) in zip(tables.items(), TOLERANCES[name], strict=True):
        left = np.einsum("ba,bm,ma->b", np.array(weights), np.array(mets), fraction)
        error = np.abs(derived[key] - (theta[:, 4] + np.log10(left)))
        assert error.max() < worst and np.quantile(error, 0.95) < most


@pytest.mark.parametrize(("name", "years"), [("log_sfr_100", 1e8), ("log_sfr_10", 1e7)])
def test_star_formation_rate_over_a_true_span(toy, galaxies, name, years):
    """The history itself, integrated numerically in float64 over the last 10 or 100 Myr."""
    theta, universe = galaxies
    derived = derive(DelayedTau(), MassTable.from_grid(toy), theta, NAMES, universe)
    for i in range(0, N, 7):
        tau, start, _, _, log_formed = np.array(theta[i], float)
        tau, now = 10**tau, float(universe[i])
        x = (now - start) / tau
        if not 0.01 < x < 30:
            continue
        edge = np.clip(now - years / 1e9 - start, 0.0, None)
        time = np.linspace(edge, now - start, 4001)
        rate = time / tau**2 * np.exp(-time / tau)
        mass = np.trapezoid(rate, time) / (1 - (1 + x) * np.exp(-x))
        expected = log_formed + max(np.log10(mass / years), LOG_SSFR_FLOOR)
        assert derived[name][i] == pytest.approx(expected, abs=3e-3)


def test_floor_and_relations(toy, galaxies):
    theta, universe = galaxies
    # a burst of 10 Myr when the Universe was young: nothing is forming now
    old = theta.at[:, 0].set(-2.0).at[:, 1].set(0.1)
    derived = derive(DelayedTau(), MassTable.from_grid(toy), old, NAMES, jnp.maximum(universe, 5.0))
    np.testing.assert_allclose(derived["log_sfr_100"], old[:, 4] + LOG_SSFR_FLOOR, atol=1e-5)
    derived = derive(DelayedTau(), MassTable.from_grid(toy), theta, NAMES, universe)
    assert tuple(derived) == quantities_of(NAMES)
    assert all(np.isfinite(values).all() and values.shape == (N,) for values in derived.values())
    np.testing.assert_allclose(derived["log_ssfr"], derived["log_sfr_100"] - derived["log_mass"], atol=1e-5)
    assert np.all(derived["log_sfr_100"] >= theta[:, 4] + LOG_SSFR_FLOOR - 1e-5)
    assert np.all(derived["log_mass_living"] <= derived["log_mass"])
    assert np.all(derived["log_mass"] <= derived["log_mass_formed"])
    assert np.all(derived["t50"] >= derived["t_start"] - 1e-4) and np.all(derived["t50"] <= universe + 1e-4)
    assert np.all(derived["mass_weighted_age"] <= universe - derived["t_start"] + 1e-4)


def test_times_that_are_asked_for(toy, galaxies):
    theta, universe = galaxies
    wanted = ("t10", "log_mass", "t50_lookback", "t90_fraction", "t2.5", "t50", "t10_lookback")
    derived = derive(DelayedTau(), MassTable.from_grid(toy), theta, NAMES, universe, wanted)
    assert tuple(derived) == wanted
    usual = derive(DelayedTau(), MassTable.from_grid(toy), theta, NAMES, universe)
    np.testing.assert_array_equal(derived["log_mass"], usual["log_mass"])
    np.testing.assert_allclose(derived["t50"], usual["t50"], rtol=1e-6)
    np.testing.assert_allclose(derived["t50_lookback"], universe - usual["t50"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(derived["t10_lookback"], universe - derived["t10"], rtol=1e-5, atol=1e-5)
    assert np.all(derived["t2.5"] <= derived["t10"]) and np.all(derived["t10"] <= derived["t50"])
    ninety = DelayedTau().formation_time(theta[:, :2], 0.9, universe)
    np.testing.assert_allclose(derived["t90_fraction"], ninety / universe, rtol=1e-5)


@pytest.mark.parametrize("wanted", [("t100",), ("t0",), ("t50_redshift",), ("age",), ()])
def test_quantities_that_are_not_there(wanted):
    with pytest.raises(
        UserError, match="quantity .* is not there: choose from log_mass, .*, or times such as"
    ):
        quantities_of(NAMES, wanted)


def test_words_for_times():
    assert describe("t90_lookback") == (
        "Gyr",
        "lookback time from the epoch of observation when 90 % of the formed mass existed",
    )
    assert describe("t2.5_fraction")[0] == "" and describe("t10")[0] == "Gyr"
    assert quantities_of(NAMES, ["t10", "av", "t10"]) == ("t10", "av")


def test_a_grid_without_mass_fractions(toy):
    import dataclasses

    with pytest.raises(UserError, match="SSP grid toy-0 has no surviving mass fractions: use a grid"):
        MassTable.from_grid(dataclasses.replace(toy, surviving_fraction=None))


def test_one_name_is_one_quantity():
    assert quantities_of(NAMES, "t50") == quantities_of(NAMES, ["t50"]) == ("t50",)
