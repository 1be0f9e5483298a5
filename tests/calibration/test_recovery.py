"""Scores against a problem whose exact posterior is a Gaussian in closed form."""

import numpy as np
import pytest

from dsps_sbi.calibration.recovery import rank_statistic, recovery

NOISE = 0.5
N, N_DRAWS = 4000, 400


@pytest.fixture(scope="module")
def problem():
    """Truth N(0, 1), datum N(truth, NOISE^2): mean and sd of the exact posterior, and its draws."""
    rng = np.random.default_rng(3)
    truth = rng.standard_normal(N)
    datum = truth + NOISE * rng.standard_normal(N)
    mean, sd = datum / (1 + NOISE**2), NOISE / np.sqrt(1 + NOISE**2)
    return truth, mean, sd, mean[:, None] + sd * rng.standard_normal((N, N_DRAWS))


def test_the_exact_posterior_scores_as_theory_says(problem):
    truth, _, sd, draws = problem
    scores = recovery(draws, truth)
    assert scores["rmse"] == pytest.approx(sd, rel=0.03)
    assert scores["nmad"] == pytest.approx(sd, rel=0.06)
    assert scores["r2"] == pytest.approx(1 - sd**2, abs=0.01)
    assert scores["bias"] == pytest.approx(0.0, abs=0.03)
    assert scores["coverage68"] == pytest.approx(0.6827, abs=3 * np.sqrt(0.6827 * 0.3173 / N))
    assert scores["coverage95"] == pytest.approx(0.9545, abs=3 * np.sqrt(0.9545 * 0.0455 / N))
    assert scores["truth_sd"] == pytest.approx(np.std(truth, ddof=1))


@pytest.mark.parametrize(("stretch", "expected"), [(0.5, 0.3829), (2.0, 0.9545)])
def test_wrong_widths_show_in_coverage_alone(problem, stretch, expected):
    truth, mean, _, draws = problem
    scores = recovery(mean[:, None] + stretch * (draws - mean[:, None]), truth)
    assert scores["coverage68"] == pytest.approx(expected, abs=0.03)
    assert scores["rmse"] == pytest.approx(recovery(draws, truth)["rmse"], rel=0.01)


def test_a_shift_shows_as_bias(problem):
    truth, _, sd, draws = problem
    scores = recovery(draws + 0.3, truth)
    assert scores["bias"] == pytest.approx(0.3, abs=0.03) and scores["nmad"] == pytest.approx(sd, rel=0.06)
    assert scores["coverage68"] < 0.65


def test_ranks_are_uniform(problem):
    truth, _, _, draws = problem
    rank = rank_statistic(draws, truth)
    assert 0 < rank.min() and rank.max() < 1
    counts = np.histogram(rank, 10, (0, 1))[0]
    # chi squared with 9 degrees of freedom: 27.9 at 0.1 %
    assert np.sum((counts - N / 10) ** 2 / (N / 10)) < 27.9


def test_ties_count_half():
    """Floored quantities: the truth equals many draws, and the ranks stay centred."""
    assert rank_statistic(np.zeros((1, 9)), np.zeros(1)) == pytest.approx(0.5)
    assert rank_statistic(np.r_[np.zeros(5), np.ones(4)][None], np.zeros(1)) == pytest.approx(0.3)


def test_a_perfect_answer():
    truth = np.linspace(0, 1, 50)
    scores = recovery(np.repeat(truth[:, None], 11, axis=1), truth)
    assert scores["r2"] == 1.0 and scores["rmse"] == scores["bias"] == 0.0 and scores["coverage68"] == 1.0
