"""Spectra in the few dimensions that their models fill.

Model spectra of all parameters lie close to a space of a few dozen components. For Gaussian noise the
coefficients of a noisy spectrum in it, and the precision that its errors and masks leave them, hold all
that the data say about any model in that space.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from .cholesky import solve
from .full_precision import einsum, matmul

# Error of the model as a share of its flux: where it is looked for, in natural logarithms
_LN_ERROR = (math.log(1e-4), math.log(0.5))
_N_HALVE = 12
# ln of the square of the model's error, its prior's mean and variance, and steps of scoring
_LN_SHARE2, _WIDTH2, _N_SCORE = 2.0 * math.log(0.01), 7.0, 12
# Weak prior precision of coefficients, relative to the data's: masks may leave some undetermined
_RIDGE = 1e-6
# Error that the very first fit allows for, as a share of the amplitude
_FIRST_ERROR = 0.01


def _full(half, n):
    """Symmetric matrices (..., n, n) of their upper triangles (..., n (n + 1) / 2)."""
    i, j = np.triu_indices(n)
    where = np.zeros((n, n), int)
    where[i, j] = where[j, i] = np.arange(len(i))
    return half[..., where]


def _ridge(matrix):
    """Weak precision (..., n, n) beside that of the data, or of nothing at all."""
    largest = jnp.max(jnp.diagonal(matrix, axis1=-2, axis2=-1), axis=-1)
    return (_RIDGE * jnp.maximum(largest, 1e-6))[..., None, None] * jnp.eye(matrix.shape[-1])


def project(flux, sigma, valid, components, basis, prior_sigma, ln_scale=None):
    """Coefficients of components in noisy spectra, a multiplicative polynomial integrated out.

    Parameters
    ----------
    flux, sigma : array (Object, Pixel)
        Of amplitude about 1; any value where ``valid`` is False.
    valid : bool array (Object, Pixel)
    components : array (Component, Pixel)
        Orthonormal.
    basis : array (Pixel, Term)
        Terms of the polynomial; its constant is 1.
    prior_sigma : float or sequence of float (Term,)
        Standard deviation of each of its coefficients.
    ln_scale : (float, float), optional
        Range of ln of a scale of the errors, found beside the model's error by their likelihood.

    Returns
    -------
    coefficients : array (Object, Component)
        Close to the best ones.
    precision, gradient : array (Object, Component, Component), (Object, Component)
        With d away from these coefficients the log likelihood is, up to a constant,
        d' gradient - d' precision d / 2; the gradient is zero but for what masks leave undetermined.
    ln_error : array (Object,)
        ln of the model's error as a share of its flux that makes chi2 what it should be.
    chi2 : array (Object,)
        Per degree of freedom, without an error of the model.
    ln_scale : array (Object,) or None
        ln of the scale of the errors, where that is to be found; all else is for errors of this scale.
    """
    n, n_term = len(components), basis.shape[1]
    dof = jnp.maximum(valid.sum(axis=1) - n - n_term, 1.0)
    i, j = np.triu_indices(n)
    pairs = components[i] * components[j]
    flux = jnp.where(valid, flux, 0.0)
    sigma2 = jnp.where(valid, sigma, 1.0) ** 2

    def normal(weight):
        matrix = _full(matmul(weight, pairs.T), n)
        return matrix, _ridge(matrix) + matrix

    if n_term == 0:
        # no polynomial is one whose only term is zero
        basis, n_term = jnp.zeros((len(basis), 1), basis.dtype), 1
    # a first look without the polynomial
    weight = jnp.where(valid, 1.0 / (sigma2 + _FIRST_ERROR**2), 0.0)
    _, matrix = normal(weight)
    first = solve(matrix, matmul(weight * flux, components.T)[..., None])[..., 0]
    template = matmul(first, components)

    # the polynomial by least squares, to know what is left for the model's error
    terms = basis * jnp.asarray(prior_sigma, basis.dtype)
    shape = (n_term, n_term)
    squares = (terms[:, :, None] * terms[:, None, :]).reshape(len(terms), -1)
    weight_t = weight * template
    normal_matrix = matmul(weight_t * template, squares).reshape(-1, *shape) + jnp.eye(n_term)
    slope = matmul(weight_t * (flux - template), terms)
    residual = flux - template * (1.0 + matmul(solve(normal_matrix, slope[..., None])[..., 0], terms.T))

    chi2_as_stated, found = jnp.sum(jnp.where(valid, residual**2 / sigma2, 0.0), axis=1) / dof, None
    if ln_scale is not None:
        square = jnp.where(valid, residual**2, 0.0) * (valid.sum(axis=1) / dof)[:, None]
        found = _scale_of(square, sigma2, template**2, valid, ln_scale)
        sigma2 = sigma2 * jnp.exp(2.0 * found)[:, None]

    def misfit(ln_error):
        variance = sigma2 + jnp.exp(2.0 * ln_error)[:, None] * template**2
        return jnp.sum(jnp.where(valid, residual**2 / variance, 0.0), axis=1) / dof

    def halve(_, bounds):
        low, high = bounds
        middle = 0.5 * (low + high)
        more = misfit(middle) > 1.0
        return jnp.where(more, middle, low), jnp.where(more, high, middle)

    ends = tuple(jnp.full(len(flux), end, flux.dtype) for end in _LN_ERROR)
    ln_error = jax.lax.fori_loop(0, _N_HALVE, halve, ends)[0]

    weight = jnp.where(valid, 1.0 / (sigma2 + (jnp.exp(ln_error)[:, None] * template) ** 2), 0.0)
    matrix, _ = normal(weight)
    right = matmul(weight * flux, components.T)
    weight_t = weight * template
    cross = matmul(weight_t, (components[:, None] * terms.T).reshape(n * n_term, -1).T)
    cross = cross.reshape(-1, n, n_term)
    normal_matrix = matmul(weight_t * template, squares).reshape(-1, *shape) + jnp.eye(n_term)
    # the polynomial's coefficients integrated out: Schur complement
    both = jnp.concatenate([jnp.swapaxes(cross, 1, 2), matmul(weight_t * flux, terms)[..., None]], axis=-1)
    taken = matmul(cross, solve(normal_matrix, both))
    precision = matrix - taken[..., :-1]
    right = right - taken[..., -1]
    precision = 0.5 * (precision + jnp.swapaxes(precision, 1, 2))
    best = solve(precision + _ridge(precision), right[..., None])[..., 0]
    gradient = right - einsum("oij,oj->oi", precision, best)
    if ln_scale is None:
        chi2_as_stated = misfit(jnp.full(len(flux), -30.0))
    return best, precision, gradient, ln_error, chi2_as_stated, found


def _scale_of(square, sigma2, flux2, valid, ends):
    """Logarithm of the scale (Object,) of errors, beside an error of the model, by Fisher scoring of both.

    Squares of residuals have the mean s^2 sigma^2 + e^2 flux^2. Both logarithms have a weak Gaussian prior:
    that of s as wide as its range, that of e three decades.
    """
    middle, width = sum(ends), (ends[1] - ends[0]) / math.sqrt(3.0)
    start = jnp.full(len(square), middle, square.dtype), jnp.full(len(square), _LN_SHARE2, square.dtype)

    def step(_, now):
        scale, share = now
        own = jnp.exp(scale)[:, None] * sigma2
        variance = own + jnp.exp(share)[:, None] * flux2
        p = jnp.where(valid, own / variance, 0.0)
        q = jnp.where(valid, 1.0 - p, 0.0)
        off = square / variance - 1.0
        slope = 0.5 * jnp.sum(off * p, axis=1) - (scale - middle) / width**2
        slope_q = 0.5 * jnp.sum(off * q, axis=1) - (share - _LN_SHARE2) / _WIDTH2
        a = 0.5 * jnp.sum(p * p, axis=1) + 1.0 / width**2
        b, c = 0.5 * jnp.sum(p * q, axis=1), 0.5 * jnp.sum(q * q, axis=1) + 1.0 / _WIDTH2
        det = a * c - b * b
        move, move_q = (c * slope - b * slope_q) / det, (a * slope_q - b * slope) / det
        return scale + jnp.clip(move, -1.0, 1.0), share + jnp.clip(move_q, -2.0, 2.0)

    scale, _ = jax.lax.fori_loop(0, _N_SCORE, step, start)
    return jnp.clip(0.5 * scale, *ends)
