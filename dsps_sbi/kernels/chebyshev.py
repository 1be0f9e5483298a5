"""Polynomials through values at Chebyshev nodes.

Trefethen (2013), Approximation Theory and Approximation Practice, ch. 3 and 8.
"""

import jax.numpy as jnp
import numpy as np

from .full_precision import tensordot


def nodes(n):
    """Chebyshev nodes (n,) between -1 and 1.

    Parameters
    ----------
    n : int

    Returns
    -------
    ndarray (n,)
    """
    return np.cos(np.pi * (np.arange(n) + 0.5) / n)


def lagrange(x, n):
    """Values of the n polynomials that are 1 at one of :func:`nodes` and 0 at the others.

    Parameters
    ----------
    x : array (...)
        Beyond -1 and 1 the values there hold.
    n : int

    Returns
    -------
    array (n, ...)
        Their sum is 1.
    """
    x = jnp.clip(x, -1.0, 1.0)
    chebyshev = [jnp.ones_like(x), x]
    for _ in range(2, n):
        chebyshev.append(2.0 * x * chebyshev[-1] - chebyshev[-2])
    # discrete orthogonality of the Chebyshev polynomials at the nodes
    matrix = (
        np.cos(np.arange(n)[:, None] * np.arccos(nodes(n))) * np.where(np.arange(n) == 0, 1.0, 2.0)[:, None]
    )
    return tensordot(jnp.asarray(matrix.T / n, x.dtype), jnp.stack(chebyshev[:n]), axes=1)
