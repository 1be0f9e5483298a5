"""The light of all SSPs and their gas as few functions of wavelength, for bands of any filters.

As functions of wavelength the spectra of all ages and metallicities are nearly of low rank, and so is what
gas adds at each ionisation parameter. What a band sees of each function at a redshift is a small integral,
made when a filter is first seen, and one forward model serves every survey. Stars and gas have functions of
their own: lines depend on log U, and stars do not.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial.chebyshev import chebvander

from ..components import pytree
from ..constants import C_AA_S, L_SUN_ERG_S, MPC_CM, UJY_CGS
from ..cosmology import Cosmology
from ..dust import DustLaw, is_plain
from ..errors import UserError
from ..instruments.coverage import USABLE
from ..kernels import chebyshev
from ..kernels.full_precision import matmul
from ..kernels.igm import igm_transmission
from ..kernels.low_rank import leading_factors
from ..ssp.nebular import AGE_TOLERANCE, LYMAN_LIMIT_AA
from .compressed import DEX

# Rest wavelengths [Angstrom] that it spans. Dust emits beyond 3 micron, which nothing here models: bands that
# see longer wavelengths are missing, by the rule of :mod:`dsps_sbi.instruments.coverage`
RANGE_AA = (300.0, 30_000.0)
# Pixels per unit of ln wavelength, and edges that pixels must not straddle: Lyman limit and Lyman alpha
_PIXELS, _BREAKS = 1000.0, (911.75, 1215.67)
# Width of a band, as a share of its wavelength, in which errors of lines and of pixels weigh the same
_BAND = 0.1
# Columns fainter than this share of the brightest are not told apart in relative terms
_FAINTEST = 1e-6
# Share of a band beyond each end of the range of its dust screen, and the rest equivalent width of a line
# that counts as strong [Angstrom]: as in :mod:`dsps_sbi.kernels.screen`
_OUTSIDE, _STRONG_AA = 1e-3, 100.0
# uJy Mpc^2 of 10^DEX solar masses for L_lambda [Lsun/A] in units of the pivot wavelength squared [A^2]
_UNIT = 10.0**DEX * L_SUN_ERG_S / C_AA_S / UJY_CGS / (4.0 * np.pi) / MPC_CM**2

_ARRAYS = ("edges_gyr", "metallicity", "rest_aa", "pixel_edges_aa")


@pytree(
    arrays=(*_ARRAYS, "log_u", "basis", "cosmology"),
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
    basis : tuple of array (Age', Column * K')
        What stars, and gas, have of K' functions: of stars Column is Met, of gas LogU * Met. Age' are the
        first ages, as many as have such light.
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
        return tuple(b.shape[1] // n for b, n in zip(self.basis, self.n_column, strict=True))

    def split(self, ages, n_part=None):
        """What ages hold of each function, column by column; traceable.

        Parameters
        ----------
        ages : array (Age,) or (n, Age)
            Masses in the age bins.
        n_part : any
            Given: of each range of ages of :attr:`parts` by itself, ages being (Age,).

        Returns
        -------
        tuple of array (n or Part, Column, K')
            For stars, and gas.
        """
        out = []
        for basis, n_column in zip(self.basis, self.n_column, strict=True):
            n = len(basis)
            if n_part is None:
                mixed = matmul(jnp.atleast_2d(ages)[:, :n], basis)
            else:
                ends = [min(end, n) for end in (0, *self.parts, n)]
                mixed = jnp.stack([matmul(ages[a:b], basis[a:b]) for a, b in pairwise(ends)])
            out.append(mixed.reshape(*mixed.shape[:-1], n_column, -1))
        return tuple(out)

    def truncated(self, rank: int, gas_rank: int) -> "WaveBasis":
        """The first functions of stars and of gas only: less exact, and faster."""
        kept = [min(new, old) for new, old in zip((rank, gas_rank), self.ranks, strict=False)]
        basis = [
            b.reshape(len(b), n, -1)[..., :k].reshape(len(b), -1)
            for b, n, k in zip(self.basis, self.n_column, kept, strict=True)
        ]
        return replace(self, basis=tuple(basis), curves=self.first(self.curves, kept, axis=0))

    def first(self, array, kept, axis=-1):
        """Of an array with an axis of :attr:`curves`' functions those that :meth:`truncated` keeps."""
        begin = np.cumsum((0, *self.ranks))
        index = np.concatenate([np.arange(b, b + k) for b, k in zip(begin, kept, strict=False)])
        return array.take(index, axis=axis)

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
        eye = _Eye(self)
        seen = [eye.at(filters.running, filters.pivot_aa, one) for one in np.atleast_1d(np.asarray(z, float))]
        return tuple(np.stack(columns) for columns in zip(*seen, strict=True))

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by name, for a bundle: curves in half precision, relative to their largest."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.log_u is not None:
            arrays["log_u"] = self.log_u
        arrays |= {f"basis.{i}": basis for i, basis in enumerate(self.basis)}
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
            curves=arrays["curves"].astype(np.float32) * arrays["scale"],
            **rest,
        )


class _Eye:
    """What integrals over filters need of a basis, prepared once."""

    def __init__(self, basis: WaveBasis):
        self.edges = np.asarray(basis.pixel_edges_aa, float)
        self.rest = np.asarray(basis.rest_aa)
        self.n_wave = len(self.edges) - 1
        self.lines = np.asarray(self.rest[self.n_wave :], float)
        self.curves = np.ascontiguousarray(basis.curves.T)
        self.coordinate = np.asarray(basis.dust(jnp.asarray(self.rest)), float)
        n = self.n_sub = basis.n_sub
        self.nodes = chebyshev.nodes(n)
        self.from_values = np.linalg.inv(chebvander(self.nodes, n - 1))
        # Lyman alpha itself sits on an edge: a line sees the mean of its two sides
        self.sides = np.concatenate(
            [self.rest[: self.n_wave], *(self.lines * (1.0 + s) for s in (-1e-4, 1e-4))]
        )
        self.blue = np.flatnonzero(self.sides < 1216.5)

    def igm(self, z):
        through = np.ones(len(self.sides))
        blue = igm_transmission(jnp.asarray(self.sides[self.blue], jnp.float32), jnp.float32(z))
        through[self.blue] = np.asarray(blue)
        n, n_line = self.n_wave, len(self.lines)
        return np.append(through[:n], 0.5 * (through[n : n + n_line] + through[n + n_line :]))

    def at(self, running, pivots, z):
        igm, n_band, n_wave = self.igm(z), len(pivots), self.n_wave
        edges, lines = self.edges * (1.0 + z), self.lines * (1.0 + z)
        pieces = np.zeros((self.n_sub, n_band, self.curves.shape[1]), np.float32)
        screen = np.ones((self.n_sub, n_band), np.float32)
        share = np.zeros(n_band, np.float32)
        for band, (wave, density, cum) in enumerate(running):
            share[band] = np.diff(np.interp(edges[[0, -1]], wave, cum))[0]
            if share[band] < 1.0 - USABLE:
                continue
            first = max(int(np.searchsorted(edges, wave[0])) - 1, 0)
            last = min(int(np.searchsorted(edges, wave[-1])) + 1, n_wave)
            pixels = np.diff(np.interp(edges[first : last + 1], wave, cum)) * igm[first:last]
            among = np.flatnonzero((lines > wave[0]) & (lines < wave[-1])) + n_wave
            of_lines = np.interp(lines[among - n_wave], wave, density) * (1.0 + z) * igm[among]
            # the part inside stands for the whole
            unit = _UNIT * (pivots[band] / (1.0 + z)) ** 2 / share[band]
            index = np.append(np.arange(first, last), among)
            weights = np.append(pixels, of_lines) * unit
            screen[:, band], polynomials = self._screen(self.coordinate[index], weights, last - first)
            # pixels lie side by side in memory: no copy of them
            values = (polynomials * weights).astype(np.float32)
            pieces[:, band] = values[:, : last - first] @ self.curves[first:last]
            pieces[:, band] += values[:, last - first :] @ self.curves[among]
        return pieces.reshape(self.n_sub * n_band, -1), screen, share

    def _screen(self, coordinate, weights, n_pixel):
        """Nodes (Sub,) of the screen of a band, and the polynomials (Sub, n) that are 1 at one of them."""
        pixels = weights[:n_pixel]
        total = max(pixels.sum(), 1e-37)
        before = np.cumsum(pixels) / total
        inside = (before > _OUTSIDE) & (before - pixels / total < 1.0 - _OUTSIDE)
        inside = np.append(inside, weights[n_pixel:] * _STRONG_AA > _OUTSIDE * total)
        seen = coordinate[inside] if inside.any() else coordinate[:1]
        middle, half = 0.5 * (seen.min() + seen.max()), max(0.5 * np.ptp(seen), 0.01)
        x = np.clip((coordinate - middle) / half, -1.0, 1.0)
        return middle + half * self.nodes, (chebvander(x, self.n_sub - 1) @ self.from_values).T


def wave_basis(model, *, rank: int = 80, gas_rank: int = 40) -> WaveBasis:
    """The light of a model's SSPs in few functions of wavelength; its filters do not count.

    Parameters
    ----------
    model : GalaxyModel
    rank, gas_rank : int
        Functions for stars, and for gas.

    Raises
    ------
    UserError
        For a rank below 1, or a dust law with free parameters or two screens.
    """
    if min(rank, gas_rank) < 1:
        raise UserError(
            f"light of SSPs in {rank} and {gas_rank} functions: give at least 1 of each, better 80, 40"
        )
    if not is_plain(model.dust):
        raise UserError(
            f"dust law {type(model.dust).__name__} has parameters or two screens: bands of any filters need "
            "one screen of a fixed law; use one such as calzetti"
        )
    edges = _edges()
    stars, gas, log_u = _stars_and_gas(model, edges)
    middle = np.sqrt(edges[1:] * edges[:-1])
    rest = np.concatenate([middle, np.asarray(model.rest_aa[model.n_wave :], float)])
    basis, curves = [], []
    total = stars if gas is None else np.array(stars)
    if gas is not None:
        # of gas of the middle log U: sizes only
        n = gas.shape[2]
        total[:, :n] += gas[len(gas) // 2]
    row = _row_scale(total, rest, len(middle))
    layers = [(stars, total, rank)]
    if gas is not None:
        layers.append((gas, total[:, : gas.shape[2]][None], gas_rank))
    for light, size, k in layers:
        n_age = light.shape[-2]
        columns = np.median(size[..., : len(middle)], axis=-1)
        columns = np.maximum(columns, _FAINTEST * columns.max() + 1e-100)
        columns = np.broadcast_to(columns, light.shape[:-1])
        matrix = (light / columns[..., None] / row).reshape(-1, len(rest)).astype(np.float32)
        left, right = leading_factors(matrix, k)
        # ages first, columns and functions after them
        left = (left * columns.reshape(-1, 1)).reshape(-1, n_age, left.shape[1]).transpose(1, 0, 2)
        basis.append(jnp.asarray(left.reshape(n_age, -1), jnp.float32))
        curves.append(right * row)
    return WaveBasis(
        edges_gyr=model.edges[: model.n_age + 1],
        metallicity=model.nodes,
        rest_aa=jnp.asarray(rest, jnp.float32),
        pixel_edges_aa=jnp.asarray(edges, jnp.float32),
        log_u=log_u,
        basis=tuple(basis),
        curves=np.concatenate(curves).astype(np.float32),
        cosmology=model.cosmology,
        dust=model.dust,
        n_sub=model.n_screen,
        parts=model.parts or (),
    )


def _row_scale(total, rest, n_wave):
    """Size (Wave + Line,) of errors that count the same in bands, from all light (Met, Age, Wave + Line)."""
    pixels = total[..., :n_wave]
    size = np.median(pixels, axis=-1, keepdims=True)
    size = np.maximum(size, _FAINTEST * size.max() + 1e-100)
    of_pixels = np.sqrt(np.mean((pixels / size) ** 2, axis=(0, 1)))
    of_pixels = np.maximum(of_pixels, 1e-4 * of_pixels.max())
    # an error of a line is one of few pixels in a band, that of pixels one of all: neighbours err alike
    lines = rest[n_wave:]
    n_pixel = _BAND * _PIXELS
    of_lines = np.interp(lines, rest[:n_wave], of_pixels) * _BAND * lines / np.sqrt(n_pixel)
    return np.append(of_pixels, of_lines)


def _stars_and_gas(model, edges):
    """Stars (Met, Age, Wave + Line), gas (LogU, Met, Age', Wave + Line), nodes of log U; or None."""
    n_wave, old_edges = model.n_wave, np.asarray(model.pixel_edges_aa, float)

    def binned(light):
        light = np.asarray(light, float)
        return np.concatenate([rebinned(old_edges, light[..., :n_wave], edges), light[..., n_wave:]], axis=-1)

    stars = np.array(model.ssp.flux[:, : model.n_age], float)
    if model.log_u is None:
        return binned(stars), None, None
    n = int(np.sum(model.ssp.age_gyr <= model.ssp.nebular.age_gyr[-1] * (1.0 + AGE_TOLERANCE)))
    # gas takes all ionising light of the stars that have any
    stars[:, :n, model.ssp.wave_aa < LYMAN_LIMIT_AA] = 0.0
    stars = binned(np.pad(stars, [(0, 0), (0, 0), (0, len(model.rest_aa) - n_wave)]))
    first = binned(model.light[:, :n]) - stars[:, :n]
    if model.gas is None:
        return stars, np.maximum(first, 0.0)[None], None
    # nodes beyond the prior are never used
    nodes = np.asarray(model.log_u_nodes)
    high = getattr(model.prior.marginals["log_u"], "high", np.inf)
    used = min(int(np.searchsorted(nodes, high - 1e-6)) + 1, len(nodes))
    more = np.asarray(model.gas).reshape(len(nodes), len(model.nodes), n, -1)
    gas = np.stack([np.maximum(first + binned(more[i]), 0.0) for i in range(used)])
    return stars, gas, jnp.asarray(nodes[:used], jnp.float32)


def _edges():
    ends = (RANGE_AA[0], *_BREAKS, RANGE_AA[1])
    pieces = []
    for low, high in pairwise(ends):
        n = int(np.ceil(_PIXELS * np.log(high / low)))
        pieces.append(np.geomspace(low, high, n + 1)[:-1])
    return np.append(np.concatenate(pieces), ends[-1])


def rebinned(edges_aa, density, new_edges_aa):
    """Densities (..., New) in wider pixels of ones (..., Wave) per Angstrom; their integral is kept."""
    cum = np.cumsum(density * np.diff(edges_aa), axis=-1)
    cum = np.concatenate([np.zeros((*cum.shape[:-1], 1)), cum], axis=-1)
    # the running integral is linear within a pixel
    index = np.clip(np.searchsorted(edges_aa, new_edges_aa, side="right") - 1, 0, len(edges_aa) - 2)
    part = np.clip((new_edges_aa - edges_aa[index]) / np.diff(edges_aa)[index], 0.0, 1.0)
    at_edges = cum[..., index] * (1.0 - part) + cum[..., index + 1] * part
    return np.diff(at_edges, axis=-1) / np.diff(new_edges_aa)
