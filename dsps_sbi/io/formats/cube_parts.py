"""What readers of cubes share: units and wavelengths of cubes."""

import numpy as np

from ...errors import UserError
from ..spectrum_columns import FLUX_UNIT
from ..unit_text import read_unit
from .image import wavelengths

_EXAMPLE = "'1e-20 erg/s/cm2/AA'"


def flux_factor(text, label):
    """Factor from a unit to 1e-17 erg/s/cm2/Angstrom, and the unit.

    Raises
    ------
    UserError
        If it is no flux density per wavelength.
    """
    if text is None or str(text).strip() == "":
        raise UserError(f"{label}: the flux has no unit: pass flux_unit=, for example {_EXAMPLE}")
    try:
        unit = read_unit(text)
        return float((1.0 * unit).to_value(FLUX_UNIT)), unit
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{label}: the flux has the unit {str(text)!r}, expected a flux density per wavelength in each "
            f"spaxel: pass flux_unit=, for example {_EXAMPLE}"
        ) from error


def cube_wavelengths(header, n, label, options):
    """Wavelengths (Pixel,) [Angstrom] along the third axis, the medium that the header tells, and notes."""
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
    wave, unit, medium, notes = wavelengths(ours | {"CDELT1": step}, n, label, options)
    try:
        return np.asarray(wave, float) * read_unit(unit).to("AA"), medium, notes
    except ValueError as error:
        raise UserError(
            f"{label}: the wavelengths have the unit {str(unit)!r}: pass wave_unit=, for example 'AA'"
        ) from error
