"""Images in separate FITS files, listed in a TOML file."""

from pathlib import Path

import numpy as np
from astropy.wcs import WCS

from ..errors import UserError
from .cube import PixelCube, without_wcs
from .fits_open import existing_file
from .image import Region, Stored, check_image, read_image
from .stand_ins import refuse_stand_ins
from .toml_file import read_toml

_KEYS = {"redshift", "band", "mask", "mask_ext", "cutout", "segmentation", "segmentation_ext"}
_BAND_KEYS = {"filter", "flux", "error", "weight", "flux_ext", "error_ext", "weight_ext", "unit"}
_CUTOUT_KEYS = {"ra", "dec", "size_arcsec"}


def read_band_list(path, *, redshift=None, bands=None, cutout=None, label=None, box=None):
    """Read the images that a TOML file lists.

    ::

        redshift = 3.4
        mask = "mask.fits"                       # optional; not zero: do not use
        segmentation = "seg.fits"                # optional: of mosaics, see read_target_list
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
    cutout : dict, optional
        Instead of that of the list.
    label : int, optional
        Pixels with another number in the segmentation map are masked.
    box : (slice, slice), optional
        Rows and columns that are read, instead of a cutout.

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
    listed = _bands(content, path)
    if cutout is None and box is None:
        cutout = content.get("cutout")
    region = Region(_cutout(cutout, path), box)
    planes = [_read_band(band, path, region) for band in listed]
    mask = None
    if "mask" in content:
        image = read_image(path.parent / content["mask"], content.get("mask_ext"), region)
        mask = image.data != 0
    if label is not None:
        file, ext = segmentation_of(path)
        others = read_image(file, ext, region).data != label
        if others.all():
            raise UserError(
                f"{file} has no pixel {label} in the cutout: expected the number of the target; mend its "
                "label or position"
            )
        mask = others if mask is None else mask | others
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


def _bands(content, path):
    listed = content.get("band")
    if not isinstance(listed, list) or not listed or not all(isinstance(band, dict) for band in listed):
        raise UserError(
            f"{path} lists no bands: expected a table [[band]] for each; add filter, flux and error"
        )
    return listed


def segmentation_of(path):
    """File and extension of the segmentation map that a list names.

    Raises
    ------
    UserError
        If it names none.
    """
    content = read_toml(existing_file(path))
    if "segmentation" not in content:
        raise UserError(
            f'{path} names no segmentation map, which labels are numbers of: add segmentation = "seg.fits", '
            "or give ra, dec and size_arcsec"
        )
    return Path(path).parent / str(content["segmentation"]), content.get("segmentation_ext")


def check_band_list(path) -> tuple[WCS | None, tuple[Stored, ...]]:
    """Refuse mosaics that are missing, compressed as a whole, or on different grids; no pixel is read.

    Returns
    -------
    wcs : WCS or None
        Of all of them.
    stored : tuple of Stored
        Where the pixels are.

    Raises
    ------
    UserError
    """
    path = existing_file(path)
    content = read_toml(path)
    _check_keys(content, _KEYS, path)
    region, images = Region(), []
    for band in _bands(content, path):
        kind = _kind_of_noise(band, path)
        images.append((band["flux"], band.get("flux_ext"), True))
        images.append((band.get(kind, band["flux"]), band.get(f"{kind}_ext"), False))
    images += [(content[k], content.get(f"{k}_ext"), False) for k in ("mask", "segmentation") if k in content]
    stored = [check_image(path.parent / str(file), ext, region, is_flux) for file, ext, is_flux in images]
    packed = [file for file in listed_files(path) if file.suffix.lower() == ".gz"]
    if packed:
        raise UserError(
            f"{packed[0]} is compressed as a whole: expected a mosaic that is read in parts; unpack it "
            "(gunzip)"
        )
    return region.wcs, tuple(one for one in stored if one is not None)


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
    keys = ("mask", "segmentation", "flux", "error", "weight")
    names = [table.get(key) for table in tables if isinstance(table, dict) for key in keys]
    return [Path(path).parent / name for name in dict.fromkeys(names) if isinstance(name, str)]


def _read_band(band, path, region):
    """Flux and error of a band (uJy per pixel), and the factor from the unit of the flux to that."""
    kind = _kind_of_noise(band, path)
    flux_file = path.parent / band["flux"]
    flux = read_image(flux_file, band.get("flux_ext"), region, is_flux=True)
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


def _kind_of_noise(band, path):
    """Whether a band gives errors or weights."""
    _check_keys(band, _BAND_KEYS, path)
    for key in ("filter", "flux"):
        if key not in band:
            raise UserError(f"{path}: a [[band]] has no {key}: expected filter and flux; add {key} = ...")
    kinds = [kind for kind in ("error", "weight") if kind in band or f"{kind}_ext" in band]
    if len(kinds) != 1:
        raise UserError(
            f"{path}: band {band['filter']} gives {kinds or 'neither'}: expected error or weight; give one"
        )
    return kinds[0]


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
    for key in ("filter", "flux", "error", "weight", "unit", "mask", "segmentation"):
        if not isinstance(table.get(key, ""), str):
            raise UserError(f"{path}: {key} = {table[key]!r}: expected a text; put it in quotes")
    if unknown:
        raise UserError(
            f"{path} has the unknown key {', '.join(unknown)}: expected {', '.join(sorted(known))}; mend it"
        )
