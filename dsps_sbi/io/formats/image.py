"""Spectra in images: one, or one in each row, wavelengths by the header."""

from dataclasses import replace

import numpy as np

from ...errors import UserError
from ...kernels.lsf import FWHM_PER_SIGMA
from ..iraf_wcs import attributes
from ..spectrum import FEWEST_PIXELS
from ..spectrum_columns import spectrum_of

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
# Types of an axis that can be no other than one of wavelengths
_SPECTRAL = ("WAVE", "AWAV", "WAVELEN", "WAVELENGTH", "LAMBDA", "LOGLAM")


def _fluxes(hdus):
    """Images of one or two axes that can be that of the fluxes: by name, or with a scale of wavelengths.

    An image in an extension of its own can be that scale. Those with a name of fluxes come first.
    """
    images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") in (1, 2)]
    other = {name for names in (*ERRORS.values(), BAD) for name in names}
    along = {hdu.shape[0] for hdu in hdus if hdu.is_image and hdu.name in _WAVE and len(hdu.shape) == 1}
    images = [
        hdu
        for hdu in images
        if hdu.name not in other
        and (_scaled(hdu.header) or (hdu.name in _FLUX and hdu.shape[-1] in along) or turned(hdu))
    ]
    return sorted(images, key=lambda hdu: hdu.name not in _FLUX)


def _flux(hdus):
    """The first of them, or None."""
    return next(iter(_fluxes(hdus)), None)


def not_used(fluxes) -> list[str]:
    """Note on images or cubes that could be that of the fluxes, beside the first, and have a name."""
    others = [hdu.name for hdu in fluxes[1:] if hdu.name]
    return [f"flux from {fluxes[0].name or 'the first extension'}, not {', '.join(others)}"] if others else []


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
    """Rows by number; "" for a single one.

    Raises
    ------
    UserError
        If the wavelengths are along the other axis.
    """
    flux = _flux(hdus)
    refuse_turned(flux, hdus.filename() or "the file")
    header = flux.header
    n = header["NAXIS2"] if header["NAXIS"] == 2 else 1
    return ("",) if n == 1 else tuple(str(row) for row in range(n))


def _kind(header, axis):
    return str(header.get(f"CTYPE{axis}", "")).split("-")[0].strip().upper()


def turned(hdu) -> bool:
    """Whether wavelengths of an image or cube are along another axis than the first, or the third.

    Either a header says so, or rows of an image are shorter than spectra are, and columns are longer.
    """
    header, shape = hdu.header, hdu.shape
    own = 3 if len(shape) == 3 else 1
    others = [axis for axis in range(1, len(shape) + 1) if axis != own]
    if not others:
        return False
    said = [_kind(header, axis) in _SPECTRAL for axis in others]
    if any(said) and _kind(header, own) not in _SPECTRAL:
        return True
    n = header["NAXIS1"]
    return own == 1 and _scaled(header) and n < FEWEST_PIXELS and n < header["NAXIS2"]


def refuse_turned(hdu, label) -> None:
    """Refuse what :func:`turned` finds, naming the axes.

    Raises
    ------
    UserError
    """
    if not turned(hdu):
        return
    header = hdu.header
    own = 3 if header["NAXIS"] == 3 else 1
    axes = ", ".join(
        f"NAXIS{axis} {header[f'NAXIS{axis}']}" + (f" of {kind}" if (kind := _kind(header, axis)) else "")
        for axis in range(1, header["NAXIS"] + 1)
    )
    raise UserError(
        f"{label}: the {'cube' if own == 3 else 'image'} {hdu.name or 'of the first extension'} has the axes "
        f"{axes}: expected {FEWEST_PIXELS} wavelengths and more along NAXIS{own}; swap the axes and write it "
        "again (numpy: image.T, moveaxis), or read it with specutils by format="
    )


def refuse_other_shapes(hdus, flux, label) -> None:
    """Refuse errors and masks by name whose shape is not that of the fluxes.

    Raises
    ------
    UserError
        Naming both shapes.
    """
    known = {name for names in (*ERRORS.values(), BAD) for name in names}
    shapes = (flux.shape, flux.shape[-1:])
    odd = next((h for h in hdus if h.is_image and h.name in known and h.shape not in shapes), None)
    if odd is not None:
        raise UserError(
            f"{label}: the extension {odd.name} has the shape {odd.shape}, the fluxes {flux.shape}: expected "
            "the same; mend or remove it"
        )


def read(hdus, i, label, options, named=None):
    """Row i; errors, mask, LSF, redshift are those of the extensions ERROR, IVAR, MASK, SRES, Z and the like.

    Fluxes without a unit are per wavelength, on any scale. ``named`` has extensions by role, as the user
    names them.
    """
    named = named or {}
    flux = named["flux"] if "flux" in named else _flux(hdus)
    refuse_turned(flux, label)
    header, shape = flux.header, np.shape(flux.data)
    if not named:
        refuse_other_shapes(hdus, flux, label)
    images = [hdu for hdu in hdus if hdu.is_image]
    extensions = {hdu.name: hdu for hdu in images if np.shape(hdu.data) in (shape, shape[-1:])}
    own = next((name for name in _WAVE if name in extensions), None)
    if own is not None:
        wave, unit = _row(extensions[own], i), extensions[own].header.get("BUNIT")
        notes = [f"wavelengths from {own}"]
        if not unit and options.wave_unit is None and hdus[0].header.get("TELESCOP") != "JWST":
            unit = _angstrom(wave, label, "BUNIT", notes)
    else:
        scaled = flux if _scaled(header) else _flux(hdus)
        wave, unit, options, notes = wavelengths(scaled.header, shape[-1], label, options)
    table = {"wave": wave, "flux": _row(flux, i)}
    units = {"wave": unit, "flux": header.get("BUNIT")}
    headers = [hdu.header for hdu in (flux, hdus[0], *([extensions[own]] if own else []))]
    if hdus[0].header.get("TELESCOP") == "JWST":
        options = options.known("vacuum", medium="vacuum")
        if not units["flux"] and own is not None:
            # what the NIRSpec team's extraction writes without saying so
            units["flux"] = "W m-3"
            notes.append("W m-3 assumed")
    elif "medium" not in options.found:
        options = _medium(options, wave, headers)
    sources = _sources(extensions, named)
    for role, hdu in sources.items():
        if np.shape(hdu.data) not in (shape, shape[-1:]):
            raise UserError(f"{label}: {role} has the shape {np.shape(hdu.data)}, the fluxes {shape}")
        table[role] = _row(hdu, i)
        if role in ERRORS:
            units[role] = hdu.header.get("BUNIT")
            notes.append(f"{role} from {hdu.name or 'the extension that is named'}")
            if role in named and role != "error" and units[role] and units[role] == header.get("BUNIT"):
                # a header that was copied from the fluxes, and a user who knows better
                units[role] = None
                notes.append(f"its unit {header['BUNIT']} is that of the flux and not used")
    if not set(ERRORS) & set(table) and options.snr is None:
        _ask_for_errors(hdus, flux, label)
    name = next((name for name in _LSF if name in extensions), None)
    chosen = {role: role for role in table}
    if name is not None:
        role, factor = _LSF[name]
        table[name], chosen[role] = factor * np.asarray(_row(extensions[name], i), float), name
    n = 1 if len(shape) == 1 else shape[0]
    options = _redshift(options, hdus, headers, i, n, label)
    options = of_any_scale(options, units, notes)
    notes += [] if "flux" in named else not_used(_fluxes(hdus))
    known = "mask" in named
    return spectrum_of(table, chosen, units, label, options, notes=[NAME, *notes], mask_is_known=known)


def _sources(extensions, named):
    """Extensions of errors and masks by role: those that the user names, or else those with known names."""
    out = {role: hdu for role, hdu in named.items() if role != "flux"}
    if not set(out) & set(ERRORS):
        found = [(role, n) for role, words in ERRORS.items() for n in words if n in extensions]
        out |= {role: extensions[name] for role, name in found[:1]}
    name = next((name for name in BAD if name in extensions), None)
    if name is not None and not {"mask", "good"} & set(out):
        out["mask"] = extensions[name]
    return out


def _ask_for_errors(hdus, flux, label):
    """Refuse to guess what images of the shape of the fluxes are whose names say nothing."""
    alike = [i for i, hdu in enumerate(hdus) if hdu.is_image and hdu is not flux and hdu.shape == flux.shape]
    alike = [i for i in alike if not hdus[i].name]
    if alike:
        said = hdus[alike[0]].header.get("BANDID1")
        raise UserError(
            f"{label}: extension {alike[0]} has the shape of the fluxes and no name"
            f"{f' (BANDID1 is {said!r})' if said else ''}: say what it is, for example "
            f"columns=dict(error='{alike[0]}') or columns=dict(variance='{alike[0]}'), or give snr="
        )


def of_any_scale(options, units, notes):
    """Options with a flux on any scale where neither file nor user has its unit; adds to units and notes."""
    if options.flux_unit is not None or units.get("flux"):
        return options
    notes.append("no unit of the flux: per wavelength assumed")
    units.update({role: None for role in units if role != "wave"})
    return replace(options, flux_unit="relative")


def _row(hdu, i):
    """Row i of an image, or its only one."""
    rows = np.atleast_2d(hdu.data)
    return rows[i if len(rows) > 1 else 0]


def _medium(options, wave, headers):
    """With air or vacuum by a header's AIRORVAC, by SDSS's grid, or as IRAF has it, where one tells."""
    said = next((str(header["AIRORVAC"]).lower() for header in headers if header.get("AIRORVAC")), "")
    if said in ("air", "vac", "vacuum"):
        return options.known(f"{said} by AIRORVAC", medium="air" if said == "air" else "vacuum")
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.log10(np.asarray(wave, float)) / _SDSS_STEP
    if steps.size > 1 and np.all(np.abs(steps - np.round(steps)) < 1e-3) and np.all(np.diff(steps) < 1.5):
        return options.known("vacuum, as this grid is that of SDSS", medium="vacuum")
    of_iraf = any("IRAF" in str(header.get("ORIGIN", "")) or "WAT0_001" in header for header in headers)
    if options.medium is None and of_iraf:
        return options.known("air assumed, as IRAF's lists of lines are", medium="air")
    return options


def _redshift(options, hdus, headers, i, n, label):
    """With that of a header, of an image that has one for each row, or of a table that has."""
    options = options.redshift_of(headers, label)
    if "redshift" in options.found:
        return options
    for hdu in hdus:
        if hdu.is_image and hdu.name in _REDSHIFT and np.shape(hdu.data) == (n,):
            z = float(hdu.data[i])
            return options.known(f"z {z:.6g} from {hdu.name}", redshift=z)
        columns = getattr(hdu, "columns", None)
        if columns is not None and len(hdu.data) == n:
            name = next((name for name in columns.names if name.upper() in _REDSHIFT), None)
            if name is not None:
                z = float(hdu.data[name][i])
                return options.known(f"z {z:.6g} from {hdu.name or name}", redshift=z)
    return options


def wavelengths(header, n, label, options, axis=1):
    """Wavelengths (Pixel,), their unit, options with the medium that the header tells, and notes.

    ``axis`` is the number that messages and notes have instead of 1.
    """
    pixel = np.arange(n) + 1.0
    kind = str(header.get("CTYPE1", "")).upper().strip()
    medium = _AXES.get(kind.split("-")[0])
    stated = header.get("CUNIT1") or attributes(header, 1).get("units")
    unit = options.wave_unit or stated
    if "COEFF0" in header and "CRVAL1" not in header:
        log = header["COEFF0"] + header["COEFF1"] * (pixel - 1.0)
        return 10.0**log, "AA", options.known("vacuum, as COEFF0 is that of SDSS", medium="vacuum"), []
    step = header.get("CDELT1", header.get("CD1_1"))
    first, reference = header["CRVAL1"], header.get("CRPIX1", 1.0)
    options, notes = options.known(f"{medium} by CTYPE{axis}", medium=medium), []
    logarithmic = header.get("DC-FLAG", header.get("DC_FLAG", 0)) == 1 or kind in ("LOG", "LOGLAM")
    if kind.endswith("-LOG"):
        wave = first * np.exp(step * (pixel - reference) / first)
        notes.append(f"logarithmic scale by CTYPE{axis}")
    else:
        wave = first + step * (pixel - reference)
        if logarithmic or (2.0 < wave[0] < wave[-1] < 6.0 and unit is None):
            wave = 10.0**wave
            notes.append("scale of log10 wavelengths")
    if unit is None:
        unit = _angstrom(wave, label, f"CUNIT{axis}", notes)
    return wave, stated or unit, options, notes


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
