"""A multiplicative polynomial with a Gaussian prior, integrated out of a Gaussian likelihood.

A multiplicative residual that is correlated over neighbouring pixels may be added to the white noise.
"""

import jax.numpy as jnp
import numpy as np

from .between_nodes import at_nodes, at_nodes_times, at_pixels, normal, standardised
from .cholesky import cholesky, solve_factored, solve_lower
from .full_precision import matmul
from .tridiagonal import solve_tridiagonal


def log_evidence(residual, variance, valid, template, basis, prior_sigma, correlated=None):
    r"""Logarithm of :math:`\int N(r; D c, V)\, N(c; 0, S)\, dc`, normalisation kept, and the best c.

    D is the template times each term of the polynomial. The result is log N(r; 0, V + D S D^T), see
    :func:`whole_chi2`.

    Parameters
    ----------
    residual : array (..., Pixel)
        Data less the template; any value where ``valid`` is False.
    variance : array (..., Pixel)
        V > 0; any value where ``valid`` is False.
    valid : bool array (..., Pixel)
    template : array (..., Pixel)
    basis : array (Pixel, Term)
    prior_sigma : array (Term,) or (..., Term)
        Square root of the diagonal S.
    correlated : tuple, optional
        Nodes, of :func:`~dsps_sbi.kernels.between_nodes.place_between`, and a size (...): a residual with
        this root mean square as a share of the template, linear between Gaussian amplitudes at nodes. Its
        covariance is then part of V.

    Returns
    -------
    log_evidence : array (...)
    best : array (..., Term)
        Posterior mean of c.
    """
    chi2, log_det, best = whole_chi2(residual, variance, valid, template, basis, prior_sigma, correlated)
    count = jnp.sum(valid, axis=-1)
    return -0.5 * (chi2 + log_det + count * jnp.log(2.0 * jnp.pi)), best


def whole_chi2(residual, variance, valid, template, basis, prior_sigma, correlated=None):
    """Chi2 of residuals under errors and polynomial together, r' (V + D S D')^-1 r.

    By a Cholesky factor of Term x Term instead of Pixel x Pixel (matrix inversion lemma). The quadratic
    form is evaluated as the misfit of the best c plus its distance from the prior's mean: at that
    minimum, errors of c count twice squared, and no large numbers are subtracted.

    Parameters as for :func:`log_evidence`.

    Returns
    -------
    chi2 : array (...)
        Of as many degrees of freedom as there are valid pixels.
    log_det : array (...)
        ln of the determinant of V + D S D'.
    best : array (..., Term)
    """
    r, t, spread = _white(residual, variance, valid, template)
    white = jnp.sum(jnp.where(valid, 2.0 * jnp.log(spread), 0.0), axis=-1)
    if correlated is not None:
        left, amplitudes, best, log_det = _fitted(r, t, basis, prior_sigma, correlated)
        chi2 = sum(jnp.sum(array**2, axis=-1) for array in (left, amplitudes, best))
        return chi2, log_det + white, best * prior_sigma
    factor = _factor(t, basis, prior_sigma)
    best = solve_factored(factor, (matmul(t * r, basis) * prior_sigma)[..., None])[..., 0]
    remainder = r - t * matmul(best * prior_sigma, basis.T)
    chi2 = jnp.sum(remainder**2, axis=-1) + jnp.sum(best**2, axis=-1)
    return chi2, _log_det(factor) + white, best * prior_sigma


def best_scale(data, variance, valid, template, basis, prior_sigma):
    """The factor (...) by which a template fits data best, t' C^-1 d / t' C^-1 t for C = V + D S D'.

    Parameters as for :func:`log_evidence`, ``data`` in the place of residuals.
    """
    d, t, _ = _white(data, variance, valid, template)
    # one column for the template, one for the data
    both = jnp.stack(jnp.broadcast_arrays(t * t, t * d), axis=-2)
    both = matmul(both, basis) * prior_sigma[..., None, :]
    solved = solve_factored(_factor(t, basis, prior_sigma), both[..., :1, :].swapaxes(-1, -2))[..., 0]
    information = jnp.sum(t * t, axis=-1) - jnp.sum(both[..., 0, :] * solved, axis=-1)
    return (jnp.sum(t * d, axis=-1) - jnp.sum(both[..., 1, :] * solved, axis=-1)) / jnp.maximum(
        information, 1e-30
    )


def chi2_along(residual, variance, valid, template, basis, prior_sigma, directions, correlated=None):
    """The part of :func:`whole_chi2` that lies along some directions.

    With C = V + D S D' and directions A it is r' C^-1 A (A' C^-1 A)^-1 A' C^-1 r, by which chi2 falls where
    any multiples of A may be added to the template. If the residuals are drawn from C, it has as many degrees
    of freedom as there are directions, and is independent of what is left.

    Parameters
    ----------
    residual, variance, valid, template, basis, prior_sigma
        As for :func:`log_evidence`, without leading axes.
    directions : array (Direction, Pixel)
        Linearly independent, and not what the polynomial makes of the template; of any scale.
    correlated : tuple, optional
        As for :func:`log_evidence`.

    Returns
    -------
    array ()
    """
    r, t, spread = _white(residual, variance, valid, template)
    a = jnp.where(valid, directions, 0.0) / spread
    # light of distant stars in other units would leave float32's range squared
    largest = jnp.max(jnp.abs(a), axis=1, keepdims=True)
    a = a / jnp.where(largest > 0.0, largest, 1.0)
    rows, _, _ = _standard(jnp.concatenate([a, r[None]]), t, basis, prior_sigma, correlated)
    information = cholesky(matmul(rows[:-1], rows[:-1].T))
    return jnp.sum(solve_lower(information, matmul(rows[:-1], rows[-1])[:, None]) ** 2)


def _standard(rows, t, basis, prior_sigma, correlated):
    """Rows (..., Row, Pixel) in units of V to such whose products are those under C = V + D S D'.

    See :func:`~dsps_sbi.kernels.between_nodes.standardised`, here of the polynomial too. Also the best
    coefficients (..., Row, Term) in units of their prior, and ln of the determinant of V^-1 C.
    """
    design = t[..., None, :] * (basis * prior_sigma[..., None, :]).swapaxes(-1, -2)
    log_det, n = 0.0, rows.shape[-2]
    if correlated is not None:
        both = jnp.concatenate(
            [rows, jnp.broadcast_to(design, (*rows.shape[:-2], *design.shape[-2:]))], axis=-2
        )
        both, log_det = standardised(both, correlated[1][..., None] * t, correlated[0])
        rows, design = both[..., :n, :], both[..., n:, :]
    across = design.swapaxes(-1, -2)
    factor = cholesky(matmul(design, across) + jnp.eye(design.shape[-2], dtype=t.dtype))
    best = solve_factored(factor, matmul(rows, across).swapaxes(-1, -2)).swapaxes(-1, -2)
    rows = jnp.concatenate([rows - matmul(best, design), best], axis=-1)
    return rows, best, log_det + _log_det(factor)


def _fitted(r, t, basis, prior_sigma, correlated):
    """What is left (..., Pixel) of residuals in units of V, the best amplitudes and coefficients, ln det.

    Those of the nodes are eliminated first. As :func:`_standard`, of a single row for many templates at once:
    templates times terms of the polynomial are never made.
    """
    nodes, size = correlated
    size = size[..., None]
    weight, prior = t * t, prior_sigma[..., None]
    diagonal, beside = normal(nodes, weight)
    across = at_nodes_times(nodes, weight, basis) * (prior * size[..., None])
    right = at_nodes(nodes, t * r) * size
    both = jnp.concatenate([across, right[..., None, :]], axis=-2)
    found, log_det = solve_tridiagonal(1.0 + size**2 * diagonal, size**2 * beside, both)
    of_terms, of_right = found[..., :-1, :], found[..., -1, :]
    matrix = _normal(t, basis) * prior * prior_sigma[..., None, :]
    matrix = matrix - matmul(across, of_terms.swapaxes(-1, -2))
    factor = cholesky(matrix + jnp.eye(matrix.shape[-1], dtype=t.dtype))
    slope = matmul(t * r, basis) * prior_sigma - jnp.sum(across * of_right[..., None, :], axis=-1)
    best = solve_factored(factor, slope[..., None])[..., 0]
    amplitudes = of_right - jnp.sum(of_terms * best[..., None], axis=-2)
    left = r - t * (matmul(best * prior_sigma, basis.T) + size * at_pixels(nodes, amplitudes))
    return left, amplitudes, best, log_det + _log_det(factor)


def _log_det(factor):
    """Logarithm of the determinant (...) of what Cholesky factors (..., n, n) are of."""
    return 2.0 * jnp.sum(jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)


def _white(data, variance, valid, template):
    """Data and template in units of their errors, 0 where not valid, and the errors."""
    spread = jnp.sqrt(jnp.where(valid, variance, 1.0))
    return jnp.where(valid, data, 0.0) / spread, jnp.where(valid, template, 0.0) / spread, spread


def _factor(t, basis, prior_sigma):
    """Lower Cholesky factor (..., Term, Term) of the precision of coefficients in units of their prior."""
    matrix = _normal(t, basis) * prior_sigma[..., :, None] * prior_sigma[..., None, :]
    return cholesky(matrix + jnp.eye(basis.shape[1], dtype=t.dtype))


def _normal(t, basis):
    """Normal matrices (..., Term, Term) of templates (..., Pixel) times terms (Pixel, Term)."""
    n_term = basis.shape[1]
    # all objects share the basis, so that their normal matrices are one product of matrices; of each
    # pair of terms once
    i, j = np.triu_indices(n_term)
    half = matmul(t * t, basis[:, i] * basis[:, j])
    where = np.zeros((n_term, n_term), int)
    where[i, j] = where[j, i] = np.arange(len(i))
    return half[..., where]
