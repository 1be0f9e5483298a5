"""The celestial part of FITS headers."""

import re
import warnings

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area

from ..errors import UserError

_NOT_CELESTIAL = re.compile(
    "DATE|MJD|OBSGEO|TIME|TREF|PLEPHEM|VELO|SYSOBS|SPECSYS|VELANGL|ZSOURCE|COMMENT|^$"
)
# Cards of the linear part of a WCS
_LINEAR = re.compile(r"(CRVAL|CRPIX|CDELT|CROTA)[12]$|(CD|PC)[12]_[12]$")
_DEG2_SR = (1 * u.deg**2).to_value(u.sr)


def celestial_wcs(header):
    """Celestial WCS of the first two axes of an image.

    Parameters
    ----------
    header : astropy.io.fits.Header

    Returns
    -------
    astropy.wcs.WCS or None
        ``None`` if the header has no (usable) celestial WCS.
    """
    return _read(header)[0]


def unreadable_wcs(header) -> str | None:
    """Why the celestial WCS of a header cannot be used; None where it can, or where there is none.

    Parameters
    ----------
    header : astropy.io.fits.Header
    """
    wcs, problem = _read(header)
    kinds = (str(header.get(f"CTYPE{axis}", "")) for axis in (1, 2))
    celestial = any(kind.startswith(("RA--", "DEC-", "GLON", "GLAT", "ELON", "ELAT")) for kind in kinds)
    return problem if wcs is None and celestial else None


def _read(header):
    """WCS or None, and why there is none."""
    for name in header:
        if _LINEAR.match(name) and not _is_number(header[name]):
            # astropy would take 0 for NaN
            return None, f"{name} is {header[name]}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        try:
            wcs = WCS(header, naxis=2)
        except (ValueError, KeyError, TypeError, OSError) as error:
            # A malformed WCS is no WCS; astropy's WcsError is a ValueError.
            return None, " ".join(str(error).split())[:100]
    return (wcs, None) if wcs.has_celestial else (None, "CTYPE1 and CTYPE2 are no pair of celestial axes")


def _is_number(value) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False


def _linear_at(wcs, x, y):
    """A WCS without distortion that agrees with another about pixel (x, y), its reference point."""
    sky = wcs.all_pix2world([[x, y], [x + 1.0, y], [x, y + 1.0]], 0)
    plane = WCS(naxis=2)
    plane.wcs.ctype = [kind.removesuffix("-SIP") for kind in wcs.wcs.ctype]
    plane.wcs.crval, plane.wcs.crpix = sky[0], (1.0, 1.0)
    plane.wcs.cunit, plane.wcs.radesys, plane.wcs.equinox = wcs.wcs.cunit, wcs.wcs.radesys, wcs.wcs.equinox
    plane.wcs.cd = np.eye(2)
    # with a unit matrix pixels are degrees of the tangent plane
    plane.wcs.cd = plane.wcs_world2pix(sky[1:], 0).T
    plane.wcs.crpix = (x + 1.0, y + 1.0)
    return plane


def celestial_header(header, offset=(0, 0), shape=None):
    """Cards of the celestial WCS alone.

    Parameters
    ----------
    header : astropy.io.fits.Header or astropy.wcs.WCS
        Whatever comes with an image, of any number of axes.
    offset : tuple of int
        First row and column (y, x) that are kept of the image.
    shape : tuple of int, optional
        Rows and columns that are kept. Default: those that the header tells, from the first one on.

    Returns
    -------
    astropy.io.fits.Header
        Cards of a two-dimensional WCS; empty if there is no celestial WCS. Without the polynomials of optical
        distortion (SIP): the linear part is that about the middle of what is kept.
    """
    wcs = header if isinstance(header, WCS) else celestial_wcs(header)
    if wcs is None:
        return fits.Header()
    if wcs.sip is not None:
        if shape is None:
            shape = np.subtract(wcs.array_shape or np.add(offset, 1), offset)
        # a whole pixel, so that the reference point is the centre of one
        y, x = np.add(offset, np.subtract(shape, 1) // 2)
        wcs = _linear_at(wcs, float(x), float(y))
    else:
        wcs = wcs.deepcopy()
    wcs.wcs.crpix = np.asarray(wcs.wcs.crpix) - np.array([offset[1], offset[0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        cards = wcs.to_header(relax=False)
    kept = [card for card in cards.cards if not _NOT_CELESTIAL.search(card.keyword)]
    return fits.Header(kept)


def pixel_area_sr(header):
    """Area of a pixel: from the WCS, else from the card PIXAR_SR.

    Parameters
    ----------
    header : astropy.io.fits.Header

    Returns
    -------
    float or None
        Area (sr); ``None`` if the header tells neither, or a PIXAR_SR that is no number above 0.
    """
    wcs = celestial_wcs(header)
    if wcs is not None:
        return float(proj_plane_pixel_area(wcs)) * _DEG2_SR
    area = header.get("PIXAR_SR")
    return float(area) if _is_number(area) and float(area) > 0 else None


def check_same_grid(reference, other, shape, *, where, tolerance=0.1):
    """Refuse images whose pixels do not coincide.

    Parameters
    ----------
    reference, other : astropy.wcs.WCS or None
        WCS of the first image and of another.
    shape : tuple of int
        Their common shape (y, x).
    where : str
        The other image, for the message of the error.
    tolerance : float
        Largest distance at the corners (pixels).
    """
    if reference is None and other is None:
        return
    if reference is None or other is None:
        raise UserError(f"{where}: only some images have a celestial WCS: expected all or none; add it")
    x = np.array([0, shape[1] - 1, 0, shape[1] - 1], dtype=float)
    y = np.array([0, 0, shape[0] - 1, shape[0] - 1], dtype=float)
    try:
        x_other, y_other = other.world_to_pixel(reference.pixel_to_world(x, y))
        distance = np.hypot(x_other - x, y_other - y).max()
    except ValueError:  # astropy's NoConvergence, or a projection that does not reach so far
        distance = np.inf
    if not distance <= tolerance:
        raise UserError(
            f"{where} is {distance:.3g} pixels off the first image at a corner: expected one pixel grid "
            f"(to {tolerance:g} pixel); reproject all images to one grid"
        )
