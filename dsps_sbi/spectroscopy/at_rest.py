"""Observed spectra as a network sees them: at rest, at 10 pc, in its own pixels and resolution."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array

from ..constants import C_KM_S
from ..cosmology import Cosmology
from ..errors import UserError
from ..instruments.rebinning import gaussian_shares
from ..instruments.spectrograph import Spectrograph
from ..io.spectrum import Spectrum

# Distance of model spectra at rest [Mpc]
_TEN_PC = 1e-5
# Less than this share of a pixel may lie beyond the spectrum
_BEYOND = 1e-3
# A pixel is spoiled where bad ones give more of it: smoothed by any kernel, a single one never does
SPOILED = 0.22
_SEED = 0


@dataclass(frozen=True, eq=False)
class AtRest:
    """A spectrum in the pixels of a network.

    Parameters
    ----------
    flux, sigma : ndarray (Pixel,)
        At 10 pc [1e-17 erg/s/cm2/Angstrom]; float32.
    valid : bool ndarray (Pixel,)
    z : float
    log_scale : float
        log10 of what observed fluxes were multiplied with.
    extra_km_s : float
        Velocity dispersion by which the spectrum is broader than the network's own resolution: what
        it takes for the galaxy's is that and this, added in squares.
    """

    flux: np.ndarray
    sigma: np.ndarray
    valid: np.ndarray
    z: float
    log_scale: float
    extra_km_s: float


def at_rest(spectrum: Spectrum, frame: Spectrograph, cosmology: Cosmology, lsf=None) -> AtRest:
    """Rebin a spectrum to the pixels of a network, conserving flux; sharper ones are smoothed.

    Errors keep what the data know: neighbours share what one observed pixel measured, and each gets
    the error of one as wide as itself. Bad pixels are filled in by straight lines between good ones, and what
    is mostly made of good ones stays good. Smoothed pixels get the noise back that smoothing took away
    between neighbours, which is random, but always the same: networks know independent noise.

    Parameters
    ----------
    spectrum : Spectrum
    frame : Spectrograph
        The network's pixels, at rest.
    cosmology : Cosmology
    lsf : LSF, optional
        Instead of the spectrum's own.

    Raises
    ------
    UserError
        If redshift or LSF are missing, or pixels do not overlap.
    """
    if spectrum.redshift is None:
        raise UserError(f"{spectrum.label} has no redshift: read it with redshift=")
    instrument = spectrum.spectrograph(lsf, mask_lines=())
    z = spectrum.redshift
    edges = instrument.ln_edges - np.log1p(z)
    variance = np.interp(_middle(frame.ln_edges), _middle(edges), instrument.ln_variance)
    lack = frame.ln_variance - variance
    weights, first = gaussian_shares(edges, frame.ln_edges, np.sqrt(np.maximum(lack, 0.0)))
    index = np.minimum(first[:, None] + np.arange(weights.shape[1]), len(instrument.wave_aa) - 1)
    share = weights.sum(axis=1)
    good = spectrum.valid
    valid = (share > 1.0 - _BEYOND) & (np.sum(weights * ~good[index], axis=1) <= SPOILED)
    if not valid.any():
        low, high = np.exp(edges[[0, -1]])
        raise UserError(
            f"{spectrum.label} covers {low:.0f}-{high:.0f} Angstrom at rest, the network "
            f"{np.exp(frame.ln_edges[0]):.0f}-{np.exp(frame.ln_edges[-1]):.0f}: check redshift and units"
        )
    place = np.arange(good.size)
    squares = np.square(spectrum.sigma, dtype=float)
    filled, squares = (np.interp(place, place[good], a[good]) for a in (spectrum.flux, squares))
    flux, var = (np.sum(weights * a[index], axis=1) for a in (filled, squares))
    flux = flux + _whitening(weights, index, squares, lack > 0.0)
    width = np.interp(_middle(frame.ln_edges), _middle(edges), np.diff(edges))
    var = var * width / np.diff(frame.ln_edges)
    # F_lambda at rest and at 10 pc: L_lambda over 4 pi (10 pc)^2
    distance = float(cosmology.distance_mpc(z)) if z > 1e-6 else _TEN_PC
    scale = (1.0 + z) * (distance / _TEN_PC) ** 2
    seen = np.average(np.maximum(-lack, 0.0), weights=valid)
    return AtRest(
        np.where(valid, flux * scale, 0.0).astype(np.float32),
        np.where(valid, np.sqrt(np.maximum(var, 0.0)) * scale, 1.0).astype(np.float32),
        valid,
        float(z),
        float(np.log10(scale)),
        float(C_KM_S * np.sqrt(seen)),
    )


def _middle(edges):
    return 0.5 * (edges[1:] + edges[:-1])


def _whitening(weights, index, squares, smoothed):
    """Noise (Target,) that makes that of smoothed pixels independent, with the errors that they are given.

    Covariances that are positive, on the diagonal of what is missing and negative beside it, are the sum of
    one difference of each pair of pixels.

    Parameters
    ----------
    weights, index : ndarray (Target, Window)
    squares : ndarray (Source,)
        Variances.
    smoothed : bool ndarray (Target,)
    """
    noise = np.zeros(len(weights))
    if not smoothed.any():
        return noise
    rows = np.repeat(np.arange(len(weights)), weights.shape[1])
    root = weights * np.sqrt(squares[index])
    root = coo_array((root.ravel(), (rows, index.ravel())), shape=(len(weights), len(squares))).tocsr()
    pairs = coo_array(root @ root.T)
    first, second = pairs.row, pairs.col
    use = (first < second) & (smoothed[first] | smoothed[second])
    drawn = np.random.default_rng(_SEED).standard_normal(use.sum())
    drawn *= np.sqrt(np.maximum(pairs.data[use], 0.0))
    np.add.at(noise, first[use], drawn)
    np.add.at(noise, second[use], -drawn)
    return noise
