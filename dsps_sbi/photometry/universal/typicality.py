"""How usual are data in any filters? A p-value that needs no SSPs, as :mod:`dsps_sbi.photometry.typicality`.

The statistic is the least chi2 of the data over draws of the flow, each with its best mass, beside the errors
that bands share. Its distribution is measured on mocks of random surveys, per number of bands and S/N: what
filters these are hardly matters to it, so that nothing has to be made for a survey that nobody has seen.
"""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ...inference.exported import exported
from ...inference.importance import network_draws
from ...kernels.full_precision import einsum
from ...kernels.likelihood import mean_snr
from ...kernels.mass import whitened
from ..compressed import log_scale
from ..typicality import LEVELS, N_DRAWS, normal_deviate, tabulate
from .data import UniversalData
from .light import behind_screen_of_parts, parts_of

# Edges of the cells in which the statistic's distribution is tabulated
BAND_EDGES, SNR_EDGES = (5, 8, 13, 21), (3.0, 10.0, 30.0, 100.0)
# Relative error of the network's forward model beside the floor, and rounds of the best mass
_SCATTER, _N_MASS = 0.005, 6
# Surveys and galaxies of each, of a call and of the pool of a fit
_N_SURVEY, _PER_SURVEY, _N_POOL = 96, 16, 384


@partial(jax.tree_util.register_dataclass, data_fields=["quantiles"], meta_fields=[])
@dataclass(frozen=True)
class UniversalTypicality:
    """Distribution of the statistic.

    Parameters
    ----------
    quantiles : array (5, 5, Level)
        Of the statistic, by number of bands and S/N, at the tail probabilities
        :data:`~dsps_sbi.photometry.typicality.LEVELS`.
    """

    quantiles: jax.Array

    def p_value(self, post, u, data):
        """p-value (Object,) of data, from draws u (Object, Draw, Param) of the flow.

        Parameters
        ----------
        post : SurveyPosterior
        u : array
        data : PhotometryData
            With as many bands as its network.
        """
        return _p_value(self, post.network, u[:, :N_DRAWS, : len(post.names) - 1], data)

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by name, for a bundle."""
        return {"quantiles": np.asarray(self.quantiles)}

    @classmethod
    def from_arrays(cls, arrays) -> "UniversalTypicality":
        """The inverse of :meth:`as_arrays`."""
        return cls(jnp.asarray(arrays["quantiles"]))


@exported(lambda *_: 0)
@jax.jit
def _p_value(typical, network, u, data):
    seen = network.seen(*data)
    quantiles = typical.quantiles[cell(seen)]
    log_p = jnp.log(jnp.asarray(LEVELS))
    deviate = statistic(network.network, u, seen)
    return jnp.exp(jax.vmap(lambda x, table: jnp.interp(x, table, log_p))(deviate, quantiles))


def statistic(network, u, data: UniversalData):
    """Least chi2 (Object,) over draws of shapes u (Object, Draw, n), as a standard normal deviate; traceable.

    Parameters
    ----------
    network : UniversalNetwork
    u : array
    data : UniversalData
    """
    n_survey = len(data.bands.pivot_aa)

    def by_survey(array):
        return array.reshape(n_survey, -1, *array.shape[1:])

    own = jax.tree.map(by_survey, (u, *data[:4], data.floor))
    z = by_survey(data.z)[:, 0]
    chi2 = jax.lax.map(lambda of_one: _of_survey(network, *of_one), (own, z, data.bands)).ravel()
    return normal_deviate(chi2, data.valid.sum(axis=-1))


def _of_survey(network, own, z, bands):
    """Least chi2 (Galaxy,) of galaxies that share what their bands see."""
    universe, unit = network.cosmology.age(z), 10.0 ** -log_scale(network.cosmology, z)
    error = None if network.error is None else network.error.at(bands.pivot_aa / (1.0 + z))
    return jax.vmap(lambda *one: _of_galaxy(network, universe, unit, bands, error, *one))(*own)


def _of_galaxy(network, universe, unit, bands, error, u, flux, sigma, valid, upper, floor):
    theta = network.prior.from_normal(u, universe)
    parts = jax.vmap(lambda theta: parts_of(network.basis, network.sfh, theta, universe))(theta)
    av = theta[:, len(network.sfh.names) + 1]
    parts = behind_screen_of_parts(parts, bands, av) * (unit / sigma)
    light, data = jnp.sum(parts, axis=1), jnp.where(valid, flux / sigma, 0.0)
    own2 = (floor**2 + _SCATTER**2) * light**2
    shared = 0.0
    if error is not None:
        strengths = network.error.strengths(theta[:, len(network.sfh.names)])
        shared = einsum("dpb,mpb->dmb", parts, error) * strengths[..., None]
    shared2 = 0.0 if error is None else jnp.sum(shared**2, axis=1)
    measured = valid & ~upper

    def improve(mass, _):
        weight = jnp.where(measured, 1.0 / (1.0 + mass[:, None] ** 2 * (own2 + shared2)), 0.0)
        top, bottom = jnp.sum(weight * data * light, axis=1), jnp.sum(weight * light**2, axis=1)
        return jnp.maximum(top, 0.0) / jnp.maximum(bottom, 1e-30), None

    mass = jax.lax.scan(improve, jnp.zeros(len(u)), length=_N_MASS)[0][:, None]
    scale = jax.lax.rsqrt(1.0 + mass**2 * (own2 + jnp.where(upper, shared2, 0.0)))
    residual = (data - mass * light) * scale
    residual = jnp.where(valid, jnp.where(upper, jnp.minimum(residual, 0.0), residual), 0.0)
    if error is not None:
        of_bands = jnp.where(measured, shared * (mass * scale)[:, None], 0.0)
        residual = whitened(of_bands, residual)
    chi2 = jnp.sum(residual**2, axis=1)
    return jnp.min(jnp.nan_to_num(chi2, nan=1e12, posinf=1e12))


def cell(data: UniversalData):
    """Row and column of the table (Object,) that data belong to."""
    every = jnp.ones(data.flux.shape[-1], bool)
    snr = mean_snr(data.flux, data.sigma, data.valid, every, data.upper)
    rows = jnp.searchsorted(jnp.asarray(BAND_EDGES), data.valid.sum(axis=-1), side="right")
    return rows, jnp.searchsorted(jnp.asarray(SNR_EDGES), snr, side="right")


_statistic, _cell = jax.jit(statistic), jax.jit(cell)


def fit_universal_typicality(post, simulator, *, seed=0, n_mocks=40_000):
    """Give a posterior for any filters its typicality: measure the distribution of the statistic.

    Parameters
    ----------
    post : UniversalPosterior
    simulator : UniversalSimulator
        Of the training.
    seed, n_mocks : int

    Returns
    -------
    UniversalPosterior
    """
    pool_key, mock_key = jax.random.split(jax.random.key(seed))
    n_each = _N_SURVEY * _PER_SURVEY
    pool = simulator.table_pool(pool_key, min(_N_POOL, max(n_mocks // _PER_SURVEY, len(simulator.buckets))))
    found = []
    for i in range(-(-n_mocks // n_each)):
        key = jax.random.fold_in(mock_key, i)
        for data in simulator.mocks(key, pool, _N_SURVEY, _PER_SURVEY).data:
            ids = np.arange(len(data.z), dtype=np.uint32)
            u = network_draws(post.network, post.weights, (data,), ids, key, n_draws=N_DRAWS)
            deviate = _statistic(post.network, u[..., :-1], data)
            found.append(np.stack([deviate, *_cell(data)]))
    shape = len(BAND_EDGES) + 1, len(SNR_EDGES) + 1
    columns = np.concatenate(found, axis=1)
    typical = UniversalTypicality(jnp.asarray(tabulate(*columns, shape), jnp.float32))
    record = {"seed": seed, "mocks": columns.shape[1]}
    return replace(post, typicality=typical, meta=dict(post.meta) | {"typicality": record})
