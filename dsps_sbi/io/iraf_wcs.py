"""Wavelengths of spectra by IRAF's keywords: the multispec and equispec systems of its spectroscopy packages.

IRAF writes attributes as text over the cards ``WATn_001``, ``WATn_002``... of 68 characters each, trailing
blanks among them. In multispec each spectrum has the attribute ``specN``: aperture, beam, type (0 linear, 1
log10, 2 functions), first wavelength, step, number of pixels, Doppler factor, limits of the aperture, and
functions of the pixel (Valdes 1993, "The IRAF/NOAO Spectral World Coordinate Systems", ASP Conf. 52, 467).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_CARD = 68
_ATTRIBUTE = re.compile(r'(\w[\w.]*)\s*=\s*(?:"([^"]*)"|(\S+))')
_SPEC = re.compile(r"spec\d+$")
_LINEAR, _LOG10, _FUNCTIONS = 0, 1, 2
_CHEBYSHEV, _LEGENDRE, _CUBIC, _SPLINE, _PIXELS, _SAMPLED = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class Dispersion:
    """Wavelengths of one spectrum, in the unit of the header.

    Parameters
    ----------
    aperture : int
    wave : ndarray (Pixel,)
        NaN beyond the pixels that the spectrum has.
    """

    aperture: int
    wave: np.ndarray


def attributes(header, axis: int) -> dict[str, str]:
    """Attributes of an axis, that of number 0 being the whole.

    Parameters
    ----------
    header : astropy.io.fits.Header
    axis : int
    """
    names = sorted(name for name in header if re.fullmatch(rf"WAT{axis}_\d\d\d", name))
    text = "".join(f"{header[name]!s:{_CARD}s}" for name in names)
    return {key: quoted or plain for key, quoted, plain in _ATTRIBUTE.findall(text)}


def is_multispec(header) -> bool:
    """Whether the header says that spectra have wavelengths of their own."""
    kind = str(header.get("CTYPE1", "")).strip().upper()
    return kind.startswith("MULTISPE") or attributes(header, 0).get("system", "").lower() == "multispec"


def dispersions(header) -> list[Dispersion]:
    """Wavelengths of all spectra of a multispec image.

    Parameters
    ----------
    header : astropy.io.fits.Header

    Raises
    ------
    ValueError
        If a spectrum is not calibrated, or its text is not of multispec.
    """
    found = {key: text for key, text in attributes(header, 2).items() if _SPEC.match(key)}
    if not found:
        raise ValueError("WAT2 has no spec1")
    scale, shift = float(header.get("LTM1_1", 1.0)), float(header.get("LTV1", 0.0))
    # functions are of the pixels before the image was cut
    pixel = (np.arange(header["NAXIS1"]) + 1.0 - shift) / scale
    ordered = sorted(found, key=lambda key: int(key[4:]))
    return [_dispersion(found[key], key, pixel) for key in ordered]


def _dispersion(text, name, pixel):
    words = text.split()
    try:
        numbers = [float(word) for word in words]
        aperture, kind, (first, step, n, doppler) = int(numbers[0]), int(numbers[2]), numbers[3:7]
    except (ValueError, IndexError) as error:
        raise ValueError(f"{name} is {text[:40]!r}") from error
    if kind in (_LINEAR, _LOG10):
        wave = first + step * (pixel - 1.0)
        wave = 10.0**wave if kind == _LOG10 else wave
    elif kind == _FUNCTIONS:
        wave = _sum_of_functions(numbers[9:], pixel, name)
    else:
        raise ValueError(f"{name} has no wavelengths (type {kind})")
    there = np.arange(pixel.size) < n
    return Dispersion(aperture, np.where(there, wave / (1.0 + doppler), np.nan))


def _sum_of_functions(numbers, pixel, name):
    """Weighted sum (Pixel,) of all functions, each with its shift."""
    total, rest = np.zeros(pixel.size), list(numbers)
    while rest:
        try:
            weight, zero, kind = rest[0], rest[1], int(rest[2])
            wave, used = _function(kind, rest[3:], pixel)
        except (IndexError, ZeroDivisionError) as error:
            raise ValueError(f"{name} ends before its functions do") from error
        total += weight * (zero + wave)
        rest = rest[3 + used :]
    if not total.any():
        raise ValueError(f"{name} has no function")
    return total


def _function(kind: int, numbers: Sequence[float], pixel):
    """Values (Pixel,) of one function, and how many numbers it took."""
    if kind in (_CHEBYSHEV, _LEGENDRE):
        order = int(numbers[0])
        low, high = numbers[1:3]
        terms = _exactly(numbers[3 : 3 + order], order)
        x = (2.0 * pixel - (high + low)) / (high - low)
        value = np.polynomial.chebyshev.chebval if kind == _CHEBYSHEV else np.polynomial.legendre.legval
        return value(x, terms), 3 + order
    if kind in (_CUBIC, _SPLINE):
        pieces = int(numbers[0])
        low, high = numbers[1:3]
        n = pieces + (3 if kind == _CUBIC else 1)
        terms = np.array(_exactly(numbers[3 : 3 + n], n))
        place = (pixel - low) / (high - low) * pieces
        j = np.clip(np.floor(place).astype(int), 0, pieces - 1)
        a, b = (j + 1) - place, place - j
        if kind == _SPLINE:
            return terms[j] * a + terms[j + 1] * b, 3 + n
        basis = a**3, 1.0 + 3.0 * a * (1.0 + a * b), 1.0 + 3.0 * b * (1.0 + a * b), b**3
        return sum(terms[j + i] * part for i, part in enumerate(basis)), 3 + n
    if kind == _PIXELS:
        n = int(numbers[0])
        return np.interp(pixel, np.arange(n) + 1.0, _exactly(numbers[1 : 1 + n], n)), 1 + n
    if kind == _SAMPLED:
        n = int(numbers[0])
        pairs = np.reshape(_exactly(numbers[1 : 1 + 2 * n], 2 * n), (n, 2))
        return np.interp(pixel, pairs[:, 0], pairs[:, 1]), 1 + 2 * n
    raise ValueError(f"function {kind} is not one of multispec")


def _exactly(numbers, n):
    if len(numbers) != n:
        raise IndexError
    return list(numbers)
