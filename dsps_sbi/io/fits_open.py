"""FITS files, with the errors of broken ones turned into one."""

import contextlib
import gzip
import warnings
import zlib
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from ..errors import UserError
from .sizes import check_size

_COMPRESSED_TEXT = (".txt.gz", ".dat.gz", ".csv.gz", ".ecsv.gz", ".ascii.gz")
_CHUNK = 2**22


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


def is_fits(path):
    """Whether a file that is there is FITS, by its first bytes or the ending of its name."""
    with path.open("rb") as file:
        start = file.read(2)
    if start != b"\x1f\x8b":
        return path.suffix.lower() in (".fits", ".fit", ".fts") or start == b"SI"
    try:
        with gzip.open(path) as file:
            return file.read(6) == b"SIMPLE" or not path.name.lower().endswith(_COMPRESSED_TEXT)
    except (OSError, EOFError, zlib.error):
        return True


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
        If the file is missing, broken in any part that the block reads, or a header asks for absurd sizes.
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
            if _ends_early(hdus, path):
                raise EOFError("Compressed file ended before its end")
            for number, hdu in enumerate(hdus):
                _mend_cards(hdu.header)
                _check_header(hdu, f"{path} extension {number} {hdu.name}".strip(), path)
            yield hdus
    except UserError:
        raise
    except (OSError, EOFError, TypeError, ValueError, KeyError, zlib.error) as error:
        reason = " ".join(str(error).split())[:120]
        if _is_cut_off(path, reason):
            raise UserError(
                f"{path} cannot be read as FITS, as it is cut off: expected a whole file; copy or download "
                "it again"
            ) from error
        raise UserError(
            f"{path} cannot be read as FITS ({reason}): expected a whole FITS file; copy or download it again"
        ) from error


def _ends_early(hdus, path):
    """Whether a compressed file is cut off behind an extension: astropy then finds fewer extensions.

    Compressed files end with their length. Where that is not the length of the extensions, all is looked at.
    """
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return False
        file.seek(-4, 2)
        length = int.from_bytes(file.read(4), "little")
    last = hdus[-1].fileinfo() or {}
    end = last.get("datLoc", 0) + last.get("datSpan", 0)
    return end % 2**32 != length and _is_cut_off(path)


def _is_cut_off(path, reason=""):
    """Whether a file ends before its end."""
    if "truncated" in reason or "ended before" in reason:
        return True
    try:
        with gzip.open(path) as file:
            while file.read(_CHUNK):
                pass
    except EOFError:
        return True
    except (OSError, zlib.error):
        pass
    return False


def _mend_cards(header):
    """Cards that are not of the standard, such as AIRMASS= 1.05E with nothing after it, as text."""
    for card in header.cards:
        try:
            _ = card.value
        except fits.VerifyError:
            card.verify("silentfix+ignore")


def _check_header(hdu, where, path):
    """Refuse what no memory can hold: a compressed image of absurd size, or a damaged header."""
    if hdu.is_image:
        if hdu.shape:
            check_size(hdu.shape, where, item_bytes=abs(hdu.header.get("BITPIX", 64)) // 8, path=path)
    elif "NAXIS1" in hdu.header:
        check_size((hdu.header["NAXIS2"], hdu.header["NAXIS1"]), where, item_bytes=1, path=path)


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
