"""How usual are the data under training? A p-value that needs no SSPs.

The network has a compressed forward model. The statistic is the least chi2 of the data over draws of
the flow, each with its best mass; how it is distributed for data like those of training, per number of bands
and per S/N, is measured on mocks. The errors of that model and of the flow are in that distribution, so that
the p-value is honest about both.
"""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import UserError
from ..inference.exported import exported
from ..inference.importance import network_draws
from ..kernels.laplace import best_mass
from ..kernels.likelihood import mean_snr
from .compressed import log_scale

N_DRAWS = 64
# Edges of the cells in which the statistic's distribution is tabulated
BAND_EDGES, SNR_EDGES = (6, 10, 15), (10.0, 30.0, 100.0)
# Tail probabilities at which it is tabulated, from the largest
LEVELS = (1.0, 0.99, *np.arange(0.95, 0.05, -0.05).tolist(), 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


@partial(jax.tree_util.register_dataclass, data_fields=["quantiles"], meta_fields=[])
@dataclass(frozen=True)
class Typicality:
    """Distribution of the statistic.

    Parameters
    ----------
    quantiles : array (4, 4, Level)
        Of the statistic, by number of bands and S/N, at the tail probabilities LEVELS.
    """

    quantiles: jax.Array

    def p_value(self, post, u, data):
        """p-value (Object,) of data, from draws u (Object, Draw, Param) of the flow."""
        n = len(post.names) - 1
        return _p_value(self, post.network, post.weights, post.snr_bands, u[:, :N_DRAWS, :n], data)

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by name, for a bundle."""
        return {"quantiles": np.asarray(self.quantiles)}

    @classmethod
    def from_arrays(cls, arrays) -> "Typicality":
        """The inverse of :meth:`as_arrays`."""
        return cls(jnp.asarray(arrays["quantiles"]))


def _statistic(network, weights, u, data):
    """Least chi2 (Object,) over draws of shapes u (Object, Draw, n), as a standard normal deviate."""
    flux, sigma, valid, upper, z = data
    # of a galaxy of 10^8 solar masses: its fluxes and their squares are within float32
    unit = 10.0 ** (network.emulate(u, z) - log_scale(network.cosmology, z)[:, None, None])
    d, g = (flux / sigma)[:, None], unit / sigma[:, None]
    error2 = weights["newton"]["relative2"][...]
    measured = (valid & ~upper)[:, None]

    mass = best_mass(d, g, measured, error2, n_rounds=8)
    model = mass[..., None] * g
    residual = (d - model) * (1.0 + error2 * model**2) ** -0.5
    residual = jnp.where(upper[:, None], jnp.minimum(residual, 0.0), residual)
    chi2 = jnp.min(jnp.sum(jnp.where(valid[:, None], residual**2, 0.0), axis=-1), axis=1)
    return normal_deviate(chi2, valid.sum(axis=-1))


def normal_deviate(chi2, n):
    """Chi2 (Object,) of n (Object,) bands as a standard normal deviate, were they n degrees of freedom."""
    n = jnp.maximum(n, 1)
    # Wilson & Hilferty (1931): the cube root of chi2 is close to normal
    return ((jnp.nan_to_num(chi2, nan=1e12, posinf=1e12) / n) ** (1 / 3) - 1.0 + 2.0 / (9.0 * n)) / jnp.sqrt(
        2.0 / (9.0 * n)
    )


def cell(data, named):
    """Row and column of the table (Object,) that data belong to."""
    flux, sigma, valid, upper, _ = data
    snr = mean_snr(flux, sigma, valid, named, upper)
    rows = jnp.searchsorted(jnp.asarray(BAND_EDGES), valid.sum(axis=-1), side="right")
    return rows, jnp.searchsorted(jnp.asarray(SNR_EDGES), snr, side="right")


statistic = jax.jit(_statistic)


@exported(lambda *_: 0)
@jax.jit
def _p_value(typical, network, weights, named, u, data):
    deviate = _statistic(network, weights, u, data)
    quantiles = typical.quantiles[cell(data, named)]
    log_p = jnp.log(jnp.asarray(LEVELS))
    return jnp.exp(jax.vmap(lambda x, table: jnp.interp(x, table, log_p))(deviate, quantiles))


def tabulate(deviate, rows, columns, shape):
    """Quantiles (*shape, Level) of the statistic of mocks, all of them where a cell has fewer than 200."""
    table = np.empty((*shape, len(LEVELS)))
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
    post : PhotometryPosterior
    simulator : PhotometrySimulator
        Of the training.
    seed, n_mocks : int
        Mocks above an observed S/N of 5 that the distribution is measured on.

    Returns
    -------
    PhotometryPosterior

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
    found = []
    for i in range(-(-n_mocks // 400)):
        mocks = simulator.detected(jax.random.fold_in(mock_key, i), pool, 64, 32, 400, 5.0, 0.0)
        ids = jnp.arange(400, dtype=jnp.uint32) + 400 * i
        u = network_draws(post.network, post.weights, mocks.data, ids, mock_key, n_draws=N_DRAWS)
        deviate = statistic(post.network, post.weights, u[..., :-1], mocks.data)
        keep = np.asarray(simulator.snr(mocks)) > 5.0
        found.append(np.stack([deviate, *cell(mocks.data, post.snr_bands)])[:, keep])
    shape = len(BAND_EDGES) + 1, len(SNR_EDGES) + 1
    typical = Typicality(jnp.asarray(tabulate(*np.concatenate(found, axis=1), shape), jnp.float32))
    record = {"seed": seed, "mocks": sum(part.shape[1] for part in found)}
    record["tables_scatter_dex"] = [round(float(x), 6) for x in post.network.tables.scatter_dex]
    return replace(post, typicality=typical, meta=dict(post.meta) | {"typicality": record})
