"""From the columns of a table to a spectrum: units, errors, masks."""

import warnings
from collections.abc import Mapping

import numpy as np
from astropy import units as u

from ..errors import UserError
from ..instruments.lsf import LSF
from .column_roles import ERROR_POWERS, LSF_ROLES
from .formats.options import ReadOptions
from .no_data import no_data, told, typical
from .spectrum import FLUX_UNIT as FLUX_UNIT
from .spectrum import Spectrum
from .unit_text import read_unit

# Signal-to-noise ratios of the median pixel outside these are told: errors have another unit, or are none
_USUAL_SNR = (0.1, 1e4)
# Where a column that says mask hides more than this share, it may say which pixels are good
MOST_MASKED = 0.5
# Fewer pixels that can be used than this share are told
_FEW_GOOD = 1.0 / 3.0
_AS_THE_FILE_SAYS = ReadOptions()


def _unit(text, what, label, example):
    """Unit that the user gives or the column has."""
    if text is None or str(text).strip() == "":
        raise UserError(f"{label}: the {what} has no unit: pass {what}_unit=, for example {example}")
    try:
        return read_unit(text)
    except ValueError as err:
        raise UserError(
            f"{label}: the {what} has the unit {str(text)!r}: give for example {example}"
        ) from err


def _plain(values):
    """Column as float64, NaN where it is masked."""
    return np.asarray(np.ma.filled(np.ma.asarray(values, float), np.nan))


def spectrum_of(
    table: Mapping,
    chosen: Mapping[str, str],
    units: Mapping,
    label: str,
    options: ReadOptions = _AS_THE_FILE_SAYS,
    *,
    notes=(),
    mask_is_known=False,
) -> Spectrum:
    """Spectrum of the chosen columns.

    Its notes tell what was taken from where, and what of the file's the options override. Stand-ins and gaps
    (:mod:`dsps_sbi.io.no_data`) are no data.

    Parameters
    ----------
    table : mapping of str to array (Pixel,)
    chosen : mapping of str to str
        Of :func:`choose`.
    units : mapping of str to (unit, str or None)
        Of the columns.
    label : str
    options : ReadOptions
    notes : sequence of str
        What is known already of how the file is read.
    mask_is_known : bool
        Whether the format, or the user, says that a mask of not 0 is bad.

    Raises
    ------
    UserError
        If a unit is missing or wrong, columns differ in length, there is no error and no signal-to-noise
        ratio, or a mask hides so much that it may be the good pixels which it marks.
    """
    notes = list(notes)
    _check_lengths(table, chosen, label)
    column = {role: _plain(table[name]) for role, name in chosen.items() if role not in ("mask", "good")}
    wave = _wavelengths(column, chosen, units, options.wave_unit, label, notes)
    raw, (sigma, of_error) = column["flux"], _errors(column, chosen, options.snr, label, notes)
    stated = units.get(chosen["flux"]), None if of_error is None else units.get(chosen[of_error])
    scale, error_scale = _scales(*stated, of_error, options.flux_unit, wave, label, notes)
    flux, sigma = raw * scale, None if sigma is None else sigma * error_scale
    mask = _mask(table, chosen, label, mask_is_known, notes)
    use = np.isfinite(raw) if mask is None else np.isfinite(raw) & ~mask
    if options.snr is not None:
        sigma = _replaced(flux, sigma, use, options.snr, chosen.get(of_error), notes)
    with np.errstate(invalid="ignore", divide="ignore"):
        stand_in, gap = no_data(raw, sigma / scale)
    if (raw[use] != 0.0).any():
        # pixels that are none already are not told
        use &= np.isfinite(sigma) & (sigma > 0.0)
        notes += told(raw, stand_in & use, gap & use)
        flux = np.where(stand_in | gap, np.nan, flux)
    if options.flux_unit == "relative":
        middle = np.nanmedian(np.abs(flux)) if np.isfinite(flux).any() else np.nan
        factor = 1.0 / middle if np.isfinite(middle) and middle > 0.0 else 1.0
        flux, sigma = flux * factor, sigma * factor
    for role in LSF_ROLES:
        if role in column:
            options = options.known(f"LSF: {role} from {chosen[role]}", lsf=_lsf(role, column[role]))
    notes += options.notes()
    _check_signal(flux, sigma, mask, label, notes)
    absolute = options.flux_unit != "relative"
    medium, z = options.medium, options.redshift
    return Spectrum(wave, flux, sigma, medium, z, mask, options.lsf, absolute, label, notes=tuple(notes))


def _check_lengths(table, chosen, label):
    first = chosen["wave"] if "wave" in chosen else chosen["log10_wave"]
    shape = np.shape(table[first])
    if not np.size(table[first]):
        raise UserError(f"{label} has no rows: expected a row for each pixel; add them")
    for name in chosen.values():
        if np.shape(table[name]) != shape or len(shape) != 1:
            raise UserError(
                f"{label}: {name} has the shape {np.shape(table[name])}, the wavelengths {shape}: expected "
                "one value for each pixel; mend or leave out that column"
            )


def instead(given, stated) -> str:
    """What is said after a unit that the user gives; "" where it is that of the file."""
    if given is None:
        return ""
    stated = "" if stated is None else str(stated).strip()
    if not stated:
        return " as given"
    try:
        same = read_unit(given) == read_unit(stated)
    except ValueError:
        same = False
    return "" if same else f" as given, not {stated}"


def _wavelengths(column, chosen, units, wave_unit, label, notes):
    example = "'AA', 'nm' or 'um'"
    name = chosen["wave"] if "wave" in chosen else chosen["log10_wave"]
    if "log10_wave" in chosen:
        text = wave_unit if wave_unit is not None else units.get(name)
        text = "Angstrom" if text is None or "log" in str(text).lower() else text
        values = 10.0 ** column["log10_wave"]
    else:
        text = wave_unit if wave_unit is not None else units.get(name)
        values = column["wave"]
    unit = _unit(text, "wave", label, example)
    if not unit.is_equivalent(u.AA):
        raise UserError(
            f"{label}: the wave has the unit {unit}, which is not a length: give for example {example}"
        )
    if words := instead(wave_unit, units.get(name)):
        notes.append(f"wavelengths in {unit}{words}")
    return values * unit.to(u.AA)


_FLUX_EXAMPLE = "'1e-17 erg/s/cm2/AA', 'uJy', or 'relative'"


def _flux_unit(text, label):
    return _unit(text, "flux", label, _FLUX_EXAMPLE)


def _root(text, role, label):
    """Unit of standard deviations from that of errors, variances or their inverse."""
    unit = _unit(text, role, label, "that of the flux, its square for variances, or the inverse square")
    root = unit ** (1.0 / ERROR_POWERS[role])
    if role != "error" and unit.is_equivalent(FLUX_UNIT):
        raise UserError(
            f"{label}: the {role} has the unit {unit}, which is that of a flux: expected its "
            f"{'square' if role == 'variance' else 'inverse square'}; name the column by what it is, such as "
            "columns=dict(error=...)"
        )
    return root


def _scale(unit, wave, label, what="flux"):
    """Factors (Pixel,) from a unit of flux densities to that of spectra."""
    with np.errstate(divide="ignore", invalid="ignore"):
        try:
            return (1.0 * unit).to_value(FLUX_UNIT, u.spectral_density(np.abs(wave) * u.AA))
        except u.UnitConversionError as err:
            raise UserError(
                f"{label}: the {what} has the unit {unit}, which is no flux density: give {_FLUX_EXAMPLE}"
            ) from err


def _scales(of_flux, of_errors, role, given, wave, label, notes):
    """Factors (Pixel,), or one, from the table's fluxes and errors to the spectrum's unit.

    A unit that the user gives stands for that of the flux. Errors whose unit the file states keep its ratio
    to the file's unit of the flux. Of relative fluxes only what differs from pixel to pixel counts.
    """
    relative = given == "relative"
    if relative:
        scale = _scale_or_none(of_flux, wave)
        scale = 1.0 if scale is None else scale
        notes.append("flux on any scale" + (f", not in {of_flux} as the file says" if of_flux else ""))
    else:
        unit = _flux_unit(of_flux if given is None else given, label)
        scale = _scale(unit, wave, label)
        notes.append(f"flux in {unit}{instead(given, of_flux)}")
    if role is None:
        return scale, 1.0
    if of_errors is None or not str(of_errors).strip():
        if not relative:
            notes.append("errors in the unit of the flux")
        return scale, scale
    if of_flux is None or not str(of_flux).strip():
        # the user says what fluxes are in, the file what errors are in
        return scale, scale if relative else _scale(_root(of_errors, role, label), wave, label, role)
    if given is None:
        return scale, _scale(_root(of_errors, role, label), wave, label, role)
    if str(of_errors).strip() == str(of_flux).strip() and role == "error":
        return scale, scale
    try:
        return scale, scale * _root(of_errors, role, label).to(read_unit(of_flux))
    except (u.UnitConversionError, ValueError, TypeError):
        ours, theirs = _scale_or_none(of_flux, wave), _scale_or_none(of_errors, wave)
    if role != "error" or ours is None or theirs is None:
        raise UserError(
            f"{label}: the flux has the unit {str(of_flux)!r} and the {role} {str(of_errors)!r}: flux_unit= "
            "is that of the flux alone, and these two cannot be compared; mend the units in the file"
        )
    return scale, scale * theirs / ours


def _scale_or_none(text, wave):
    """As :func:`_scale`, None for what is no unit of a flux density."""
    try:
        return _scale(read_unit(text), wave, "")
    except (ValueError, TypeError):
        return None


def _errors(column, chosen, snr, label, notes):
    """Standard deviations (Pixel,) in the root of the unit of their column, and its role, or None."""
    found = [role for role in ERROR_POWERS if role in chosen]
    if not found:
        if snr is not None:
            return None, None
        raise UserError(
            f"{label} has no column of errors ({', '.join(chosen.values())} are known): name it with "
            "columns=dict(error=...), or as variance or ivar, or state the median signal-to-noise ratio per "
            "pixel with snr="
        )
    role = found[0]
    if len(found) > 1:
        notes.append(f"errors from {chosen[role]}, not {', '.join(chosen[other] for other in found[1:])}")
    values, power = column[role], ERROR_POWERS[role]
    # an error of 0 says that there is no data
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0.0, values, np.nan) ** (1.0 / power), role


def _replaced(flux, sigma, use, snr, name, notes):
    """Errors (Pixel,) of a signal-to-noise ratio; none where the file's own say that there is no data."""
    known = np.zeros(flux.shape, bool) if sigma is None else np.isfinite(sigma) & (sigma > 0.0)
    good = use & known if known.any() else use
    new = np.full(flux.shape, typical(flux, good & np.isfinite(flux)) / snr)
    if not known.any():
        notes.append(f"errors of S/N {snr:g} as given" + ("" if name is None else f", {name} has none"))
        return new
    missing = np.count_nonzero(~known)
    words = f", and no data in the {missing} pixels where it has none" if missing else ""
    notes.append(f"errors of S/N {snr:g} as given, not {name}{words}")
    return np.where(known, new, np.nan)


def _mask(table, chosen, label, is_known, notes):
    """Pixels (Pixel,) that must not be used, or None."""
    if "good" in chosen and "mask" in chosen:
        notes.append(f"mask from {chosen['mask']}, not {chosen['good']}")
    elif "good" in chosen:
        notes.append(f"{chosen['good']}: 0 is bad")
        return np.asarray(table[chosen["good"]]) == 0
    if "mask" not in chosen:
        return None
    mask = np.asarray(np.ma.filled(table[chosen["mask"]], 1)) != 0
    name = chosen["mask"]
    if not is_known:
        if mask.mean() > MOST_MASKED:
            raise UserError(
                f"{label}: the column {name} is not 0 in {100 * mask.mean():.3g} % of the pixels: say whether"
                f" these are bad, columns=dict(mask='{name}', ...), or good, columns=dict(good='{name}', ...)"
            )
        notes.append(f"{name}: not 0 is bad")
    return mask


def _check_signal(flux, sigma, mask, label, notes):
    """Refuse what has no light, and tell of signal-to-noise ratios that no spectrum has."""
    good = np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0.0)
    good &= True if mask is None else ~mask
    if not good.any():
        # Spectrum says what is missing
        return
    if not (flux[good] > 0.0).any():
        raise UserError(
            f"{label}: no flux is above 0 in the {good.sum()} pixels that can be used: expected the light of "
            "a galaxy; check the column of fluxes"
        )
    snr = np.median(np.abs(flux[good]) / sigma[good])
    notes.append(f"S/N {snr:.3g}")
    if good.mean() < _FEW_GOOD:
        notes.append(f"only {100 * good.mean():.0f} % of the pixels can be used")
    if not _USUAL_SNR[0] <= snr <= _USUAL_SNR[1]:
        notes.append("check the units of flux and errors")
        warnings.warn(
            f"{label}: S/N of the median pixel is {snr:.2g}: check the units of flux and errors",
            UserWarning,
            stacklevel=3,
        )


def _lsf(role, value):
    """LSF of a column, or None; where it is not positive (dead pixels), that of the pixels beside."""
    good = np.isfinite(value) & (value > 0.0)
    if not good.any():
        return None
    at = np.arange(value.size)
    return LSF(role, np.interp(at, at[good], value[good]))
