"""Spectra in images: one, or one in each row, wavelengths by the header."""

import numpy as np

from ...errors import UserError
from ..spectrum_columns import spectrum_of
from .options import redshift_in

NAME = "image"
ERRORS = {
    "error": ("ERROR", "ERR", "SIGMA", "STDEV", "UNCERT", "NOISE"),
    "ivar": ("IVAR", "INVVAR"),
    "variance": ("VAR", "VARIANCE", "STAT"),
}
BAD = ("MASK", "DQ")
_WAVE = ("WAVELENGTH", "WAVE", "LAMBDA")
_FLUX = ("FLUX", "DATA", "SCI", "SPECTRUM")
_AXES = {"WAVE": "vacuum", "AWAV": "air"}


def _flux(hdus):
    """The image of fluxes: of one or two axes, by its name or the first with a scale of wavelengths."""
    images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") in (1, 2)]
    other = {name for names in (*ERRORS.values(), BAD) for name in names}
    images = [hdu for hdu in images if hdu.name not in other and _scaled(hdu.header)]
    return next((hdu for hdu in images if hdu.name in _FLUX), images[0] if images else None)


def _scaled(header):
    """Whether the first axis is one of wavelengths, and not of places."""
    kind = str(header.get("CTYPE1", "")).split("-")[0].strip().upper()
    spectral = kind in ("", "LINEAR", "LOG", "WAVE", "AWAV", "WAVELEN", "WAVELENGTH", "LAMBDA", "LOGLAM")
    steps = "CRVAL1" in header and ("CDELT1" in header or "CD1_1" in header)
    # an image of places has a second axis of many pixels and says so
    places = header.get("NAXIS") == 2 and "CTYPE2" in header and "DEC" in str(header["CTYPE2"])
    return spectral and not places and (steps or "COEFF0" in header)


def recognises(hdus) -> bool:
    """Whether an image has a scale of wavelengths along its first axis."""
    return _flux(hdus) is not None


def names(hdus) -> tuple[str, ...]:
    """Rows by number; "" for a single one."""
    header = _flux(hdus).header
    n = header["NAXIS2"] if header["NAXIS"] == 2 else 1
    return ("",) if n == 1 else tuple(str(row) for row in range(n))


def read(hdus, i, label, options):
    """Row i; errors and masks are those of the extensions ERROR, IVAR, VAR, MASK and the like."""
    flux = _flux(hdus)
    header, shape = flux.header, np.shape(flux.data)
    extensions = {hdu.name: hdu for hdu in hdus if hdu.is_image and np.shape(hdu.data) == shape}
    own = next((name for name in _WAVE if name in extensions), None)
    if own is not None:
        wave, unit = np.atleast_2d(extensions[own].data)[i], extensions[own].header.get("BUNIT")
        medium, notes = None, [f"wavelengths from {own}"]
    else:
        wave, unit, medium, notes = wavelengths(header, shape[-1], label, options)
    table = {"wave": wave, "flux": np.atleast_2d(flux.data)[i]}
    units = {"wave": unit, "flux": header.get("BUNIT")}
    if hdus[0].header.get("TELESCOP") == "JWST":
        medium = "vacuum"
        notes.append("vacuum")
        if not units["flux"] and own is not None:
            # what the NIRSpec team's extraction writes without saying so
            units["flux"] = "W m-3"
            notes.append("W m-3 assumed")
    for role, known in ERRORS.items():
        name = next((name for name in known if name in extensions), None)
        if name is not None:
            table[role] = np.atleast_2d(extensions[name].data)[i]
            units[role] = extensions[name].header.get("BUNIT")
            notes.append(f"{role} from {name}")
            break
    name = next((name for name in BAD if name in extensions), None)
    if name is not None:
        table["mask"] = np.atleast_2d(extensions[name].data)[i]
    options = options.known(medium=medium, redshift=redshift_in([header, hdus[0].header], label))
    return spectrum_of(
        table, {name: name for name in table}, units, label, **options.keywords(), notes=[NAME, *notes]
    )


def wavelengths(header, n, label, options):
    """Wavelengths (Pixel,), their unit, the medium that the header tells, and notes."""
    pixel = np.arange(n) + 1.0
    kind = str(header.get("CTYPE1", "")).upper().strip()
    medium = _AXES.get(kind.split("-")[0])
    unit = header.get("CUNIT1") or options.wave_unit
    if "COEFF0" in header and "CRVAL1" not in header:
        log = header["COEFF0"] + header["COEFF1"] * (pixel - 1.0)
        return 10.0**log, "AA", "vacuum", ["vacuum, as COEFF0 is that of SDSS"]
    step = header.get("CDELT1", header.get("CD1_1"))
    first, reference = header["CRVAL1"], header.get("CRPIX1", 1.0)
    notes = [] if medium is None else [f"{medium} by CTYPE1"]
    logarithmic = header.get("DC-FLAG", header.get("DC_FLAG", 0)) == 1 or kind in ("LOG", "LOGLAM")
    if kind.endswith("-LOG"):
        wave = first * np.exp(step * (pixel - reference) / first)
        notes.append("logarithmic scale by CTYPE1")
    else:
        wave = first + step * (pixel - reference)
        if logarithmic or (2.0 < wave[0] < wave[-1] < 6.0 and unit is None):
            wave = 10.0**wave
            notes.append("scale of log10 wavelengths")
    if unit is None:
        # most such files are in Angstrom and do not say so; what cannot be that is refused
        if not 900.0 < wave[0] < wave[-1] < 6e4:
            raise UserError(
                f"{label}: wavelengths run from {wave[0]:g} to {wave[-1]:g} and have no unit (CUNIT1): "
                "give it, for example wave_unit='um'"
            )
        unit = "AA"
        notes.append("wavelengths in Angstrom assumed")
    return wave, unit, medium, notes
