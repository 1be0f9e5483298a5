"""The noise of a survey, as its own images tell it: depth, errors by flux, correlation of neighbours."""

import hashlib
from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
import numpy as np
from scipy import fft

from ..errors import UserError
from .depth import DepthNoise

# Range of depths of a training beyond what the survey itself has [dex]: sums of pixels, up to 10^5 of them
_SUMS_DEX = 2.5
_DEEPER_DEX = 0.5
# Standard deviations of a learned distribution that a training covers
_COVERED = 2.0


@dataclass(frozen=True, eq=False)
class SurveyNoise:
    r"""What empty pixels of images say of their noise.

    Stated errors of drizzled and PSF-matched images are not the scatter of their pixels, and neighbours have
    noise in common. Both come from a linear operation on independent noise, which multiplies errors by one
    factor wherever these vary smoothly, at bright pixels too. So errors of a band are multiplied by
    :attr:`error_ratio`, and sums of pixels have the variance

    .. math:: \sum_{ij} \rho_{ij} \sigma_i \sigma_j

    with the measured correlation of pixels that far apart. For the factor of sums against independent errors
    see Labbe et al. (2003, AJ 125, 1107) and Whitaker et al. (2011, ApJ 735, 86), section 3.5.

    Parameters
    ----------
    filters : tuple of str
    stated_ujy : ndarray (Band,)
        Stated error of an empty pixel [uJy], geometric mean.
    error_ratio : ndarray (Band,)
        Scatter of empty pixels over their stated errors.
    depth_sd_dex : ndarray (Band,)
        Standard deviation of log10 of the stated errors of empty pixels.
    correlation : ndarray (Band, 2 Lag + 1, 2 Lag + 1)
        Of the noise of pixels that are (dy, dx) apart; 1 in the middle.
    far : ndarray (Band,)
        Of pixels that are farther apart, one number: what the largest empty apertures ask for.
    n_pixels : int ndarray (Size,)
        Pixels of the apertures.
    factor : ndarray (Band, Size)
        Scatter of empty apertures over that of sums of independent pixels; NaN where too few are empty.
    flux_edges : ndarray (Bin + 1,)
        Fluxes in units of the stated depth.
    log_sigma, log_sigma_sd : ndarray (Band, Bin)
        Mean and standard deviation of log10(stated error / stated depth) of pixels with such fluxes; NaN
        where there are too few.
    n_empty : int ndarray (Band,)
        Empty pixels.
    source : str

    Raises
    ------
    UserError
        For numbers that no noise has, or shapes that disagree.
    """

    filters: tuple[str, ...]
    stated_ujy: np.ndarray
    error_ratio: np.ndarray
    depth_sd_dex: np.ndarray
    correlation: np.ndarray
    far: np.ndarray
    n_pixels: np.ndarray
    factor: np.ndarray
    flux_edges: np.ndarray
    log_sigma: np.ndarray
    log_sigma_sd: np.ndarray
    n_empty: np.ndarray
    source: str = ""

    def __post_init__(self):
        n, size, bins = len(self.filters), len(self.n_pixels), len(self.flux_edges) - 1
        side = np.shape(self.correlation)[-1]
        shapes = dict.fromkeys(("stated_ujy", "error_ratio", "depth_sd_dex", "far", "n_empty"), (n,))
        shapes |= {"correlation": (n, side, side), "factor": (n, size)}
        shapes |= dict.fromkeys(("log_sigma", "log_sigma_sd"), (n, bins))
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise UserError(
                    f"{name} has shape {np.shape(getattr(self, name))}: expected {shape} for {n} bands; "
                    "learn the noise again"
                )
        for name in ("stated_ujy", "error_ratio"):
            values = np.asarray(getattr(self, name))
            if not (np.isfinite(values).all() and (values > 0.0).all()):
                raise UserError(f"{name} is {values}: expected positive numbers; learn the noise again")
        middle = np.asarray(self.correlation)[:, side // 2, side // 2]
        if not (side % 2 == 1 and np.isfinite(self.correlation).all() and np.allclose(middle, 1.0)):
            raise UserError(
                "the correlation of the noise is not 1 at distance 0: expected finite numbers about that; "
                "learn the noise again"
            )

    @property
    def depth_ujy(self) -> np.ndarray:
        """Scatter of an empty pixel (Band,) [uJy]: the survey's depth."""
        return self.stated_ujy * self.error_ratio

    @property
    def lags(self) -> int:
        """Farthest distance along an axis [pixel] that a correlation is known of."""
        return self.correlation.shape[-1] // 2

    def of_filters(self, filters, unseen=()) -> "SurveyNoise":
        """That of some bands, in their order.

        Parameters
        ----------
        filters : sequence of str
        unseen : sequence of str
            Bands without data: where their noise was not learned, errors stay as they are.

        Raises
        ------
        UserError
            For a band that was not learned.
        """
        missing = [name for name in filters if name not in (*self.filters, *unseen)]
        if missing:
            raise UserError(
                f"the noise of {', '.join(missing)} is not in {self.source or 'what was learned'}, which has "
                f"{', '.join(self.filters)}: learn it from images with these bands, or leave the noise out"
            )
        # one row more, of noise that is independent and as stated
        side = np.arange(2 * self.lags + 1) == self.lags
        more = {"stated_ujy": 1.0, "error_ratio": 1.0, "depth_sd_dex": 0.0, "far": 0.0, "n_empty": 0}
        more |= {"correlation": np.outer(side, side).astype(float), "factor": np.ones(len(self.n_pixels))}
        more |= dict.fromkeys(("log_sigma", "log_sigma_sd"), np.full(len(self.flux_edges) - 1, np.nan))
        rows = [self.filters.index(n) if n in self.filters else len(self.filters) for n in filters]
        parts = {
            n: np.concatenate([getattr(self, n), np.asarray(row)[None]])[rows] for n, row in more.items()
        }
        rest = {"n_pixels": self.n_pixels, "flux_edges": self.flux_edges, "source": self.source}
        return SurveyNoise(tuple(filters), **parts, **rest)

    def sum_ratio(self, sigma) -> np.ndarray:
        """Error of a sum of pixels over that with independent errors (Band,).

        Parameters
        ----------
        sigma : array (ny, nx) or (Band, ny, nx)
            Errors of the pixels, 0 for those that are not in the sum.
        """
        sigma = np.broadcast_to(np.asarray(sigma, float), (len(self.filters), *np.shape(sigma)[-2:]))
        own = (sigma**2).sum(axis=(1, 2))
        near, pairs = np.zeros(len(own)), np.zeros(len(own))
        for b, image in enumerate(sigma):
            products = lag_products(image, image, self.lags)
            near[b], pairs[b] = (products * self.correlation[b]).sum(), products.sum()
        total = near + self.far * (sigma.sum(axis=(1, 2)) ** 2 - pairs)
        # numbers that were measured may make a variance of nothing of patterns that no galaxy has
        return np.sqrt(np.maximum(total, 1e-2 * own) / np.where(own > 0.0, own, 1.0))

    def fields(self, shape, n: int, rng) -> np.ndarray:
        """Fields (n, ny, nx) of standard normal numbers that correlate as the noise does, mean of the bands.

        Parameters
        ----------
        shape : tuple of int
            (ny, nx)
        n : int
        rng : numpy.random.Generator
        """
        # far enough apart that the ends of the periodic field do not see each other
        size = [fft.next_fast_len(length + 2 * self.lags + 1, real=True) for length in shape]
        kernel = np.zeros(size)
        offsets = np.arange(-self.lags, self.lags + 1)
        far = float(np.mean(self.far))
        kernel[np.ix_(offsets, offsets)] = self.correlation.mean(axis=0) - far
        # what is measured is not positive at all frequencies
        amplitude = np.sqrt(np.maximum(fft.rfft2(kernel).real, 0.0))
        scale = np.sqrt((1.0 - far) / fft.irfft2(amplitude**2, s=size)[0, 0])
        out = np.empty((n, *shape), np.float32)
        for k in range(n):
            white = fft.rfft2(rng.standard_normal(size))
            field = scale * fft.irfft2(white * amplitude, s=size)
            out[k] = field[: shape[0], : shape[1]] + np.sqrt(far) * rng.standard_normal()
        return out

    def sample_sigma(self, key, flux_ujy):
        """Stated errors (Object, Band) [uJy] of pixels with fluxes (Object, Band): p(sigma | flux)."""
        edges = jnp.asarray(self.flux_edges[1:-1], jnp.float32)
        at = jnp.searchsorted(edges, jnp.asarray(flux_ujy) / self.stated_ujy, side="right")
        mean, sd = (np.stack([_filled(row) for row in a]) for a in (self.log_sigma, self.log_sigma_sd))
        band = np.arange(len(self.filters))
        noise = jax.random.normal(key, at.shape)
        return self.stated_ujy * 10.0 ** (jnp.asarray(mean)[band, at] + jnp.asarray(sd)[band, at] * noise)

    def for_training(self, filters=None, floor: float = 0.05) -> DepthNoise:
        """Noise of this survey to train for.

        Depths are drawn independently of the galaxy, over what p(sigma | flux) spans: errors that told of
        the galaxy would have to stand in the likelihood. Sums of pixels are covered too.

        Parameters
        ----------
        filters : sequence of str, optional
            Bands of the network; default: those that were learned.
        floor : float
            Relative error of the model's flux.
        """
        own = self if filters is None else self.of_filters(filters)
        low, high = (own.log_sigma + sign * _COVERED * own.log_sigma_sd for sign in (-1.0, 1.0))
        # of the darkest bin the depth itself: errors below it are chance
        low = np.minimum(np.nanmin(low), -_COVERED * own.depth_sd_dex.max())
        offset = float(min(low, -_DEEPER_DEX)), float(max(np.nanmax(high), _SUMS_DEX))
        jitter = float(max(np.median(own.depth_sd_dex), 0.1))
        return DepthNoise(own.depth_ujy, offset, jitter, floor)

    @property
    def digest(self) -> str:
        """SHA-256 of all numbers: runs with other noise are other runs."""
        found = hashlib.sha256(" ".join(self.filters).encode())
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, np.ndarray):
                # plus 0: no negative zeros
                found.update(np.ascontiguousarray(np.asarray(value, float) + 0.0).tobytes())
        return found.hexdigest()

    def lines(self) -> list[str]:
        """A line for each band, for people."""
        sizes = [f"{n:>6}" for n in self.n_pixels]
        head = f"{'filter':>16} {'depth nJy':>10} {'/ stated':>9} {'neighbour':>9}  factor of sums of"
        out = [f"{head}{''.join(sizes)} pixels"]
        middle = self.lags
        for b, name in enumerate(self.filters):
            side = 0.5 * (self.correlation[b, middle, middle + 1] + self.correlation[b, middle + 1, middle])
            factors = "".join(f"{value:6.2f}" for value in self.factor[b])
            out.append(
                f"{name:>16} {1e3 * self.depth_ujy[b]:10.4g} {self.error_ratio[b]:9.3f} {side:9.3f} "
                f"{'':>17}{factors}"
            )
        return out


def lag_products(one, other, lags: int) -> np.ndarray:
    """Sums of one(p) other(p + lag) over the pixels p of images (ny, nx), (2 lags + 1, 2 lags + 1)."""
    size = [fft.next_fast_len(length + lags, real=True) for length in one.shape]
    products = fft.irfft2(np.conj(fft.rfft2(one, size)) * fft.rfft2(other, size), s=size)
    offsets = np.arange(-lags, lags + 1)
    return products[np.ix_(offsets % size[0], offsets % size[1])]


def _filled(row):
    """Numbers (n,) with those that are not known as the nearest one that is; 0 where none is."""
    known = np.flatnonzero(np.isfinite(row))
    if not len(known):
        return np.zeros(len(row), np.float32)
    nearest = known[np.argmin(np.abs(np.arange(len(row))[:, None] - known), axis=1)]
    return np.asarray(row, np.float32)[nearest]
