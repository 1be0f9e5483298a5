"""Mean residuals, their p-value and the scale of the errors, on posteriors that are known in closed form."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from dsps_sbi.inference.misfit import (
    Misfit,
    error_scale,
    misfit_of,
    normal_score,
    tail_probability,
    two_sided,
)

N_DATUM, N_DRAWS = 8, 200


def linear(rng, n, true=1.0, strength=3.0, n_param=3):
    """Residuals (Object, Draw, Datum) of data A u + noise about exact posterior draws of u."""
    design = strength * rng.standard_normal((N_DATUM, n_param)) / np.sqrt(n_param)
    y = rng.standard_normal((n, n_param)) @ design.T + true * rng.standard_normal((n, N_DATUM))
    covariance = np.linalg.inv(design.T @ design + np.eye(n_param))
    mean = y @ design @ covariance
    draws = rng.standard_normal((n, N_DRAWS, n_param)) @ np.linalg.cholesky(covariance).T
    return y[:, None] - (mean[:, None] + draws) @ design.T


def misfit(residual):
    n = len(residual)
    sky = np.broadcast_to(np.eye(N_DATUM), (n, N_DATUM, N_DATUM))
    return misfit_of(
        jnp.asarray(residual), jnp.zeros(residual.shape), jnp.asarray(sky), jnp.full(n, float(N_DATUM))
    )


@pytest.mark.parametrize("strength", [0.5, 3.0])
def test_p_is_uniform_whether_data_or_prior_decide(strength):
    rng = np.random.default_rng(3)
    p = np.concatenate([tail_probability(misfit(linear(rng, 100, strength=strength))) for _ in range(10)])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert stats.kstest(two_sided(p), "uniform").pvalue > 0.01
    # the mean of the p-values about single draws is not
    residual = np.concatenate([linear(rng, 100, strength=strength) for _ in range(10)])
    means = stats.chi2.sf(np.sum(residual**2, axis=-1), N_DATUM).mean(axis=1)
    assert stats.kstest(means, "uniform").pvalue < 1e-3


def test_other_draws_of_the_same_posterior_give_the_same_p():
    one = linear(np.random.default_rng(5), 200)
    scores = []
    for seed in range(2):
        chosen = np.random.default_rng(seed).permutation(N_DRAWS)[: N_DRAWS // 2]
        scores.append(stats.norm.isf(tail_probability(misfit(one[:, chosen]))))
    single = stats.norm.isf(stats.chi2.sf(np.sum(one[:, :2] ** 2, axis=-1), N_DATUM))
    assert np.std(scores[0] - scores[1]) < 0.2 * np.std(single[:, 0] - single[:, 1])


def test_of_one_draw_it_is_the_tail_of_chi2():
    residual = np.random.default_rng(0).standard_normal((4, 1, N_DATUM))
    found = misfit(residual)
    chi2 = np.sum(residual[:, 0] ** 2, axis=-1)
    np.testing.assert_allclose(found.chi2, chi2, rtol=1e-5)
    exact = stats.norm.isf(stats.chi2.sf(chi2, N_DATUM))
    np.testing.assert_allclose(stats.norm.isf(tail_probability(found)), exact, atol=0.01)
    assert np.all(np.asarray(found.score_variance) == 0.0)


@pytest.mark.parametrize(("count", "most"), [(3, 0.06), (5, 0.02), (8, 0.01), (19, 2e-3), (3000, 2e-3)])
def test_scores_are_quantiles_of_chi2(count, most):
    exact = np.linspace(-3.0, 3.0, 61)
    chi2 = stats.chi2.isf(stats.norm.sf(exact), count)
    np.testing.assert_allclose(normal_score(jnp.asarray(chi2), float(count)), exact, atol=most)


def test_no_data_have_no_score():
    nothing = jnp.zeros((2, 5, 3))
    found = misfit_of(nothing, nothing, jnp.zeros((2, 3, 3)), jnp.zeros(2))
    np.testing.assert_array_equal(tail_probability(found), 0.5)


def test_p_is_uniform_where_the_errors_of_the_model_are_free():
    """A posterior of the size of the model's own errors: larger where the data scatter more."""
    rng, n = np.random.default_rng(11), 2000
    size = np.geomspace(0.3, 1.3, 41)
    y = (1.0 + rng.choice(size, n)[:, None] ** 2) ** 0.5 * rng.standard_normal((n, N_DATUM))
    sigma = np.sqrt(1.0 + size**2)
    log_density = stats.norm.logpdf(y[:, None], 0.0, sigma[:, None]).sum(axis=-1)
    weight = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    cumulative = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    drawn = (rng.random((n, N_DRAWS, 1)) > cumulative[:, None]).sum(axis=-1)
    p = tail_probability(misfit(y[:, None] / sigma[np.minimum(drawn, 40)][..., None]))
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert stats.kstest(two_sided(p), "uniform").pvalue > 0.01


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_scale_of_the_errors(true):
    rng = np.random.default_rng(8)
    scale, dof = error_scale(misfit(linear(rng, 1000, true=true)))
    assert np.median(scale) == pytest.approx(true, rel=0.05)
    # as many data as are not fitted
    np.testing.assert_allclose(dof, N_DATUM - 3, atol=0.8)
    p = tail_probability(misfit(linear(rng, 1000, true=true)))
    assert np.mean(two_sided(p) < 0.05) > 0.3 or true == 1.0


def test_data_that_test_nothing_condemn_nothing():
    """As many parameters as data: what Monte-Carlo noise is left must not be read as a misfit."""
    rng = np.random.default_rng(2)
    found = misfit(linear(rng, 200, strength=1e4, n_param=N_DATUM))
    p = tail_probability(found)
    assert np.all(two_sided(p) > 0.005) and np.isnan(error_scale(found)[0]).all()


def test_error_of_the_model_alone_is_more_than_what_is_seen():
    """Half of the variances are the stated errors, and residuals are a fifth of what they should be."""
    score = np.asarray(normal_score(0.04 * 8.0, 8.0))
    found = Misfit(*(np.array([value]) for value in (0.04 * 8.0, 8.0, 8.0, 4.0, score, 0.0)))
    assert error_scale(found)[0] == 0.0 and tail_probability(found)[0] > 0.9999


def test_two_sides():
    np.testing.assert_allclose(two_sided([0.001, 0.5, 0.999, 1.0]), [0.002, 1.0, 0.002, 0.0], atol=1e-12)
    assert np.isnan(two_sided(np.nan))
