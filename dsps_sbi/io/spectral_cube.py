"""Cubes of integral-field spectrographs: a spectrum in each spaxel, read when its turn comes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from astropy.io import fits

from ..arrays import number, whole
from ..errors import UserError
from ..instruments.lsf import LSF
from ..instruments.spectrograph import check_wavelengths
from ..kernels.lsf import FWHM_PER_SIGMA
from .formats.options import ReadOptions
from .no_data import no_data
from .spectrum import FEWEST_PIXELS, FLUX_UNIT, Spectrum, medium_of
from .spectrum_columns import spectrum_of
from .wcs import celestial_header

# Spaxels that are in memory at once
_AT_ONCE = 256
# Where the good spaxels of a bin have less than this share of its light, the sum is masked
_LEAST_LIGHT = 0.5
SNR_MIN = 5.0
NOT_USED = -1


@dataclass(frozen=True, eq=False)
class LazyArray:
    """An array of a file, changed where it is looked at: cubes need not fit into memory.

    Parameters
    ----------
    values : array
        Such as one that is mapped from disk.
    change : callable
        What makes values of the wanted kind of those in the file; elementwise.
    """

    values: np.ndarray
    change: object

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.values.shape

    def __getitem__(self, key):
        return self.change(self.values[key])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[...], dtype=dtype)


@dataclass(frozen=True, eq=False)
class SpectralCube:
    """Flux per wavelength in each spaxel of a cube.

    Parameters
    ----------
    wave_aa : ndarray (Pixel,)
        Observed wavelengths [Angstrom], increasing.
    flux, error : array (Pixel, Y, X)
        Flux density of each spaxel and its standard deviation [1e-17 erg/s/cm2/Angstrom]; not finite, or an
        error of 0, where there are no data. Anything with a shape that can be indexed, see
        :class:`LazyArray`.
    medium : {"air", "vacuum"}
    mask : bool array (Pixel, Y, X), optional
        True where a pixel must not be used.
    redshift : float, optional
    lsf : LSF, optional
        Of all spaxels.
    lsf_sigma_aa : array (Pixel, Y, X), optional
        Sigma [Angstrom] of the LSF in each spaxel; not positive where it is not known. ``lsf`` goes before
        it.
    pixel_in_lsf : bool
        Whether the LSF holds the width of the pixels.
    header : astropy.io.fits.Header, optional
        Its celestial WCS is kept.
    source : str
    notes : tuple of str
        How it was read.
    factor : float
        From the unit of the file to that of the fluxes: numbers such as -999 that stand for missing ones are
        looked for in the former.

    Raises
    ------
    UserError
        If the parts do not fit together.
    """

    wave_aa: np.ndarray
    flux: object
    error: object
    medium: str
    mask: object = None
    redshift: float | None = None
    lsf: LSF | None = None
    lsf_sigma_aa: object = None
    pixel_in_lsf: bool = True
    header: fits.Header = field(default_factory=fits.Header)
    source: str = ""
    notes: tuple[str, ...] = ()
    factor: float = 1.0

    def __post_init__(self):
        put = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731
        put("wave_aa", check_wavelengths(self.wave_aa, f"{self.label}: wavelengths"))
        put("header", celestial_header(self.header))
        shape = np.shape(self.flux)
        if len(shape) != 3 or shape[0] != self.wave_aa.size:
            raise UserError(
                f"{self.label}: flux has shape {shape}: expected ({self.wave_aa.size}, y, x) for "
                f"{self.wave_aa.size} wavelengths; put wavelengths first"
            )
        for name in ("error", "mask", "lsf_sigma_aa"):
            found = np.shape(getattr(self, name))
            if found != shape and getattr(self, name) is not None:
                raise UserError(f"{self.label}: {name} has shape {found}: expected {shape} as flux")
        medium_of(self.medium, self.label)
        if self.redshift is not None:
            put("redshift", number(self.redshift, f"{self.label}: redshift"))

    @property
    def label(self) -> str:
        """How messages name it."""
        return self.source or "cube"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return tuple(self.flux.shape[1:])

    def snr(self) -> np.ndarray:
        """Median S/N (Y, X) of the pixels of each spaxel that can be used; 0 where none can."""
        out = np.zeros(self.shape)
        for y in range(self.shape[0]):
            flux, error, good, _ = self._part(np.s_[:, y, :])
            ratio = np.where(good, flux / np.where(good, error, 1.0), np.nan)
            some = good.any(axis=0)
            out[y, some] = np.nanmedian(ratio[:, some], axis=0)
        return out

    def _part(self, key):
        """Flux, error, whether these can be used, and where only numbers stand for data (Pixel, Spaxel)."""
        flux, error = (np.asarray(array[key], float) for array in (self.flux, self.error))
        good = np.isfinite(flux) & np.isfinite(error) & (error > 0.0)
        if self.mask is not None:
            good &= ~np.asarray(self.mask[key], bool)
        stand_in, gap = no_data(flux, error, self.factor)
        missing = (stand_in | gap) & good
        return flux, error, good & ~missing, missing

    def spectrum(self, y, x, source: str | None = None) -> Spectrum:
        """The spectrum of a spaxel, or the sum over several.

        Fluxes are summed, and so are variances: what errors of neighbouring spaxels have in common is not
        known, and errors of sums are too small by that. Where some spaxels of a sum are bad, the sum of the
        others is divided by their share of the light; where that is below one half, the pixel is masked. The
        variance of the LSF is the mean over spaxels, each counted by its light.

        Parameters
        ----------
        y, x : int, or sequences of int
            Row and column, counted from 0.
        source : str, optional
            Name for messages.

        Raises
        ------
        UserError
            If a spaxel is not in the cube, or has nothing that can be used.
        """
        ys, xs = np.atleast_1d(y), np.atleast_1d(x)
        ys, xs = self._inside(ys, xs)
        label = source or f"{self.label}:{ys[0]},{xs[0]}"
        n, notes = self.wave_aa.size, list(self.notes)
        flux, variance, light, width, width_light = np.zeros((5, n))
        total, used, n_missing = 0.0, 0, 0
        for start in range(0, len(ys), _AT_ONCE):
            key = (slice(None), ys[start : start + _AT_ONCE], xs[start : start + _AT_ONCE])
            part, error, good, missing = self._part(key)
            n_missing += np.count_nonzero(missing)
            weight = _light(part, good)
            flux += np.where(good, part, 0.0).sum(axis=1)
            variance += (np.where(good, error, 0.0) ** 2).sum(axis=1)
            light += good @ weight
            total, used = total + weight.sum(), used + int(good.any(axis=0).sum())
            if self.lsf is None and self.lsf_sigma_aa is not None:
                sigma = np.asarray(self.lsf_sigma_aa[key], float)
                # in bad pixels there may be any number
                known = good & np.isfinite(sigma) & (sigma > 0.0)
                width += np.where(known, sigma, 0.0) ** 2 @ weight
                width_light += known @ weight
        if not used:
            raise UserError(f"{label} has no pixel with a flux and an error that is not masked: leave it out")
        share = light / total
        bad = share < _LEAST_LIGHT
        share = np.where(bad, 1.0, share)
        if len(ys) > 1:
            notes.append(f"sum of {used} spaxels, errors as if independent")
        if n_missing:
            notes.append(f"{n_missing} pixels of numbers such as -999, or in runs of zeros, are no data")
        table = {"wave": self.wave_aa, "flux": flux / share, "error": np.sqrt(variance) / share, "mask": bad}
        units = {"wave": "AA", "flux": FLUX_UNIT, "error": FLUX_UNIT}
        # where these are from is in the notes of the cube
        options = ReadOptions().known(medium=self.medium).known(redshift=self.redshift)
        options = options.known(lsf=self.lsf or _lsf(width, width_light))
        chosen = {name: name for name in table}
        spectrum = spectrum_of(table, chosen, units, label, options, notes=notes, mask_is_known=True)
        return replace(spectrum, pixel_in_lsf=self.pixel_in_lsf)

    def _inside(self, ys, xs):
        """Rows and columns as whole numbers that are in the cube."""
        ny, nx = self.shape
        if len(ys) != len(xs):
            raise UserError(f"{self.label}: {len(ys)} rows and {len(xs)} columns are given: give pairs y, x")
        for y, x in zip(ys, xs, strict=True):
            try:
                whole(y, "y", least=0, most=ny - 1)
                whole(x, "x", least=0, most=nx - 1)
            except UserError as error:
                raise UserError(
                    f"{self.label} has no spaxel {y},{x}: expected y,x from 0,0 to {ny - 1},{nx - 1}, whole "
                    "numbers"
                ) from error
        return np.asarray(ys).astype(int), np.asarray(xs).astype(int)

    def spectra(
        self,
        bins=None,
        *,
        min_snr: float | None = None,
        pixels: Sequence[tuple[int, int]] | None = None,
    ) -> "CubeSpectra":
        """Spectra of spaxels by (y, x), or of bins by their number; each is read when it is asked for.

        Parameters
        ----------
        bins : int array (Y, X), optional
            Spaxels with the same number are summed. Negative or masked: not used.
        min_snr : float, optional
            Median S/N from which spaxels are taken; default 5. Bins are taken as they are.
        pixels : sequence of (int, int), optional
            Rows and columns of the spaxels that are wanted, whatever their S/N.

        Raises
        ------
        UserError
            If the bins are not an image of whole numbers of the cube's shape, no spaxel is chosen, more than
            one choice is made, or the cube has fewer than 50 wavelengths.
        """
        if self.wave_aa.size < FEWEST_PIXELS:
            raise UserError(
                f"{self.label} has {self.wave_aa.size} wavelengths for {self.shape[0]} x {self.shape[1]} "
                f"spaxels (NAXIS3, NAXIS2, NAXIS1): expected {FEWEST_PIXELS} and more; if its axes are "
                "swapped, write it again with wavelengths along NAXIS3 (numpy: moveaxis)"
            )
        if sum(choice is not None for choice in (bins, min_snr, pixels)) > 1:
            raise UserError("more than one of bins, min_snr and pixels was given: choose spaxels by one")
        if pixels is not None:
            pairs = list(pixels)
            ys, xs = self._inside([pair[0] for pair in pairs], [pair[1] for pair in pairs])
            chosen = list(zip(ys.tolist(), xs.tolist(), strict=True))
            return CubeSpectra(self, {key: ([key[0]], [key[1]]) for key in chosen})
        if bins is not None:
            return CubeSpectra(self, self._binned(bins))
        least = SNR_MIN if min_snr is None else float(min_snr)
        snr = self.snr()
        found = np.argwhere((snr >= least) & (snr > 0.0))
        if not (snr != 0.0).any():
            raise UserError(f"{self.label}: no spaxel can be used ({self._why_none()}): mend the cube")
        if not len(found):
            raise UserError(
                f"{self.label}: no spaxel has a median S/N of {least:g} or more, the highest is "
                f"{snr.max():.3g}: lower min_snr=, or give bins="
            )
        return CubeSpectra(self, {(int(y), int(x)): ([y], [x]) for y, x in found})

    def _why_none(self):
        """Shares of the pixels with a flux, with an error, and without a mask, in words."""
        planes = np.s_[:: max(1, self.wave_aa.size // _AT_ONCE)]
        flux, error = (np.asarray(array[planes], float) for array in (self.flux, self.error))
        shares = {"have a flux": np.isfinite(flux), "an error above 0": np.isfinite(error) & (error > 0.0)}
        if self.mask is not None:
            shares["are not masked"] = ~np.asarray(self.mask[planes], bool)
        return ", ".join(f"{100 * share.mean():.3g} % {what}" for what, share in shares.items())

    def _binned(self, bins):
        image = whole_bins(bins, self.label)
        if image.shape != self.shape:
            raise UserError(
                f"{self.label}: bins have shape {image.shape}: expected {self.shape}, as the cube's image"
            )
        if not (image >= 0).any():
            raise UserError(f"{self.label}: all bins are negative or masked: number some spaxels from 0 on")
        order = np.argsort(image, axis=None, kind="stable")
        numbers, starts = np.unique(image.ravel()[order], return_index=True)
        groups = np.split(order, starts[1:])
        places = {
            int(n): np.unravel_index(group, self.shape) for n, group in zip(numbers, groups, strict=True)
        }
        return {number: place for number, place in places.items() if number >= 0}


@dataclass(frozen=True, eq=False)
class CubeSpectra(Mapping):
    """Spectra of a cube by (y, x), or by the number of the bin.

    Parameters
    ----------
    cube : SpectralCube
    places : mapping of key to (ys, xs)
        Rows and columns of the spaxels of each.
    """

    cube: SpectralCube
    places: Mapping

    def __getitem__(self, key) -> Spectrum:
        return self.cube.spectrum(*self.places[key], source=f"{self.cube.label}:{self.word(key)}")

    def __iter__(self) -> Iterator:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    @staticmethod
    def word(key) -> str:
        """Key as part of a name: ``12_7``, or ``bin3``."""
        return f"{key[0]}_{key[1]}" if isinstance(key, tuple) else f"bin{key}"


def whole_bins(bins, label) -> np.ndarray:
    """Numbers (Y, X) of bins as int64, ``NOT_USED`` where masked or not finite.

    Raises
    ------
    UserError
        If there are other numbers than whole ones.
    """
    masked = np.ma.getmaskarray(bins)
    values = np.asarray(np.ma.getdata(bins))
    if values.dtype.kind not in "iuf":
        raise UserError(f"{label}: bins are of type {values.dtype}: expected an image of whole numbers")
    used = ~masked & np.isfinite(values)
    values = np.where(used, values, NOT_USED)
    odd = np.argwhere(values != np.round(values))
    if len(odd):
        raise UserError(
            f"{label}: bins have the number {values[tuple(odd[0])]:g} at {tuple(odd[0].tolist())}: expected "
            "whole numbers, equal in the spaxels of a bin"
        )
    return values.astype(np.int64)


def _light(flux, good):
    """Median flux (Spaxel,) of the pixels that can be used, not below 1e-3 of the brightest; 0 of none."""
    out = np.zeros(flux.shape[1])
    some = good.any(axis=0)
    if some.any():
        middle = np.nanmedian(np.where(good, flux, np.nan)[:, some], axis=0)
        least = 1e-3 * np.abs(middle).max()
        out[some] = np.maximum(middle, least if least > 0.0 else 1.0)
    return out


def _lsf(width, light):
    """LSF of summed variances (Pixel,) [Angstrom2] and their weights; gaps take those beside."""
    known = light > 0.0
    if not known.any():
        return None
    at = np.arange(width.size)
    sigma = np.sqrt(width[known] / light[known])
    return LSF("fwhm_aa", FWHM_PER_SIGMA * np.interp(at, at[known], sigma))
