"""Spectra in images: one, or one in each row, wavelengths by the header."""

import numpy as np

from ...errors import UserError
from ...kernels.lsf import FWHM_PER_SIGMA
from ..iraf_wcs import attributes
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
# LSF by extension, and what makes of it what LSF takes: MaNGA has resolving powers, and sigmas in Angstrom
_LSF = {
    **{name: ("resolving_power", 1.0) for name in ("SRES", "SPECRES")},
    **{name: ("fwhm_aa", FWHM_PER_SIGMA) for name in ("LSFPOST", "DISP")},
}
_REDSHIFT = ("Z", "REDSHIFT")
_AXES = {"WAVE": "vacuum", "AWAV": "air"}
# Log10 of wavelengths of SDSS and MaNGA are multiples of this
_SDSS_STEP = 1e-4


def _flux(hdus):
    """The image of fluxes: of one or two axes, by its name or the first with a scale of wavelengths.

    An image in an extension of its own can be that scale.
    """
    images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") in (1, 2)]
    other = {name for names in (*ERRORS.values(), BAD) for name in names}
    along = {hdu.shape[0] for hdu in hdus if hdu.is_image and hdu.name in _WAVE and len(hdu.shape) == 1}
    images = [
        hdu
        for hdu in images
        if hdu.name not in other and (_scaled(hdu.header) or (hdu.name in _FLUX and hdu.shape[-1] in along))
    ]
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
    """Whether an image has a scale of wavelengths along its first axis, in its header or an extension."""
    return _flux(hdus) is not None


def names(hdus) -> tuple[str, ...]:
    """Rows by number; "" for a single one."""
    header = _flux(hdus).header
    n = header["NAXIS2"] if header["NAXIS"] == 2 else 1
    return ("",) if n == 1 else tuple(str(row) for row in range(n))


def read(hdus, i, label, options):
    """Row i; errors, mask, LSF, redshift are those of the extensions ERROR, IVAR, MASK, SRES, Z and the like.

    Fluxes without a unit are per wavelength, on any scale.
    """
    flux = _flux(hdus)
    header, shape = flux.header, np.shape(flux.data)
    images = [hdu for hdu in hdus if hdu.is_image]
    extensions = {hdu.name: hdu for hdu in images if np.shape(hdu.data) in (shape, shape[-1:])}
    own = next((name for name in _WAVE if name in extensions), None)
    if own is not None:
        wave, unit = _row(extensions[own], i), extensions[own].header.get("BUNIT")
        medium, notes = None, [f"wavelengths from {own}"]
        if not unit and options.wave_unit is None and hdus[0].header.get("TELESCOP") != "JWST":
            unit = _angstrom(wave, label, "BUNIT", notes)
    else:
        wave, unit, medium, notes = wavelengths(header, shape[-1], label, options)
    table = {"wave": wave, "flux": _row(flux, i)}
    units = {"wave": unit, "flux": header.get("BUNIT")}
    headers = [hdu.header for hdu in (flux, hdus[0], *([extensions[own]] if own else []))]
    if hdus[0].header.get("TELESCOP") == "JWST":
        medium = "vacuum"
        notes.append("vacuum")
        if not units["flux"] and own is not None:
            # what the NIRSpec team's extraction writes without saying so
            units["flux"] = "W m-3"
            notes.append("W m-3 assumed")
    elif medium is None and options.medium is None:
        medium = _medium(wave, headers, notes)
    for role, known in ERRORS.items():
        name = next((name for name in known if name in extensions), None)
        if name is not None:
            table[role] = _row(extensions[name], i)
            units[role] = extensions[name].header.get("BUNIT")
            notes.append(f"{role} from {name}")
            break
    name = next((name for name in BAD if name in extensions), None)
    if name is not None:
        table["mask"] = _row(extensions[name], i)
    name = next((name for name in _LSF if name in extensions), None)
    chosen = {role: role for role in table}
    if name is not None:
        role, factor = _LSF[name]
        table[name], chosen[role] = factor * np.asarray(_row(extensions[name], i), float), name
    options = options.known(medium=medium, redshift=_redshift(hdus, headers, i, len(names(hdus)), label))
    options = of_any_scale(options, units, notes)
    return spectrum_of(table, chosen, units, label, **options.keywords(), notes=[NAME, *notes])


def of_any_scale(options, units, notes):
    """Options with a flux on any scale where neither file nor user has its unit; changes units and notes."""
    if options.flux_unit is not None or units.get("flux"):
        return options
    notes.append("no unit of the flux: per wavelength assumed")
    units.update({role: None for role in units if role != "wave"})
    return options.known(flux_unit="relative")


def _row(hdu, i):
    """Row i of an image, or its only one."""
    rows = np.atleast_2d(hdu.data)
    return rows[i if len(rows) > 1 else 0]


def _medium(wave, headers, notes):
    """Air or vacuum by a header's AIRORVAC, by SDSS's grid, or as IRAF has it; None where nothing tells."""
    said = next((str(header["AIRORVAC"]).lower() for header in headers if header.get("AIRORVAC")), "")
    if said in ("air", "vac", "vacuum"):
        notes.append(f"{said} by AIRORVAC")
        return "air" if said == "air" else "vacuum"
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.log10(np.asarray(wave, float)) / _SDSS_STEP
    if steps.size > 1 and np.all(np.abs(steps - np.round(steps)) < 1e-3) and np.all(np.diff(steps) < 1.5):
        notes.append("vacuum, as this grid is that of SDSS")
        return "vacuum"
    if any("IRAF" in str(header.get("ORIGIN", "")) or "WAT0_001" in header for header in headers):
        notes.append("air assumed, as IRAF's lists of lines are")
        return "air"
    return None


def _redshift(hdus, headers, i, n, label):
    """From a header, from an image that has one for each row, or a table that has."""
    found = redshift_in(headers, label)
    if found is not None:
        return found
    for hdu in hdus:
        if hdu.is_image and hdu.name in _REDSHIFT and np.shape(hdu.data) == (n,):
            return float(hdu.data[i])
        columns = getattr(hdu, "columns", None)
        if columns is not None and len(hdu.data) == n:
            name = next((name for name in columns.names if name.upper() in _REDSHIFT), None)
            if name is not None:
                return float(hdu.data[name][i])
    return None


def wavelengths(header, n, label, options):
    """Wavelengths (Pixel,), their unit, the medium that the header tells, and notes."""
    pixel = np.arange(n) + 1.0
    kind = str(header.get("CTYPE1", "")).upper().strip()
    medium = _AXES.get(kind.split("-")[0])
    unit = header.get("CUNIT1") or attributes(header, 1).get("units") or options.wave_unit
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
        unit = _angstrom(wave, label, "CUNIT1", notes)
    return wave, unit, medium, notes


def _angstrom(wave, label, card, notes):
    """Most files without a unit are in Angstrom; what cannot be that is refused."""
    first, last = np.nanmin(wave), np.nanmax(wave)
    if not 900.0 < first < last < 6e4:
        raise UserError(
            f"{label}: wavelengths run from {first:g} to {last:g} and have no unit ({card}): "
            "give it, for example wave_unit='um'"
        )
    notes.append("wavelengths in Angstrom assumed")
    return "AA"
