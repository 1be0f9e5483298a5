"""One image of a band, cut out of a file on the pixel grid that all bands share."""

import dataclasses
import os

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.nddata.utils import NoOverlapError

from ..errors import UserError
from .fits_open import image_hdu, native, open_fits
from .units import factor_to_ujy
from .wcs import celestial_header, celestial_wcs, check_same_grid, pixel_area_sr, unreadable_wcs


@dataclasses.dataclass(frozen=True, eq=False)
class Image:
    """Pixels and header of a part of an image.

    Parameters
    ----------
    data : array of float, (y, x)
    header : astropy.io.fits.Header
        That of the extension, over that of the file.
    path : str or os.PathLike
    """

    data: np.ndarray
    header: fits.Header
    path: object

    def factor(self, unit, where=None):
        """Factor to uJy per pixel of values in a unit, with the WCS and calibration of this image."""
        return factor_to_ujy(
            unit,
            where=str(where or self.path),
            pixel_area_sr=pixel_area_sr(self.header),
            photflam=self.header.get("PHOTFLAM"),
            photplam=self.header.get("PHOTPLAM"),
        )


class Region:
    """The pixels that are read, the same in all images: the first flux image fixes them.

    Parameters
    ----------
    cutout : dict or None
        ``ra``, ``dec`` (deg, ICRS) and ``size_arcsec``, the side of a square; ``None``: whole images.
    box : (slice, slice), optional
        Rows and columns, instead of a cutout.

    Attributes
    ----------
    unreadable : str or None
        Why the WCS of the first image cannot be used, where it has one.
    """

    def __init__(self, cutout=None, box=None):
        self._cutout, self._box, self.unreadable = cutout, box, None
        self._wcs = self._shape = self._slices = None

    @property
    def wcs(self):
        """WCS of the first image, whole; None where there is none."""
        return self._wcs

    def header(self):
        """Cards of the celestial WCS of the region."""
        if self._wcs is None:
            return fits.Header()
        bounds = [part.indices(size) for part, size in zip(self._slices, self._shape, strict=True)]
        first, shape = [b[0] for b in bounds], [b[1] - b[0] for b in bounds]
        return celestial_header(self._wcs, first, shape)

    def cut(self, hdu, header, path, is_flux):
        """Pixels of an image in the region, float64 (y, x)."""
        self.check(hdu, header, path, is_flux)
        # no more than these is read, and integers with BZERO are numbers
        return native(hdu.section[self._slices])

    def check(self, hdu, header, path, is_flux):
        """Refuse an image that is not on the grid of the first one.

        Raises
        ------
        UserError
        """
        wcs = celestial_wcs(header)
        if self._shape is None:
            self.unreadable = None if wcs is not None else unreadable_wcs(header)
            self._fix(hdu, wcs, path)
        if hdu.shape != self._shape:
            raise UserError(
                f"{path} has shape {hdu.shape}: expected {self._shape}, that of the first image; "
                "reproject all images to one grid"
            )
        # Error, weight and mask images may lack a WCS: their shape is all there is to compare.
        if is_flux or (wcs is not None and self._wcs is not None):
            check_same_grid(self._wcs, wcs, self._shape, where=str(path))

    def _fix(self, hdu, wcs, path):
        if self._cutout is None:
            slices = (slice(None), slice(None)) if self._box is None else self._box
        else:
            if wcs is None:
                found = f", as its WCS cannot be used ({self.unreadable})" if self.unreadable else ""
                raise UserError(
                    f"{path} has no celestial WCS{found}: expected one for the cutout; add it, or remove "
                    "cutout"
                )
            centre = SkyCoord(self._cutout["ra"], self._cutout["dec"], unit="deg")
            size = self._cutout["size_arcsec"] * u.arcsec
            try:
                slices = Cutout2D(hdu.section, centre, size, wcs=wcs, mode="trim").slices_original
            except (NoOverlapError, ValueError) as error:
                where = f"{self._cutout['ra']:.6f} {self._cutout['dec']:.6f}"
                raise UserError(
                    f"{path} does not cover {where}: expected a cutout inside; mend ra and dec"
                ) from error
        self._wcs, self._shape, self._slices = wcs, hdu.shape, slices


@dataclasses.dataclass(frozen=True)
class Stored:
    """Where the pixels of an image are in its file, row after row.

    Parameters
    ----------
    path : str or os.PathLike
    first : int
        Byte of the first one.
    width : int
        Pixels of a row.
    item_bytes : int
    """

    path: object
    first: int
    width: int
    item_bytes: int

    def touch(self, box) -> None:
        """Bring a box of rows and columns from disk into the memory of the system; nothing is kept."""
        rows, columns = box
        n = (columns.stop - columns.start) * self.item_bytes
        number = os.open(self.path, os.O_RDONLY)
        try:
            for row in range(rows.start, rows.stop):
                os.pread(number, n, self.first + (row * self.width + columns.start) * self.item_bytes)
        finally:
            os.close(number)


def check_image(path, ext, region, is_flux=False) -> Stored | None:
    """Refuse an image that cannot be read or is not on the grid of a region, without reading its pixels.

    Parameters as of :func:`read_image`.

    Returns
    -------
    Stored or None
        None for images that are compressed.

    Raises
    ------
    UserError
    """
    # sections of mapped files cannot have BZERO; without, only what is asked for is read, too
    with open_fits(path, memmap=False) as hdus:
        hdu = image_hdu(hdus, ext, path)
        region.check(hdu, hdu.header, path, is_flux)
        place = None if isinstance(hdu, fits.CompImageHDU) else hdu.fileinfo()
        if place is None or str(path).lower().endswith(".gz") or not hasattr(os, "pread"):
            return None
        return Stored(path, place["datLoc"], hdu.shape[1], abs(hdu.header["BITPIX"]) // 8)


def read_image(path, ext, region, is_flux=False):
    """Read the region of an image.

    Parameters
    ----------
    path : str or os.PathLike
    ext : int or str or None
        Number or name of the extension; ``None``: the first two-dimensional image.
    region : Region
    is_flux : bool
        Whether a WCS is asked of this image if others have one.

    Returns
    -------
    Image
    """
    with open_fits(path, memmap=False) as hdus:
        hdu = image_hdu(hdus, ext, path)
        header = hdus[0].header.copy()
        # The geometry is the extension's own; the rest may stand in the primary header.
        if hdu is not hdus[0]:
            header = fits.Header(
                [card for card in header.cards if card.keyword in ("BUNIT", "PHOTFLAM", "PHOTPLAM")]
            )
            header.update(hdu.header)
        return Image(region.cut(hdu, header, path, is_flux), header, path)
