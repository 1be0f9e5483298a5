import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.priors import Prior
from dsps_sbi.sfh import Continuity

UNIVERSE = 8.0


def test_edges_are_those_of_the_paper():
    sfh = Continuity(7)
    edges = np.asarray(sfh.edges_gyr(UNIVERSE))
    assert edges.shape == (8,)
    np.testing.assert_allclose(edges[[0, 1, 2, -2, -1]], [0, 0.03, 0.1, 0.85 * UNIVERSE, UNIVERSE], rtol=1e-6)
    ratios = edges[3:7] / edges[2:6]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-5)
    assert sfh.edges_gyr(jnp.array([1.0, 0.37])).shape == (2, 8)
    assert np.diff(sfh.edges_gyr(jnp.array([1.0, 0.37])), axis=1).min() > 0


def test_equal_rates_are_constant_star_formation():
    sfh = Continuity(7)
    p = jnp.zeros(6)
    age = np.geomspace(1e-3, UNIVERSE, 30)
    np.testing.assert_allclose(sfh.fraction_younger(p, age, UNIVERSE), age / UNIVERSE, rtol=1e-5)
    assert sfh.mean_age(p, UNIVERSE) == pytest.approx(UNIVERSE / 2, rel=1e-5)
    assert sfh.formation_time(p, 0.3, UNIVERSE) == pytest.approx(0.3 * UNIVERSE, rel=1e-5)


def test_rates_have_the_ratios_that_are_asked():
    sfh, rng = Continuity(7), np.random.default_rng(0)
    for ratios in rng.normal(0, 0.5, (10, 6)):
        edges = np.asarray(sfh.edges_gyr(UNIVERSE), float)
        rate = np.asarray(sfh.bin_shares(jnp.asarray(ratios, jnp.float32), UNIVERSE)) / np.diff(edges)
        np.testing.assert_allclose(np.log10(rate[:-1] / rate[1:]), ratios, atol=1e-4)
        middle = 0.5 * (edges[1:] + edges[:-1])
        ages = jnp.asarray([middle[2], edges[3]], jnp.float32)
        younger = sfh.fraction_younger(jnp.asarray(ratios, jnp.float32), ages, UNIVERSE)
        shares = rate * np.diff(edges)
        np.testing.assert_allclose(younger, [shares[:2].sum() + shares[2] / 2, shares[:3].sum()], rtol=1e-4)


def test_extreme_ratios_put_all_mass_in_one_bin():
    sfh = Continuity(5)
    shares = np.asarray(sfh.bin_shares(jnp.full(4, 10.0), UNIVERSE))
    np.testing.assert_allclose(shares[0], 1.0, atol=1e-6)
    slope = jax.grad(lambda p: sfh.formation_time(p, 0.5, UNIVERSE))(jnp.full(4, -10.0))
    assert np.isfinite(slope).all()


def test_prior_is_the_student_t_of_the_paper():
    """The ratio is within 0.3 dex of zero with probability 1/sqrt(3) (Student t, nu = 2, one scale)."""
    prior = Prior(Continuity().marginals())
    theta = np.asarray(prior.sample(jax.random.key(0), jnp.zeros(4000), UNIVERSE))
    assert theta.shape == (4000, 6)
    assert np.mean(np.abs(theta) < 0.3) == pytest.approx(3**-0.5, abs=0.015)


def test_names_and_refusals():
    assert Continuity(4).names == ("log_sfr_ratio_1", "log_sfr_ratio_2", "log_sfr_ratio_3")
    with pytest.raises(UserError, match="3 bins of lookback time: give at least 4"):
        Continuity(3)
    with pytest.raises(UserError, match="scale -1"):
        Continuity(5, scale=-1)
