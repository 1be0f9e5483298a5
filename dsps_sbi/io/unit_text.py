"""Units as surveys write them: one table of spellings, for images and spectra."""

import re
import warnings

from astropy import units as u
from astropy.units import photometric

# Of the AB system, with which SDSS's magnitudes agree within 0.04 mag
_MAGGY = u.Unit(3631.0 * u.Jy)
# Small letters -> what astropy reads. "mjy" is not here: it could be millijansky or megajansky
_WORDS = {
    "ang": "Angstrom",
    "angs": "Angstrom",
    "angstrom": "Angstrom",
    "angstroms": "Angstrom",
    "aa": "Angstrom",
    "ergs": "erg",
    "sec": "s",
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "micrometers": "um",
    "nanometer": "nm",
    "nanometers": "nm",
    "meter": "m",
    "meters": "m",
    "jy": "Jy",
    "ujy": "uJy",
    "njy": "nJy",
    "microjy": "uJy",
    "microjansky": "uJy",
    "microjanskys": "uJy",
    "nanojy": "nJy",
    "nanojansky": "nJy",
    "nanojanskys": "nJy",
    "nanomaggy": "nmgy",
    "nanomaggies": "nmgy",
    "nmgy": "nmgy",
    "electrons": "electron",
    "e-": "electron",
    "cps": "electron/s",
    "counts": "electron",
    "count": "electron",
}
_WORD = re.compile(r"[A-Za-z]+-?(?![0-9A-Za-z])|[A-Za-z]+")
_POWER = re.compile(r"^(1\s*/)?\s*\((.*)\)\s*(?:\*\*|\^)\s*\(?(-?[12])\)?$")
# What is counted in a flux that is that of one pixel
_EACH = re.compile(r"\s*/\s*(?:spaxel|fiber|fibre)s?$", re.IGNORECASE)
_FORMATS = ("generic", "fits", "cds", "ogip")


def read_unit(text) -> u.UnitBase:
    """Unit of a text.

    Parameters
    ----------
    text : str or astropy.units.UnitBase
        In the ways of astropy, FITS, CDS and OGIP, and as surveys write it: ``1E-17 erg/cm^2/s/Ang``,
        ``erg/s/cm2/A`` (A is Angstrom beside erg or W), ``nanomaggies``, ``10.0*nanoJansky``, ``MICRON``,
        ``(10**(-20)*erg/s/cm**2/Angstrom)**2``.

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    if isinstance(text, u.UnitBase):
        return text
    text = _EACH.sub("", str(text).strip())
    power = _POWER.match(text)
    if power:
        return read_unit(power[2]) ** (-int(power[3]) if power[1] else int(power[3]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        attempts = [text, _spelled(text)]
        if text.isupper() and len(text) > 2:
            attempts.append(_spelled(text.lower()))
        for attempt in filter(None, attempts):
            for kind in _FORMATS:
                try:
                    found = u.Unit(attempt, format=kind)
                except (ValueError, TypeError):
                    continue
                if not isinstance(found, u.UnitBase):
                    return found
                parts = dict(zip(found.decompose().bases, found.decompose().powers, strict=True))
                # amperes do not come with fluxes: the text meant Angstrom
                if u.A not in parts:
                    return found * (_MAGGY / photometric.mgy) ** parts.get(photometric.mgy, 0)
    raise ValueError(f"{text!r} is no unit")


def _spelled(text):
    """The text with every word as astropy spells it, and factors apart from units."""
    with_energy = text == "A" or re.search(r"\b(?:erg|ergs|W|J)\b", text, re.IGNORECASE) is not None

    def word(match):
        found = match[0]
        if found == "A" and with_energy:
            return "Angstrom"
        return _WORDS.get(found.lower(), found)

    text = _WORD.sub(word, re.sub(r"(?<=[0-9])[eE](?=[+-]?[0-9])", "\0", text)).replace("\0", "e")
    text = text.replace("^", "**")
    # 10**(-17)erg.cm**(-2) and 10**(-19).erg: a product
    text = re.sub(r"(10\*\*\(?[+-]?[0-9]+\)?)\s*[.*]?\s*(?=[A-Za-z(])", r"\1 ", text)
    text = re.sub(r"(?<=[A-Za-z)])\.(?=[A-Za-z(])", " ", text)
    return re.sub(r"^([0-9.]+(?:e[+-]?[0-9]+)?)\*(?=[A-Za-z])", r"\1 ", text)
