"""The formats that are known by the contents of a file."""

from collections.abc import Callable
from dataclasses import dataclass

from . import desi, eso, image, iraf, jwst, manga, muse, sdss, sdss_image, table


@dataclass(frozen=True)
class SpectrumFormat:
    """How a kind of FITS file is known and read.

    Parameters
    ----------
    name : str
    recognises : callable
        Whether an open file is of this kind, by its headers and columns alone.
    names : callable
        Names of the spectra in it, as tuple of str: "" for the one of a file that has one.
    read : callable
        ``read(hdus, i, label, options)``: spectrum number i, with :class:`~.options.ReadOptions`.
    """

    name: str
    recognises: Callable
    names: Callable
    read: Callable


def _one(hdus) -> tuple[str, ...]:
    return ("",)


# The first one that recognises a file reads it
FORMATS = tuple(
    SpectrumFormat(module.NAME, module.recognises, getattr(module, "names", _one), module.read)
    for module in (desi, sdss, sdss_image, eso, jwst, manga, table, iraf, image)
)


def format_of(hdus) -> SpectrumFormat | None:
    """The format of an open file, None if none is known."""
    return next((known for known in FORMATS if known.recognises(hdus)), None)


# Readers of cubes: modules with CUBE_NAME, recognises_cube and read_cube(hdus, label, options)
CUBES = (manga, muse)


def cube_format_of(hdus):
    """The reader of an open cube, None if it is none that is known."""
    return next((known for known in CUBES if known.recognises_cube(hdus)), None)
