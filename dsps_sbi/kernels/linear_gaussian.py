"""Nuisances that enter linearly with a Gaussian prior, integrated out of a Gaussian likelihood."""

import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve


def log_evidence(residual, variance, valid, design, prior_sigma):
    r"""Logarithm of :math:`\int N(r; D c, V)\, N(c; 0, S)\, dc`, normalisation kept, and the best c.

    That is log N(r; 0, V + D S D^T), by a Cholesky factor of Term x Term instead of Pixel x Pixel
    (matrix inversion lemma). The quadratic form is evaluated as the misfit of the best c plus its
    distance from the prior's mean: at that minimum, errors of c count twice squared, and no large
    numbers are subtracted.

    Parameters
    ----------
    residual : array (..., Pixel)
        Data less the model's part without nuisances; any value where ``valid`` is False.
    variance : array (..., Pixel)
        V > 0; any value where ``valid`` is False.
    valid : bool array (..., Pixel)
    design : array (..., Pixel, Term)
        D.
    prior_sigma : array (Term,)
        Square root of the diagonal S.

    Returns
    -------
    log_evidence : array (...)
    best : array (..., Term)
        Posterior mean of c.
    """
    spread = jnp.sqrt(jnp.where(valid, variance, 1.0))
    r = jnp.where(valid, residual, 0.0) / spread
    # coefficients in units of their prior: unit normal
    d = jnp.where(valid[..., None], design, 0.0) * (prior_sigma / spread[..., None])
    matrix = jnp.swapaxes(d, -1, -2) @ d + jnp.eye(d.shape[-1], dtype=d.dtype)
    factor = cho_factor(matrix, lower=True)
    best = cho_solve(factor, jnp.einsum("...pt,...p->...t", d, r)[..., None])[..., 0]
    left = r - jnp.einsum("...pt,...t->...p", d, best)
    quadratic = jnp.sum(left**2, axis=-1) + jnp.sum(best**2, axis=-1)
    log_det = 2.0 * jnp.sum(jnp.log(jnp.diagonal(factor[0], axis1=-2, axis2=-1)), axis=-1)
    log_norm = jnp.sum(jnp.where(valid, jnp.log(2.0 * jnp.pi) + 2.0 * jnp.log(spread), 0.0), axis=-1)
    return -0.5 * (quadratic + log_det + log_norm), best * prior_sigma
