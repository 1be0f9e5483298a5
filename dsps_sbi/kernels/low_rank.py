"""A table of positive numbers over many decades as a product of two small ones."""

import numpy as np

# Columns fainter than this share of the brightest are not told apart in relative terms
_FAINTEST = 1e-6


def low_rank(rows, totals, rank):
    """Factors of a matrix whose elements count in relative terms.

    Rows and columns are brought to comparable size before the singular value decomposition, so that
    what is faint everywhere is not lost.

    Parameters
    ----------
    rows : ndarray (Row, Column)
    totals : ndarray (Row, Column)
        What the rows are parts of: sizes are taken from it.
    rank : int
        K; less where the matrix has fewer columns.

    Returns
    -------
    basis : ndarray (Column, K)
        Largest element of each of K is 1.
    coefficients : ndarray (Row, K)
        Their product with the basis' transpose is close to the rows.
    """
    # in double precision: what is faint everywhere would underflow, and small eigenvalues are squares
    rows, totals = np.asarray(rows, np.float64), np.abs(totals, dtype=np.float64)
    column = np.median(totals, axis=0)
    column = np.maximum(column, _FAINTEST * column.max() + 1e-100)
    row = np.maximum(np.sqrt(np.mean((totals / column) ** 2, axis=1)), 1e-100)
    scaled = rows / column / row[:, None]
    vectors = np.linalg.eigh(scaled.T @ scaled)[1][:, : -rank - 1 : -1]
    basis = column[:, None] * vectors
    size = np.abs(basis).max(axis=0)
    return basis / size, row[:, None] * (scaled @ vectors) * size
