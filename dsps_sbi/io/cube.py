"""The image of one galaxy in several bands, ready to be fitted."""

import dataclasses

import numpy as np
from astropy import units as u
from astropy.io import fits

from ..arrays import flags, flux_pair, number, unit_of
from ..constants import UNKNOWN
from ..errors import UserError
from ..instruments.filters import FilterSet
from ..noise.survey import SurveyNoise
from .catalogue import names_and_curves
from .stand_ins import refuse_limits, refuse_stand_ins
from .wcs import celestial_header, unreadable_wcs


@dataclasses.dataclass(frozen=True, eq=False)
class PixelCube:
    """Fluxes and errors of the pixels of an image.

    An unusable pixel in a band (see `valid`) is a missing band of that pixel, not an error.

    Parameters
    ----------
    flux_ujy : array of float, (Object, Band)
        Flux density (uJy per pixel, or a Quantity). ``Object`` runs over the pixels in C order: pixel
        ``i`` is row ``i // nx``, column ``i % nx``. Stored as float32.
    sigma_ujy : array of float, (Object, Band)
        Standard deviation of the flux (uJy per pixel, or a Quantity). Stored as float32.
    filters : sequence of str, (Band,), or FilterSet
        Names of the filters in any usual spelling, stored as sedpy names; those of a FilterSet, or of
        anything else that :meth:`~dsps_sbi.FilterSet.of` takes, as they are.
    redshift : float or None
        None (or "unknown") where it is to be inferred; stored as None.
    shape : tuple of int
        ``(ny, nx)``.
    mask : array of bool, (Object,) or (ny, nx), optional
        True where a pixel must not be used. Default: no pixel.
    upper : array of bool, (Object, Band), optional
        True where the flux is an upper limit: ``flux_ujy`` holds the limit, k times ``sigma_ujy``.
        Default: none.
    header : astropy.io.fits.Header, optional
        Its celestial WCS is kept, the rest is not.
    source : str
        Where the data came from.
    notes : sequence of str
        What a reader of maps has to know about the data. A WCS that cannot be used is added.
    curves : FilterSet, optional
        Those of the filters, where they are not just names.
    noise : SurveyNoise, optional
        Of these bands: how the errors of pixels correlate. See :meth:`with_noise`, which scales errors too.

    Raises
    ------
    UserError
        If the parts do not fit together, a unit is no flux density, a flux is a number that stands for a
        missing value, the error of an upper limit is not positive (:mod:`dsps_sbi.io.stand_ins`), or no
        pixel is usable.
    """

    flux_ujy: np.ndarray
    sigma_ujy: np.ndarray
    filters: tuple[str, ...]
    redshift: float | None
    shape: tuple[int, int]
    mask: np.ndarray | None = None
    upper: np.ndarray | None = None
    header: fits.Header = dataclasses.field(default_factory=fits.Header)
    source: str = ""
    notes: tuple[str, ...] = ()
    curves: FilterSet | None = None
    noise: SurveyNoise | None = None

    def __post_init__(self):
        filters, curves = names_and_curves(self.filters, self.curves)
        shape = _shape(self.shape)
        n_pixel = shape[0] * shape[1]
        redshift = _redshift(self.redshift, f"{self.source}: " if self.source else "")
        unreadable = unreadable_wcs(self.header)
        notes = (self.notes,) if isinstance(self.notes, str) else tuple(self.notes)
        notes += () if unreadable is None else (without_wcs(unreadable),)
        given, pair = self.flux_ujy, ("flux_ujy", "sigma_ujy")
        arrays = dict(zip(pair, flux_pair(self.flux_ujy, self.sigma_ujy, pair, u.uJy), strict=True))
        for name, array in arrays.items():
            if array.shape != (n_pixel, len(filters)):
                raise UserError(
                    f"{name} has shape {array.shape}: expected ({n_pixel}, {len(filters)}), pixels by bands, "
                    f"for an image of {shape[0]} x {shape[1]}; reshape it or mend the filters"
                )
        mask = np.zeros(n_pixel, bool) if self.mask is None else flags(self.mask, "mask", masked=True)
        if mask.shape not in (shape, (n_pixel,)):
            raise UserError(
                f"mask has shape {mask.shape}: expected {shape} or ({n_pixel},), as the image; reshape it"
            )
        flux = arrays["flux_ujy"]
        upper = np.zeros_like(flux, bool) if self.upper is None else flags(self.upper, "upper", masked=False)
        if upper.shape != flux.shape:
            raise UserError(
                f"upper has shape {upper.shape}: expected {flux.shape}, that of the fluxes; reshape it"
            )
        if (flux[upper] <= 0).any():
            raise UserError(
                "an upper limit is not positive: expected k times the error as the flux of a limit; mend it"
            )
        values = dict(
            arrays,
            upper=upper,
            filters=filters,
            redshift=redshift,
            shape=shape,
            mask=mask.reshape(n_pixel),
            header=celestial_header(self.header, shape=shape),
            source=str(self.source),
            notes=notes,
            curves=curves,
        )
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_usable()
        unit, seen = unit_of(given), np.where(self.mask[:, None], np.nan, flux)

        def name(i, band):
            return f"pixel ({i // shape[1]}, {i % shape[1]}) of {filters[band]}"

        factor = 1.0 if unit is None else unit.to(u.uJy)
        refuse_stand_ins(seen, arrays["sigma_ujy"], name, where=self._name(), factor=factor)
        refuse_limits(seen, arrays["sigma_ujy"], upper, name, where=self._name())

    def _check_usable(self):
        if self.mask.all():
            raise UserError(
                f"{self._name()}: all pixels are masked: expected at least one to use; mend the mask"
            )
        if not _positive(self.sigma_ujy).any():
            raise UserError(
                f"{self._name()}: no error is finite and positive: expected standard deviations in uJy; "
                "mend the errors"
            )
        if not self.valid[~self.mask].any():
            raise UserError(
                f"{self._name()}: no unmasked pixel has a flux with an error in any band: expected at least "
                "one; check fluxes, errors and mask"
            )

    def _name(self):
        return self.source or "cube"

    def with_noise(self, noise: SurveyNoise) -> "PixelCube":
        """The same image with the noise that was learned of its survey.

        The errors of each band are multiplied by :attr:`~dsps_sbi.SurveyNoise.error_ratio`; sums of pixels
        have the errors that the correlation of neighbours makes.

        Raises
        ------
        UserError
            For bands whose noise was not learned, or if the errors were scaled so before.
        """
        if self.noise is not None:
            raise UserError(
                f"{self._name()} has the noise of {self.noise.source} already: expected errors as stated; "
                "give the image as it was read"
            )
        seen = self.valid.any(axis=0)
        own = noise.of_filters(
            self.filters, [name for name, there in zip(self.filters, seen, strict=True) if not there]
        )
        sigma = self.sigma_ujy * np.float32(own.error_ratio)
        return dataclasses.replace(self, sigma_ujy=sigma, noise=own)

    def sum_error(self, pixels, bands=None) -> np.ndarray:
        """Errors (Band,) [uJy] of the sum of some pixels: independent, or as :attr:`noise` has it.

        Parameters
        ----------
        pixels : int array (Pixel,)
        bands : int array (Band,), optional
            Default: all.
        """
        bands = np.arange(len(self.filters)) if bands is None else np.asarray(bands)
        sigma = self.sigma_ujy[np.ix_(pixels, bands)].astype(float)
        errors = np.sqrt((sigma**2).sum(axis=0))
        if self.noise is None:
            return errors
        # no more of the image than these pixels are in
        y, x = np.divmod(np.asarray(pixels), self.shape[1])
        images = np.zeros((len(bands), np.ptp(y) + 1, np.ptp(x) + 1))
        images[:, y - y.min(), x - x.min()] = np.where(np.isfinite(sigma), sigma, 0.0).T
        return errors * self.noise.of_filters([self.filters[b] for b in bands]).sum_ratio(images)

    @property
    def valid(self):
        """Usable values, bool (Object, Band).

        A value is not usable if the flux is not finite, if the error is not finite and positive,
        or if all finite fluxes of the band are exactly zero, which is how a band that was
        never observed is often stored. The mask is not applied.
        """
        finite = np.isfinite(self.flux_ujy)
        observed = (finite & (self.flux_ujy != 0)).any(axis=0)
        return finite & observed & _positive(self.sigma_ujy)


def _positive(sigma):
    return np.isfinite(sigma) & (sigma > 0)


def _shape(shape):
    try:
        ny, nx = (int(size) for size in shape)
        whole = (ny, nx) == tuple(shape)
    except (TypeError, ValueError):
        ny, nx, whole = 0, 0, False
    if not whole or ny < 1 or nx < 1:
        raise UserError(
            f"shape is {shape!r}: expected (ny, nx), two whole numbers from 1 up; give rows and columns"
        )
    return ny, nx


def without_wcs(reason: str) -> str:
    """The note on an image whose celestial WCS cannot be used."""
    return f"the WCS of the image cannot be used ({reason}): the maps have none; mend it to have one"


def _redshift(redshift, where):
    if redshift is None or (isinstance(redshift, str) and redshift == UNKNOWN):
        return None
    value = number(redshift, f"{where}redshift")
    if not (np.isfinite(value) and value > 0):
        raise UserError(
            f"{where}redshift is {redshift}: expected a finite number above 0; give the galaxy's redshift"
        )
    return value
