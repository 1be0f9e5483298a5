import numpy as np
import pytest

from dsps_sbi.kernels.low_rank import low_rank

RNG = np.random.default_rng(4)
ROWS, COLUMNS, RANK = 60, 40, 5
# positive, of low rank, over many decades in both directions
EXACT = 10.0 ** RNG.uniform(-6, 0, (ROWS, RANK)) @ RNG.uniform(0.1, 1.0, (RANK, COLUMNS))
EXACT *= 10.0 ** np.linspace(-4, 4, ROWS)[:, None] * 10.0 ** RNG.uniform(-3, 3, COLUMNS)


def product(matrix, rank):
    basis, coefficients = low_rank(matrix, matrix, rank)
    return coefficients @ basis.T


def test_what_is_of_that_rank_is_exact_in_relative_terms():
    np.testing.assert_allclose(product(EXACT, RANK), EXACT, rtol=1e-5)


def test_error_falls_with_rank():
    noisy = EXACT * np.exp(0.1 * RNG.standard_normal(EXACT.shape))
    errors = [np.median(np.abs(product(noisy, k) / noisy - 1.0)) for k in (5, 15, 30, 40)]
    assert np.all(np.diff(errors) < 0.0) and errors[-1] < 1e-6 < errors[0]


def test_basis_is_scaled_and_no_larger_than_the_matrix():
    basis, coefficients = low_rank(EXACT, EXACT, 99)
    assert basis.shape == (COLUMNS, COLUMNS) and coefficients.shape == (ROWS, COLUMNS)
    np.testing.assert_allclose(np.abs(basis).max(axis=0), 1.0)


@pytest.mark.parametrize("axis", [0, 1])
def test_nothing_but_zeros_in_a_row_or_column(axis):
    matrix = EXACT.copy()
    matrix[(3, slice(None)) if axis == 0 else (slice(None), 3)] = 0.0
    got = product(matrix, 8)
    assert np.all(np.isfinite(got))
    np.testing.assert_allclose(got, matrix, rtol=1e-4, atol=1e-12)
