"""Ranks, their tests and their correction, against scipy and posteriors in closed form."""

import numpy as np
import pytest
from scipy import stats

from dsps_sbi.calibration.sbc import holm, randomised_pit, uniformity

SD = 0.6


def problem(seed, n, n_draws, stretch=1.0, shift=0.0):
    """Truth N(m, SD^2) where m is known: draws, perhaps wrong in width or place [in SD], and the truth."""
    rng = np.random.default_rng(seed)
    mean = rng.standard_normal((n, 2))
    truth = mean + SD * rng.standard_normal((n, 2))
    draws = mean[:, None] + SD * (shift + stretch * rng.standard_normal((n, n_draws, 2)))
    return rng, draws, truth


@pytest.mark.parametrize("n_draws", [1, 7, 200])
def test_the_exact_posterior_is_uniform_for_any_number_of_draws(n_draws):
    rng, draws, truth = problem(1, 10_000, n_draws)
    pit = randomised_pit(draws, truth, rng.random(truth.shape))
    assert pit.shape == truth.shape and pit.min() > 0 and pit.max() < 1
    distance, p_value = uniformity(pit)
    assert np.all(p_value > 0.01)
    for i in range(2):
        scipys = stats.kstest(pit[:, i], "uniform")
        assert distance[i] == pytest.approx(scipys.statistic) and p_value[i] == pytest.approx(scipys.pvalue)


@pytest.mark.parametrize("wrong", [{"stretch": 0.9}, {"stretch": 1.1}, {"shift": 0.1}, {"shift": -0.1}])
def test_ten_per_cent_in_width_and_a_tenth_of_sigma_are_found(wrong):
    rng, draws, truth = problem(2, 10_000, 200, **wrong)
    assert np.all(uniformity(randomised_pit(draws, truth, rng.random(truth.shape)))[1] < 1e-4)


def test_ties_are_spread_evenly():
    # a floor that holds 40 % of truth and draws alike
    rng, draws, truth = problem(3, 10_000, 20)
    floor = stats.norm.ppf(0.4) * np.hypot(SD, 1.0)
    draws, truth = np.maximum(draws, floor), np.maximum(truth, floor)
    assert np.all(uniformity(randomised_pit(draws, truth, rng.random(truth.shape)))[1] > 0.01)
    # all draws equal to the truth: nothing is known, and the random number is the answer
    np.testing.assert_allclose(
        randomised_pit(np.zeros((3, 5)), np.zeros(3), np.array([0.0, 0.3, 1.0])), [0, 0.3, 1]
    )


def test_holm_by_hand():
    # sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 (not below the one before), 0.6 x 1
    got = holm([[0.03, 0.01], [0.6, 0.02]])
    np.testing.assert_allclose(got, [[0.06, 0.04], [0.6, 0.06]])
    np.testing.assert_allclose(holm([0.4, 0.5, 0.9]), [1.0, 1.0, 1.0])


def test_holm_keeps_the_chance_of_a_false_alarm():
    p = np.random.default_rng(6).random((4000, 35))
    alarms = np.mean([holm(row).min() < 0.05 for row in p])
    assert alarms == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 4000))
