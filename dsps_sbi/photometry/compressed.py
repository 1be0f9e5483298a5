"""Band tables of all redshifts in few numbers: a forward model that fits into a bundle.

The light of every SSP through every band is nearly of low rank: as functions of age and metallicity a few
dozen combinations span all bands at all redshifts. Their coefficients are smooth in ln(1+z), but for lines
that pass the edges of bands, and are interpolated linearly.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ..dust import DustLaw
from ..kernels.full_precision import matmul
from .band_table import BandTable, of_law

# Compressed fluxes are those of a galaxy of this many dex of solar masses: of order one
DEX = 8.0
# Fluxes are at least this share of the brightest band's: beyond a Lyman break there are faint ones, which the
# deepest data still see
FAINTEST = 1e-7


@partial(jax.tree_util.register_dataclass, data_fields=["basis", "pieces"], meta_fields=["of_log_u"])
@dataclass(frozen=True)
class LowRankLayer:
    """One kind of light through the bands, as :class:`~dsps_sbi.photometry.band_table.Layer`.

    Parameters
    ----------
    basis : array (Age', Met' * K)
        What each SSP has of K kinds of light.
    pieces : array (Sub * Band, K)
        What each piece of a band sees of them.
    of_log_u : bool
    """

    basis: jax.Array
    pieces: jax.Array
    of_log_u: bool = False

    def light(self, ages, columns, shape, first):
        """See :class:`~dsps_sbi.photometry.band_table.Layer`."""
        basis = self.basis[first : first + len(ages)]
        if len(basis) == 0:
            return 0.0
        # barriers: else the compiler would do all of it again for every number that comes of it
        ages, columns = jax.lax.optimization_barrier((ages, columns))
        per_met = matmul(ages[: len(basis)].T, basis).reshape(*shape[2:], len(columns), -1)
        mixed = jax.lax.optimization_barrier(jnp.sum(columns.T[..., None] * per_met, axis=-2))
        return jnp.sum(self.pieces * mixed[..., None, :], axis=-1).T.reshape(shape)


_ARRAYS = ("log_z", "screen", "edges_gyr", "metallicity", "scatter_dex")


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[*_ARRAYS, "log_u", "basis", "curves"],
    meta_fields=["dust", "n_young"],
)
@dataclass(frozen=True)
class TableGrid:
    """Compressed band tables on a grid of redshifts, per 10^8 Msun at distance^2 / (1+z) of 1 Mpc^2.

    Parameters
    ----------
    log_z : array (Z,)
        ln(1+z), equally spaced.
    screen : array (Z, Sub, Band)
    edges_gyr : array (Age + 1,)
    metallicity : array (Met,)
        As in :class:`~dsps_sbi.photometry.band_table.BandTable`.
    scatter_dex : array (Band,)
        Typical error of log10 fluxes.
    log_u : array (LogU,) or None
        Nodes of the free ionisation parameter.
    basis : tuple of array (Age', Met' * K)
        For each layer; the second one is what each log U adds.
    curves : tuple of array (Z, Sub * Band, K)
        What each piece of a band sees of them.
    dust : DustLaw or None
    n_young : int
        As in :class:`~dsps_sbi.photometry.band_table.BandTable`.
    """

    log_z: jax.Array
    screen: jax.Array
    edges_gyr: jax.Array
    metallicity: jax.Array
    scatter_dex: jax.Array
    log_u: jax.Array | None
    basis: tuple[jax.Array, ...]
    curves: tuple[jax.Array, ...]
    dust: DustLaw | None = None
    n_young: int = 0

    def at(self, z, universe_gyr) -> BandTable:
        """Table at redshift z (); traceable.

        Under ``vmap`` most of it has no axis ``Object``: call it inside of what is mapped.

        Parameters
        ----------
        z, universe_gyr : array ()
            Redshift, at the edge of the grid where it lies beyond, and age of the Universe there [Gyr].
        """
        n = len(self.log_z)
        step = (self.log_z[-1] - self.log_z[0]) / (n - 1)
        position = jnp.clip((jnp.log1p(z) - self.log_z[0]) / step, 0.0, n - 1.0)
        index = jnp.minimum(position.astype(int), n - 2)
        index, part = jax.lax.optimization_barrier((index, position - index))

        def between(nodes):
            return (1.0 - part) * nodes[index] + part * nodes[index + 1]

        pairs = enumerate(zip(self.basis, self.curves, strict=True))
        layers = [LowRankLayer(basis, between(curve), i > 0) for i, (basis, curve) in pairs]
        return BandTable(
            z=z,
            universe_gyr=universe_gyr,
            layers=tuple(layers),
            screen=between(self.screen),
            edges_gyr=self.edges_gyr,
            metallicity=self.metallicity,
            n_sub=self.screen.shape[1],
            dust=self.dust,
            n_young=self.n_young,
        )

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by name, for a bundle: curves in half precision, relative to each piece's largest."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.log_u is not None:
            arrays["log_u"] = self.log_u
        for i, (basis, curve) in enumerate(zip(self.basis, self.curves, strict=True)):
            scale = jnp.maximum(jnp.abs(curve).max(axis=-1, keepdims=True), 1e-30)
            arrays |= {f"basis.{i}": basis, f"scale.{i}": scale}
            arrays[f"curves.{i}"] = (curve / scale).astype(jnp.float16)
        return {name: np.asarray(array) for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays, dust: DustLaw) -> "TableGrid":
        """The inverse of :meth:`as_arrays`, for tables of a dust law.

        Raises
        ------
        KeyError
            If an array is missing.
        """
        arrays = {name: jnp.asarray(array, jnp.float32) for name, array in arrays.items()}
        layers = range(sum(name.startswith("basis.") for name in arrays))
        return cls(
            **{name: arrays[name] for name in _ARRAYS},
            log_u=arrays.get("log_u"),
            basis=tuple(arrays[f"basis.{i}"] for i in layers),
            curves=tuple(arrays[f"curves.{i}"] * arrays[f"scale.{i}"] for i in layers),
            **of_law(dust, arrays["edges_gyr"]),
        )


def log_scale(cosmology, z):
    """log10 of distance^2 [Mpc^2] / (1+z), by which compressed fluxes differ from observed ones."""
    return 2.0 * jnp.log10(cosmology.distance_mpc(z)) - jnp.log10(1.0 + z)
