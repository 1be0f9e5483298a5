"""Train the first guess that Gauss-Newton steps start from, before the flow."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from tqdm.auto import tqdm

from .muon import muon

_N_Z, _PER_Z = 64, 24


def fit_guess(
    network, simulator, weights, *, seed=0, steps=4000, n_pool=384, learning_rate=1e-2, progress=False
):
    """Train the part ``newton`` of a network, which maps features to a first guess.

    Parameters
    ----------
    network : PixelNetwork
    simulator : Simulator
    weights : pytree
        All other weights stay as they are.
    seed, steps : int
        Batches of 1536 mocks, half of them below any S/N cut.
    n_pool : int
        Redshifts of the mocks.
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
        mocks = simulator.draw(key, pool, _N_Z, _PER_Z)
        return jnp.mean((network.guess(weights, *mocks.data) - mocks.u[:, :-1]) ** 2)

    optimiser = optax.chain(optax.clip_by_global_norm(1.0), muon(learning_rate, steps // 20 + 1, steps))

    @partial(jax.jit, donate_argnums=0)
    def step(carry, key):
        part, state = carry
        gradient = jax.grad(lambda part: loss(replaced(weights, part), key))(part)
        updates, state = optimiser.update(gradient, state, part)
        return optax.apply_updates(part, updates), state

    part = jax.tree.map(jnp.copy, weights["newton"])
    carry = part, optimiser.init(part)
    for i in tqdm(range(steps), desc="first guess", disable=not progress, unit="step"):
        carry = step(carry, jax.random.fold_in(key, i))
    return replaced(weights, carry[0])


def with_variance(network, simulator, weights):
    """Weights with the relative variance (Band,) of noise and compressed model, which steps count with."""
    part = jax.tree.map(lambda leaf: leaf, weights["newton"])
    error2 = (jnp.log(10.0) * network.tables.scatter_dex) ** 2
    part["relative2"].set_value(simulator.noise.floor**2 + error2)
    return replaced(weights, part)


def replaced(weights, newton):
    """Weights with another first guess."""
    # mapping makes the copy that is changed
    weights = jax.tree.map(lambda leaf: leaf, weights)
    weights["newton"] = newton
    return weights
