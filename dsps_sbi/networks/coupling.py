"""Conditional coupling layers as distrax bijectors, with the context hoisted out of the draws."""

import distrax
import jax.numpy as jnp
from flax import nnx

from ..kernels import spline
from ..kernels.activation import silu

# Splines act on [-BOUND, BOUND]; the base and the prior are unit normals.
BOUND = 5.0
# Largest |log scale| of a layer's affine part
MAX_LOG_SCALE = 4.0
# What enters a conditioner is clipped: linear tails of stacked layers would otherwise compound.
CLIP = 6.0


class Conditioner(nnx.Module):
    """Two hidden layers from the untouched dimensions and the context to spline parameters.

    The context enters as a bias of the first layer, so that its projection is computed once per
    object however many draws are made.

    Parameters
    ----------
    n_in, n_context, width, n_out : int
    """

    def __init__(self, n_in: int, n_context: int, width: int, n_out: int, *, rngs: nnx.Rngs):
        self.context = nnx.Linear(n_context, width, rngs=rngs)
        self.first = nnx.Linear(n_in, width, use_bias=False, rngs=rngs)
        self.second = nnx.Linear(width, width, rngs=rngs)
        self.last = nnx.Linear(width, n_out, rngs=rngs, kernel_init=nnx.initializers.zeros)

    def hoist(self, context):
        """The part that depends on the object alone (Object, width)."""
        return self.context(context)

    def __call__(self, x, hoisted):
        """Spline parameters (..., n_out) for inputs (..., n_in)."""
        hidden = silu(self.first(x) + hoisted)
        return self.last(silu(self.second(hidden)))


class Coupling(distrax.Bijector):
    """Moves some dimensions by an affine map and a spline, given the others and the context.

    Parameters
    ----------
    moved, kept : tuple of int
        Dimensions that the layer changes and those that it reads; others pass untouched.
    conditioner : Conditioner
    hoisted : array (Object, width)
        From :meth:`Conditioner.hoist`.
    n_bins : int
    guide : MassGuide or None
        Its ``features(kept)`` are what the conditioner reads and its ``place(shift, log_scale)``
        turns the raw affine part into the final one. None: kept dimensions and affine as they are.
    """

    def __init__(self, moved, kept, conditioner, hoisted, n_bins, guide=None):
        super().__init__(event_ndims_in=1)
        self._moved = jnp.array(moved)
        self._kept = jnp.array(kept)
        self._n = len(moved)
        self._conditioner = conditioner
        self._hoisted = hoisted
        self._n_bins = n_bins
        self._guide = guide

    def _params(self, x):
        kept = x[..., self._kept]
        hoisted = self._hoisted
        if self._guide is None:
            raw = self._conditioner(jnp.clip(kept, -CLIP, CLIP), hoisted)
        else:
            raw = self._conditioner(self._guide.features(kept), hoisted)
        raw = raw.reshape(*raw.shape[:-1], self._n, 3 * self._n_bins + 1)
        shift, log_scale, params = raw[..., 0], raw[..., 1], raw[..., 2:]
        log_scale = MAX_LOG_SCALE * jnp.tanh(log_scale / MAX_LOG_SCALE)
        if self._guide is not None:
            shift, log_scale = self._guide.place(shift, log_scale)
        return shift, log_scale, params

    def forward_and_log_det(self, x):
        """Base to data: spline, then affine."""
        shift, log_scale, params = self._params(x)
        y, log_det = spline.forward(x[..., self._moved], params, BOUND)
        y = y * jnp.exp(log_scale) + shift
        return x.at[..., self._moved].set(y), jnp.sum(log_det + log_scale, axis=-1)

    def inverse_and_log_det(self, y):
        """Data to base."""
        shift, log_scale, params = self._params(y)
        x = (y[..., self._moved] - shift) * jnp.exp(-log_scale)
        x, log_det = spline.inverse(x, params, BOUND)
        return y.at[..., self._moved].set(x), jnp.sum(log_det - log_scale, axis=-1)
