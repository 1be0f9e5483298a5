"""Expected coverage against closed forms: Gaussian posteriors around references at a known distance."""

import numpy as np
import pytest
from scipy import stats

from dsps_sbi.calibration.sbc import randomised_pit
from dsps_sbi.calibration.tarp import (
    N_PILOT,
    credibility,
    expected_coverage,
    reference_distances,
    squared_distances,
)

DIM, N, DRAWS, REFS = 3, 4000, 132, 4


def gaussian(seed, n=N, widths=(1.0, 1.0, 1.0), correlation=0.0, claimed=0.0):
    """Draws and truth of a Gaussian posterior, 500 times narrower in one parameter than in another.

    ``widths`` are those of the draws over those of the truth; correlations of the first two parameters.
    """
    rng = np.random.default_rng(seed)

    def sample(size, rho):
        x = rng.standard_normal((n, size, DIM))
        x[..., 1] = rho * x[..., 0] + np.sqrt(1 - rho**2) * x[..., 1]
        return x

    scale, mean = np.array([1.0, 0.3, 0.002]), rng.standard_normal((n, 1, DIM))
    draws = mean + scale * np.array(widths) * sample(DRAWS, claimed)
    return rng, draws, (mean + scale * sample(1, correlation))[:, 0]


def run(rng, draws, truth):
    shape = (len(truth), REFS)
    c = credibility(draws, truth, rng.standard_normal((*shape, DIM)), rng.random(shape))
    return c, expected_coverage(c)


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_exact_posterior_passes(correlation):
    c, result = run(*gaussian(1, correlation=correlation, claimed=correlation))
    assert c.shape == (N, REFS) and np.all(stats.ks_1samp(c, stats.uniform.cdf).pvalue > 0.01)
    assert result.max_deviation < result.chance < 0.025
    assert result.ecp[0] == 0 and result.ecp[-1] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"widths": (0.9, 0.9, 0.9)},
        {"widths": (1.1, 1.1, 1.1)},
        {"widths": (1.0, 1.0, 0.6)},
        {"correlation": 0.9},
    ],
)
def test_wrong_widths_and_correlations_are_found(wrong):
    # the narrowest parameter counts as much as others, and correlations that no margin shows do too
    result = run(*gaussian(2, **wrong))[1]
    assert result.max_deviation > max(0.02, result.chance)


@pytest.mark.parametrize(("stretch", "reach"), [(0.8, 0.0), (0.8, 1.5), (1.3, 4.0)])
def test_a_closed_form(stretch, reach):
    """References at a fixed distance from the centre: squared distances are noncentral chi squared."""
    rng = np.random.default_rng(3)
    truth, draws = rng.standard_normal((N, 1, DIM)), stretch * rng.standard_normal((N, 200, DIM))
    reference = rng.standard_normal((N, 1, DIM))
    reference *= reach / np.linalg.norm(reference, axis=2, keepdims=True)
    own, others = squared_distances(truth, reference)[:, 0], squared_distances(draws, reference)
    result = expected_coverage(randomised_pit(others, own, rng.random(own.shape)))
    alpha = result.alpha[1:-1]
    quantile = stretch**2 * stats.ncx2.ppf(alpha, DIM, (reach / stretch) ** 2)
    expected = stats.ncx2.cdf(quantile, DIM, reach**2)
    assert np.abs(expected - alpha).max() > 0.04
    np.testing.assert_allclose(result.ecp[1:-1], expected, atol=4 * 0.5 / np.sqrt(N) + 1 / 200)


def test_distances_are_those_in_widths_of_the_posterior():
    rng, draws, truth = gaussian(4, n=20)
    normal = rng.standard_normal((20, REFS, DIM))
    others, own = reference_distances(draws, truth, normal)
    centre, width = draws[:, :N_PILOT].mean(axis=1), draws[:, :N_PILOT].std(axis=1)
    by_hand = np.sum((((truth - centre) / width)[:, None] - 2.0 * normal) ** 2, axis=2)
    assert others.shape == (20, DRAWS - N_PILOT, REFS)
    np.testing.assert_allclose(own, by_hand, rtol=1e-9)
    # units of the parameters do not matter
    rescaled = reference_distances(draws * [1.0, 1e3, 1e-3], truth * [1.0, 1e3, 1e-3], normal)
    np.testing.assert_allclose(rescaled[0], others, rtol=1e-6)


def test_the_error_is_the_scatter_over_repetitions():
    # references share their object's truth: of two identical ones the second tells nothing
    rng = np.random.default_rng(6)
    many = [expected_coverage(np.repeat(rng.random((400, 1)), 2, axis=1)) for _ in range(150)]
    scatter = np.std([m.ecp for m in many], axis=0).max()
    assert np.mean([m.error for m in many]) == pytest.approx(scatter, rel=0.15)
    assert np.mean([m.max_deviation > m.chance for m in many]) < 0.05
