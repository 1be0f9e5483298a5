"""What readers of cubes share: units and wavelengths of cubes."""

import numpy as np

from ...errors import UserError
from ..spectrum_columns import FLUX_UNIT, instead
from ..unit_text import read_unit
from .image import wavelengths

_EXAMPLE = "'1e-20 erg/s/cm2/AA'"


def flux_factor(stated, options, label):
    """Factor to 1e-17 erg/s/cm2/Angstrom from the unit that the user gives or the file states, and a note.

    Raises
    ------
    UserError
        If it is no flux density per wavelength.
    """
    text = stated if options.flux_unit is None else options.flux_unit
    if text is None or str(text).strip() == "":
        raise UserError(f"{label}: the flux has no unit: pass flux_unit=, for example {_EXAMPLE}")
    try:
        unit = read_unit(text)
        factor = float((1.0 * unit).to_value(FLUX_UNIT))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{label}: the flux has the unit {str(text)!r}, expected a flux density per wavelength in each "
            f"spaxel: pass flux_unit=, for example {_EXAMPLE}"
        ) from error
    return factor, f"cube in {unit}{instead(options.flux_unit, stated)}"


def cube_wavelengths(header, n, label, options):
    """Wavelengths (Pixel,) [Angstrom] along the third axis, options with the medium, and notes."""
    ours = {
        f"{key}1": header[f"{key}3"] for key in ("CTYPE", "CUNIT", "CRVAL", "CRPIX") if f"{key}3" in header
    }
    step = header.get("CD3_3")
    if step is None and "CDELT3" in header:
        step = header["CDELT3"] * header.get("PC3_3", 1.0)
    if step is None or "CRVAL1" not in ours:
        raise UserError(
            f"{label}: the header has no scale of wavelengths: expected CRVAL3 and CDELT3 or CD3_3; add them"
        )
    wave, unit, options, notes = wavelengths(ours | {"CDELT1": step}, n, label, options, axis=3)
    try:
        used = options.wave_unit or unit
        notes += [f"wavelengths in {used}{told}"] if (told := instead(options.wave_unit, unit)) else []
        return np.asarray(wave, float) * read_unit(used).to("AA"), options, notes
    except ValueError as error:
        raise UserError(
            f"{label}: the wavelengths have the unit {str(options.wave_unit or unit)!r}: pass wave_unit=, "
            "for example 'AA'"
        ) from error
