"""Give a posterior its typicality: what is usual for data like those of training."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from .errors import UserError
from .typicality import BAND_EDGES, LEVELS, N_DRAWS, SNR_EDGES, Typicality, cell, statistic


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


def fit_typicality(post, simulator, *, seed=0, n_mocks=12_000):
    """Give a posterior its typicality: measure the distribution of the statistic.

    Parameters
    ----------
    post : AmortizedPosterior
    simulator : Simulator
        Of the training.
    seed, n_mocks : int
        Mocks above an observed S/N of 5 that the distribution is measured on.

    Returns
    -------
    AmortizedPosterior

    Raises
    ------
    UserError
        If its network has no forward model of its own.
    """
    if post.network.tables is None:
        raise UserError("the bundle has no forward model to tell typicality by: train it again")
    pool_key, mock_key = jax.random.split(jax.random.key(seed))
    # redshifts between those of the compressed model's grid: its errors belong to the distribution
    pool = simulator.table_pool(pool_key, 32)
    draw = jax.jit(lambda key: simulator.draw_detected(key, pool, 64, 32, 400, 5.0, 0.0))
    named, found = jnp.asarray(post.snr_bands), []
    for i in range(-(-n_mocks // 400)):
        mocks = draw(jax.random.fold_in(mock_key, i))
        ids = jnp.arange(400, dtype=jnp.uint32) + 400 * i
        u = post.draw_normal(mocks.data, ids, mock_key, N_DRAWS)
        deviate = statistic(post.network, post.weights, u[..., :-1], mocks.data)
        keep = np.asarray(simulator.snr(mocks)) > 5.0
        found.append(np.stack([deviate, *cell(mocks.data, named)])[:, keep])
    typical = Typicality(jnp.asarray(tabulate(*np.concatenate(found, axis=1)), jnp.float32))
    record = {"seed": seed, "mocks": sum(part.shape[1] for part in found)}
    record["tables_scatter_dex"] = [round(float(x), 6) for x in post.network.tables.scatter_dex]
    return replace(post, typicality=typical, meta=dict(post.meta) | {"typicality": record})
