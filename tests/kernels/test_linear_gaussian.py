import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from dsps_sbi.kernels.legendre import legendre
from dsps_sbi.kernels.linear_gaussian import best_scale, chi2_along, log_evidence, whole_chi2

log_evidence = jax.jit(log_evidence)

RNG = np.random.default_rng(8)
N = 60
X = np.linspace(-1, 1, N)
TEMPLATE = 40.0 + 5.0 * np.sin(9 * X)
VARIANCE = RNG.uniform(0.5, 2.0, N)
VALID = RNG.random(N) > 0.2
PRIOR = np.array([0.1, 0.05])
BASIS = np.stack([X, 0.5 * (3 * X * X - 1)], axis=1)
DESIGN = TEMPLATE[:, None] * BASIS
RESIDUAL = DESIGN @ [0.07, -0.02] + np.sqrt(VARIANCE) * RNG.standard_normal(N)


def evaluate(residual=RESIDUAL, variance=VARIANCE, valid=VALID, template=TEMPLATE, basis=BASIS, prior=PRIOR):
    single = [np.asarray(a, np.float32) for a in (residual, variance, template, basis, prior)]
    return log_evidence(*single[:2], valid, *single[2:])


def test_against_integration_over_the_coefficients():
    """Brute force: likelihood times prior summed over a fine grid of both coefficients, in float64."""
    c0 = np.linspace(-0.3, 0.4, 401)
    c1 = np.linspace(-0.3, 0.3, 401)
    total = np.full((401, 401), -np.inf)
    r, d, s = RESIDUAL[VALID], DESIGN[VALID], np.sqrt(VARIANCE[VALID])
    for i, a in enumerate(c0):
        left = r[:, None] - d[:, :1] * a - d[:, 1:] * c1
        log_like = norm.logpdf(left / s[:, None]).sum(axis=0) - np.log(s).sum()
        total[i] = log_like + norm.logpdf(a, 0, PRIOR[0]) + norm.logpdf(c1, 0, PRIOR[1])
    cell = (c0[1] - c0[0]) * (c1[1] - c1[0])
    expected = total.max() + np.log(np.exp(total - total.max()).sum() * cell)
    assert float(evaluate()[0]) == pytest.approx(expected, abs=1e-3)


def test_against_the_full_covariance():
    covariance = np.diag(VARIANCE) + (DESIGN * PRIOR**2) @ DESIGN.T
    keep = np.ix_(VALID, VALID)
    expected = multivariate_normal(np.zeros(VALID.sum()), covariance[keep]).logpdf(RESIDUAL[VALID])
    value, best = evaluate()
    assert float(value) == pytest.approx(expected, abs=1e-3)
    precision = DESIGN[VALID].T @ (DESIGN[VALID] / VARIANCE[VALID, None]) + np.diag(PRIOR**-2)
    mean = np.linalg.solve(precision, DESIGN[VALID].T @ (RESIDUAL[VALID] / VARIANCE[VALID]))
    np.testing.assert_allclose(best, mean, rtol=1e-4)


def test_high_signal_to_noise_does_not_cancel():
    """4000 pixels at S/N 1000: squares of 1e9 against an answer that has to be good to 0.1."""
    x = np.linspace(-1, 1, 4000)
    design = 1000.0 * np.polynomial.legendre.legvander(x, 8)[:, 1:]
    rng = np.random.default_rng(0)
    residual = design @ (0.1 * rng.standard_normal(8)) + rng.standard_normal(4000)
    prior = np.full(8, 0.1)
    sign, log_det = np.linalg.slogdet(np.eye(8) + 0.01 * design.T @ design)
    precision = design.T @ design + 100.0 * np.eye(8)
    best = np.linalg.solve(precision, design.T @ residual)
    misfit = np.sum((residual - design @ best) ** 2) + 100.0 * best @ best
    expected = -0.5 * (misfit + log_det + 4000 * np.log(2 * np.pi))
    got, _ = evaluate(
        residual, np.ones(4000), np.ones(4000, bool), np.full(4000, 1000.0), design / 1000.0, prior
    )
    assert float(got) == pytest.approx(expected, abs=0.1)


def test_invalid_pixels_do_not_matter_and_no_terms_is_plain():
    broken = np.where(VALID, RESIDUAL, np.nan)
    assert float(evaluate(broken)[0]) == float(evaluate()[0])
    single = [np.asarray(a, np.float32) for a in (VARIANCE, TEMPLATE, BASIS, PRIOR)]
    value = lambda r: log_evidence(r, single[0], VALID, *single[1:])[0]  # noqa: E731
    grad = jax.grad(value)(jnp.asarray(broken, jnp.float32))
    assert np.isfinite(grad).all()
    value, best = evaluate(basis=BASIS[:, :0], prior=PRIOR[:0])
    expected = norm.logpdf(RESIDUAL[VALID], 0, np.sqrt(VARIANCE[VALID])).sum()
    assert float(value) == pytest.approx(expected, abs=1e-3) and best.shape == (0,)


def test_batches():
    stack = np.stack([RESIDUAL, 2 * RESIDUAL])
    value, best = evaluate(stack)
    assert value.shape == (2,) and best.shape == (2, 2)
    assert float(value[0]) == pytest.approx(float(evaluate()[0]), abs=1e-4)


def test_legendre_against_numpy():
    x = np.linspace(-1, 1, 50)
    got = legendre(jnp.asarray(x, jnp.float32), 9)
    np.testing.assert_allclose(got, np.polynomial.legendre.legvander(x, 9)[:, 1:], atol=2e-6)
    assert legendre(jnp.zeros(5), 0).shape == (5, 0)


def test_chi2_is_that_of_the_full_covariance():
    covariance = (np.diag(VARIANCE) + (DESIGN * PRIOR**2) @ DESIGN.T)[np.ix_(VALID, VALID)]
    single = [np.asarray(a, np.float32) for a in (RESIDUAL, VARIANCE, TEMPLATE, BASIS, PRIOR)]
    chi2, log_det, _ = whole_chi2(*single[:2], VALID, *single[2:])
    r = RESIDUAL[VALID]
    assert float(chi2) == pytest.approx(r @ np.linalg.solve(covariance, r), rel=1e-4)
    assert float(log_det) == pytest.approx(np.linalg.slogdet(covariance)[1], abs=1e-3)


def test_best_scale_is_generalised_least_squares():
    covariance = (np.diag(VARIANCE) + (DESIGN * PRIOR**2) @ DESIGN.T)[np.ix_(VALID, VALID)]
    data = 1.3 * TEMPLATE + RESIDUAL
    t, d = TEMPLATE[VALID], data[VALID]
    expected = t @ np.linalg.solve(covariance, d) / (t @ np.linalg.solve(covariance, t))
    single = [np.asarray(a, np.float32) for a in (data, VARIANCE, TEMPLATE, BASIS, PRIOR)]
    two = [np.stack([single[0], 2.0 * single[0]]), *single[1:3]]
    found = jax.jit(best_scale)(*two[:2], VALID, two[2], *single[3:])
    np.testing.assert_allclose(found, [expected, 2.0 * expected], rtol=1e-4)


def test_chi2_along_is_what_free_multiples_take_away():
    """Against generalised least squares with the full covariance."""
    covariance = (np.diag(VARIANCE) + (DESIGN * PRIOR**2) @ DESIGN.T)[np.ix_(VALID, VALID)]
    rng = np.random.default_rng(3)
    directions = TEMPLATE * (1.0 + 0.3 * np.sin(np.outer([3, 5, 11, 20], X)) * rng.uniform(1, 1e3, (4, 1)))
    a, r = directions[:, VALID].T, RESIDUAL[VALID]
    precision = np.linalg.inv(covariance)
    free = np.linalg.solve(a.T @ precision @ a, a.T @ precision @ r)
    left = r - a @ free
    arrays = (RESIDUAL, VARIANCE, TEMPLATE, BASIS, PRIOR, directions)
    single = [np.asarray(a, np.float32) for a in arrays]
    along = jax.jit(chi2_along)(*single[:2], VALID, *single[2:])
    assert float(along) == pytest.approx(r @ precision @ r - left @ precision @ left, rel=1e-3)
    far = jax.jit(chi2_along)(*single[:2], VALID, *single[2:5], single[5] * np.float32(1e-25))
    assert float(far) == pytest.approx(float(along), rel=1e-4)


def test_products_are_of_full_precision(inexact_products):
    along = [RESIDUAL, VARIANCE, VALID, TEMPLATE, BASIS, PRIOR, np.stack([TEMPLATE, X])]
    n, inexact = inexact_products(chi2_along, *along)
    assert n > 4 and inexact == 0
