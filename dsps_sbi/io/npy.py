"""Arrays of numpy: fluxes in one file, errors in another."""

import numpy as np

from ..errors import UserError
from .cube import PixelCube
from .fits_open import existing_file


def read_npy(flux_path, error_path, *, shape, filters, redshift):
    """Read fluxes and errors from two files of numpy.

    Parameters
    ----------
    flux_path, error_path : str or os.PathLike
        Files ``.npy`` of arrays (uJy per pixel) of shape (Object, Band) in C order of the image,
        or (ny, nx, Band), or (Band, ny, nx).
    shape : tuple of int
        ``(ny, nx)`` of the image.
    filters : sequence of str, (Band,), or FilterSet
        Names of the bands in any usual spelling, or curves.
    redshift : float or "unknown"

    Returns
    -------
    PixelCube
        Without WCS.
    """
    shape = tuple(shape)
    n_band = len(getattr(filters, "names", filters))
    flux, sigma = (_load(path, shape, n_band) for path in (flux_path, error_path))
    return PixelCube(flux, sigma, filters, redshift, shape, source=str(flux_path))


def _load(path, shape, n_band):
    path = existing_file(path)
    try:
        # mapped: what the header says must be there, or it is refused, before memory is asked for
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, OverflowError) as error:
        raise UserError(
            f"{path} is not a whole .npy file of numbers: expected one; save it with numpy.save"
        ) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise UserError(
            f"{path} does not hold an array of real numbers: expected fluxes or errors; save only them"
        )
    last, first = (*shape, n_band), (n_band, *shape)
    if array.shape == last == first:
        raise UserError(
            f"{path} has shape {array.shape}, which can be (ny, nx, band) or (band, ny, nx): expected "
            "(pixel, band) where these agree; reshape it"
        )
    if array.shape == last:
        return array.reshape(-1, n_band)
    if array.shape == first:
        return array.reshape(n_band, -1).T
    flat = (int(np.prod(shape)), n_band)
    if array.shape != flat:
        raise UserError(
            f"{path} has shape {array.shape}: expected {flat}, {last} or {first}; mend shape or filters"
        )
    return array
