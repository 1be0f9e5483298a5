"""Products of matrices in full single precision, on any device.

By default GPUs multiply in fewer digits than they are given (TF32: 3e-4 of a spectrum, a quarter of its error
at S/N 1000). Whatever a likelihood is made of is multiplied by these.
"""

import jax
import jax.numpy as jnp

_FULL = jax.lax.Precision.HIGHEST


def matmul(a, b):
    """As :func:`jax.numpy.matmul`."""
    return jnp.matmul(a, b, precision=_FULL)


def einsum(subscripts, *operands):
    """As :func:`jax.numpy.einsum`."""
    return jnp.einsum(subscripts, *operands, precision=_FULL)


def tensordot(a, b, axes=2):
    """As :func:`jax.numpy.tensordot`."""
    return jnp.tensordot(a, b, axes=axes, precision=_FULL)


def materialised(values):
    """Values (..., n) as they are, written to memory before anything reads them.

    On CPUs the compiler fuses what makes an array into whatever reads it, and does it again for each element
    that is read; barriers do not hold it back, products of matrices do.
    """
    return matmul(values, jnp.eye(values.shape[-1], dtype=values.dtype))
