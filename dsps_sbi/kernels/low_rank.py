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


def leading_factors(matrix, rank, seed=0):
    """Factors of the closest matrix of low rank, by random projections.

    Halko, Martinsson & Tropp (2011, SIAM Review 53, 217), algorithm 4.4 with three iterations: the cost is
    that of a few products with the matrix, where a full decomposition takes minutes.

    Parameters
    ----------
    matrix : ndarray (Row, Column)
    rank : int
        K; less where the matrix is smaller.
    seed : int
        Of the projections.

    Returns
    -------
    left : ndarray (Row, K)
        Orthonormal columns, what matters most first.
    right : ndarray (K, Column)
        Left times right is close to the matrix.
    """
    rank = min(rank, *matrix.shape)
    n = min(rank + 16, *matrix.shape)
    start = np.random.default_rng(seed).standard_normal((matrix.shape[1], n)).astype(matrix.dtype)
    left = np.linalg.qr(matrix @ start)[0]
    for _ in range(3):
        left = np.linalg.qr(matrix.T @ left)[0]
        left = np.linalg.qr(matrix @ left)[0]
    turn, size, right = np.linalg.svd(left.T @ matrix, full_matrices=False)
    return (left @ turn)[:, :rank], (size[:, None] * right)[:rank]
