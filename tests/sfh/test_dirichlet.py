import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from dsps_sbi.errors import UserError
from dsps_sbi.priors import Prior
from dsps_sbi.sfh import Dirichlet, log_ssfr_formed

UNIVERSE = 6.0


def sticks(gaps):
    left = 1.0 - np.cumsum(gaps) + gaps
    return (gaps / left)[:-1]


def params(gaps, log_ssfr):
    return jnp.asarray([*sticks(np.asarray(gaps)), log_ssfr], jnp.float32)


def test_the_quantile_times_come_back():
    rng = np.random.default_rng(0)
    for n, alpha in ((1, 1.0), (3, 1.0), (6, 5.0)):
        sfh = Dirichlet(n, alpha)
        for gaps in rng.dirichlet(np.full(n + 1, alpha), 10):
            p = params(gaps, rng.uniform(-14, -7.5))
            fractions = jnp.arange(1, n + 1) / (n + 1)
            times = sfh.formation_time(p, fractions, UNIVERSE)
            np.testing.assert_allclose(times, np.cumsum(gaps)[:-1] * UNIVERSE, atol=2e-5 * UNIVERSE)
            younger = sfh.fraction_younger(p, UNIVERSE * (1 - np.cumsum(gaps)[:-1]), UNIVERSE)
            np.testing.assert_allclose(younger, 1 - fractions, atol=2e-5 / gaps.min())


@pytest.mark.parametrize("alpha", [1.0, 0.5, 5.0])
def test_gaps_of_prior_draws_are_dirichlet(alpha):
    sfh = Dirichlet(3, alpha)
    theta = np.asarray(Prior(sfh.marginals()).sample(jax.random.key(1), jnp.zeros(4000), UNIVERSE))
    left = np.cumprod(np.c_[np.ones(4000), 1 - theta[:, :3]], axis=1)
    gaps = np.c_[left[:, :-1] * theta[:, :3], left[:, -1]]
    np.testing.assert_allclose(gaps.sum(axis=1), 1.0, atol=1e-5)
    for gap in gaps.T:
        assert stats.kstest(gap, stats.beta(alpha, 3 * alpha).cdf).pvalue > 1e-3
    expected = np.where(np.eye(4, dtype=bool), 1.0, -1 / 3)
    np.testing.assert_allclose(np.corrcoef(gaps.T), expected, atol=0.06)


def test_star_formation_now_is_as_asked_up_to_the_cap():
    sfh, gaps = Dirichlet(), (0.2, 0.3, 0.2, 0.3)
    cap = 3 / (4 * 0.3 * UNIVERSE * 1e9)
    for log_ssfr in (-13.0, -11.0, -10.0, -9.0, -7.5):
        p = params(gaps, log_ssfr)
        asked = min(10**log_ssfr, cap)
        assert sfh.ssfr_now(p, UNIVERSE) == pytest.approx(asked, rel=1e-4)
        # averaged over 10^4 yr the history has the rate that it says
        assert 10 ** log_ssfr_formed(sfh, p, 1e-5, UNIVERSE) == pytest.approx(asked, rel=0.02, abs=1e-14)


def test_equal_gaps_and_the_mean_rate_are_nearly_constant_star_formation():
    sfh = Dirichlet(9)
    p = params(np.full(10, 0.1), np.log10(1 / (UNIVERSE * 1e9)))
    age = np.linspace(0, 0.8, 9) * UNIVERSE
    np.testing.assert_allclose(sfh.fraction_younger(p, age, UNIVERSE), age / UNIVERSE, atol=1e-6)
    assert sfh.mean_age(p, UNIVERSE) == pytest.approx(UNIVERSE / 2, rel=2e-3)


def test_stars_start_slowly_at_the_big_bang():
    p = params((0.25, 0.25, 0.25, 0.25), -10.0)
    older = 1 - Dirichlet().fraction_younger(p, UNIVERSE * (1 - np.array([0.01, 0.02])), UNIVERSE)
    assert older[1] / older[0] == pytest.approx(4.0, rel=0.1)


def test_names_and_refusals():
    assert Dirichlet(2).names == ("stick_1", "stick_2", "log_ssfr_now")
    assert Dirichlet(2) == Dirichlet(2) and hash(Dirichlet(2)) == hash(Dirichlet(2))
    with pytest.raises(UserError, match="0 quantiles of formation: give at least 1"):
        Dirichlet(0)
    with pytest.raises(UserError, match="beta prior with a = 0.1"):
        Dirichlet(3, 0.1)


def test_no_history_ends_earlier_than_its_last_gap_lets_it():
    """Of the last quarter, the most that can be there at a share x of the last gap is 1 - (1 - x)^3."""
    params = jnp.array([1e-4, 1e-4, 1e-4, -60.0])
    earliest = float(Dirichlet().formation_time(params[None], jnp.array([0.9]), 10.0)[0])
    share = (0.9 - 0.75) / 0.25
    assert earliest == pytest.approx(10.0 * (1.0 - (1.0 - share) ** (1.0 / 3.0)), rel=2e-3)
