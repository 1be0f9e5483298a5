"""Functions of wavelength through filters at a redshift, integrated on the host.

The same integrals as those of :mod:`dsps_sbi.photometry.band_weights`, of the pixels within each filter
alone: filters of random surveys are many, and each is seen once.
"""

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
        """Transmission (Wave + Line,) of the IGM at redshift z."""
        through = np.ones(len(self.sides))
        blue = igm_transmission(jnp.asarray(self.sides[self.blue], jnp.float32), jnp.float32(z))
        through[self.blue] = np.asarray(blue)
        n, n_line = self.n_wave, len(self.lines)
        return np.append(through[:n], 0.5 * (through[n : n + n_line] + through[n + n_line :]))

    def at(self, running, pivots, z):
        """Pieces (Sub * Band, K), screen (Sub, Band) and shares (Band,) of filters at one redshift.

        As :meth:`dsps_sbi.photometry.wave_basis.WaveBasis.pieces`.
        """
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
