"""Units of images, as factors to microjansky per pixel."""

from astropy import units as u

from ..errors import UserError
from .unit_text import read_unit

_WAYS = "give a flux density (uJy, nJy, erg/s/cm2/Hz) or a surface brightness (MJy/sr)"


def parse_unit(unit, *, where="image"):
    """Read the text of a unit.

    Parameters
    ----------
    unit : str or astropy.units.UnitBase or None
        Text of BUNIT; ``None`` or blank is refused.
    where : str
        What has that unit, for the message of the error.

    Returns
    -------
    astropy.units.UnitBase
    """
    if isinstance(unit, u.UnitBase):
        return unit
    text = "" if unit is None else str(unit).strip()
    if not text:
        raise UserError(f"{where} has no unit: expected BUNIT in its header; {_WAYS}")
    try:
        parsed = read_unit(text)
    except ValueError as error:
        raise UserError(f"{where} has the unit {text!r}, which cannot be read: {_WAYS}") from error
    if not isinstance(parsed, u.UnitBase):  # magnitudes
        raise UserError(f"{where} has the unit {text!r}, which is not linear in flux: {_WAYS}")
    return parsed


def factor_to_ujy(unit, *, where="image", pixel_area_sr=None, photflam=None, photplam=None):
    """Factor from pixel values to microjansky per pixel.

    Parameters
    ----------
    unit : str or astropy.units.UnitBase
        A flux density per frequency, per pixel or not (``nJy``, ``uJy/pix``,
        ``10.0*nanoJansky``); a surface brightness (``MJy/sr``, ``nJy/arcsec2``), which needs
        `pixel_area_sr`; a flux density per wavelength, which needs `photplam`; or the electron
        rate of HST (``electron/s``), which needs `photflam` and `photplam`.
    where : str
        What has that unit, for the message of an error.
    pixel_area_sr : float, optional
        Area of a pixel (sr).
    photflam : float, optional
        Header PHOTFLAM: flux density of one electron per second (erg s^-1 cm^-2 AA^-1).
    photplam : float, optional
        Header PHOTPLAM: pivot wavelength (AA).

    Returns
    -------
    float
        uJy per unit of the pixel values.
    """
    given = parse_unit(unit, where=where)
    per_wavelength = u.erg / u.s / u.cm**2 / u.AA
    at_pivot = u.spectral_density(photplam * u.AA) if photplam else []
    if given.is_equivalent(u.electron / u.s):
        if not (photflam and photplam):
            raise UserError(f"{where} is in {given}: expected PHOTFLAM and PHOTPLAM in its header; {_WAYS}")
        value = given.to(u.electron / u.s) * photflam
        return float((value * per_wavelength).to_value(u.uJy, at_pivot))
    for candidate in (given, given * u.pix):
        if candidate.is_equivalent(u.uJy, at_pivot):
            return float(candidate.to(u.uJy, equivalencies=at_pivot))
    if (given * u.sr).is_equivalent(u.uJy):
        if not pixel_area_sr:
            raise UserError(
                f"{where} is in {given}: expected a WCS or PIXAR_SR above 0 in its header; add or mend it"
            )
        return float((given * u.sr).to(u.uJy) * pixel_area_sr)
    raise UserError(f"{where} has the unit {given}, which is not a flux density: {_WAYS}")
