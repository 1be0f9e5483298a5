"""What the forward model tells about an object before the network looks at it.

Where data are good, a posterior is much narrower than the prior, and a network that has to find its place
to a tenth of that by regression alone is the weakest part of an amortised posterior. Here a first guess is
improved by Gauss-Newton steps on the compressed forward model; peak, covariance and residuals are then
features like others. They may be wrong (another peak, a curved posterior): the flow learns by how much.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..kernels.laplace import laplace

_N_STEPS = 4


class Perceptron(nnx.Module):
    """Three hidden layers with SiLU."""

    def __init__(self, n_in: int, width: int, n_out: int, *, rngs: nnx.Rngs):
        sizes = (n_in, width, width, width, n_out)
        he = nnx.initializers.he_normal()
        self.layers = nnx.List(
            [nnx.Linear(n, m, rngs=rngs, kernel_init=he) for n, m in zip(sizes[:-1], sizes[1:], strict=True)]
        )

    def __call__(self, x):
        """Map (..., n_in) to (..., n_out)."""
        for layer in self.layers[:-1]:
            x = jax.nn.silu(layer(x))
        return self.layers[-1](x)


def n_of_peak(n_shape: int) -> int:
    """Number of features that :func:`of_peak` makes."""
    return 5 * n_shape + n_shape * (n_shape - 1) // 2


def of_peak(start, peak, step, covariance):
    """Features, a list of arrays (Object, ...), of where steps began and ended, and of the covariance there.

    Parameters
    ----------
    start, peak, step : array (Object, n)
    covariance : array (Object, n, n)
    """
    sigma = jnp.sqrt(jnp.diagonal(covariance, axis1=1, axis2=2))
    row, column = np.tril_indices(start.shape[1], -1)
    return [
        start,
        peak,
        jnp.arcsinh(step / sigma) / 2.0,
        jnp.clip(step, -2.0, 2.0),
        jnp.log(jnp.maximum(sigma, 1e-4)) / 2.0,
        covariance[:, row, column] / (sigma[:, row] * sigma[:, column]),
    ]


class GaussNewton(nnx.Module):
    """First guess, and the features that follow from it.

    Parameters
    ----------
    n_band, n_shape : int
    n_inputs : int
        Features of the photometry, from which the first guess is made.
    width : int
        Hidden units.
    """

    def __init__(self, n_band, n_shape, n_inputs, width, *, rngs: nnx.Rngs):
        self.guess = Perceptron(n_inputs, width, n_shape, rngs=rngs)
        self.relative2 = nnx.Param(jnp.full(n_band, 0.05**2, jnp.float32))

    @staticmethod
    def n_out(n_band: int, n_shape: int) -> int:
        """Number of features that a call makes."""
        return n_band + n_of_peak(n_shape) + 1

    def __call__(self, inputs, data, log_scale, table, log_light):
        """Features (Object, n_out) of data, without gradients.

        Parameters
        ----------
        inputs : array (Object, n_inputs)
        data : tuple
            flux, sky [uJy], valid, upper (Object, Band) and z (Object,).
        log_scale : array (Object,)
            log10 of distance^2 / (1+z).
        table : callable
            Redshift () to what ``log_light`` needs to know of it.
        log_light : callable
            u (n_shape,) and a table to log10 fluxes (Band,) at unit distance^2 / (1+z).
        """
        flux, sky, valid, upper, z = data
        unit = jnp.where(valid, sky, 1.0)
        # a limit says that there is little flux: as good as a measurement of none
        seen = jnp.where(valid & ~upper, flux, 0.0) / unit
        start = jax.lax.stop_gradient(jnp.clip(self.guess(inputs), -3.0, 3.0))

        def one(start, seen, unit, valid, z, log_scale):
            table_at_z, in_units = table(z), -log_scale - jnp.log10(unit)
            return laplace(
                lambda u: log_light(u, table_at_z) + in_units,
                start,
                seen,
                valid,
                self.relative2[...],
                _N_STEPS,
            )

        each = jax.vmap(one)(start, seen, unit, valid, z, log_scale)
        peak, step, covariance, residual = each
        out = [
            jnp.arcsinh(residual) / 2.0,
            *of_peak(start, peak, step, covariance),
            jnp.log1p(jnp.sum(residual**2, axis=1, keepdims=True)) / 4.0,
        ]
        out = jnp.nan_to_num(jnp.concatenate(out, axis=-1), nan=0.0)
        return jax.lax.stop_gradient(jnp.clip(out, -6.0, 6.0))
