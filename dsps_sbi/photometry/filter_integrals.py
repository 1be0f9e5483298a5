"""Functions of wavelength through filters at redshifts, integrated on the host.

The same integrals as those of :mod:`dsps_sbi.photometry.band_weights`, of the pixels within each filter
alone, at many redshifts at once: filters of random surveys are many, and so are redshifts of catalogues.
"""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial.chebyshev import chebvander

from ..constants import C_AA_S, L_SUN_ERG_S, MPC_CM, UJY_CGS
from ..instruments.coverage import USABLE
from ..kernels import chebyshev
from ..kernels.igm import igm_transmission
from .compressed import DEX

# Share of a band beyond each end of the range of its dust screen, and the rest equivalent width of a line
# that counts as strong [Angstrom]: as in :mod:`dsps_sbi.kernels.screen`
_OUTSIDE, _STRONG_AA = 1e-3, 100.0
# uJy Mpc^2 of 10^DEX solar masses for L_lambda [Lsun/A] in units of the pivot wavelength squared [A^2]
_UNIT = 10.0**DEX * L_SUN_ERG_S / C_AA_S / UJY_CGS / (4.0 * np.pi) / MPC_CM**2
# Redshifts at a time: what is in between stays in the processor's cache
MOST_REDSHIFTS = 64

_igm = jax.jit(jax.vmap(igm_transmission, in_axes=(None, 0)))


class FilterIntegrals:
    """What integrals over filters need of a basis, prepared once.

    Parameters
    ----------
    basis : WaveBasis
    """

    def __init__(self, basis):
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
        """Transmission (Z, Wave + Line) of the IGM at redshifts z (Z,)."""
        # of few sizes: few compilations
        filled = np.resize(np.asarray(z, np.float32), 1 if len(z) == 1 else MOST_REDSHIFTS)
        through = np.ones((len(z), len(self.sides)), np.float32)
        blue = _igm(jnp.asarray(self.sides[self.blue], jnp.float32), jnp.asarray(filled))
        through[:, self.blue] = np.asarray(blue)[: len(z)]
        n, n_line = self.n_wave, len(self.lines)
        lines = 0.5 * (through[:, n : n + n_line] + through[:, n + n_line :])
        return np.concatenate([through[:, :n], lines], axis=1)

    def at(self, running, pivots, z):
        """Pieces (Z, Sub * Band, K), screen (Z, Sub, Band) and shares (Z, Band) of filters.

        As :meth:`dsps_sbi.photometry.wave_basis.WaveBasis.pieces`, at no more than
        :data:`MOST_REDSHIFTS` redshifts z (Z,).
        """
        igm, n_z, n_band = self.igm(z), len(z), len(pivots)
        pieces = np.zeros((n_z, self.n_sub, n_band, self.curves.shape[1]), np.float32)
        screen = np.ones((n_z, self.n_sub, n_band), np.float32)
        share = np.zeros((n_z, n_band), np.float32)
        ends = np.outer(1.0 + z, self.edges[[0, -1]])
        for band, curve in enumerate(running):
            share[:, band] = np.diff(np.interp(ends, curve[0], curve[2]), axis=1)[:, 0]
            seen = np.flatnonzero(share[:, band] >= 1.0 - USABLE)
            if seen.size:
                # the part inside stands for the whole
                unit = _UNIT * (pivots[band] / (1.0 + z[seen])) ** 2 / share[seen, band]
                pieces[seen, :, band], screen[seen, :, band] = self._band(
                    curve, 1.0 + z[seen], unit, igm[seen]
                )
        return pieces.reshape(n_z, self.n_sub * n_band, -1), screen, share

    def _band(self, curve, stretch, unit, igm):
        """Pieces (Z, Sub, K) and screen (Z, Sub) of one band at redshifts of its own."""
        wave, density, cum = curve
        n_wave, unit = self.n_wave, unit[:, None]
        first = np.maximum(np.searchsorted(self.edges, wave[0] / stretch) - 1, 0)
        last = np.minimum(np.searchsorted(self.edges, wave[-1] / stretch) + 1, n_wave)
        # as many pixels at each redshift: those beyond the band see nothing
        n_pixel = int((last - first).max())
        edge = np.minimum(first[:, None] + np.arange(n_pixel + 1), n_wave)
        pixel = np.minimum(edge[:, :-1], n_wave - 1)
        pixels = np.diff(np.interp(self.edges[edge] * stretch[:, None], wave, cum), axis=1)
        pixels *= np.take_along_axis(igm, pixel, axis=1) * unit
        lines = np.outer(stretch, self.lines)
        among = np.flatnonzero(((lines > wave[0]) & (lines < wave[-1])).any(axis=0))
        of_lines = np.interp(lines[:, among], wave, density, left=0.0, right=0.0)
        of_lines *= stretch[:, None] * igm[:, n_wave + among] * unit
        index = np.concatenate([pixel, np.tile(n_wave + among, (len(pixel), 1))], axis=1)
        screen, polynomials = self._screen(self.coordinate[index], pixels, of_lines)
        values = np.concatenate([pixels, of_lines], axis=1)[..., None] * polynomials
        values = np.swapaxes(values.astype(np.float32), 1, 2)
        pieces = values[..., n_pixel:] @ self.curves[n_wave + among]
        for i, start in enumerate(first):
            # pixels lie side by side in memory: no copy of them
            part = self.curves[start : min(start + n_pixel, n_wave)]
            pieces[i] += values[i, :, : len(part)] @ part
        return pieces, screen

    def _screen(self, coordinate, pixels, lines):
        """Nodes (Z, Sub) of the screen of a band, and polynomials (Z, n, Sub) that are 1 at one of them."""
        total = np.maximum(pixels.sum(axis=1, keepdims=True), 1e-37)
        before = np.cumsum(pixels, axis=1) / total
        inside = (before > _OUTSIDE) & (before - pixels / total < 1.0 - _OUTSIDE)
        inside = np.concatenate([inside, lines * _STRONG_AA > _OUTSIDE * total], axis=1)
        low = np.min(np.where(inside, coordinate, np.inf), axis=1)
        high = np.max(np.where(inside, coordinate, -np.inf), axis=1)
        blind = ~inside.any(axis=1)
        low[blind] = high[blind] = coordinate[blind, 0]
        middle, half = 0.5 * (low + high), np.maximum(0.5 * (high - low), 0.01)
        x = np.clip((coordinate - middle[:, None]) / half[:, None], -1.0, 1.0)
        return middle[:, None] + half[:, None] * self.nodes, chebvander(x, self.n_sub - 1) @ self.from_values
