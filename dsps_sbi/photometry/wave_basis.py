"""The light of all SSPs and their gas as few functions of wavelength, for bands of any filters.

As functions of wavelength the spectra of all ages and metallicities are nearly of low rank, and so is what
gas adds at each ionisation parameter. What a band sees of each function at a redshift is a small integral,
made when a filter is first seen, and one forward model serves every survey. Stars and gas have functions of
their own: lines depend on log U, and stars do not.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from ..components import pytree
from ..cosmology import Cosmology
from ..dust import DustLaw
from ..kernels.full_precision import matmul
from ..kernels.low_rank import leading_factors
from .filter_integrals import MOST_REDSHIFTS, FilterIntegrals

# Shortest bin of merged ages, and the oldest stars that there are [Gyr]
_SHORTEST_GYR, _OLDEST_GYR = 1e-3, 14.0

_ARRAYS = ("edges_gyr", "metallicity", "rest_aa", "pixel_edges_aa")


@pytree(
    arrays=(*_ARRAYS, "log_u", "basis", "mixtures", "cosmology"),
    static=("dust", "n_sub", "parts"),
    aside=("curves",),
)
@dataclass(frozen=True, eq=False)
class WaveBasis:
    """Light of SSPs and gas in few functions of rest wavelength; a pytree.

    Parameters
    ----------
    edges_gyr : array (Age + 1,)
    metallicity : array (Met,)
        As in :class:`~dsps_sbi.photometry.band_table.BandTable`.
    rest_aa : array (Wave + Line,)
        Rest wavelengths of pixels, then of emission lines [Angstrom].
    pixel_edges_aa : array (Wave + 1,)
        At rest [Angstrom].
    log_u : array (LogU,) or None
        Nodes of the free ionisation parameter.
    basis : tuple of array (J * Column, K')
        What stars, and gas, have of K' functions: of stars Column is Met, of gas LogU * Met.
    mixtures : tuple of array (Age', J)
        What each age has of J mixtures of ages, for stars and gas; empty where each age stands for itself.
        Age' are the first ages, as many as have such light.
    curves : ndarray (K, Wave + Line)
        All functions of wavelength, those of stars first: L_lambda [Lsun/A], then luminosities of lines
        [Lsun].
    cosmology : Cosmology
    dust : DustLaw
        A law without free parameters and with one screen.
    n_sub : int
        Wavelengths of each filter at which the dust screen is evaluated.
    parts : tuple of int
        Age bins at which the ranges of ages of the model's error begin; empty without such.
    """

    edges_gyr: jax.Array
    metallicity: jax.Array
    rest_aa: jax.Array
    pixel_edges_aa: jax.Array
    log_u: jax.Array | None
    basis: tuple[jax.Array, ...]
    mixtures: tuple[jax.Array, ...]
    curves: np.ndarray
    cosmology: Cosmology
    dust: DustLaw
    n_sub: int
    parts: tuple[int, ...] = ()

    @property
    def n_column(self) -> tuple[int, ...]:
        """Columns of stars, and of gas."""
        n_met = len(self.metallicity)
        gas = n_met if self.log_u is None else n_met * len(self.log_u)
        return (n_met, gas)[: len(self.basis)]

    @property
    def ranks(self) -> tuple[int, ...]:
        """Functions of stars, and of gas."""
        return tuple(basis.shape[1] for basis in self.basis)

    @property
    def n_age(self) -> tuple[int, ...]:
        """Ages with light of stars, and of gas."""
        pairs = zip(self.basis, self.mixtures, self.n_column, strict=True)
        return tuple(len(mixed) if mixed.size else len(basis) // n for basis, mixed, n in pairs)

    def light(self, layer: int, rows, columns):
        """How much of each function of stars (0) or gas (1) some ages have; traceable.

        Parameters
        ----------
        layer : int
        rows : array (n, Age')
            Masses in age bins.
        columns : array (n, Column)
            Weights of each row, or (Column,) of all.

        Returns
        -------
        array (n, K')
        """
        mixed = self.mixtures[layer]
        rows = matmul(rows, mixed) if mixed.size else rows
        both = rows[:, :, None] * jnp.atleast_2d(columns)[:, None]
        return matmul(both.reshape(len(rows), -1), self.basis[layer])

    def by_range(self, layer: int, ages, columns):
        """As :meth:`light`, of stars of each range of ages by itself.

        Parameters
        ----------
        ages : array (Age,)
        columns : array (Column,)

        Returns
        -------
        array (Part, K')
        """
        n, n_column = self.n_age[layer], self.n_column[layer]
        mixed, basis, out = self.mixtures[layer], self.basis[layer], []
        for first, last in pairwise([min(end, n) for end in (0, *self.parts, n)]):
            if first == last:
                out.append(jnp.zeros((1, basis.shape[1])))
            elif mixed.size:
                out.append(self.light(layer, jnp.pad(ages[first:last], (first, n - last))[None], columns))
            else:
                both = (ages[first:last, None] * columns).reshape(1, -1)
                out.append(matmul(both, basis[first * n_column : last * n_column]))
        return jnp.concatenate(out)

    def simplified(self, rank: int, gas_rank: int, step_dex=0.0, n_mixture=None) -> "WaveBasis":
        """The same light less exactly, and faster.

        Parameters
        ----------
        rank, gas_rank : int
            The first functions of stars, and of gas.
        step_dex : float
            Neighbouring ages are put together to bins at least so wide, as of constant star formation; ranges
            of ages and those with gas end where they did.
        n_mixture : int or None
            Mixtures of ages that stand for those of gas.
        """
        kept = [min(new, old) for new, old in zip((rank, gas_rank), self.ranks, strict=False)]
        edges, starts = np.asarray(self.edges_gyr, float), [0]
        fixed = {*self.parts, *self.n_age}
        for i in range(1, len(edges) - 1):
            if i in fixed or edges[i] >= max(edges[starts[-1]] * 10.0**step_dex, _SHORTEST_GYR):
                starts.append(i)
        if step_dex <= 0.0:
            starts = list(range(len(edges) - 1))
        width = np.diff(np.minimum(edges, _OLDEST_GYR))
        width = np.maximum(width, 1e-6 * width.max())
        basis, mixtures = [], []
        for layer, (k, n) in enumerate(zip(kept, self.n_age, strict=True)):
            old = np.asarray(self.basis[layer])[:, :k].reshape(n, -1)
            inside = [i for i in starts if i < n]
            new = np.add.reduceat(old * width[:n, None], inside)
            new /= np.add.reduceat(width[:n], inside)[:, None]
            mixed = np.zeros((0, 0))
            if layer == 1 and n_mixture is not None and n_mixture < len(new):
                mixed, new = _few_mixtures(new, n_mixture)
            basis.append(jnp.asarray(new.reshape(-1, k), jnp.float32))
            mixtures.append(jnp.asarray(mixed, jnp.float32))
        return replace(
            self,
            edges_gyr=jnp.asarray(edges[[*starts, len(edges) - 1]], jnp.float32),
            basis=tuple(basis),
            mixtures=tuple(mixtures),
            curves=self.first(self.curves, kept, axis=0),
            parts=tuple(starts.index(part) for part in self.parts),
        )

    def first(self, array, kept, axis=-1):
        """Of an array with an axis of :attr:`curves`' functions those that :meth:`simplified` keeps."""
        begin = np.cumsum((0, *self.ranks))
        index = np.concatenate([np.arange(b, b + k) for b, k in zip(begin, kept, strict=False)])
        return array.take(index, axis=axis)

    @cached_property
    def integrals(self) -> FilterIntegrals:
        """What integrals over filters need, prepared once."""
        return FilterIntegrals(self)

    def pieces(self, filters, z) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What filters see at each of some redshifts, on the host.

        Parameters
        ----------
        filters : FilterSet
            Or anything with its ``running`` and ``pivot_aa``.
        z : float or array (Z,)

        Returns
        -------
        pieces : ndarray (Z, Sub * Band, K)
            Of each function through each piece of a band, per 10^8 Msun at distance^2 / (1+z) of 1 Mpc^2.
        screen : ndarray (Z, Sub, Band)
            A(lambda) / A_V at the nodes of each band.
        share : ndarray (Z, Band)
            Of each filter within the wavelengths; the pieces of a band that is missing are zero.
        """
        z = np.atleast_1d(np.asarray(z, float))
        parts = [z[first : first + MOST_REDSHIFTS] for first in range(0, len(z), MOST_REDSHIFTS)]
        seen = [self.integrals.at(filters.running, filters.pivot_aa, part) for part in parts]
        return tuple(np.concatenate(columns) for columns in zip(*seen, strict=True))

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by name, for a bundle: curves in half precision, relative to their largest."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.log_u is not None:
            arrays["log_u"] = self.log_u
        for i, (basis, mixed) in enumerate(zip(self.basis, self.mixtures, strict=True)):
            arrays |= {f"basis.{i}": basis, f"mixtures.{i}": mixed}
        scale = np.maximum(np.abs(self.curves).max(axis=0), 1e-30)
        arrays |= {"scale": scale, "curves": (self.curves / scale).astype(np.float16)}
        return {name: np.asarray(array) for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays, **rest) -> "WaveBasis":
        """The inverse of :meth:`as_arrays`, with what is no array.

        Raises
        ------
        KeyError
            If an array is missing.
        """
        device = {name: jnp.asarray(arrays[name], jnp.float32) for name in _ARRAYS}
        layers = range(sum(name.startswith("basis.") for name in arrays))
        log_u = arrays.get("log_u")
        return cls(
            **device,
            log_u=None if log_u is None else jnp.asarray(log_u, jnp.float32),
            basis=tuple(jnp.asarray(arrays[f"basis.{i}"], jnp.float32) for i in layers),
            mixtures=tuple(jnp.asarray(arrays[f"mixtures.{i}"], jnp.float32) for i in layers),
            curves=arrays["curves"].astype(np.float32) * arrays["scale"],
            **rest,
        )


def _few_mixtures(light, n):
    """Mixtures (Age, n) of ages, and light (n, ...) of each, that stand for light (Age, ...)."""
    size = np.maximum(np.abs(light).max(axis=1, keepdims=True), 1e-30)
    left, right = leading_factors(light / size, n)
    return left * size, right
