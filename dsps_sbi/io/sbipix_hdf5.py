"""Lists of pixels as the HDF5 files of sbipix keep them."""

import h5py
import numpy as np

from ..errors import UserError
from .cube import PixelCube
from .fits_open import existing_file
from .sizes import check_size
from .stand_ins import refuse_stand_ins
from .units import factor_to_ujy

_LAYOUT = "expected metadata/filters and galaxies/<id>/{photometry, error, coordinates}"


def read_sbipix(path, galaxy=None, *, redshift=None, bands=None):
    """Read one galaxy of an HDF5 file of sbipix.

    The file has ``/metadata/filters`` and, for each galaxy, ``/galaxies/<id>/photometry`` and
    ``error`` (Object, Band), in the unit that the attribute ``units`` of ``/metadata`` names
    (default uJy), and ``coordinates`` (Object, 2): row and column of each pixel, which the file
    calls x and y. The attribute ``redshift`` of the galaxy gives its redshift.

    The cube is the smallest image that holds the pixels. Those not listed are masked.

    Parameters
    ----------
    path : str or os.PathLike
    galaxy : str or int, optional
        Which galaxy; needed if there are several.
    redshift : float or "unknown", optional
        Used instead of that in the file; "unknown": it is to be inferred.
    bands : BandNames, optional
        What the names of the bands mean.

    Returns
    -------
    PixelCube
        Without WCS; ``source`` names the rows and columns of the image.
    """
    path = existing_file(path)
    try:
        with h5py.File(path, "r") as file:
            return _read(file, path, galaxy, redshift, bands)
    except (OSError, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"{path} is not a readable sbipix file ({reason}): {_LAYOUT}; mend or copy it again"
        ) from error


def _read(file, path, galaxy, redshift, bands):
    check_size(file["metadata/filters"].shape, f"{path} metadata/filters", path=path)
    filters = tuple(file["metadata/filters"][()])
    galaxies = file["galaxies"]
    ids = ", ".join(galaxies)
    if galaxy is None:
        if len(galaxies) != 1:
            raise UserError(
                f"{path} has {len(galaxies)} galaxies: expected galaxy= to name one of {ids}; choose one"
            )
        galaxy = next(iter(galaxies))
    if str(galaxy) not in galaxies:
        raise UserError(f"{path} has no galaxy {galaxy}: expected one of {ids}; choose one")
    group = galaxies[str(galaxy)]
    redshift = group.attrs.get("redshift") if redshift is None else redshift
    if redshift is None:
        raise UserError(
            f"{path} galaxy {galaxy} has no redshift: expected that attribute; add it or give redshift="
        )
    unit = file["metadata"].attrs.get("units", "uJy")
    unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    factor = factor_to_ujy(unit.split("|")[0], where=f"{path} metadata")
    for name in ("photometry", "error", "coordinates"):
        check_size(group[name].shape, f"{path} galaxy {galaxy}: {name}", path=path)
    lists = [np.asarray(group[name][()], dtype=np.float64) * factor for name in ("photometry", "error")]
    corner, shape, index = _place(group["coordinates"][()], len(filters), f"{path} galaxy {galaxy}")
    for name, values in zip(("photometry", "error"), lists, strict=True):
        if values.shape != (index.size, len(filters)):
            raise UserError(
                f"{path} galaxy {galaxy}: {name} has shape {values.shape}: expected "
                f"({index.size}, {len(filters)}), pixels by bands; mend the file"
            )
    refuse_stand_ins(
        *lists,
        lambda i, band: f"pixel {i} of the list in {filters[band]}",
        where=f"{path} galaxy {galaxy}",
        factor=factor,
    )
    flux, sigma = (np.full((shape[0] * shape[1], len(filters)), np.nan) for _ in lists)
    flux[index], sigma[index] = lists
    mask = np.ones(shape[0] * shape[1], bool)
    mask[index] = False
    rows, columns = (f"{first}:{first + size}" for first, size in zip(corner, shape, strict=True))
    source = f"{path} galaxy {galaxy} [{rows}, {columns}]"
    if bands is not None:
        filters = bands.of(name.decode() if isinstance(name, bytes) else name for name in filters)
    return PixelCube(flux, sigma, filters, redshift, shape, mask=mask, source=source)


def _place(coordinates, n_band, where):
    """First row and column, shape and flat indices of the smallest image that holds the pixels."""
    coordinates = np.asarray(coordinates)
    if coordinates.ndim != 2 or coordinates.shape[1] != 2 or not len(coordinates):
        raise UserError(
            f"{where}: coordinates have shape {coordinates.shape}: expected (n_pix, 2); mend the file"
        )
    exact = coordinates.dtype.kind in "iu" or (np.abs(coordinates) < 2**53).all()
    if not (exact and np.array_equal(coordinates, np.round(coordinates))):
        raise UserError(
            f"{where}: coordinates are not whole numbers: expected rows and columns; mend the file"
        )
    coordinates = coordinates.astype(np.int64)
    corner, last = coordinates.min(axis=0), coordinates.max(axis=0)
    # as Python's integers, which do not overflow
    shape = tuple(int(b) - int(a) + 1 for a, b in zip(corner, last, strict=True))
    places = " to ".join(f"({row}, {column})" for row, column in (corner, last))
    check_size((*shape, n_band), f"{where}: the smallest image that holds the pixels {places}")
    index = np.ravel_multi_index((coordinates - corner).T, shape)
    if np.unique(index).size != index.size:
        raise UserError(f"{where}: some pixels are listed twice: expected each once; remove the repeats")
    return tuple(int(first) for first in corner), shape, index
