"""Large batches of galaxies sorted by metallicity: each needs two of the SSPs' metallicities only.

The matrix product of all SSPs with the masses of all galaxies is most of the work of the fast path. In blocks
of galaxies between the same two metallicities it is done with these two alone.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp

from .band_table import BandTable, shape_fluxes

BLOCK = 256
# Blocks that are filled in part, one for each pair of metallicities, must be few among all
FEWEST = 16 * BLOCK


def pair(table: BandTable, index) -> BandTable:
    """The table with metallicities ``index`` and ``index + 1`` only; traceable."""
    n_met = len(table.metallicity)

    def cut(layer):
        flux = layer.flux.reshape(-1, n_met, table.screen.size, layer.flux.shape[-1])
        flux = jax.lax.dynamic_slice_in_dim(flux, index, 2, axis=1)
        return replace(layer, flux=flux.reshape(-1, flux.shape[-1]))

    nodes = jax.lax.dynamic_slice_in_dim(table.metallicity, index, 2)
    return replace(table, layers=tuple(cut(layer) for layer in table.layers), metallicity=nodes)


def slots(interval, n_interval, block):
    """Places of galaxies in blocks of one interval each.

    Parameters
    ----------
    interval : array of int (Object,)
    n_interval, block : int

    Returns
    -------
    slot : array of int (Object,)
        Place of each galaxy.
    of_block : array of int (Block,)
        Interval of each block; some are empty.
    """
    n_blocks = len(interval) // block + n_interval
    counts = jnp.bincount(interval, length=n_interval)
    ends = jnp.cumsum(-(-counts // block))
    order = jnp.argsort(interval)
    rank = jnp.zeros_like(interval).at[order].set(jnp.arange(len(interval)))
    within = rank - (jnp.cumsum(counts) - counts)[interval]
    first = (ends - -(-counts // block))[interval]
    of_block = jnp.searchsorted(ends, jnp.arange(n_blocks), side="right")
    return block * first + within, jnp.minimum(of_block, n_interval - 1)


def fluxes_in_blocks(table: BandTable, sfh, theta, metallicity, log_u=None):
    """As :func:`~dsps_sbi.band_table.shape_fluxes`, for batches of at least FEWEST galaxies.

    Parameters
    ----------
    table : BandTable
        Uncompressed.
    sfh : StarFormationHistory
    theta : array (Object, Param - 1)
    metallicity : array (Object,)
        The one among theta.
    log_u : array (LogU,) or None
    """
    n = len(table.metallicity) - 1
    interval = jnp.clip(jnp.searchsorted(table.metallicity, metallicity, side="right") - 1, 0, n - 1)
    slot, of_block = slots(interval, n, BLOCK)
    # places that stay empty hold some galaxy twice
    source = jnp.zeros(len(of_block) * BLOCK, int).at[slot].set(jnp.arange(len(theta)))
    blocks = theta[source].reshape(len(of_block), BLOCK, -1)
    flux = jax.lax.map(lambda b: shape_fluxes(pair(table, b[0]), sfh, b[1], log_u), (of_block, blocks))
    return flux.reshape(-1, flux.shape[-1])[slot]
