"""Compress a forward model's band tables of all redshifts, and say how well."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from ..errors import UserError
from ..kernels.low_rank import low_rank
from .band_table import shape_fluxes
from .compressed import DEX, TableGrid, log_scale

# Redshifts and galaxies at each by which errors are measured
_N_Z, _PER_Z = 48, 64
# Fluxes below this share of the brightest band do not count
_FAINTEST = 1e-4


def compress(model, *, rank=32, n_z=257, progress=False) -> TableGrid:
    """Band tables of a model in few numbers.

    Parameters
    ----------
    model : GalaxyModel
    rank : int
        Kinds of light that all SSPs are combinations of.
    n_z : int
        Redshifts, equally spaced in ln(1+z) over the prior.
    progress : bool

    Returns
    -------
    TableGrid
        Its ``scatter_dex`` measured between the redshifts of its grid, on galaxies of the prior.

    Raises
    ------
    UserError
        For a rank below 1 or fewer than two redshifts.
    """
    if rank < 1 or n_z < 2:
        raise UserError(
            f"compression to rank {rank} at {n_z} redshifts: give at least 1 and 2, better 32 and 257"
        )
    low, high = model.prior.z
    z = np.clip(np.expm1(np.linspace(*np.log1p([low, high]), n_z)), low, high)
    tables = [
        model.band_table(one, trim=False) for one in tqdm(z, desc="tables", disable=not progress, unit="z")
    ]
    first = tables[0]
    unit = 10.0 ** (DEX + np.asarray(log_scale(model.cosmology, jnp.asarray(z, jnp.float32)), float))
    parts = []
    for i, layer in enumerate(first.layers):
        shape = (n_z, -1, first.screen.size, layer.flux.shape[1])
        flux = np.stack([np.asarray(table.layers[i].flux) for table in tables]).reshape(shape)
        parts.append(_factors(flux * unit[:, None, None, None].astype(np.float32), first.n_sub, rank))
    basis, curves = zip(*parts, strict=True)
    grid = TableGrid(
        log_z=jnp.linspace(np.log1p(low), np.log1p(high), n_z, dtype=jnp.float32),
        screen=jnp.stack([table.screen for table in tables]),
        edges_gyr=first.edges_gyr,
        metallicity=first.metallicity,
        scatter_dex=jnp.zeros(first.screen.shape[1]),
        log_u=model.log_u_nodes,
        basis=basis,
        curves=curves,
        dust=first.dust,
        n_young=first.n_young,
    )
    # as it will be stored
    grid = TableGrid.from_arrays(grid.as_arrays(), model.dust)
    return replace(grid, scatter_dex=jnp.quantile(_errors(model, grid), 0.683, axis=0))


def _factors(flux, n_sub, rank):
    """Basis and curves of one layer's flux (Z, Met', Sub * Band, Age')."""
    n_z, n_met, n_piece, n_age = flux.shape
    rows = flux.transpose(0, 2, 1, 3).reshape(n_z, n_sub, -1, n_met * n_age)
    totals = np.broadcast_to(rows.sum(axis=1, keepdims=True), rows.shape)
    flat = (n_z * n_piece, n_met * n_age)
    basis, curves = low_rank(rows.reshape(flat), totals.reshape(flat), rank)
    basis = basis.reshape(n_met, n_age, -1).transpose(1, 0, 2).reshape(n_age, -1)
    return jnp.asarray(basis, jnp.float32), jnp.asarray(curves.reshape(n_z, n_piece, -1), jnp.float32)


def _errors(model, grid):
    """Errors (Galaxy, Band) of log10 fluxes, of the size of the brightest band's 1e-4 at least."""
    low, high = model.prior.z
    rng = np.random.default_rng(0)
    n = len(model.names) - 1

    found = []
    for z in rng.uniform(low, high, _N_Z):
        u = jnp.asarray(rng.standard_normal((_PER_Z, n)), jnp.float32)
        found.append(_error(model, grid, u, model.band_table(z, trim=False)))
    return jnp.concatenate(found)


@jax.jit
def _error(model, grid, u, table):
    theta = model.prior.from_normal(u, table.universe_gyr)
    compressed = grid.at(table.z, table.universe_gyr)
    unit = 10.0 ** (DEX + log_scale(model.cosmology, table.z))
    exact, close = (shape_fluxes(t, model.sfh, theta, grid.log_u) for t in (table, compressed))
    logs = [
        jnp.log10(jnp.maximum(flux, _FAINTEST * flux.max(axis=1, keepdims=True)))
        for flux in (exact * unit, close)
    ]
    return jnp.abs(logs[0] - logs[1])
