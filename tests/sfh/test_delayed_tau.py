import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from dsps_sbi.sfh import DelayedTau, age_edges, log_ssfr_formed, mass_weights

SFH = DelayedTau()
AGE = np.geomspace(1e-3, 20.0, 40)
EDGES = age_edges(AGE)


def sfr(lookback, params, universe):
    """Unnormalised, float64, straight from the definition."""
    since = universe - lookback - params[1]
    return since * np.exp(-since / 10.0 ** params[0]) if since > 0 else 0.0


def formed(params, universe, young, old):
    begin = universe - params[1]
    old = min(old, begin)
    if young >= old:
        return 0.0
    # a history shorter than 60 tau holds all of its mass that float64 can see
    ends = np.unique(np.clip([young, begin - 60 * 10.0 ** params[0], old], young, old))
    pieces = zip(ends[:-1], ends[1:], strict=True)
    return sum(quad(sfr, a, b, (params, universe), epsabs=0, epsrel=1e-9, limit=200)[0] for a, b in pieces)


@pytest.fixture(scope="module")
def prior_draws():
    rng = np.random.default_rng(0)
    universe = rng.uniform(0.7, 13.47, 3000)
    start = universe * np.r_[np.zeros(20), np.ones(20), rng.random(2960)]
    params = np.stack([np.r_[-2.0, 2.0, rng.uniform(-2, 2, 2998)], start], axis=1)
    return params.astype(np.float32), universe.astype(np.float32)


def test_age_edges_are_geometric_midpoints():
    np.testing.assert_allclose(age_edges(np.array([1.0, 4.0, 9.0])), [0.0, 2.0, 6.0, 1e3])


def test_weights_are_a_share_over_the_whole_prior(prior_draws):
    weights = np.asarray(jax.jit(jax.vmap(lambda p, t: mass_weights(SFH, p, EDGES, t)))(*prior_draws))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)
    # differences of two float32 shares
    assert weights.min() >= -1e-6
    params, universe = prior_draws
    oldest = np.maximum(universe - params[:, 1], 1e-6)
    too_old = EDGES[None, :-1] > oldest[:, None] * (1 + 1e-6)
    assert too_old.any() and np.abs(weights[too_old]).max() <= 1e-6


@pytest.mark.parametrize(
    "params, universe", [((0.3, 1.0), 13.0), ((-2.0, 3.0), 5.0), ((2.0, 0.0), 0.8), ((-0.5, 5.9), 6.0)]
)
def test_weights_against_quadrature(params, universe):
    whole = formed(params, universe, 0.0, np.inf)
    pairs = zip(EDGES[:-1], EDGES[1:], strict=True)
    expected = [formed(params, universe, a, b) / whole for a, b in pairs]
    got = mass_weights(SFH, jnp.array(params, jnp.float32), EDGES, jnp.float32(universe))
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("params, universe", [((0.3, 1.0), 13.0), ((0.0, 5.95), 6.0), ((1.5, 0.2), 0.9)])
def test_star_formation_rate_over_a_true_100_myr(params, universe):
    recent = formed(params, universe, 0.0, 0.1) / formed(params, universe, 0.0, np.inf)
    # 50 Myr old: still divided by 100 Myr
    expected = np.log10(recent / 1e8)
    got = log_ssfr_formed(SFH, jnp.array(params, jnp.float32), 0.1, jnp.float32(universe))
    assert float(got) == pytest.approx(expected, abs=1e-5)


def test_quenched_galaxies_are_floored():
    got = log_ssfr_formed(SFH, jnp.array([-2.0, 0.0]), 0.1, jnp.float32(13.0))
    assert float(got) == -14.0


def test_mean_age_and_formation_time_against_quadrature():
    for params, universe in [((0.3, 1.0), 13.0), ((-1.0, 2.0), 3.0), ((2.0, 4.0), 4.5)]:
        begin, p, t = universe - params[1], jnp.array(params, jnp.float32), jnp.float32(universe)
        whole = formed(params, universe, 0.0, np.inf)
        low = max(begin - 60 * 10.0 ** params[0], 0.0)
        moment = quad(lambda a, q=params, u=universe: a * sfr(a, q, u), low, begin, epsabs=0, epsrel=1e-8)[0]
        assert float(SFH.mean_age(p, t)) == pytest.approx(moment / whole, rel=1e-5)
        half = float(SFH.formation_time(p, jnp.float32(0.5), t))
        assert params[1] < half < universe
        assert formed(params, universe, universe - half, np.inf) / whole == pytest.approx(0.5, abs=2e-5)


def test_summaries_stay_within_the_age_of_the_universe(prior_draws):
    params, universe = prior_draws
    mean = np.asarray(jax.jit(SFH.mean_age)(params, universe))
    oldest = np.maximum(universe - params[:, 1], 1e-6)
    assert np.all(mean >= 0) and np.all(mean <= oldest * (1 + 1e-5))
    for fraction in (0.01, 0.5, 0.99):
        time = np.asarray(jax.jit(SFH.formation_time)(params, jnp.float32(fraction), universe))
        assert np.all(time >= params[:, 1] * (1 - 1e-6) - 1e-6) and np.all(time <= universe * (1 + 1e-6))


def test_gradients_are_finite_over_the_whole_prior(prior_draws):
    def total(p, t):
        weights = mass_weights(SFH, p, EDGES, t)
        return weights @ jnp.arange(len(weights), dtype=float) + SFH.mean_age(p, t)

    for gradient in jax.jit(jax.vmap(jax.grad(total, argnums=(0, 1))))(*prior_draws):
        assert np.all(np.isfinite(gradient))
