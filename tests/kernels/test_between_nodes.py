import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import solveh_banded

from dsps_sbi.kernels.between_nodes import at_nodes, at_pixels, place_between, standardised
from dsps_sbi.kernels.linear_gaussian import chi2_along, log_evidence, whole_chi2
from dsps_sbi.kernels.tridiagonal import solve_tridiagonal

RNG = np.random.default_rng(5)
N = 90
POSITION = np.sort(RNG.uniform(0.3, 10.2, N))
NODES = place_between(jnp.asarray(POSITION, jnp.float32), 16, 24)
VALID = RNG.random(N) > 0.2
TEMPLATE = 40.0 + 5.0 * np.sin(POSITION)
VARIANCE = RNG.uniform(0.5, 2.0, N)
BASIS = np.stack([POSITION / 10.0, (POSITION / 10.0) ** 2 - 0.3], axis=1)
PRIOR, SIZE = np.array([0.1, 0.05]), 0.06
# shares of each pixel in hats of width one about whole numbers, of mean variance 1
HATS = np.maximum(1.0 - np.abs(POSITION[:, None] - np.arange(16)), 0.0) * np.sqrt(1.5)
DESIGN = TEMPLATE[:, None] * np.hstack([BASIS * PRIOR, SIZE * HATS])
COVARIANCE = (np.diag(VARIANCE) + DESIGN @ DESIGN.T)[np.ix_(VALID, VALID)]
RESIDUAL = DESIGN @ RNG.standard_normal(18) + np.sqrt(VARIANCE) * RNG.standard_normal(N)
PARTS = [np.asarray(a, np.float32) for a in (RESIDUAL, VARIANCE)]
PARTS += [VALID, *(np.asarray(a, np.float32) for a in (TEMPLATE, BASIS, PRIOR))]
PARTS += [(NODES, jnp.float32(SIZE))]


def test_tridiagonal_systems_as_scipy_solves_them():
    diagonal, beside = RNG.uniform(2.0, 3.0, (3, 16)), RNG.uniform(-1.0, 1.0, (3, 16))
    beside[:, -1] = 0.0
    right = RNG.standard_normal((3, 2, 16))
    x, log_det = jax.jit(solve_tridiagonal)(*(jnp.asarray(a, jnp.float32) for a in (diagonal, beside, right)))
    for i in range(3):
        banded = np.stack([diagonal[i], np.append(beside[i, :-1], 0.0)])
        np.testing.assert_allclose(x[i], solveh_banded(banded, right[i].T, lower=True).T, atol=1e-5)
        dense = np.diag(diagonal[i]) + np.diag(beside[i, :-1], 1) + np.diag(beside[i, :-1], -1)
        assert float(log_det[i]) == pytest.approx(np.linalg.slogdet(dense)[1], abs=1e-4)


def test_pixels_see_the_nodes_on_either_side():
    values = RNG.standard_normal((2, 16)).astype(np.float32)
    np.testing.assert_allclose(at_pixels(NODES, values), values @ HATS.T, atol=1e-5)
    pixels = RNG.standard_normal((2, N)).astype(np.float32)
    np.testing.assert_allclose(at_nodes(NODES, pixels), pixels @ HATS, atol=1e-5)
    fine = place_between(jnp.linspace(1.0, 9.0, 801), 16, 120)
    variance = (np.asarray(at_pixels(fine, jnp.eye(16))) ** 2).sum(axis=0)
    assert variance.mean() == pytest.approx(1.0, abs=0.01)


def test_rows_have_the_products_of_the_covariance():
    rows = RNG.standard_normal((3, N)).astype(np.float32)
    scale = RNG.uniform(0.5, 4.0, N).astype(np.float32)
    found, log_det = jax.jit(standardised)(rows, scale, NODES)
    covariance = np.eye(N) + (scale[:, None] * (HATS @ HATS.T)) * scale
    expected = rows @ np.linalg.solve(covariance, rows.T)
    np.testing.assert_allclose(found @ found.T, expected, atol=1e-3)
    assert float(log_det) == pytest.approx(np.linalg.slogdet(covariance)[1], abs=1e-3)


def test_evidence_is_that_of_the_dense_covariance():
    r = RESIDUAL[VALID]
    chi2, (_, log_det) = r @ np.linalg.solve(COVARIANCE, r), np.linalg.slogdet(2.0 * np.pi * COVARIANCE)
    found, best = jax.jit(log_evidence)(*PARTS)
    assert float(found) == pytest.approx(-0.5 * (chi2 + log_det), abs=2e-3)
    assert float(jax.jit(whole_chi2)(*PARTS)[0]) == pytest.approx(chi2, rel=1e-4)
    mean = PRIOR * (DESIGN[VALID, :2].T @ np.linalg.solve(COVARIANCE, r))
    np.testing.assert_allclose(best, mean, rtol=2e-3, atol=1e-5)


def test_directions_too():
    directions = np.stack([np.sin(5.0 * POSITION), np.cos(3.0 * POSITION)])
    a, r = directions[:, VALID], RESIDUAL[VALID]
    slope = a @ np.linalg.solve(COVARIANCE, r)
    expected = slope @ np.linalg.solve(a @ np.linalg.solve(COVARIANCE, a.T), slope)
    assert float(jax.jit(chi2_along)(*PARTS[:-1], np.float32(directions), PARTS[-1])) == pytest.approx(
        expected, rel=1e-3
    )
