"""Give a posterior its typicality: an emulator, and what is usual."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .typicality import (
    BAND_EDGES,
    FAINTEST,
    LEVELS,
    N_DRAWS,
    SNR_EDGES,
    Typicality,
    cell,
    emulate,
    scale,
    statistic,
)

_N_Z, _PER_Z = 32, 32


def train_emulator(network, simulator, pool, key, steps, width):
    """Fit the emulator on fresh noiseless mocks.

    Parameters
    ----------
    network : PixelNetwork
    simulator : Simulator
    pool : BandTable
        Of many redshifts, see :meth:`~dsps_sbi.simulate.Simulator.table_pool`.
    key : key
    steps, width : int

    Returns
    -------
    layers : tuple of (weights, bias)
    scatter_dex : array (Band,)
        Exceeded by a third of the errors on mocks that were not trained on.
    """
    n_shape = len(network.prior.names) - 1

    def batch(key):
        pick, u_key = jax.random.split(key)
        tables = jax.tree.map(lambda a: a[jax.random.randint(pick, (_N_Z,), 0, len(pool.z))], pool)
        u = jax.random.normal(u_key, (_N_Z, _PER_Z, n_shape + 1))
        flux, theta = jax.lax.map(lambda pair: simulator.noiseless(*pair), (u, tables))
        z = jnp.broadcast_to(tables.z[:, None], u.shape[:2])
        log_flux = jnp.log10(jnp.maximum(flux, FAINTEST * flux.max(axis=-1, keepdims=True)))
        return u[..., :-1], z, log_flux - theta[..., -1:] + scale(network, z)[..., None]

    def miss(layers, key):
        u, z, target = batch(key)
        return emulate(layers, network, u, z) - target

    def loss(layers, key):
        # errors of more than 0.1 dex belong to bands beyond a break: not to rule the rest
        return jnp.mean(optax.losses.huber_loss(miss(layers, key), delta=0.1))

    schedule = optax.cosine_decay_schedule(3e-3, steps)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))

    @partial(jax.jit, donate_argnums=0)
    def run(carry, keys):
        def step(carry, key):
            layers, state = carry
            value, gradient = jax.value_and_grad(loss)(layers, key)
            updates, state = optimiser.update(gradient, state)
            return (optax.apply_updates(layers, updates), state), value

        return jax.lax.scan(step, carry, keys)

    first_key, steps_key, test_key = jax.random.split(key, 3)
    u, z, target = jax.jit(batch)(first_key)
    n_in = jax.eval_shape(lambda: network.shape_features(network.cosmology.age(z), u)).shape[-1] + 3
    layers = _initial(first_key, (n_in, width, width, width, target.shape[-1]), target.mean(axis=(0, 1)))
    carry, _ = run((layers, optimiser.init(layers)), jax.random.split(steps_key, steps))
    errors = jax.jit(lambda layers, keys: jax.lax.map(lambda k: miss(layers, k), keys))
    tested = errors(carry[0], jax.random.split(test_key, 8))
    # tails are left to the measured distribution of the statistic
    scatter = jnp.quantile(jnp.abs(tested.reshape(-1, tested.shape[-1])), 0.683, axis=0)
    return carry[0], scatter


def _initial(key, sizes, mean):
    keys = jax.random.split(key, len(sizes) - 1)
    layers = [
        (jax.random.normal(k, (n, m)) * (2.0 / n) ** 0.5, jnp.zeros(m))
        for k, n, m in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]
    last = layers.pop()
    return (*layers, (0.1 * last[0], mean))


def tabulate(deviate, rows, columns):
    """Quantiles (4, 4, Level) of the statistic of mocks, all of them where a cell has fewer than 200."""
    table = np.empty((len(BAND_EDGES) + 1, len(SNR_EDGES) + 1, len(LEVELS)))
    tail = 1.0 - np.array(LEVELS)
    for i in range(table.shape[0]):
        for j in range(table.shape[1]):
            cell = deviate[(rows == i) & (columns == j)]
            for wider in ((rows == i) & (columns >= 0), rows >= 0):
                if len(cell) < 200:
                    cell = deviate[wider]
            # ties would make the inverse jump
            table[i, j] = np.quantile(cell, tail) + 1e-6 * np.arange(len(tail))
    return table


def fit_typicality(post, simulator, *, seed=0, steps=2000, width=128, n_mocks=12_000):
    """Give a posterior its typicality: train the emulator, then measure the statistic's distribution.

    Parameters
    ----------
    post : AmortizedPosterior
    simulator : Simulator
        Of the training.
    seed, steps, width : int
        Of the emulator's training: batches of 1024 noiseless mocks, three hidden layers.
    n_mocks : int
        Mocks above an observed S/N of 5 that the distribution is measured on.

    Returns
    -------
    AmortizedPosterior
    """
    pool_key, fresh_key, train_key, mock_key = jax.random.split(jax.random.key(seed), 4)
    pool = simulator.table_pool(pool_key, 96)
    layers, scatter = train_emulator(post.network, simulator, pool, train_key, steps, width)
    typical = Typicality(layers, scatter, jnp.zeros((len(BAND_EDGES) + 1, len(SNR_EDGES) + 1, len(LEVELS))))
    # redshifts between those that the emulator saw: its errors there belong to the distribution
    fresh = simulator.table_pool(fresh_key, 32)
    draw = jax.jit(lambda key: simulator.draw_detected(key, fresh, 64, 32, 400, 5.0, 0.0))
    named, found = jnp.asarray(post.snr_bands), []
    for i in range(-(-n_mocks // 400)):
        mocks = draw(jax.random.fold_in(mock_key, i))
        data = (mocks.flux, mocks.sky, mocks.valid, mocks.upper, mocks.z)
        ids = jnp.arange(400, dtype=jnp.uint32) + 400 * i
        u = post.draw_normal(data, ids, mock_key, N_DRAWS)
        deviate = statistic(typical, post.network, post.noise.floor, u[..., :-1], data)
        keep = np.asarray(simulator.snr(mocks)) > 5.0
        found.append(np.stack([deviate, *cell(data, named)])[:, keep])
    quantiles = tabulate(*np.concatenate(found, axis=1))
    typical = replace(typical, quantiles=jnp.asarray(quantiles, jnp.float32))
    record = {"seed": seed, "steps": steps, "mocks": sum(part.shape[1] for part in found)}
    record["emulator_scatter_dex"] = [round(float(x), 5) for x in scatter]
    return replace(post, typicality=typical, meta=dict(post.meta) | {"typicality": record})
