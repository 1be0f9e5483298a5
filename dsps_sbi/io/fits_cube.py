"""Cutouts stored as one FITS file: a plane for each band."""

import numpy as np

from ..errors import UserError
from ..instruments.filters import FilterSet, has_curves
from .cube import PixelCube
from .fits_open import native, open_fits
from .formats.registry import cube_format_of
from .stand_ins import refuse_stand_ins
from .units import factor_to_ujy
from .wcs import celestial_header, pixel_area_sr


def read_cutout(path, *, redshift=None, filters=None, bands=None):
    """Read a FITS file with the cutouts of one galaxy.

    The file has the image extensions ``FLUX`` and ``ERROR`` (band, y, x), and perhaps ``MASK``
    (y, x; not zero: do not use) and ``UPPER`` (band, y, x; not zero: the flux is an upper limit of
    k times the error). The header of ``FLUX``, or else the primary header, gives BUNIT
    (`units.factor_to_ujy` lists what is understood; that of ``ERROR`` may differ), the celestial
    WCS, the redshift (``REDSHIFT`` or ``Z``) and the filters: cards ``FILTER1``, ``FILTER2``...,
    or one card ``FILTERS`` with commas, or the first column of text of a table extension
    ``FILTERS``.

    Parameters
    ----------
    path : str or os.PathLike
    redshift : float or "unknown", optional
        Used instead of that in the file; "unknown": it is to be inferred.
    filters : sequence of str, or what :meth:`dsps_sbi.FilterSet.of` takes, optional
        Names of the bands, or their curves, used instead of those in the file.
    bands : BandNames, optional
        What the names of the bands mean.

    Returns
    -------
    PixelCube
    """
    with open_fits(path) as hdus:
        flux_hdu, error_hdu = (_cube_hdu(hdus, name, path) for name in ("FLUX", "ERROR"))
        n_band, *shape = flux_hdu.shape
        if error_hdu.shape != flux_hdu.shape:
            raise UserError(
                f"{path}: ERROR has shape {error_hdu.shape}: expected {flux_hdu.shape} as FLUX; cut both"
            )
        headers = (flux_hdu.header, hdus[0].header)
        filters = _filters(hdus, headers, path) if filters is None else filters
        if not isinstance(filters, FilterSet):
            filters = FilterSet.of(filters) if has_curves(filters) else tuple(filters)
        n_named = len(getattr(filters, "names", filters))
        if n_named != n_band:
            raise UserError(
                f"{path}: {n_named} filters are named: expected {n_band}, one for each plane of FLUX; "
                "mend the list of filters"
            )
        filters = filters if bands is None else bands.of(getattr(filters, "names", filters))
        names = getattr(filters, "names", filters)
        redshift = _first(headers, "REDSHIFT", "Z") if redshift is None else redshift
        if redshift is None:
            raise UserError(f"{path} has no redshift: expected the card REDSHIFT; add it or give redshift=")
        header = next((h for h in headers if celestial_header(h)), headers[0])
        area = pixel_area_sr(header) or pixel_area_sr(headers[1])
        unit = _first(headers, "BUNIT")
        factor = factor_to_ujy(unit, where=f"{path} FLUX", pixel_area_sr=area)
        flux = native(flux_hdu.data) * factor
        unit = error_hdu.header.get("BUNIT", unit)
        sigma = native(error_hdu.data) * factor_to_ujy(unit, where=f"{path} ERROR", pixel_area_sr=area)
        mask = _flags(hdus, "MASK", tuple(shape), path)
        upper = _flags(hdus, "UPPER", (n_band, *shape), path)
        refuse_stand_ins(
            (flux if mask is None else np.where(mask, np.nan, flux)).reshape(n_band, -1),
            sigma.reshape(n_band, -1),
            lambda band, i: f"pixel ({i // shape[1]}, {i % shape[1]}) in {names[band]}",
            where=f"{path} FLUX",
            factor=factor,
        )
        return PixelCube(
            flux.reshape(n_band, -1).T,
            sigma.reshape(n_band, -1).T,
            filters,
            redshift,
            tuple(shape),
            mask=mask,
            upper=None if upper is None else upper.reshape(n_band, -1).T,
            header=header,
            source=str(path),
        )


def _cube_hdu(hdus, name, path):
    if name not in hdus:
        if cube_format_of(hdus) is not None:
            raise UserError(
                f"{path} is a cube of spectra: give it with a bundle of spectra, or read it with "
                "read_spectral_cube"
            )
        names = ", ".join(hdu.name for hdu in hdus if hdu.name)
        raise UserError(
            f"{path} has no extension {name}: found {names}: expected FLUX and ERROR; rename the extensions"
        )
    hdu = hdus[name]
    if not hdu.is_image or len(hdu.shape) != 3:
        shape = hdu.shape if hdu.is_image else "of a table"
        raise UserError(
            f"{path}: {name} has shape {shape}: expected an image (band, y, x); stack the bands in a cube"
        )
    return hdu


def _first(headers, *keys):
    """Value of the first card found, header by header; None if there is none."""
    return next(
        (header[key] for header in headers for key in keys if header.get(key) not in (None, "")), None
    )


def _filters(hdus, headers, path):
    for header in headers:
        names = []
        while f"FILTER{len(names) + 1}" in header:
            names.append(str(header[f"FILTER{len(names) + 1}"]))
        if not names and header.get("FILTERS"):
            names = [name.strip() for name in str(header["FILTERS"]).split(",") if name.strip()]
        if names:
            return tuple(names)
    for hdu in hdus:
        if hdu.name == "FILTERS" and not hdu.is_image:
            for column in hdu.columns.names:
                if hdu.data[column].dtype.kind in "SU":
                    return tuple(str(name).strip() for name in hdu.data[column])
    raise UserError(
        f"{path} names no filters: expected the cards FILTER1, FILTER2...; add them or give filters="
    )


def _flags(hdus, name, shape, path):
    """True where an extension is not zero; None if there is none."""
    if name not in hdus:
        return None
    data = hdus[name].data
    if data is None or data.shape != shape:
        found = None if data is None else data.shape
        raise UserError(f"{path}: {name} has shape {found}: expected {shape}, as the images; cut it alike")
    return np.asarray(data) != 0
