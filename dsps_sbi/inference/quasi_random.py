"""Randomised quasi-random numbers: points that fill a space evenly, where independent ones clump.

The points are those of Sobol' with the direction numbers of Joe & Kuo (2008, SIAM J. Sci. Comput. 30, 2635),
which ``scipy.stats.qmc`` has. Each object mixes their binary digits by random triangular matrices (Matoušek
1998, J. Complexity 14, 527) and adds a random shift to them. Every point by itself is then uniform, so that
means over the points have no bias; all together stay as even as they were (L'Ecuyer & Lemieux 2002, in
Modeling Uncertainty, sect. 10.6). The error of the mean of a smooth function falls almost as 1/n, not as
n^(-1/2).
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfinv

# Digits of the direction numbers, and those of a point that are kept: float32 holds the middle of each of
# 2^23 cells, and of no more
_DIGITS, _KEPT = 32, 23


@lru_cache
def direction_numbers(n_digits: int, n_dim: int) -> np.ndarray:
    """Digits (n_digits, n_dim), as uint32, that each binary digit of a point's number turns over."""
    # half a second to import
    from scipy.stats import qmc

    points = qmc.Sobol(n_dim, bits=_DIGITS, scramble=False)
    numbers = np.empty((n_digits, n_dim), np.uint32)
    for i in range(n_digits):
        # scipy goes through the points in the order of Gray's code, in which this one has digit i alone
        points.reset()
        points.fast_forward(2 ** (i + 1) - 1)
        # exact: points are multiples of 2^-32 in double precision
        numbers[i] = points.random(1)[0] * 2.0**_DIGITS
    return numbers


def sobol_points(keys, n: int, n_dim: int):
    """Quasi-random points in the open unit cube, of each object's own.

    Parameters
    ----------
    keys : array of keys (Object,)
    n : int
        The first ones do not depend on it. Powers of 2 fill the cube most evenly.
    n_dim : int

    Returns
    -------
    array (Object, n, n_dim)
        Between 2^-24 and 1 - 2^-24.
    """
    return (_cells(keys, n, n_dim).astype(jnp.float32) + 0.5) * 2.0**-_KEPT


def sobol_normals(keys, n: int, n_dim: int):
    """Standard normal numbers (Object, n, n_dim) made of :func:`sobol_points`, within 5.3 of zero."""
    # between -1 and 1; exact in float32
    centred = (2 * _cells(keys, n, n_dim) + 1 - 2**_KEPT).astype(jnp.float32) * 2.0**-_KEPT
    return np.float32(np.sqrt(2.0)) * erfinv(centred)


def _cells(keys, n, n_dim):
    """Number of the cell (Object, n, n_dim), of 2^23, in which each coordinate is."""
    which = jnp.arange(n, dtype=jnp.uint32)
    numbers, shift = jax.vmap(lambda key: _scrambled(key, direction_numbers(n.bit_length(), n_dim)))(keys)
    points = jnp.broadcast_to(shift[:, None], (len(keys), n, n_dim))
    for i in range(numbers.shape[1]):
        # no digit or all of them
        turned = jnp.where(which >> i & 1 == 1, jnp.uint32(2**32 - 1), jnp.uint32(0))
        points ^= turned[:, None] & numbers[:, i, None]
    return points.astype(jnp.int32)


def _scrambled(key, numbers):
    """Direction numbers (n_digits, n_dim) mixed, and a shift (n_dim,), as numbers of _KEPT digits."""
    # of the key itself: its branches are for what is drawn besides
    bits = jax.random.bits(key, (numbers.shape[1], _KEPT + 1))
    place = np.arange(_DIGITS - _KEPT, _DIGITS, dtype=np.uint32)
    # each digit is the sum of itself and of any of the more significant ones
    itself, above = np.uint32(1) << place, ~((np.uint32(2) << place) - np.uint32(1))
    mask = bits[:, 1:] & above | itself
    parity = jax.lax.population_count(numbers[..., None] & mask) & 1
    mixed = jnp.sum(parity << np.arange(_KEPT, dtype=np.uint32), axis=-1, dtype=jnp.uint32)
    return mixed, bits[:, 0] >> (_DIGITS - _KEPT)
