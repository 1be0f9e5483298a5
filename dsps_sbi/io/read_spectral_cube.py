"""Cubes of integral-field spectrographs, and images that number their bins, from files."""

from dataclasses import replace

import numpy as np

from ..errors import UserError
from .fits_open import existing_file, image_hdu, is_fits, open_fits
from .formats.options import ReadOptions
from .formats.registry import cube_format_of
from .spectral_cube import SpectralCube, whole_bins
from .wcs import celestial_wcs, check_same_grid


def is_spectral_cube(path) -> bool:
    """Whether a file is a cube of spectra; False for what cannot be read at all."""
    try:
        path = existing_file(path)
        if not is_fits(path):
            return False
        with open_fits(path) as hdus:
            return cube_format_of(hdus) is not None
    except UserError:
        return False


def read_spectral_cube(
    path,
    *,
    redshift=None,
    medium=None,
    lsf=None,
    wave_unit=None,
    flux_unit=None,
    pixel_in_lsf=None,
) -> SpectralCube:
    """Read a cube of an integral-field spectrograph: MaNGA LOGCUBE, MUSE, or one laid out alike.

    Cubes on disk stay there: what is not asked for is not read, unless the file is compressed.

    Parameters
    ----------
    path : path-like
        MaNGA: extensions FLUX, IVAR, MASK (bits FORESTAR and DONOTUSE mask), WAVE, and LSFPOST, LSFPRE, DISP
        (sigma in Angstrom) or SPECRES. MUSE: DATA and STAT, which is a variance whatever its BUNIT says.
        Others: a cube DATA, FLUX, SCI or of the first extension with wavelengths along its third axis, with
        errors in ERROR, IVAR, VAR and the like.
    redshift : float, optional
        Of the galaxy, instead of that in the file.
    medium : {"air", "vacuum"}, optional
        Instead of what the file says. MaNGA is in vacuum, MUSE in air.
    lsf : LSF, optional
        Of all spaxels, instead of that in the file. For MUSE without one, FWHM = 5.866e-8 l^2 - 9.187e-4 l +
        6.040 Angstrom (Bacon et al. 2017) is assumed.
    wave_unit, flux_unit : str, optional
        Instead of those in the file. Errors keep the ratio of their unit to the file's unit of the flux.
    pixel_in_lsf : bool, optional
        Whether the LSF holds the width of the pixels; by default as the file has it.

    Returns
    -------
    SpectralCube

    Raises
    ------
    UserError
        If the file is no such cube, or units, errors or the medium are not known.
    """
    path = existing_file(path)
    options = ReadOptions(redshift, medium, lsf, wave_unit, flux_unit)
    if not is_fits(path):
        raise UserError(f"{path} is not FITS: expected a cube of MaNGA or MUSE")
    with open_fits(path) as hdus:
        known = cube_format_of(hdus)
        if known is None:
            raise UserError(
                f"{path} is no cube of spectra: expected FLUX, IVAR, MASK and WAVE as MaNGA has them, or a "
                "cube DATA with wavelengths along its third axis (CTYPE3) and errors, as MUSE has them"
            )
        cube = known.read_cube(hdus, str(path), options)
    if pixel_in_lsf is None:
        return cube
    words = "holds" if pixel_in_lsf else "does not hold"
    notes = (*cube.notes, f"the LSF {words} the width of the pixels, as given")
    return replace(cube, pixel_in_lsf=bool(pixel_in_lsf), notes=notes)


def read_bins(path, cube: SpectralCube) -> np.ndarray:
    """Numbers (Y, X) of bins from the first image of a FITS file; negative where a spaxel is not used.

    Parameters
    ----------
    path : path-like
        Spaxels with the same number are one bin. Negative or not finite: not used.
    cube : SpectralCube
        Whose image they number.

    Raises
    ------
    UserError
        If there is no image of whole numbers of the cube's shape, or its WCS is another.
    """
    with open_fits(path, memmap=False) as hdus:
        hdu = image_hdu(hdus, None, path)
        bins = whole_bins(hdu.data, str(path))
        theirs = celestial_wcs(hdu.header)
    if bins.shape != cube.shape:
        raise UserError(f"{path} has shape {bins.shape}: expected {cube.shape}, as the image of {cube.label}")
    ours = celestial_wcs(cube.header)
    if theirs is not None and ours is not None:
        check_same_grid(ours, theirs, bins.shape, where=str(path), tolerance=0.5)
    return bins
