"""Cubes whose wavelengths stand in the header: of MUSE, and others with fluxes and errors in extensions."""

import numpy as np

from ...errors import UserError
from ...instruments.lsf import LSF
from ..spectral_cube import LazyArray, SpectralCube
from ..spectrum_columns import MOST_MASKED
from ..unit_text import read_unit
from .cube_parts import cube_wavelengths, flux_factor
from .image import BAD, ERRORS, not_used, refuse_other_shapes, refuse_turned, turned
from .manga import root_of_inverse

CUBE_NAME = "cube"
_FLUX = ("DATA", "FLUX", "SCI", "PRIMARY")
_SPECTRAL = ("WAVE", "AWAV", "LINEAR", "LAMBDA", "WAVELENGTH", "LOG", "LOGLAM")
# Planes in which a mask is looked at
_SAMPLED = 40
# FWHM [Angstrom] at air wavelengths [Angstrom] (Bacon et al. 2017, A&A 608, A1)
_FWHM = (5.866e-8, -9.187e-4, 6.040)


def _fluxes(hdus):
    """Cubes of fluxes: three axes, of which one has wavelengths."""
    cubes = (hdu for hdu in hdus if hdu.is_image and len(hdu.shape) == 3 and hdu.name in (*_FLUX, ""))
    return [hdu for hdu in cubes if _is_spectral(hdu) or turned(hdu)]


def _is_spectral(hdu):
    return str(hdu.header.get("CTYPE3", "")).split("-")[0].strip().upper() in _SPECTRAL


def recognises_cube(hdus) -> bool:
    """Whether there is a cube whose third axis is one of wavelengths."""
    return bool(_fluxes(hdus))


def read_cube(hdus, label, options) -> SpectralCube:
    """The cube; of MUSE also air, and the LSF of the deep fields where no other is given."""
    flux = _fluxes(hdus)[0]
    refuse_turned(flux, label)
    header, shape = flux.header, flux.shape
    there = {hdu.name: hdu for hdu in hdus if hdu.is_image and hdu.shape == shape and hdu is not flux}
    wave, options, notes = cube_wavelengths(header, shape[0], label, options)
    factor, how = flux_factor(header.get("BUNIT"), options, label)
    instrument = str(hdus[0].header.get("INSTRUME", "")).strip().upper()
    muse = instrument == "MUSE" or (not instrument and flux.name == "DATA" and "STAT" in there)
    notes = [
        "MUSE" if instrument == "MUSE" else "MUSE assumed by DATA and STAT" if muse else CUBE_NAME,
        *notes,
    ]
    if muse and options.medium is None:
        options = options.known("air assumed", medium="air")
    if muse and options.lsf is None:
        air = wave if options.medium == "air" else wave / 1.00028
        lsf = LSF("fwhm_aa", np.polyval(_FWHM, air))
        options = options.known("LSF of Bacon et al. (2017) assumed", lsf=lsf)
    options = options.redshift_of([header, hdus[0].header], label)
    error, of_error = _errors(hdus, flux, there, factor, label, options)
    mask = next((there[name] for name in BAD if name in there), None)
    if mask is not None:
        notes.append(_told(mask, flux, label))
    return SpectralCube(
        wave,
        LazyArray(flux.data, lambda values: np.asarray(values, float) * factor),
        error,
        options.medium,
        None if mask is None else LazyArray(mask.data, lambda values: np.asarray(values) != 0),
        options.redshift,
        options.lsf,
        header=header,
        source=label,
        notes=(*notes, *not_used(_fluxes(hdus)), *options.notes(), of_error, how),
        factor=factor,
    )


def _told(mask, flux, label):
    """That what is not 0 is bad, unless that hides most of the cube: then the mask may mean good pixels."""
    planes = slice(None, None, max(1, flux.shape[0] // _SAMPLED))
    seen = np.isfinite(flux.data[planes])
    hidden = np.mean(np.asarray(mask.data[planes])[seen] != 0) if seen.any() else 0.0
    if hidden > MOST_MASKED:
        raise UserError(
            f"{label}: the extension {mask.name} is not 0 in {100 * hidden:.3g} % of the pixels that have a "
            "flux: expected 0 for good ones; if it marks good pixels, turn it over, or else remove it"
        )
    return f"{mask.name}: not 0 is bad"


def _errors(hdus, flux, there, factor, label, options):
    """Standard deviations as :class:`LazyArray`, and what they are from."""
    found = [(role, name) for role, known in ERRORS.items() for name in known if name in there]
    if not found:
        refuse_other_shapes(hdus, flux, label)
        raise UserError(
            f"{label} has no cube of errors: expected an extension of the shape of the fluxes called "
            f"{', '.join(name for known in ERRORS.values() for name in known)}; add or rename it"
        )
    role, name = found[0]
    values, note = there[name].data, f"{role} from {name}"
    negative = _negative(values, flux.data)
    if negative > MOST_MASKED:
        raise UserError(
            f"{label}: {name} is negative in {100 * negative:.3g} % of the pixels that have a flux: expected "
            f"{role}s above 0, and 0 or NaN where there are no data; mend the extension"
        )
    if negative > 0.0:
        note += f" ({100 * negative:.2g} % negative: no data)"
    # what STAT says of its unit is wrong in many files; it is a variance in the unit of DATA squared
    if name != "STAT":
        stated = flux.header.get("BUNIT") or options.flux_unit
        _check_unit(there[name].header.get("BUNIT"), role, stated, f"{label} {name}")
    if role == "ivar":
        return LazyArray(values, lambda v: factor * root_of_inverse(v)), note
    if role == "variance":
        return LazyArray(values, lambda v: factor * _root(v)), note
    return LazyArray(values, lambda v: factor * np.asarray(v, float)), note


def _negative(values, flux):
    """Share of negative values where there is a flux, in some of the planes."""
    planes = slice(None, None, max(1, flux.shape[0] // _SAMPLED))
    seen = np.isfinite(flux[planes])
    return np.mean(values[planes][seen] < 0.0) if seen.any() else 0.0


def _check_unit(text, role, flux_unit, where):
    """Refuse errors that are said to be in another unit than the fluxes are said to be."""
    if text is None or str(text).strip() == "":
        return
    power = {"error": 1, "variance": 2, "ivar": -2}[role]
    try:
        expected = read_unit(flux_unit) ** power
        same = abs(read_unit(text).to(expected) - 1.0) < 1e-6
    except ValueError:
        expected, same = f"({flux_unit})**{power}", False
    if not same:
        raise UserError(
            f"{where} has the unit {str(text)!r}: expected {expected}, as the fluxes have it; mend BUNIT"
        )


def _root(variance):
    variance = np.asarray(variance, float)
    return np.sqrt(np.where(variance > 0.0, variance, np.nan))
