import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from dsps_sbi.kernels.psis import (
    effective_draws,
    fit_generalised_pareto,
    pareto_smooth,
    systematic_resample,
    tail_length,
)


@pytest.mark.parametrize("k", [-0.3, 0.2, 0.5, 0.9])
def test_shape_of_pareto_samples_is_found(k):
    n, sigma = 400, 2.5
    x = np.sort(stats.genpareto.rvs(k, scale=sigma, size=(300, n), random_state=3), axis=1)
    shape, scale = fit_generalised_pareto(jnp.asarray(x, jnp.float32))
    # the prior pulls k towards 0.5 by ten observations in n
    expected = (n * k + 5.0) / (n + 10.0)
    # asymptotic variance of the maximum-likelihood shape
    error = (1.0 + k) / np.sqrt(n) if k > -0.5 else 0.0
    assert abs(np.mean(shape) - expected) < 0.02
    assert np.std(shape) < 1.25 * error
    assert abs(np.median(scale) / sigma - 1.0) < 0.03


def log_ratios(width, n=2000, rows=40):
    """Weights of a normal of some width sampled with a unit normal: tail index 1 - 1 / width^2."""
    x = np.random.default_rng(1).standard_normal((rows, n))
    return stats.norm.logpdf(x, scale=width) - stats.norm.logpdf(x)


def test_k_tells_a_proposal_that_is_too_narrow():
    narrow = pareto_smooth(jnp.asarray(log_ratios(2.0), jnp.float32))[1]
    wide = pareto_smooth(jnp.asarray(log_ratios(0.7), jnp.float32))[1]
    assert np.mean(narrow) == pytest.approx(0.75, abs=0.12) and np.all(wide < 0.5)


def test_smoothing_against_the_formulas_written_out():
    """The same in float64, step by step, for one vector."""
    raw = log_ratios(1.6, n=200, rows=1)[0]
    m = tail_length(200)
    assert m == 40
    order = np.argsort(raw)
    tail = order[-m:]
    x = np.exp(raw[tail] - raw.max()) - np.exp(raw[order[-m - 1]] - raw.max())
    grid = 30 + int(np.sqrt(m))
    theta = np.array(
        [
            1 / x[-1] + (1 - np.sqrt(grid / (i - 0.5))) / (3 * x[int(m / 4 + 0.5) - 1])
            for i in range(1, grid + 1)
        ]
    )
    k = np.array([np.mean(np.log(1 - t * x)) for t in theta])
    log_like = m * (np.log(-theta / k) - k - 1)
    mean = np.sum(theta * np.exp(log_like - log_like.max())) / np.sum(np.exp(log_like - log_like.max()))
    shape = np.mean(np.log(1 - mean * x))
    sigma, shape = -shape / mean, (m * shape + 5) / (m + 10)
    expected = raw.copy()
    quantile = stats.genpareto.ppf((np.arange(m) + 0.5) / m, shape, scale=sigma)
    expected[tail] = np.minimum(np.log(quantile + np.exp(raw[order[-m - 1]] - raw.max())), 0.0) + raw.max()
    smooth, got = pareto_smooth(jnp.asarray(raw, jnp.float32))
    assert float(got) == pytest.approx(shape, abs=2e-3)
    np.testing.assert_allclose(smooth, expected, atol=2e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_another_implementation_agrees():
    """That of blackjax, which leaves tails with k < 1/3 as they are."""
    from blackjax.diagnostics import psis_weights

    raw = jnp.asarray(log_ratios(1.9, n=400, rows=12), jnp.float32)
    expected, k = jax.vmap(psis_weights)(raw)
    smooth, got = pareto_smooth(raw)
    np.testing.assert_allclose(got, k, atol=1e-3)
    heavy = np.asarray(k) > 0.34
    assert heavy.sum() > 5
    np.testing.assert_allclose(jax.nn.log_softmax(smooth)[heavy], expected[heavy], atol=2e-3)


def test_smoothing_leaves_all_but_the_tail_and_steadies_the_sum():
    raw = log_ratios(1.5, n=500, rows=400)
    smooth = np.asarray(pareto_smooth(jnp.asarray(raw, jnp.float32))[0])
    assert np.sum(~np.isclose(smooth, raw, atol=1e-5), axis=1).max() <= tail_length(500)
    assert np.all(smooth.max(axis=1) <= raw.max(axis=1) + 1e-5)
    sums = [np.exp(a).mean(axis=1) for a in (raw, smooth)]
    assert sums[1].std() < sums[0].std() and abs(sums[1].mean() - 1.0) < 0.02


def test_degenerate_weights():
    rows = np.zeros((4, 100))
    rows[1] = -np.inf
    rows[2, 7] = np.nan
    rows[3] = -1e4 * np.arange(100)
    smooth, k = pareto_smooth(jnp.asarray(rows, jnp.float32))
    assert k[0] == 0.0 and k[1] == np.inf and k[2] == 0.0 and k[3] > 0.7
    np.testing.assert_array_equal(smooth[0], rows[0])
    assert smooth[2, 7] == -np.inf and not np.isnan(smooth).any()
    np.testing.assert_allclose(effective_draws(smooth)[jnp.array([0, 1, 2])], [100.0, 0.0, 99.0], rtol=1e-5)
    assert pareto_smooth(jnp.zeros((1, 10)))[1] == np.inf


def test_resampling_takes_each_draw_as_often_as_its_weight_says():
    rng = np.random.default_rng(4)
    log_w = rng.normal(size=(3, 50)) * 2.0
    log_w[2] = -np.inf
    expected = np.asarray(jax.nn.softmax(jnp.where(jnp.isfinite(log_w), log_w, 0.0), axis=1))
    counts = []
    for shift in (np.arange(200) + 0.5) / 200:
        index = np.asarray(systematic_resample(jnp.full(3, shift), jnp.asarray(log_w), 80))
        assert index.shape == (3, 80) and index.min() >= 0 and index.max() < 50
        counts.append([np.bincount(row, minlength=50) for row in index])
    counts = np.array(counts)
    assert np.all(np.abs(counts - 80 * expected) < 1.0 + 1e-3)
    np.testing.assert_allclose(counts.mean(axis=0), 80 * expected, atol=0.01)
