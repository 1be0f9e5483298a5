"""Images whose empty pixels tell the noise: cutouts whole, mosaics in parts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..constants import UNKNOWN
from ..errors import UserError
from ..noise.empty import LAGS, RADII, EmptySky, empty_pixels
from ..noise.survey import SurveyNoise
from . import read
from .cube import PixelCube
from .fits_open import existing_file, image_hdu, open_fits
from .image import Region, read_image
from .toml_file import read_toml
from .toml_list import check_band_list, read_band_list, segmentation_of

# Side of the parts of mosaics [pixel], and how many are looked at, spread evenly
SIDE, MOST_PARTS = 1024, 16


def learn_noise(
    images: Sequence,
    segmentation=None,
    *,
    lags: int = LAGS,
    radii: Sequence[float] = RADII,
    most_parts: int = MOST_PARTS,
    reader: Callable | None = None,
) -> SurveyNoise:
    """Depth, p(sigma | flux) and correlation of the noise of images.

    Parameters
    ----------
    images : sequence of PixelCube or path-like
        All with the same bands. TOML lists of mosaics are read in parts of 1024 x 1024 pixels.
    segmentation : path-like or int array (ny, nx), optional
        Sources, 0 for the sky, of the one image. Default: what a TOML list names, else sources are looked for
        in the images, see :func:`~dsps_sbi.noise.empty.empty_pixels`.
    lags : int
        Farthest distance along an axis [pixel] that the correlation is measured at.
    radii : sequence of float
        Of empty apertures [pixel].
    most_parts : int
        Of a mosaic.
    reader : callable, optional
        Reads a path to a PixelCube; default: :func:`dsps_sbi.read`, redshifts unknown.

    Raises
    ------
    UserError
        For images of other bands, a segmentation map of another shape or beside several images, too few empty
        pixels, or files that cannot be read.
    """
    images = list(images)
    if not images:
        raise UserError("no image is given to learn the noise from: name at least one")
    if segmentation is not None and len(images) > 1:
        raise UserError(
            f"a segmentation map was given with {len(images)} images: expected one image; give TOML lists, "
            "which name a map each"
        )
    reader = (lambda path: read(path, redshift=UNKNOWN)) if reader is None else reader
    sky, sources = None, []
    for image in images:
        for cube, labels in _parts(image, segmentation, reader, most_parts):
            if sky is None:
                sky = EmptySky(cube.filters, lags, radii)
            if set(cube.filters) != set(sky.filters):
                raise UserError(
                    f"{cube.source or 'an image'} has bands {', '.join(cube.filters)}: expected "
                    f"{', '.join(sky.filters)}, as the first one; learn them apart"
                )
            _add(sky, cube, labels)
        sources.append(str(getattr(image, "source", image)))
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    return sky.noise(f"{sources[0]}{more}")


def _add(sky: EmptySky, cube: PixelCube, labels):
    order = [cube.filters.index(name) for name in sky.filters]

    def planes(values):
        return np.moveaxis(np.asarray(values)[:, order].reshape(*cube.shape, -1), -1, 0)

    valid = planes(cube.valid & ~cube.upper & ~cube.mask[:, None])
    flux = np.where(valid, planes(cube.flux_ujy), 0.0)
    sigma = np.where(valid, planes(cube.sigma_ujy), 1.0)
    if labels is None:
        empty = empty_pixels(flux, sigma, valid)
    elif np.shape(labels) == cube.shape:
        empty = np.asarray(labels) == 0
    else:
        raise UserError(
            f"the segmentation map has shape {np.shape(labels)}: expected {cube.shape}, as "
            f"{cube.source or 'the image'}; give that of this image"
        )
    sky.add(flux, sigma, valid, empty)


def _parts(image, segmentation, reader, most):
    """Images, or parts of them, and their segmentation maps or None."""
    if isinstance(image, PixelCube):
        yield image, _labels(segmentation)
        return
    path = existing_file(image)
    if path.suffix.lower() != ".toml" or "cutout" in read_toml(path):
        yield reader(path), _labels(segmentation)
        return
    check_band_list(path)
    content = read_toml(path)
    source = (Path(segmentation), None) if isinstance(segmentation, str | Path) else None
    if source is None and segmentation is None and "segmentation" in content:
        source = segmentation_of(path)
    first = content["band"][0]
    with open_fits(path.parent / first["flux"], memmap=False) as hdus:
        shape = image_hdu(hdus, first.get("flux_ext"), path.parent / first["flux"]).shape
    corners = [(y, x) for y in range(0, shape[0], SIDE) for x in range(0, shape[1], SIDE)]
    chosen = np.unique(np.linspace(0, len(corners) - 1, min(most, len(corners))).round().astype(int))
    found, problem = False, None
    for y, x in (corners[i] for i in chosen):
        box = slice(y, min(y + SIDE, shape[0])), slice(x, min(x + SIDE, shape[1]))
        labels = None if segmentation is None or source is not None else np.asarray(segmentation)[box]
        if source is not None:
            labels = read_image(*source, Region(None, box)).data
        try:
            cube = read_band_list(path, redshift=UNKNOWN, box=box)
        except UserError as error:
            # a corner that no band covers has nothing to tell
            problem = error
            continue
        found = True
        yield cube, labels
    if not found:
        raise problem


def _labels(segmentation):
    if segmentation is None or not isinstance(segmentation, str | Path):
        return segmentation
    return read_image(segmentation, None, Region()).data
