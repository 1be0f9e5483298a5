"""Products of matrices in full single precision, on any device.

By default GPUs multiply in fewer digits than they are given (TF32: 3e-4 of a spectrum, a quarter of its error
at S/N 1000). Whatever a likelihood is made of is multiplied by these.
"""

from functools import partial

import jax
import jax.numpy as jnp

matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
einsum = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
tensordot = partial(jnp.tensordot, precision=jax.lax.Precision.HIGHEST)
