"""What follows from draws in normal coordinates: parameters, densities and derived quantities; compiled."""

from functools import partial

import jax
import jax.numpy as jnp

from ..inference.derived import derive
from ..inference.exported import exported
from .model_error import with_grey


@jax.jit
def theta_of(network, grey, u, z):
    """Parameters (Object, Draw, Param) of normal coordinates u at redshifts z (Object,); compiled."""
    return with_grey(network.prior, grey, u, network.prior.from_normal(u, network.cosmology.age(z)[:, None]))


@jax.jit
def log_density(network, weights, theta, data):
    """Log density (Object,) or (Object, Draw) of parameters, each object seen once; compiled."""
    universe, condition = network.cosmology.age(data.z), network.condition(weights, *data)
    if theta.ndim == 3:
        universe, condition = universe[:, None], jax.tree.map(lambda a: a[:, None], condition)
    return network.log_prob(weights, condition, network.prior.to_normal(theta, universe))


@exported(lambda *_, wanted: 0)
@partial(jax.jit, static_argnames="wanted")
def derived(network, table, grey, u, z, wanted):
    """Quantities (Quantity, Object, Draw) of normal coordinates u at redshifts z (Object,); compiled."""
    universe = network.cosmology.age(z)
    theta = with_grey(network.prior, grey, u, network.prior.from_normal(u, universe[:, None]))
    flat, ages = theta.reshape(-1, theta.shape[-1]), jnp.repeat(universe, theta.shape[1])
    values = derive(network.sfh, table, flat, network.prior.names, ages, wanted)
    return jnp.stack([values[name].reshape(theta.shape[:2]) for name in wanted])
