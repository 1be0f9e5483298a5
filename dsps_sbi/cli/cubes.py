"""A cube of spectra on the command line: read, and its spaxels or bins chosen."""

import re

from ..errors import UserError

_PLACE = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*")
# Options that say how spectra are read, and cubes do not need
_NOT_OF_CUBES = ("columns", "format", "snr")


def read_one(cubes, others, options):
    """The one cube that is given, with redshift and LSF.

    Raises
    ------
    UserError
        If more than one file is given, or options that do not go with cubes; and for what is not known.
    """
    from ..io.read_spectral_cube import read_spectral_cube

    if len(cubes) > 1 or others:
        more = [str(path) for path in cubes[1:]] + others
        raise UserError(f"{cubes[0]} is a cube and was given with {', '.join(more)}: give one cube at a time")
    wrong = [f"--{name}" for name in _NOT_OF_CUBES if name in options]
    if wrong:
        raise UserError(f"{', '.join(wrong)} was given with {cubes[0]}, which is a cube: leave it out")
    reading = {name: value for name, value in options.items() if name != "targets"}
    cube = read_spectral_cube(cubes[0], **reading)
    if cube.redshift is None:
        raise UserError(f"{cubes[0]} does not tell the redshift of the galaxy: give --z")
    if cube.lsf is None and cube.lsf_sigma_aa is None:
        raise UserError(f"{cubes[0]} does not tell its LSF: give --lsf, for example --lsf fwhm_aa=2.6")
    return cube


def choose(cube, bins, pixel, targets, snr_min):
    """Spectra of a cube that options choose: spaxels, or bins of an image.

    Raises
    ------
    UserError
        If options contradict each other, or name what is not there.
    """
    from ..io.read_spectral_cube import read_bins
    from ..io.spectral_cube import CubeSpectra

    given = {"bins": bins, "pixel": pixel, "snr-min": snr_min}
    words = [f"--{name}" for name, value in given.items() if value is not None]
    if len(words) > 1:
        raise UserError(f"{' and '.join(words)} were given: spaxels are chosen by one of them")
    if targets is not None and bins is None:
        raise UserError("--targets chooses bins of --bins: give the spaxels of a cube as --pixel y,x")
    if pixel is not None:
        return cube.spectra(pixels=list(dict.fromkeys(_place(text) for text in pixel)))
    if bins is None:
        return cube.spectra(min_snr=snr_min)
    spectra = cube.spectra(read_bins(bins, cube))
    if targets is None:
        return spectra
    by_name = {str(number): number for number in spectra}
    missing = next((name for name in targets if name not in by_name), None)
    if missing is not None:
        first, last = min(spectra), max(spectra)
        raise UserError(f"{bins} has no bin {missing}: it has {len(spectra)}, from {first} to {last}")
    return CubeSpectra(cube, {by_name[name]: spectra.places[by_name[name]] for name in targets})


def _place(text):
    match = _PLACE.fullmatch(text)
    if match is None:
        raise UserError(f"--pixel {text}: expected y,x, row and column counted from 0, such as --pixel 12,7")
    return int(match[1]), int(match[2])
