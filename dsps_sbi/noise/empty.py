"""Statistics of empty pixels and empty apertures of images, part by part: memory does not grow with them."""

import numpy as np
from astropy.stats import mad_std
from scipy import ndimage
from scipy.signal import oaconvolve

from ..errors import UserError
from .survey import SurveyNoise, lag_products

# Radii of apertures [pixel], of 1 to 709 pixels
RADII = (0.5, 1.0, 2.0, 3.0, 4.5, 7.0, 10.0, 15.0)
LAGS = 8
# Fluxes in units of the stated depth between which errors are told
EDGES = (-np.inf, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, np.inf)
# Values so many standard deviations off are sources or defects, not noise
_CLIP = 5.0
# Fewest: empty pixels of a band, independent apertures of a size, pixels of a bin of flux
_FEWEST_EMPTY, _FEWEST_APERTURES, _FEWEST_OF_FLUX = 500, 30, 20
# A scatter of apertures beyond that of near neighbours counts from so many of its standard deviations
_SIGNIFICANT = 3.0
# Sources without a segmentation map: threshold, and pixels that they are grown by
_DETECTED, _GROWN = 3.0, 4


class EmptySky:
    """Sums over the empty pixels of images that have the same bands.

    Parameters
    ----------
    filters : sequence of str
    lags : int
        Farthest distance along an axis [pixel] that the correlation is measured at.
    radii : sequence of float
        Of the apertures [pixel]: those pixels belong to one whose middles are that near.
    """

    def __init__(self, filters, lags: int = LAGS, radii=RADII):
        self.filters, self.lags = tuple(filters), int(lags)
        if self.lags < 1:
            raise UserError(f"correlations up to {lags} pixels: expected 1 or more; give that")
        if not len(radii) or not all(np.isfinite(r) and r > 0.0 for r in radii):
            raise UserError(f"radii {tuple(radii)} of apertures: expected numbers above 0, in pixels")
        self.disks = [_disk(radius) for radius in sorted(radii)]
        n, side = len(self.filters), 2 * self.lags + 1
        self._n, self._x2, self._seen = np.zeros(n), np.zeros(n), np.zeros(n, bool)
        self._log, self._log2 = np.zeros(n), np.zeros(n)
        self._pairs, self._products = np.zeros((n, side, side)), np.zeros((n, side, side))
        self._apertures = np.zeros((2, n, len(self.disks)))
        self._of_flux = np.zeros((3, n, len(EDGES) - 1))

    def add(self, flux, sigma, valid, empty) -> None:
        """Add an image, or a part of one; a constant background of each band is taken off.

        Parameters
        ----------
        flux, sigma : array (Band, ny, nx)
            [uJy]
        valid : bool array (Band, ny, nx)
            Pixels that can be used.
        empty : bool array (ny, nx)
            Pixels without a source.
        """
        for b in range(len(self.filters)):
            self._seen[b] |= valid[b].any()
            sky = valid[b] & empty
            if sky.sum() < _FEWEST_EMPTY // 10:
                continue
            level = np.median(flux[b][sky])
            error = np.where(valid[b], sigma[b], 1.0).astype(float)
            x = np.where(sky, (flux[b] - level) / error, 0.0)
            scatter = mad_std(x[sky])
            # a hole in a band, or one that is the same number everywhere
            if not scatter > 0.0:
                continue
            sky &= np.abs(x) < _CLIP * scatter
            x[~sky] = 0.0
            self._n[b] += sky.sum()
            self._x2[b] += (x**2).sum()
            logs = np.log10(error[sky])
            self._log[b] += logs.sum()
            self._log2[b] += (logs**2).sum()
            self._products[b] += lag_products(x, x, self.lags)
            whole = sky.astype(float)
            self._pairs[b] += lag_products(whole, whole, self.lags)
            for k, disk in enumerate(self.disks):
                self._add_apertures(b, k, disk, np.where(sky, x * error, 0.0), np.where(sky, error, 0.0), sky)
            self._add_of_flux(b, (flux[b] - level)[valid[b]], error[valid[b]], 10.0 ** logs.mean())

    def _add_apertures(self, b, k, disk, flux, error, sky):
        whole = np.rint(oaconvolve(sky.astype(float), disk, mode="same")) == disk.sum()
        if not whole.any():
            return
        variance = oaconvolve(error**2, disk, mode="same")[whole]
        values = oaconvolve(flux, disk, mode="same")[whole] / np.sqrt(variance)
        values = values[np.abs(values - np.median(values)) < _CLIP * mad_std(values)]
        self._apertures[:, b, k] += len(values), (values**2).sum()

    def _add_of_flux(self, b, flux, error, depth):
        at = np.searchsorted(EDGES[1:-1], flux / depth, side="right")
        logs = np.log10(error / depth)
        for row, weights in enumerate((None, logs, logs**2)):
            self._of_flux[row, b] += np.bincount(at, weights, minlength=len(EDGES) - 1)

    def noise(self, source: str = "") -> SurveyNoise:
        """What all of it says, of the bands that have data.

        Raises
        ------
        UserError
            If a band has too few empty pixels.
        """
        counts = zip(self.filters, self._n, self._seen, strict=True)
        few = [f"{name} ({int(n)})" for name, n, seen in counts if seen and n < _FEWEST_EMPTY]
        if few or not self._seen.any():
            raise UserError(
                f"too few empty pixels in {', '.join(few) or 'all bands'}: expected {_FEWEST_EMPTY} in each; "
                "give images with more sky, mend the segmentation map, or leave these bands out"
            )
        found = self._noise(source)
        seen = [name for name, there in zip(self.filters, self._seen, strict=True) if there]
        return found if len(seen) == len(self.filters) else found.of_filters(seen)

    def _noise(self, source) -> SurveyNoise:
        # bands without data get numbers that are taken out again
        count = np.where(self._seen, self._n, 1.0)
        variance = np.where(self._seen, self._x2 / count, 1.0)
        mean, square = self._log / count, self._log2 / count
        pairs = np.maximum(self._pairs, 1.0)
        correlation = self._products / pairs / variance[:, None, None]
        correlation = np.where(self._pairs > 0.5, np.clip(correlation, -1.0, 1.0), 0.0)
        correlation[~self._seen, self.lags, self.lags] = 1.0
        sizes = np.array([int(disk.sum()) for disk in self.disks])
        number, squares = self._apertures
        independent = number / sizes
        with np.errstate(invalid="ignore", divide="ignore"):
            factor2 = squares / number / variance[:, None]
            count, logs, logs2 = self._of_flux
            log_sigma = np.where(count >= _FEWEST_OF_FLUX, logs / count, np.nan)
            sd = np.sqrt(np.maximum(logs2 / count - log_sigma**2, 0.0))
        factor2 = np.where(independent >= _FEWEST_APERTURES, factor2, np.nan)
        return SurveyNoise(
            self.filters,
            stated_ujy=10.0**mean,
            error_ratio=np.sqrt(variance),
            depth_sd_dex=np.sqrt(np.maximum(square - mean**2, 0.0)),
            correlation=correlation,
            far=np.array(
                [self._far(*parts) for parts in zip(correlation, factor2, independent, strict=True)]
            ),
            n_pixels=sizes,
            factor=np.sqrt(factor2),
            flux_edges=np.array(EDGES),
            log_sigma=log_sigma,
            log_sigma_sd=np.where(np.isfinite(log_sigma), sd, np.nan),
            n_empty=self._n.astype(int),
            source=source,
        )

    def _far(self, correlation, factor2, independent) -> float:
        """Correlation of pixels beyond the lags that the largest apertures ask for; 0 unless significant."""
        known = np.flatnonzero(np.isfinite(factor2))
        if not len(known):
            return 0.0
        k = known[-1]
        disk = self.disks[k].astype(float)
        products = lag_products(disk, disk, self.lags)
        near, beyond = (products * correlation).sum() / disk.sum(), disk.sum() - products.sum() / disk.sum()
        excess = factor2[k] - near
        if beyond < 0.1 * disk.sum() or excess < _SIGNIFICANT * factor2[k] * np.sqrt(2.0 / independent[k]):
            return 0.0
        return float(min(excess / beyond, 1.0))


def empty_pixels(flux, sigma, valid) -> np.ndarray:
    """Pixels (ny, nx) without a source, where no segmentation map tells.

    The mean over the bands of flux over error, smoothed over 3 x 3 pixels, lies within three of its own
    robust standard deviations; pixels around those that do not are not empty either.

    Parameters
    ----------
    flux, sigma : array (Band, ny, nx)
    valid : bool array (Band, ny, nx)
    """
    n = valid.sum(axis=0)
    ratio = np.where(valid, flux / np.where(valid, sigma, 1.0), 0.0)
    # sky levels that differ from zero are no light of sources
    level = np.array([np.median(r[v]) if v.any() else 0.0 for r, v in zip(ratio, valid, strict=True)])
    ratio = np.where(valid, ratio - level[:, None, None], 0.0)
    mean = ndimage.uniform_filter(ratio.sum(axis=0) / np.maximum(n, 1), 3)
    empty = n > 0
    for _ in range(3):
        if not empty.any():
            break
        middle, scatter = np.median(mean[empty]), mad_std(mean[empty])
        bright = (mean > middle + _DETECTED * scatter) & (n > 0)
        # single pixels are noise
        bright = ndimage.binary_opening(bright, np.ones((2, 2)))
        empty = (n > 0) & ~ndimage.binary_dilation(bright, iterations=_GROWN)
    return empty


def _disk(radius) -> np.ndarray:
    reach = int(np.floor(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return (np.hypot(y, x) <= radius).astype(float)
