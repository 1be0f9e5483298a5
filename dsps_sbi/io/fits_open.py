"""FITS files, with the errors of broken ones turned into one."""

import contextlib
import warnings
import zlib
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from ..errors import UserError


def existing_file(path):
    """Path of a file that is there.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder: expected a file; give the name of a file in it")
    if not path.exists():
        raise UserError(f"{path} does not exist: expected an input file; check the name and the folder")
    return path


@contextlib.contextmanager
def open_fits(path, memmap=True):
    """Open a FITS file for reading.

    Parameters
    ----------
    path : str or os.PathLike
    memmap : bool
        Map images from disk instead of reading them; not possible for images with BZERO or BSCALE.

    Yields
    ------
    astropy.io.fits.HDUList
        Copy what outlives the block.

    Raises
    ------
    UserError
        If the file is missing, or broken in any part that the block reads.
    """
    path = existing_file(path)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AstropyUserWarning)
            hdus = fits.open(path, memmap=memmap, lazy_load_hdus=False)
        with hdus, warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyUserWarning)
            for warning in caught:
                if "truncated" in str(warning.message):
                    raise OSError(str(warning.message))
            yield hdus
    except UserError:
        raise
    except (OSError, EOFError, TypeError, ValueError, KeyError, zlib.error) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"{path} cannot be read as FITS ({reason}): expected a whole FITS file; copy or download it again"
        ) from error


def image_hdu(hdus, ext, path):
    """The extension of a file that holds a two-dimensional image.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
    ext : int or str or None
        Number or EXTNAME; ``None``: the first two-dimensional image.
    path : str or os.PathLike
        For the message of an error.

    Returns
    -------
    astropy.io.fits.ImageHDU
    """
    images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS", 0) == 2]
    if ext is None:
        if not images:
            raise UserError(
                f"{path} has no two-dimensional image: expected one; give the file of a single band"
            )
        return images[0]
    try:
        hdu = hdus[ext]
    except (KeyError, IndexError) as error:
        names = ", ".join(f"{number} {one.name}".strip() for number, one in enumerate(hdus))
        raise UserError(
            f"{path} has no extension {ext!r}: expected one of {names}; mend the extension"
        ) from error
    if hdu not in images:
        raise UserError(
            f"{path} extension {ext!r} is not a two-dimensional image: expected one; choose another"
        )
    return hdu


def native(array):
    """Copy of an array in float64 and native byte order."""
    return np.array(array, dtype=np.float64)
