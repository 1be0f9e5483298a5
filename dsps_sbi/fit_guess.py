"""Train the first guess that Gauss-Newton steps start from, before the flow."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from tqdm.auto import tqdm

from .muon import muon


def fit_guess(
    network,
    simulator,
    weights,
    *,
    seed=0,
    steps=4000,
    n_z=64,
    n_per_z=24,
    n_pool=384,
    learning_rate=1e-2,
    progress=False,
):
    """Train the part ``newton`` of a network, which maps features to a first guess.

    Parameters
    ----------
    network : PixelNetwork or SpectrumNetwork
    simulator : Simulator or SpectrumSimulator
    weights : pytree
        All other weights stay as they are.
    seed, steps : int
    n_z, n_per_z : int
        Redshifts of a step, and mocks at each of them, whatever their S/N.
    n_pool : int
        Redshifts that those of a step are picked from.
    learning_rate : float
        Peak rate of Muon.
    progress : bool

    Returns
    -------
    pytree
        Weights.
    """
    pool_key, key = jax.random.split(jax.random.key(seed))
    pool = simulator.table_pool(pool_key, n_pool)

    def loss(weights, key):
        mocks = simulator.draw(key, pool, n_z, n_per_z)
        return jnp.mean((network.guess(weights, *mocks.data) - mocks.u[:, :-1]) ** 2)

    optimiser = optax.chain(optax.clip_by_global_norm(1.0), muon(learning_rate, steps // 20 + 1, steps))

    @partial(jax.jit, donate_argnums=0)
    def step(carry, weights, key):
        part, state = carry
        gradient = jax.grad(lambda part: loss(with_parts(weights, newton=part), key))(part)
        updates, state = optimiser.update(gradient, state, part)
        return optax.apply_updates(part, updates), state

    part = jax.tree.map(jnp.copy, weights["newton"])
    carry = part, optimiser.init(part)
    for i in tqdm(range(steps), desc="first guess", disable=not progress, unit="step"):
        carry = step(carry, weights, jax.random.fold_in(key, i))
    return with_parts(weights, newton=carry[0])


def with_variance(network, simulator, weights):
    """Weights with the relative variance (Band,) of noise and compressed model, which steps count with."""
    part = jax.tree.map(lambda leaf: leaf, weights["newton"])
    error2 = (jnp.log(10.0) * network.tables.scatter_dex) ** 2
    part["relative2"].set_value(simulator.noise.floor**2 + error2)
    return with_parts(weights, newton=part)


def with_parts(weights, **parts):
    """Weights with some of their parts replaced, such as ``newton`` by another first guess."""
    # mapping makes the copy that is changed
    weights = jax.tree.map(lambda leaf: leaf, weights)
    for name, part in parts.items():
        weights[name] = part
    return weights
