"""Train the first guess that Gauss-Newton steps start from, before the flow."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from tqdm.auto import tqdm

from .optimizer import muon


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
    network : PhotometryNetwork or SpectrumNetwork
    simulator : PhotometrySimulator or SpectrumSimulator
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

    carry = _beginning(weights["newton"], learning_rate, steps)
    for i in tqdm(range(steps), desc="first guess", disable=not progress, unit="step"):
        step_key = jax.random.fold_in(key, i)
        carry = _step(carry, weights, network, simulator, pool, step_key, learning_rate, steps, n_z, n_per_z)
    return with_parts(weights, newton=carry[0])


def _optimiser(learning_rate, steps):
    return optax.chain(optax.clip_by_global_norm(1.0), muon(learning_rate, steps // 20 + 1, steps))


@jax.jit
def _beginning(part, learning_rate, steps):
    # copied: the steps donate what they are given
    return jax.tree.map(jnp.copy, part), _optimiser(learning_rate, steps).init(part)


@partial(jax.jit, donate_argnums=0, static_argnames=("n_z", "n_per_z"))
def _step(carry, weights, network, simulator, pool, key, learning_rate, steps, n_z, n_per_z):
    mocks = simulator.draw(key, pool, n_z, n_per_z)

    def loss(part):
        guess = network.guess(with_parts(weights, newton=part), *mocks.data)
        return jnp.mean((guess - mocks.u[:, :-1]) ** 2)

    part, state = carry
    updates, state = _optimiser(learning_rate, steps).update(jax.grad(loss)(part), state, part)
    return optax.apply_updates(part, updates), state


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
