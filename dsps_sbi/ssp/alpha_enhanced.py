r"""Spectra of SSPs of other [alpha/Fe] from what [alpha/Fe] makes of their line-strength indices.

A table of indices says by how much each index of an SSP changes, :math:`\Delta I`. Of all relative changes of
the spectrum that change the indices so, the one of the least squares is taken:

.. math:: \ln f_\alpha - \ln f_0 = R^T (R R^T)^{-1} \Delta I, \qquad R = \partial I / \partial \ln f

with R at the resolution of the table, so that the change is as smooth as that. Steps of Newton make the
indices right to round-off where R is not constant. The spectra of a mixture then have the mean of the widths
of its parts, weighted by their pseudo-continua, because light adds. Between the bands of the indices nothing
changes: spectra that are made so know of [alpha/Fe] what the indices do, not more.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse import coo_array

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.line_indices import LINE_INDICES, bands_on, covered, indices_named
from dsps_sbi.instruments.rebinning import gaussian_shares
from dsps_sbi.kernels.line_index import index_slopes, line_indices
from dsps_sbi.kernels.lsf import FWHM_PER_SIGMA
from dsps_sbi.kernels.photometry import pixel_edges
from dsps_sbi.kernels.vacuum import AIR_FROM_AA, vacuum_to_air
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.index_table import IndexTable

#: Indices that tell [alpha/Fe]: of the same definition in the tables of MILES, one of each nearly equal pair.
ALPHA_INDICES = (
    "HdA", "HdF", "CN2", "Ca4227", "HgA", "HgF", "Fe4383", "Ca4455", "Fe4531", "C2_4668", "Hbeta", "Fe5015",
    "Mg1", "Mg2", "Mgb", "Fe5270", "Fe5335", "Fe5406", "Fe5709", "Fe5782", "NaD", "TiO1", "TiO2",
)  # fmt: skip
_N_NEWTON = 6
# What an index may miss [Angstrom, mag] where the change would be larger than this share of a pixel's light
_MISS = {"Angstrom": 2e-3, "mag": 1e-4}
_LARGE = 0.1
# Worst of what may be left in the end, in units of the above
_MOST = 10.0


def alpha_names(grid: SSPGrid, table: IndexTable, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Indices that a grid covers and a table has; by default those of :data:`ALPHA_INDICES`.

    Raises
    ------
    UserError
        If there is none, or one that was named is missing.
    """
    edges = _edges(grid)
    wanted = ALPHA_INDICES if names is None else tuple(index.name for index in indices_named(names))
    if names is not None:
        bands_on(indices_named(wanted), edges)
        table.columns(wanted)
    found = tuple(n for n in wanted if n in table.names and covered(LINE_INDICES[n], edges))
    if not found:
        raise UserError(
            f"SSP grid {grid.name} ({grid.wave_aa[0]:.0f}-{grid.wave_aa[-1]:.0f} Angstrom) covers none of "
            f"the indices of {table.name} that tell [alpha/Fe]: use a grid of the optical"
        )
    return found


def with_alpha(grid: SSPGrid, table: IndexTable, names: Sequence[str] | None = None) -> dict[float, SSPGrid]:
    """Grids by [alpha/Fe]: the one that is given at 0, and those that its index table makes of it.

    [M/H] is the total one and stays. Differences of the table are interpolated to the grid's [M/H] and ages,
    see :meth:`~dsps_sbi.ssp.index_table.IndexTable.at`: of another initial mass function or tracks than the
    table's, the grid still gets the table's differences.

    Parameters
    ----------
    grid : SSPGrid
        With ``fwhm_aa``, below that of the table.
    table : IndexTable
    names : sequence of str, optional
        Indices to change; default: see :func:`alpha_names`.

    Returns
    -------
    dict of float to SSPGrid
        For :class:`dsps_sbi.SpectrumModel`.

    Raises
    ------
    UserError
        If the grid is broader than the table, covers no index, or no spectrum has the indices.
    """
    names = alpha_names(grid, table, names)
    of = _Indices(grid, table, names)
    flux = {float(a): np.empty(grid.flux.shape, np.float32) for a in table.alpha_fe if a != 0.0}
    for i, met in enumerate(grid.metallicity):
        start = grid.flux[i].astype(float)
        values, inverse = of.linearised(start)
        for alpha in flux:
            wanted = values + table.difference(alpha, met, grid.age_gyr, names)
            flux[alpha][i] = of.reach(start, wanted, inverse, f"[alpha/Fe] {alpha:+.2f}, [M/H] {met:+.2f}")
    grids = {
        alpha: replace(
            grid,
            name=f"{grid.name}_alpha{alpha:+.2f}",
            flux=values,
            library=f"{grid.library}, indices of [alpha/Fe] {alpha:+.2f} ({table.name})",
        )
        for alpha, values in flux.items()
    }
    return dict(sorted((grids | {0.0: grid}).items()))


def index_changes(
    grid: SSPGrid, table: IndexTable, names: Sequence[str] | None = None, metallicity=0.0, age_gyr=10.0
) -> np.ndarray:
    """Relative change of the spectrum (Index, Wave) that changes one index by one unit and no other.

    Of the SSP of the grid that is next to an [M/H] and an age: where models err in an index, spectra of old
    galaxies do so in these directions.
    """
    names = alpha_names(grid, table, names)
    i = int(np.argmin(np.abs(grid.metallicity - metallicity)))
    j = int(np.argmin(np.abs(np.log(grid.age_gyr / age_gyr))))
    _, inverse = _Indices(grid, table, names).linearised(grid.flux[i, j : j + 1].astype(float))
    return inverse[0].T


def _edges(grid):
    """Edges (Wave + 1,) of the pixels around a grid's samples, in air."""
    edges = pixel_edges(grid.wave_aa)
    if grid.wave_medium == "air":
        return edges
    return np.where(edges >= AIR_FROM_AA, vacuum_to_air(np.maximum(edges, AIR_FROM_AA)), edges)


@partial(jax.jit, inline=True)
def _slopes(flux, bands):
    return jax.vmap(lambda row: index_slopes(row, bands))(flux)


class _Indices:
    """Indices of a grid's spectra at the resolution of a table."""

    def __init__(self, grid, table, names):
        if grid.fwhm_aa is None or not grid.fwhm_aa < table.fwhm_aa:
            raise UserError(
                f"SSP grid {grid.name} has fwhm_aa {grid.fwhm_aa}, the indices of {table.name} are at "
                f"{table.fwhm_aa:g} Angstrom: give a grid that is sharper"
            )
        indices = indices_named(names)
        edges = _edges(grid)
        low, high = np.min([i.range_aa for i in indices]), np.max([i.range_aa for i in indices])
        reach = 6.0 * table.fwhm_aa / FWHM_PER_SIGMA
        # elsewhere nothing changes
        self.part = slice(
            max(int(np.searchsorted(edges, low - reach)) - 1, 0), int(np.searchsorted(edges, high + reach))
        )
        edges = edges[self.part.start : self.part.stop + 1]
        n, width = len(edges) - 1, np.diff(edges)
        variance = (table.fwhm_aa**2 - grid.fwhm_aa**2) / FWHM_PER_SIGMA**2
        # samples are held constant, averaged, and held again
        shares, first = gaussian_shares(
            edges, edges, np.sqrt(np.maximum(variance - 3.0 * width**2 / 12.0, 0.0))
        )
        shares = shares / shares.sum(axis=1, keepdims=True)
        columns = np.minimum(first[:, None] + np.arange(shares.shape[1]), n - 1)
        rows = np.repeat(np.arange(n), shares.shape[1])
        self.kernel = coo_array((shares.ravel(), (rows, columns.ravel())), shape=(n, n)).tocsr()
        self.bands = bands_on(indices, edges)
        self.miss = np.array([_MISS[index.unit] for index in indices])

    def _smooth(self, flux):
        part = flux[:, self.part]
        # single precision knows numbers of order one best
        scale = part.mean(axis=1, keepdims=True)
        return part / scale, jnp.asarray((self.kernel @ (part / scale).T).T, jnp.float32)

    def linearised(self, flux):
        """Indices (Age, Index) of spectra (Age, Wave), and the changes of ln flux (Age, Wave, Index)."""
        part, smooth = self._smooth(flux)
        values, slopes = (np.asarray(a, float) for a in _slopes(smooth, self.bands))
        n_age, n_index, n = slopes.shape
        root = (self.kernel.T @ slopes.reshape(-1, n).T).T.reshape(n_age, n_index, n) * part[:, None]
        square = root @ root.transpose(0, 2, 1)
        # an index need not be right at any price
        square = square + np.diag((self.miss / _LARGE) ** 2)
        change = np.zeros((n_age, flux.shape[1], n_index))
        change[:, self.part] = np.linalg.solve(square, root).transpose(0, 2, 1)
        return values, change

    def reach(self, flux, wanted, change, label):
        """Spectra (Age, Wave) that have the indices (Age, Index)."""
        new = flux
        for _ in range(_N_NEWTON):
            apart = wanted - np.asarray(line_indices(self._smooth(new)[1], self.bands), float)
            new = new * np.exp(np.einsum("awi,ai->aw", change, apart))
        apart = np.abs(wanted - np.asarray(line_indices(self._smooth(new)[1], self.bands))) / self.miss
        if not apart.max() < _MOST:
            raise UserError(
                f"no spectrum of {label} has the indices of the table: the worst misses by "
                f"{apart.max():.0f} tolerances; leave out indices that are nearly the same"
            )
        return new
