"""Histories that ended and aged: the same stars, seen later."""

import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.priors import Prior
from dsps_sbi.sfh import (
    Aged,
    DelayedTau,
    Dirichlet,
    age_edges,
    formation_time_by_bisection,
    mass_weights,
    mean_age_by_quadrature,
)

UNTIL, NOW = 1.97, 13.47
PARAMS = jnp.array([0.3, 0.2, 0.6, -11.0])
AGES = jnp.array([0.01, 0.2, 0.9, 1.5, 1.9])


def test_the_same_stars_are_older_by_the_time_since():
    sfh = Dirichlet()
    aged = Aged(sfh, UNTIL)
    young = sfh.fraction_younger(PARAMS, AGES, UNTIL)
    np.testing.assert_allclose(aged.fraction_younger(PARAMS, AGES + NOW - UNTIL, NOW), young, atol=2e-6)
    assert float(aged.fraction_younger(PARAMS, jnp.array(NOW - UNTIL - 1e-3), NOW)) == 0.0
    assert float(aged.fraction_younger(PARAMS, jnp.array(NOW), NOW)) == pytest.approx(1.0, abs=1e-6)
    assert aged.names == sfh.names
    # all mass is in SSPs that are old enough, none is lost
    ages = np.geomspace(0.01, 14.0, 200)
    weights = np.asarray(mass_weights(aged, PARAMS, age_edges(ages), NOW))
    assert weights.sum() == pytest.approx(1.0, abs=1e-5) and weights[ages < 11.0].sum() == 0.0


@pytest.mark.parametrize("sfh, params", [(Dirichlet(), PARAMS), (DelayedTau(), jnp.array([-0.4, 0.7]))])
def test_summaries_agree_with_those_from_its_mass_alone(sfh, params):
    aged, fractions = Aged(sfh, UNTIL), jnp.array([0.1, 0.5, 0.9])
    times = aged.formation_time(params[None], fractions, NOW)
    np.testing.assert_allclose(times, sfh.formation_time(params[None], fractions, UNTIL), rtol=1e-6)
    np.testing.assert_allclose(
        times, formation_time_by_bisection(aged, params[None], fractions, NOW), atol=2e-3
    )
    assert float(aged.mean_age(params, NOW)) == pytest.approx(
        float(mean_age_by_quadrature(aged, params, jnp.float32(NOW))), abs=0.02
    )
    assert float(aged.mean_age(params, NOW)) == pytest.approx(
        float(sfh.mean_age(params, UNTIL)) + NOW - UNTIL, rel=1e-6
    )


def test_before_its_end_it_is_the_history_itself():
    aged = Aged(Dirichlet(), UNTIL)
    for universe in (1.0, UNTIL):
        np.testing.assert_array_equal(
            aged.fraction_younger(PARAMS, AGES, universe),
            Dirichlet().fraction_younger(PARAMS, AGES, universe),
        )
        assert aged.mean_age(PARAMS, universe) == Dirichlet().mean_age(PARAMS, universe)


def test_its_prior_is_that_of_a_galaxy_at_its_end():
    prior = Prior(Aged(DelayedTau(), UNTIL).marginals())
    start = prior.from_normal(np.array([[0.0, -9.0], [0.0, 0.0], [0.0, 9.0]]), np.float32(NOW))[:, 1]
    np.testing.assert_allclose(start, [0.0, UNTIL / 2.0, UNTIL], atol=1e-5)
    assert Aged(Dirichlet(), UNTIL).marginals() == Dirichlet().marginals()
    assert hash(Aged(Dirichlet(), UNTIL)) == hash(Aged(Dirichlet(), np.float64(UNTIL)))


def test_ends_that_are_none_are_refused():
    with pytest.raises(UserError, match="until_gyr is 0: give the cosmic time of the end in Gyr, above 0"):
        Aged(Dirichlet(), 0.0)
    with pytest.raises(UserError, match="until_gyr"):
        Aged(Dirichlet(), "late")
    with pytest.raises(UserError, match="a history that has aged cannot age again"):
        Aged(Aged(Dirichlet(), 1.0), 2.0)
