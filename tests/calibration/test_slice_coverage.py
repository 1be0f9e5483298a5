"""Coverage of intervals and histograms, for Gaussian posteriors that are right or wrong."""

import numpy as np
import pytest
from scipy.stats import norm

from dsps_sbi.calibration.coverage import LEVELS, coverage, excess
from dsps_sbi.calibration.figure import pit_histogram

N = 10_000


def pit(stretch=1.0, shift=0.0):
    """PIT of the truth N(0, 1) under N(shift, stretch^2)."""
    return norm.cdf(np.random.default_rng(8).standard_normal((N, 2)), shift, stretch)


@pytest.mark.parametrize("which", LEVELS)
def test_the_exact_posterior_holds_what_it_says(which):
    covered = coverage(pit(), LEVELS[which])
    assert covered.shape == (2,) and np.all(excess(covered, LEVELS[which], N) == 0)


@pytest.mark.parametrize("stretch", [0.9, 1.1])
def test_wrong_widths(stretch):
    level = LEVELS["coverage68"]
    covered = coverage(pit(stretch), level)
    expected = norm.cdf(stretch) - norm.cdf(-stretch)
    np.testing.assert_allclose(covered, expected, atol=4 * np.sqrt(0.22 / N))
    sd = np.sqrt(level * (1 - level) / N)
    np.testing.assert_allclose(excess(covered, level, N), np.abs(covered - level) - 3 * sd)
    assert np.all(excess(covered, level, N) > 0.01)


def test_excess_by_hand():
    # sd of 100 objects at one half: 0.05
    np.testing.assert_allclose(excess([0.5, 0.64, 0.7, 0.3], 0.5, 100), [0, 0, 0.05, 0.05])


def test_histograms():
    density, sd = pit_histogram(pit(), 20)
    assert density.shape == (2, 20) and np.allclose(density.mean(axis=1), 1.0)
    assert np.abs(density - 1).max() < 4.5 * sd and np.std(density) == pytest.approx(sd, rel=0.5)
    assert np.all(pit_histogram(pit(0.8), 20)[0][:, [0, -1]] > 1.3)
    assert np.all(pit_histogram(pit(1.25), 20)[0][:, [0, -1]] < 0.7)
    low, high = pit_histogram(pit(shift=0.5), 20)[0][0, [0, -1]]
    assert low > 1.3 and high < 0.7
