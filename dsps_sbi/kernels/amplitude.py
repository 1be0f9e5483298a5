"""The amplitude of a spectrum."""

import jax.numpy as jnp


def amplitude(flux):
    """Root mean square (..., 1) of fluxes (..., Pixel), whose own squares may leave float32's range."""
    most = jnp.maximum(jnp.max(jnp.abs(flux), axis=-1, keepdims=True), 1e-30)
    return most * jnp.sqrt(jnp.mean((flux / most) ** 2, axis=-1, keepdims=True))
