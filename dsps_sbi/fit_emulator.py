"""Train the emulator of the forward model and the first guess, before the flow."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
from tqdm.auto import tqdm

_N_Z, _PER_Z = 64, 24
# Fluxes below this share of the brightest band are not told apart
_FAINTEST = 1e-4
# Errors beyond this [dex] belong to bands beyond a break: not to rule the rest
_DELTA_DEX = 0.03


def fit_emulator(
    network, simulator, weights, *, seed=0, steps=6000, n_pool=768, learning_rate=1e-2, progress=False
):
    """Train what :class:`~dsps_sbi.encoders.gauss_newton.GaussNewton` consists of.

    Parameters
    ----------
    network : PixelNetwork
    simulator : Simulator
    weights : pytree
        All other weights stay as they are.
    seed, steps : int
        Batches of 1536 mocks, half of them below any S/N cut.
    n_pool : int
        Redshifts that the emulator sees.
    learning_rate : float
        Peak rate of Muon.
    progress : bool

    Returns
    -------
    pytree
        Weights, with the emulator's typical error in each band among them.
    """
    pool_key, fresh_key, key, test_key = jax.random.split(jax.random.key(seed), 4)
    pool, fresh = simulator.table_pool(pool_key, n_pool), simulator.table_pool(fresh_key, 48)

    def batch(key, pool):
        """Mocks and their noiseless log10 fluxes per mass and distance."""
        pick, u_key, observe = jax.random.split(key, 3)
        tables = jax.tree.map(lambda a: a[jax.random.randint(pick, (_N_Z,), 0, len(pool.z))], pool)
        u = jax.random.normal(u_key, (_N_Z, _PER_Z, len(network.prior.names)))
        flux, theta = jax.lax.map(lambda pair: simulator.noiseless(*pair), (u, tables))
        z = jnp.repeat(tables.z, _PER_Z)
        u, flux, theta = (a.reshape(len(z), -1) for a in (u, flux, theta))
        log_flux = jnp.log10(jnp.maximum(flux, _FAINTEST * flux.max(axis=-1, keepdims=True)))
        target = log_flux - theta[:, -1:] + network.log_scale(z)[:, None]
        return simulator.observe(observe, u, theta, z, flux), target

    def miss(weights, mocks, target):
        return network.emulate(weights, mocks.u[:, :-1], mocks.z) - target

    def loss(weights, key):
        mocks, target = batch(key, pool)
        error = jnp.mean(optax.losses.huber_loss(miss(weights, mocks, target), delta=_DELTA_DEX))
        # in hundredths of a dex, so that both count
        guess = jnp.mean((network.guess(weights, *mocks.data) - mocks.u[:, :-1]) ** 2)
        return 100.0 * error + guess

    schedule = optax.warmup_cosine_decay_schedule(
        0.0, learning_rate, steps // 20 + 1, steps, 1e-3 * learning_rate
    )
    muon = optax.contrib.muon(schedule, adam_b2=0.99, adam_learning_rate=lambda step: 0.2 * schedule(step))
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), muon)

    @partial(jax.jit, donate_argnums=0)
    def step(carry, key):
        part, state = carry
        gradient = jax.grad(lambda part: loss(replaced(weights, part), key))(part)
        updates, state = optimiser.update(gradient, state, part)
        return optax.apply_updates(part, updates), state

    part = jax.tree.map(jnp.copy, weights["newton"])
    last = part["emulator"]["layers"][3]
    # from the mean of the targets on
    last["bias"].set_value(jax.jit(batch)(key, pool)[1].mean(axis=0))
    carry = part, optimiser.init(part)
    for i in tqdm(range(steps), desc="emulator", disable=not progress, unit="step"):
        carry = step(carry, jax.random.fold_in(key, i))
    part = carry[0]
    errors = jax.jit(lambda part, key: jnp.abs(miss(replaced(weights, part), *batch(key, fresh))))
    tested = np.concatenate([errors(part, jax.random.fold_in(test_key, i)) for i in range(6)])
    scatter = jnp.quantile(jnp.asarray(tested), 0.683, axis=0)
    part["scatter_dex"].set_value(scatter)
    part["relative2"].set_value(simulator.noise.floor**2 + (jnp.log(10.0) * scatter) ** 2)
    return replaced(weights, part)


def replaced(weights, newton):
    """Weights with another emulator and first guess."""
    # mapping makes the copy that is changed
    weights = jax.tree.map(lambda leaf: leaf, weights)
    weights["newton"] = newton
    return weights
