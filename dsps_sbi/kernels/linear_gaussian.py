"""A multiplicative polynomial with a Gaussian prior, integrated out of a Gaussian likelihood."""

import jax.numpy as jnp
import numpy as np

from .cholesky import cholesky, solve_factored, solve_lower
from .full_precision import matmul


def log_evidence(residual, variance, valid, template, basis, prior_sigma):
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

    Returns
    -------
    log_evidence : array (...)
    best : array (..., Term)
        Posterior mean of c.
    """
    chi2, log_det, best = whole_chi2(residual, variance, valid, template, basis, prior_sigma)
    count = jnp.sum(valid, axis=-1)
    return -0.5 * (chi2 + log_det + count * jnp.log(2.0 * jnp.pi)), best


def whole_chi2(residual, variance, valid, template, basis, prior_sigma):
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
    factor = _factor(t, basis, prior_sigma)
    best = solve_factored(factor, (matmul(t * r, basis) * prior_sigma)[..., None])[..., 0]
    remainder = r - t * matmul(best * prior_sigma, basis.T)
    chi2 = jnp.sum(remainder**2, axis=-1) + jnp.sum(best**2, axis=-1)
    log_det = 2.0 * jnp.sum(jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)
    log_det = log_det + jnp.sum(jnp.where(valid, 2.0 * jnp.log(spread), 0.0), axis=-1)
    return chi2, log_det, best * prior_sigma


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


def chi2_along(residual, variance, valid, template, basis, prior_sigma, directions):
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

    Returns
    -------
    array ()
    """
    r, t, spread = _white(residual, variance, valid, template)
    a = jnp.where(valid, directions, 0.0) / spread
    # light of distant stars in other units would leave float32's range squared
    largest = jnp.max(jnp.abs(a), axis=1, keepdims=True)
    a = a / jnp.where(largest > 0.0, largest, 1.0)
    design = t[:, None] * (basis * prior_sigma)
    factor = _factor(t, basis, prior_sigma)
    rows = jnp.concatenate([a, r[None]])
    best = solve_factored(factor, matmul(rows, design).T).T
    remainder = rows - matmul(best, design.T)
    information = cholesky(matmul(remainder[:-1], remainder[:-1].T) + matmul(best[:-1], best[:-1].T))
    return jnp.sum(solve_lower(information, matmul(a, remainder[-1])[:, None]) ** 2)


def _white(data, variance, valid, template):
    """Data and template in units of their errors, 0 where not valid, and the errors."""
    spread = jnp.sqrt(jnp.where(valid, variance, 1.0))
    return jnp.where(valid, data, 0.0) / spread, jnp.where(valid, template, 0.0) / spread, spread


def _factor(t, basis, prior_sigma):
    """Lower Cholesky factor (..., Term, Term) of the precision of coefficients in units of their prior."""
    n_pixel, n_term = basis.shape
    # all objects share the basis, so that their normal matrices are one product of matrices; of each
    # pair of terms once
    i, j = np.triu_indices(n_term)
    half = matmul(t * t, basis[:, i] * basis[:, j])
    where = np.zeros((n_term, n_term), int)
    where[i, j] = where[j, i] = np.arange(len(i))
    matrix = half[..., where] * prior_sigma[..., :, None] * prior_sigma[..., None, :]
    return cholesky(matrix + jnp.eye(n_term, dtype=t.dtype))
