"""Images in separate FITS files, listed in a TOML file."""

from pathlib import Path

import numpy as np

from ..errors import UserError
from .cube import PixelCube, without_wcs
from .fits_open import existing_file
from .image import Region, read_image
from .stand_ins import refuse_stand_ins
from .toml_file import read_toml

_KEYS = {"redshift", "band", "mask", "mask_ext", "cutout"}
_BAND_KEYS = {"filter", "flux", "error", "weight", "flux_ext", "error_ext", "weight_ext", "unit"}
_CUTOUT_KEYS = {"ra", "dec", "size_arcsec"}


def read_band_list(path, *, redshift=None, bands=None):
    """Read the images that a TOML file lists.

    ::

        redshift = 3.4
        mask = "mask.fits"                       # optional; not zero: do not use
        cutout = {ra = 53.083, dec = -27.856, size_arcsec = 3.0}   # optional: else whole images

        [[band]]
        filter = "F277W"
        flux = "f277w_sci.fits"                  # relative to the folder of the TOML file
        error = "f277w_err.fits"                 # standard deviation; or weight = 1 / variance
        flux_ext = "SCI"                         # optional: name or number; else the first image
        error_ext = 1                            # the same for error_ext, weight_ext, mask_ext
        unit = "nJy"                             # optional: instead of BUNIT

    All images must be on one pixel grid. If only ``error_ext`` (``weight_ext``) is given, it is
    an extension of the file of the flux. The unit of a weight is that of the flux to the power -2.

    Parameters
    ----------
    path : str or os.PathLike
    redshift : float or "unknown", optional
        Used instead of that in the file; "unknown": it is to be inferred.
    bands : BandNames, optional
        What the names of the bands mean.

    Returns
    -------
    PixelCube
    """
    path = existing_file(path)
    content = read_toml(path)
    _check_keys(content, _KEYS, path)
    redshift = content.get("redshift") if redshift is None else redshift
    if redshift is None:
        raise UserError(
            f"{path} has no redshift: expected redshift = 3.4 or the like; add it or give redshift="
        )
    listed = content.get("band")
    if not isinstance(listed, list) or not listed or not all(isinstance(band, dict) for band in listed):
        raise UserError(
            f"{path} lists no bands: expected a table [[band]] for each; add filter, flux and error"
        )
    region = Region(_cutout(content.get("cutout"), path))
    planes = [_read_band(band, path, region) for band in listed]
    mask = None
    if "mask" in content:
        file = path.parent / content["mask"]
        image = read_image(file, content.get("mask_ext"), region)
        mask = image.data != 0
    for band, (flux, sigma, factor) in zip(listed, planes, strict=True):
        refuse_stand_ins(
            flux if mask is None else np.where(mask, np.nan, flux),
            sigma,
            lambda y, x, band=band: f"pixel ({y}, {x}) in {band['filter']}",
            where=str(path.parent / band["flux"]),
            factor=factor,
        )
    filters = tuple(band["filter"] for band in listed)
    return PixelCube(
        np.stack([flux.ravel() for flux, *_ in planes], axis=1),
        np.stack([sigma.ravel() for _, sigma, _ in planes], axis=1),
        filters if bands is None else bands.of(filters),
        redshift,
        planes[0][0].shape,
        mask=mask,
        header=region.header(),
        source=str(path),
        notes=() if region.unreadable is None else (without_wcs(region.unreadable),),
    )


def listed_files(path) -> list[Path]:
    """Files that a list names, whether they are there or not; none where the list cannot be read.

    Parameters
    ----------
    path : str or os.PathLike
    """
    try:
        content = read_toml(path)
    except UserError:
        return []
    bands = content.get("band")
    tables = [content, *(bands if isinstance(bands, list) else ())]
    keys = ("mask", "flux", "error", "weight")
    names = [table.get(key) for table in tables if isinstance(table, dict) for key in keys]
    return [Path(path).parent / name for name in dict.fromkeys(names) if isinstance(name, str)]


def _read_band(band, path, region):
    """Flux and error of a band (uJy per pixel), and the factor from the unit of the flux to that."""
    _check_keys(band, _BAND_KEYS, path)
    for key in ("filter", "flux"):
        if key not in band:
            raise UserError(f"{path}: a [[band]] has no {key}: expected filter and flux; add {key} = ...")
    kinds = [kind for kind in ("error", "weight") if kind in band or f"{kind}_ext" in band]
    if len(kinds) != 1:
        raise UserError(
            f"{path}: band {band['filter']} gives {kinds or 'neither'}: expected error or weight; give one"
        )
    flux_file = path.parent / band["flux"]
    flux = read_image(flux_file, band.get("flux_ext"), region, is_flux=True)
    (kind,) = kinds
    noise_file = path.parent / band.get(kind, band["flux"])
    noise = read_image(noise_file, band.get(f"{kind}_ext"), region)
    unit = band.get("unit") or flux.header.get("BUNIT")
    factor = flux.factor(unit)
    if kind == "weight":
        sigma = np.full(noise.data.shape, np.nan)
        good = noise.data > 0
        sigma[good] = noise.data[good] ** -0.5
        return flux.data * factor, sigma * factor, factor
    noise_unit = None if band.get("unit") else noise.header.get("BUNIT")
    # An error image often lacks the WCS and the photometric cards of its flux image.
    noise_factor = flux.factor(noise_unit, where=noise_file) if noise_unit else factor
    return flux.data * factor, noise.data * noise_factor, factor


def _cutout(cutout, path):
    if cutout is None:
        return None
    good = isinstance(cutout, dict) and set(cutout) == _CUTOUT_KEYS
    # true is an int for Python
    good = good and all(type(value) in (int, float) and np.isfinite(value) for value in cutout.values())
    if not good or cutout["size_arcsec"] <= 0:
        raise UserError(
            f"{path}: cutout = {cutout!r}: expected {{ra = .., dec = .., size_arcsec = above 0}}; mend it"
        )
    return cutout


def _check_keys(table, known, path):
    unknown = sorted(set(table) - known)
    for key in ("filter", "flux", "error", "weight", "unit", "mask"):
        if not isinstance(table.get(key, ""), str):
            raise UserError(f"{path}: {key} = {table[key]!r}: expected a text; put it in quotes")
    if unknown:
        raise UserError(
            f"{path} has the unknown key {', '.join(unknown)}: expected {', '.join(sorted(known))}; mend it"
        )
