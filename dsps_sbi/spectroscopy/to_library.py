r"""Spectra that are sharper than the SSPs, brought to the resolution of the SSPs for the likelihood.

Each pixel is smoothed by what it lacks. The transfer function of its kernel is that of a Gaussian,
:math:`e^{-t w^2 / 2}`, on the frequencies :math:`|w| \leq \pi` that pixels have. What pixels tell of a line
thus becomes what they tell of the broader line, within 0.1 % of its height for lines of a sigma of 0.85
pixels and more, and for any t: a spectrum that lacks little changes little, and one that lacks nothing is
left as it is. The discrete Gaussian of Lindeberg (1990, IEEE TPAMI 12, 234) has no negative weights and the
same variance, but misses such a line's height by up to 4 %.

Smoothing takes noise away between neighbours and leaves that of wider stretches as it was. There the signal
is, so that each pixel keeps the error of an unsmoothed one, as in :mod:`~dsps_sbi.spectroscopy.at_rest`. What
follows from that for chi2 are two numbers per pixel, see :class:`AtLibrary`.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array, eye_array

from ..constants import C_KM_S
from ..errors import UserError
from ..instruments.emission_lines import line_wavelengths
from ..instruments.lsf import LSF
from ..instruments.spectrograph import Spectrograph
from ..io.spectrum import Spectrum
from ..kernels.lsf import FWHM_PER_SIGMA
from ..ssp.log_grid import LogGrid

# A kernel is followed this many sigma out, and some pixels, but at least so many pixels
_REACH, _MORE, _LEAST = 5.0, 3, 6
# Its last weights alternate in sign where t is small, and fade over these pixels: so its variance is t
_FADED = 3
# Nodes of its integral over frequencies beyond one for each pixel
_NODES = 32
# A pixel is spoiled where bad ones have more of the absolute weights: a single neighbour has 0.242 at most
_SPOILED = 0.25
# Pixels further apart than this many of their neighbours' distances are not neighbours
_GAP = 1.4
# Smoothed by this share of the SSPs' variance beyond them, which is more than float32's rounding
_BEYOND = 1e-5


@dataclass(frozen=True, eq=False)
class AtLibrary:
    """A spectrum that is nowhere sharper than the SSPs and the slowest stars together.

    Parameters
    ----------
    spectrum : Spectrum
        The smoothed one, with the errors of unsmoothed pixels, its own LSF, and a mask that has pixels more
        which bad neighbours spoiled. The one that was given, where nothing was to be done.
    smoothed : bool ndarray (Pixel,)
    shares : csr_array (Pixel, Pixel)
        What each smoothed pixel is made of: its flux is ``shares @ flux``.
    noise_left : ndarray (Pixel,)
        Variance of the noise in a pixel, as a share of its error squared; 1 where nothing was smoothed.
    noise_pairs : ndarray (Pixel,)
        Sum of the squares of a pixel's covariances with all pixels that can be used, in units of their
        errors; 1 where nothing was smoothed.
    """

    spectrum: Spectrum
    smoothed: np.ndarray
    shares: csr_array
    noise_left: np.ndarray
    noise_pairs: np.ndarray


def to_library(
    spectrum: Spectrum, fwhm_aa: float, slowest_km_s: float = 0.0, lsf: LSF | None = None
) -> AtLibrary:
    """Smooth a spectrum where it is sharper than SSPs whose stars move at least this fast.

    Pixels that cannot be used are filled in by straight lines between good ones first, and stay unusable.

    Parameters
    ----------
    spectrum : Spectrum
        With redshift and LSF.
    fwhm_aa : float
        Resolution of the SSPs, constant in rest wavelength [Angstrom].
    slowest_km_s : float
        Velocity dispersion that all stars have at least: they make up for as much.
    lsf : LSF, optional
        Instead of the spectrum's own.

    Raises
    ------
    UserError
        If redshift or LSF are missing.
    """
    if spectrum.redshift is None:
        raise UserError(f"{spectrum.label} has no redshift: read it with redshift=")
    instrument = spectrum.spectrograph(lsf)
    edges, n = instrument.ln_edges, instrument.wave_aa.size
    rest_aa = np.exp(0.5 * (edges[1:] + edges[:-1])) / (1.0 + spectrum.redshift)
    library = (fwhm_aa / FWHM_PER_SIGMA / rest_aa) ** 2
    enough = (1.0 + _BEYOND) * library - (slowest_km_s / C_KM_S) ** 2
    lack = np.maximum(enough - instrument.ln_variance, 0.0)
    if not lack.any():
        given = spectrum if lsf is None else replace(spectrum, lsf=lsf)
        return AtLibrary(given, np.zeros(n, bool), csr_array(eye_array(n)), np.ones(n), np.ones(n))
    step, first, last = _stretches(np.log(instrument.wave_aa))
    kernel, outside = _kernel(lack / step**2, first, last)
    valid = spectrum.valid
    filling = _filling(valid)
    shares, weights = kernel @ filling, _absolute(kernel)
    good = valid & (weights @ np.where(valid, 0.0, 1.0) + outside <= _SPOILED)
    sigma = np.where(valid, spectrum.sigma, 0.0).astype(float)
    flux = shares @ np.where(valid, spectrum.flux, 0.0).astype(float)
    # a mean of variances: weights below 0 have no part in it
    kept = np.sqrt(np.where(good, weights @ (filling @ sigma**2), 1.0))
    left, pairs = _noise(shares @ diags_array(sigma), kept, good)
    done = replace(
        spectrum,
        flux=np.where(good, flux, spectrum.flux),
        sigma=np.where(good, kept, spectrum.sigma),
        mask=spectrum.mask | (valid & ~good),
        lsf=_lsf(instrument, instrument.ln_variance + lack),
    )
    return AtLibrary(done, lack > 0.0, shares, left, pairs)


def reached(spectrograph: Spectrograph, grid: LogGrid, z: float) -> np.ndarray:
    """Pixels (Pixel,) whose wavelengths the SSPs have, outside the masks of emission lines and windows."""
    edges = spectrograph.ln_edges - np.log1p(z)
    middle = 0.5 * (edges[1:] + edges[:-1])
    inside = (middle >= grid.ln0) & (middle <= grid.ln0 + grid.step * (grid.n_wave - 1))
    lines = np.log(np.array(line_wavelengths(spectrograph.mask_lines)))
    near = np.abs(middle[:, None] - lines) * C_KM_S < spectrograph.mask_km_s
    return inside & ~near.any(axis=1) & spectrograph.windows


def _lsf(instrument, ln_variance):
    """The LSF (Pixel,) of pixels that have this variance in ln(wavelength) without their own width."""
    if instrument.pixel_in_lsf:
        ln_variance = ln_variance + np.diff(instrument.ln_edges) ** 2 / 12.0
    return LSF("sigma_km_s", C_KM_S * np.sqrt(ln_variance))


def _stretches(x):
    """Distance (Pixel,) of neighbours, and first and last pixel (Pixel,) of the stretch without a gap."""
    apart = np.diff(x)
    before, after = np.append(apart[0], apart[:-1]), np.append(apart[1:], apart[-1])
    gap = apart > _GAP * np.minimum(before, after)
    starts = np.flatnonzero(np.concatenate([[True], gap]))
    ends = np.flatnonzero(np.concatenate([gap, [True]]))
    which = np.cumsum(np.concatenate([[0], gap]))
    sides = np.where(gap, np.nan, apart)
    both = np.stack([np.append(np.nan, sides), np.append(sides, np.nan)])
    count = np.isfinite(both).sum(axis=0)
    # a pixel all by itself has no neighbour to take anything from
    mean = np.where(count > 0, np.nansum(both, axis=0) / np.maximum(count, 1), np.max(apart))
    return mean, starts[which], ends[which]


def _kernel(t, first, last) -> tuple[csr_array, np.ndarray]:
    """Gaussians of variances t (Pixel,): shares (Pixel, Pixel), and how much lies beyond (Pixel,).

    What lies beyond a stretch's end is on its last pixel; its absolute weight is told.
    """
    n, rows = len(t), np.flatnonzero(t > 0.0)
    reach = max(int(np.ceil(_REACH * np.sqrt(t.max()))) + _MORE, _LEAST)
    half = _gaussians(t[rows], reach)
    weights = np.concatenate([half[:, :0:-1], half], axis=1)
    at = rows[:, None] + np.arange(-reach, reach + 1)
    low, high = first[rows, None], last[rows, None]
    outside, size = np.zeros(n), np.abs(weights)
    outside[rows] = np.sum(size * ((at < low) | (at > high)), axis=1) / size.sum(axis=1)
    same = np.flatnonzero(t <= 0.0)
    row = np.concatenate([np.repeat(rows, at.shape[1]), same])
    column = np.concatenate([np.clip(at, low, high).ravel(), same])
    value = np.concatenate([weights.ravel(), np.ones(same.size)])
    return coo_array((value, (row, column)), shape=(n, n)).tocsr(), outside


def _gaussians(t, reach):
    """Weights (Row, reach + 1) at 0, 1 ... pixels that have the transfer functions of variances t (Row,)."""
    node, weight = np.polynomial.legendre.leggauss(reach + _NODES)
    w, weight = 0.5 * np.pi * (node + 1.0), 0.5 * weight
    place = np.arange(reach + 1.0)
    half = (np.exp(-0.5 * t[:, None] * w**2) * weight) @ np.cos(w[:, None] * place)
    half *= 0.5 + 0.5 * np.cos(np.pi * np.clip((place - reach + _FADED) / (_FADED + 1.0), 0.0, 1.0))
    return half / (half[:, :1] + 2.0 * half[:, 1:].sum(axis=1, keepdims=True))


def _absolute(kernel) -> csr_array:
    """Absolute weights (Pixel, Pixel), of sum 1."""
    size = abs(kernel)
    return diags_array(1.0 / np.asarray(size.sum(axis=1)).ravel()) @ size


def _filling(valid) -> csr_array:
    """Shares (Pixel, Pixel) of good pixels: straight lines between them, constant beyond the last ones."""
    n, good = len(valid), np.flatnonzero(valid)
    place = np.interp(np.arange(n), good, np.arange(len(good)))
    left = np.floor(place).astype(int)
    right = np.minimum(left + 1, len(good) - 1)
    part = place - left
    row, column = np.tile(np.arange(n), 2), np.concatenate([good[left], good[right]])
    return coo_array((np.concatenate([1.0 - part, part]), (row, column)), shape=(n, n)).tocsr()


def _noise(root, kept, good):
    """``noise_left`` and ``noise_pairs`` (Pixel,) of a root (Pixel, Pixel) of the noise's covariance."""
    root = diags_array(np.where(good, 1.0 / kept, 0.0)) @ root
    left = np.asarray(root.multiply(root).sum(axis=1)).ravel()
    covariance = root @ root.T
    pairs = np.asarray(covariance.multiply(covariance).sum(axis=1)).ravel()
    return np.where(good, left, 1.0), np.where(good, pairs, 1.0)
