"""A galaxy whose pixels were fitted: where they are on the sky, how large, and the draws of each."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits

from ..cosmology import Cosmology
from ..errors import UserError
from ..io.draws import read_draws
from ..io.wcs import pixel_area_sr
from ..noise.survey import SurveyNoise
from .maps import Maps

# Quantity whose draws are high and low together in neighbours, and random fields at a time
_LEADING, _FIELDS = "log_mass", 16


@dataclass(frozen=True, eq=False)
class Resolved:
    """Draws of the pixels of an image, with what makes densities and profiles of them.

    Draw k of all pixels makes draw k of a sum: errors of pixels are independent then, but for the redshift,
    which draw k of all pixels shares where that was inferred. PSF-matched images have neighbours whose errors
    correlate; sums of a few pixels are then less certain than stated, unless the noise of the survey is
    given: then the draws of each pixel are put in another order, by their mass, such that those of neighbours
    are high and low together as much as their noise is (a Gaussian copula). No pixel has other draws than
    before.

    Parameters
    ----------
    draws_path : path
        ``draws.h5`` of the image.
    maps : Maps
        Of the image; its header has the celestial WCS.
    cosmology : Cosmology, optional
        Default: flat, H0 = 70, Om0 = 0.3; must be that of the maps.
    noise : SurveyNoise, optional
        Of the image's survey, whose bands count alike.
    seed : int
        Of the random fields that the order follows.

    Attributes
    ----------
    names : tuple of str
        Quantities that there are draws of.
    pixels : int ndarray (Pixel,)
        Places of the fitted pixels in the image, row after row.
    z : ndarray (Draw,)
        Redshift of each draw.
    n_draws : int

    Raises
    ------
    UserError
        If there are no draws, the WCS does not tell the size of a pixel, or the cosmology is another one.
    """

    draws_path: Path
    maps: Maps
    cosmology: Cosmology | None = None
    noise: SurveyNoise | None = None
    seed: int = 0
    names: tuple[str, ...] = field(init=False)
    pixels: np.ndarray = field(init=False)
    z: np.ndarray = field(init=False)
    n_draws: int = field(init=False)

    def __post_init__(self):
        if self.draws_path is None or not Path(self.draws_path).is_file():
            where = "" if self.draws_path is None else f" at {self.draws_path}"
            raise UserError(
                f"there are no draws{where}: expected draws.h5 of the image; run infer with --keep-draws (in "
                "Python draws_path=)"
            )
        cosmology = Cosmology.from_astropy() if self.cosmology is None else self.cosmology
        named = self.maps.meta.get("cosmology", cosmology.name)
        if named != cosmology.name:
            raise UserError(
                f"the maps are of cosmology {named}, not {cosmology.name}: give cosmology=, that of the "
                "posterior"
            )
        if pixel_area_sr(self.maps.header) is None:
            raise UserError(
                f"{self.maps.meta.get('source', 'the image')} has no celestial WCS, which the size of a "
                "pixel comes from: add it to the image and fit it again"
            )
        object.__setattr__(self, "cosmology", cosmology)
        with h5py.File(self.draws_path) as file:
            names, pixels = tuple(file["draws"]), file["pixel"][()]
            z = file["z"][()] if "z" in file else np.full(1, self.maps.meta["redshift"])
            n_draws = next(iter(file["draws"].values())).shape[1]
        z = np.broadcast_to(np.asarray(z, np.float32), n_draws)
        values = {"names": names, "pixels": pixels, "z": z, "n_draws": n_draws}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def read(
        cls, folder, cosmology: Cosmology | None = None, noise: SurveyNoise | None = None, seed: int = 0
    ) -> "Resolved":
        """Of the folder of an image that ``dsps-sbi infer --keep-draws`` wrote."""
        maps = Maps.read(Path(folder) / "maps.fits")
        return cls(Path(folder) / "draws.h5", maps, cosmology, noise, seed)

    @classmethod
    def of(
        cls, result, cosmology: Cosmology | None = None, noise: SurveyNoise | None = None, seed: int = 0
    ) -> "Resolved":
        """Of an :class:`~dsps_sbi.ImageResult` with draws."""
        return cls(result.draws_path, result.maps(), cosmology, noise, seed)

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.maps.shape

    @property
    def header(self) -> fits.Header:
        """Celestial WCS."""
        return self.maps.header

    def draws(self, name: str) -> np.ndarray:
        """Draws (Pixel, Draw) of a quantity of the fitted pixels, :attr:`pixels`; NaN for bad ones.

        Raises
        ------
        UserError
            For a quantity that was not kept.
        """
        if name not in self.names:
            raise UserError(
                f"draws of {name} were not kept, but of {', '.join(self.names)}: fit again with --quantities "
                "that name it too"
            )
        drawn = self._stored(name)
        return drawn if self.noise is None else np.take_along_axis(drawn, self._order, axis=1)

    def _stored(self, name):
        return read_draws(self.draws_path, name, self.shape[0] * self.shape[1])[self.pixels]

    @cached_property
    def _order(self) -> np.ndarray:
        """Which of the stored draws (Pixel, Draw) stands at each place."""
        if _LEADING not in self.names:
            raise UserError(
                f"draws of {_LEADING} were not kept, by which those of neighbours are put in order: fit "
                "again with --quantities that name it too, or leave the noise out"
            )
        rng, mass = np.random.default_rng(self.seed), self._stored(_LEADING)
        order = np.empty(mass.shape, np.int32)
        # draws of one redshift stay together
        for z in np.unique(self.z):
            group = np.flatnonzero(self.z == z)
            fields = np.empty((len(self.pixels), len(group)), np.float32)
            for k in range(0, len(group), _FIELDS):
                some = self.noise.fields(self.shape, min(_FIELDS, len(group) - k), rng)
                fields[:, k : k + len(some)] = some.reshape(len(some), -1)[:, self.pixels].T
            rank = np.argsort(np.argsort(fields, axis=1), axis=1)
            by_mass = group[np.argsort(mass[:, group], axis=1, kind="stable")]
            order[:, group] = np.take_along_axis(by_mass, rank, axis=1)
        return order

    @property
    def errors_of_sums(self) -> str:
        """How errors of pixels are taken together, in words."""
        if self.noise is None:
            return "errors of pixels independent"
        return f"errors of pixels correlated as the noise of {self.noise.source}"

    @property
    def pixel_kpc2(self) -> np.ndarray:
        """Area of a pixel [kpc^2] at the redshift of each draw (Draw,)."""
        kpc = 1e3 * np.asarray(self.cosmology.distance_mpc(self.z), float) / (1.0 + self.z.astype(float)) ** 2
        return pixel_area_sr(self.header) * kpc**2

    @property
    def pixel_kpc(self) -> float:
        """Side of a pixel [kpc] at the median redshift."""
        return float(np.sqrt(np.median(self.pixel_kpc2)))

    @property
    def age_gyr(self) -> np.ndarray:
        """Age of the Universe [Gyr] at the redshift of each draw (Draw,)."""
        return np.asarray(self.cosmology.age(self.z), float)

    def image(self, values) -> np.ndarray:
        """Values (..., Pixel) of the fitted pixels as images (..., ny, nx), NaN elsewhere."""
        values = np.asarray(values, np.float32)
        whole = np.full((*values.shape[:-1], self.shape[0] * self.shape[1]), np.nan, np.float32)
        whole[..., self.pixels] = values
        return whole.reshape(*values.shape[:-1], *self.shape)
