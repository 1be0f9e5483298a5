"""What holds for every family of star formation histories, over its prior and at its edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi.sfh as sfh_package
from dsps_sbi.errors import UserError
from dsps_sbi.priors import Prior
from dsps_sbi.sfh import (
    Burst,
    Constant,
    Continuity,
    DelayedTau,
    Dirichlet,
    DirichletBurst,
    age_edges,
    formation_time_by_bisection,
    formation_times,
    log_ssfr_formed,
    mass_weights,
    mean_age_by_quadrature,
)

FAMILIES = {
    "burst": (Burst(), Burst().marginals()),
    "constant": (Constant(), Constant().marginals()),
    "delayed_tau": (DelayedTau(), DelayedTau().marginals()),
    "dirichlet": (Dirichlet(), Dirichlet().marginals()),
    "dirichlet-1": (Dirichlet(1, 0.5), Dirichlet(1, 0.5).marginals()),
    "dirichlet-6": (Dirichlet(6, 3.0), Dirichlet(6, 3.0).marginals()),
    "dirichlet_burst": (DirichletBurst(), DirichletBurst().marginals()),
    "continuity": (Continuity(), Continuity().marginals()),
}
UNIVERSES = np.float32([0.37, 0.7, 3.0, 13.7])
EDGES = age_edges(np.geomspace(1e-4, 14.0, 120))
FRACTIONS = np.float32([0.1, 0.25, 0.5, 0.75, 0.9])


@pytest.fixture(scope="module", params=FAMILIES)
def case(request):
    """A family, prior draws and corners of its prior (Object, Param), and ages of the Universe (Object,)."""
    sfh, marginals = FAMILIES[request.param]
    prior, n = Prior(marginals), len(marginals)
    u = jax.random.normal(jax.random.key(0), (30, n))
    corners = 9.0 * np.sign(jax.random.normal(jax.random.key(1), (10, n)))
    u = np.concatenate([u, corners, np.full((1, n), 9.0), np.full((1, n), -9.0), np.zeros((1, n))])
    u, universe = np.tile(u, (len(UNIVERSES), 1)).astype(np.float32), np.repeat(UNIVERSES, len(u))
    return sfh, np.asarray(jax.jit(prior.from_normal)(u, universe)), universe


def over(function, theta, universe):
    """Apply function(params, universe) to each draw."""
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(function))(theta, universe))


def test_every_family_is_tested():
    families = {type(f) for f, _ in FAMILIES.values()}
    assert families == set(sfh_package.FAMILIES.values())


def test_mass_is_conserved_and_no_star_is_older_than_the_universe(case):
    sfh, theta, universe = case

    def masses(p, t):
        parts = jnp.array([0.0, 1.0, 1.5]) * t
        return mass_weights(sfh, p, EDGES, t), sfh.fraction_younger(p, parts, t)

    weights, younger = over(masses, theta, universe)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)
    assert weights.min() > -1e-6
    np.testing.assert_allclose(younger[:, 1:], 1.0, atol=1e-5)
    np.testing.assert_array_equal(younger[:, 0], 0.0)


def test_formation_times(case):
    sfh, theta, universe = case

    def times(p, t):
        time = sfh.formation_time(p, FRACTIONS, t)
        # where a history is short, rounding of its cosmic times is many of its lifetimes
        slack = 3e-6 * t * jnp.array([[-1.0], [1.0]])
        generic = formation_time_by_bisection(sfh, p, FRACTIONS, t)
        return time, generic, sfh.fraction_younger(p, t - time + slack, t)

    time, generic, younger = over(times, theta, universe)
    assert time.min() >= 0.0 and (time / universe[:, None]).max() <= 1 + 1e-6
    np.testing.assert_allclose(generic, time, atol=2e-5 * universe.max())
    if not isinstance(sfh, Burst):
        assert np.diff(time, axis=1).min() >= -1e-6
    assert np.all(younger[:, 0] - 1e-5 <= 1.0 - FRACTIONS) and np.all(younger[:, 1] + 1e-5 >= 1.0 - FRACTIONS)


def test_times_are_counted_in_three_ways(case):
    sfh, theta, universe = case

    def counted(p, t):
        ways = tuple(formation_times(sfh, p, FRACTIONS, t, how) for how in ("cosmic", "lookback", "fraction"))
        return *ways, sfh.formation_time(p, FRACTIONS, t)

    cosmic, lookback, share, direct = over(counted, theta, universe)
    assert cosmic.shape == (len(theta), 5)
    np.testing.assert_allclose(cosmic + lookback, np.broadcast_to(universe[:, None], cosmic.shape), rtol=1e-6)
    np.testing.assert_allclose(share * universe[:, None], cosmic, rtol=1e-6)
    np.testing.assert_allclose(cosmic, direct, rtol=1e-6, atol=1e-6)
    with pytest.raises(
        UserError, match="times counted as 'redshift': give one of cosmic, lookback, fraction"
    ):
        formation_times(sfh, theta, FRACTIONS, universe, "redshift")


def test_light_of_a_real_range_of_ages_at_every_redshift(case):
    """Mass weights on fine ages, from z = 12 to now: shares of 1, no age beyond the Universe's."""
    sfh, theta, _ = case
    weigh = jax.jit(jax.vmap(lambda p, t: mass_weights(sfh, p, EDGES, t), (0, None)))
    for universe in np.float32([0.37, 1.5, 6.0, 13.46]):
        weights = np.asarray(weigh(theta, universe))
        np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)
        assert np.abs(weights[:, EDGES[:-1] > universe * (1 + 1e-6)]).max(initial=0.0) < 1e-5


def test_mean_age(case):
    sfh, theta, universe = case
    parts = np.linspace(0.0, 1.0, 20001)

    def ages(p, t):
        younger = sfh.fraction_younger(p, jnp.asarray(parts, jnp.float32) * t, t)
        return sfh.mean_age(p, t) / t, mean_age_by_quadrature(sfh, p, t) / t, younger

    exact, quadrature, younger = over(ages, theta, universe)
    direct = np.diff(np.asarray(younger, float)) @ (0.5 * (parts[1:] + parts[:-1]))
    np.testing.assert_allclose(exact, direct, atol=5e-5)
    np.testing.assert_allclose(exact, quadrature, atol=1e-2 if isinstance(sfh, Burst) else 1e-3)
    assert 0.0 <= exact.min() and exact.max() <= 1 + 1e-6


def test_gradients_are_finite_everywhere(case):
    sfh, theta, universe = case
    # young stars outshine old ones
    light = jnp.asarray(np.geomspace(1.0, 1e-3, len(EDGES) - 1), jnp.float32)

    def outputs(p, t):
        bright = jnp.log(jnp.dot(mass_weights(sfh, p, EDGES, t), light) + 1e-6)
        times = sfh.formation_time(p, FRACTIONS, t)
        return jnp.stack([bright, sfh.mean_age(p, t), log_ssfr_formed(sfh, p, 0.1, t), *times])

    by_params, by_universe = over(jax.jacrev(outputs, (0, 1)), theta, universe)
    assert np.isfinite(by_params).all() and np.isfinite(by_universe).all()


def test_gradients_against_differences(case):
    """Mean age and t50 move with each parameter as their gradients say."""
    sfh, theta, universe = case
    theta, universe = theta[-43:-33], universe[-43:-33]
    prior = Prior(next(marginals for family, marginals in FAMILIES.values() if family == sfh))

    def outputs(p, t):
        return jnp.stack([sfh.mean_age(p, t), sfh.formation_time(p, 0.5, t)])

    slope = over(jax.jacfwd(outputs), theta, universe)
    values = jax.jit(jax.vmap(outputs))
    contains = jax.jit(prior.contains)
    for i, axis in enumerate(np.eye(theta.shape[1], dtype=np.float32)):
        step = np.float32(1e-2) * np.maximum(np.abs(theta[:, i : i + 1]), np.float32(0.05))
        up, down = (np.asarray(values(theta + s * step * axis, universe)) for s in np.float32([0.5, -0.5]))
        inside = np.asarray(contains(theta + np.float32(2.0) * step * axis, universe))
        rise = (up - down) / step
        np.testing.assert_allclose(slope[inside, :, i], rise[inside], rtol=0.05, atol=0.02)


def test_leading_axes_broadcast_as_the_network_needs(case):
    """Parameters (Object, Draw, Param) with ages of the Universe (Object, 1) and one lookback time."""
    sfh, theta, universe = case

    def outputs(p, t):
        return sfh.fraction_younger(p, jnp.float32(0.1), t), sfh.mean_age(p, t), sfh.formation_time(p, 0.5, t)

    many = jax.jit(outputs)(theta.reshape(4, -1, theta.shape[1]), UNIVERSES[:, None])
    for found, expected in zip(many, over(outputs, theta, universe), strict=True):
        np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-5, atol=2e-5)
