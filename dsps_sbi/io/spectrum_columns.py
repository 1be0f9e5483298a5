"""From the columns of a table to a spectrum: names, units, errors."""

import warnings
from collections.abc import Mapping

import numpy as np
from astropy import units as u

from ..errors import UserError
from ..instruments.lsf import LSF
from .spectrum import FLUX_UNIT as FLUX_UNIT
from .spectrum import Spectrum
from .unit_text import read_unit

# What a column can be, and the names, in small letters, by which it is found where none are given
ROLES = {
    "wave": ("wavelength", "wave", "lambda", "lam", "wave_aa", "lambda_aa", "wl"),
    "log10_wave": ("loglam", "log_lambda", "log10_wave", "logwave"),
    "flux": ("flux", "flux_density", "spec", "spectrum", "flam", "fnu", "f_lambda", "f_nu"),
    "error": (
        *("error", "err", "flux_error", "flux_err", "fluxerr", "err_flux", "eflux", "e_flux", "flux_unc"),
        *("ferr", "uncertainty", "sigma", "stdev", "std", "noise"),
    ),
    "ivar": ("ivar", "inverse_variance", "flux_ivar", "invvar"),
    "variance": ("variance", "var", "flux_var", "flux_variance", "stat"),
    "mask": ("mask", "dq", "qual", "quality", "flux_mask"),
    "good": ("good", "valid", "good_pixel", "goodpix"),
    "fwhm_aa": ("fwhm_aa", "fwhm", "lsf_fwhm", "lsf"),
    "sigma_pixel": ("wdisp",),
    "sigma_km_s": ("sigma_km_s", "lsf_km_s"),
    "resolving_power": ("resolving_power", "sres", "specres", "spec_res", "resolution"),
}
_LSF_ROLES = ("fwhm_aa", "sigma_pixel", "sigma_km_s", "resolving_power")
_ERROR_POWERS = {"error": 1, "variance": 2, "ivar": -2}
# Signal-to-noise ratios of the median pixel outside these are told: errors have another unit, or are none
_USUAL_SNR = (0.1, 1e4)
# Where a column that says mask hides more than this share, it may say which pixels are good
MOST_MASKED = 0.5
# Fewer pixels that can be used than this share are told
_FEW_GOOD = 1.0 / 3.0


def choose(names, columns, label) -> dict[str, str]:
    """Column of each role.

    Parameters
    ----------
    names : sequence of str
        Columns of the table.
    columns : mapping of str to str, or None
        Column by role as the user gives it; None: by the usual names. Without wavelength and flux they add to
        columns with the usual names.
    label : str
        How messages name the table.

    Raises
    ------
    UserError
        For unknown roles or columns, and where wavelength or flux are not found.
    """
    small = {name.lower(): name for name in names}
    usual = {role: [small[n] for n in found if n in small] for role, found in ROLES.items()}
    chosen = {role: found[0] for role, found in usual.items() if found}
    if columns is not None:
        for role, name in columns.items():
            if role not in ROLES:
                raise UserError(f"columns names {role!r}: give any of {', '.join(ROLES)}")
            if name not in names:
                raise UserError(f"{label} has no column {name!r}: it has {', '.join(names)}")
        if columns.keys() & {"wave", "log10_wave", "flux"}:
            chosen = dict(columns)
        else:
            # what a mask or an error is, told beside columns with the usual names
            taken = set(columns.values())
            chosen = {role: name for role, name in chosen.items() if name not in taken} | dict(columns)
    if "wave" in chosen:
        chosen.pop("log10_wave", None)
    for role in ("wave", "flux"):
        if role not in chosen and f"log10_{role}" not in chosen:
            raise UserError(
                f"{label} has no column for {role} that can be told by its name: pass columns=, for example "
                f"dict(wave='a', flux='b', error='c'), of {', '.join(names)}"
            )
    return chosen


def has_spectrum(names, columns) -> bool:
    """Whether a table has the columns that a spectrum needs: those given by role, or the usual ones."""
    if hasattr(columns, "values"):
        return set(columns.values()) <= set(names)
    small = {name.lower() for name in names}
    wave = {*ROLES["wave"], *ROLES["log10_wave"]}
    return bool(small & wave) and bool(small & set(ROLES["flux"]))


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
    *,
    redshift=None,
    medium=None,
    lsf=None,
    wave_unit=None,
    flux_unit=None,
    snr=None,
    notes=(),
    mask_is_known=False,
) -> Spectrum:
    """Spectrum of the chosen columns; the keywords are those of :func:`dsps_sbi.read_spectrum`.

    Parameters
    ----------
    table : mapping of str to array (Pixel,)
    chosen : mapping of str to str
        Of :func:`choose`.
    units : mapping of str to (unit, str or None)
        Of the columns.
    label : str
    notes : sequence of str
        What is known already of how the file is read.
    mask_is_known : bool
        Whether the format, or the user, says that a mask of not 0 is bad.

    Raises
    ------
    UserError
        If a unit is missing or wrong, there is no error and no signal-to-noise ratio, or a mask hides so much
        that it may be the good pixels which it marks.
    """
    notes = list(notes)
    if not len(table[next(iter(chosen.values()))]):
        raise UserError(f"{label} has no rows: expected a row for each pixel; add them")
    column = {role: _plain(table[name]) for role, name in chosen.items() if role not in ("mask", "good")}
    wave = _wavelengths(column, chosen, units, wave_unit, label)
    sigma, of_error = _errors(column, chosen, snr, label)
    own = None if of_error is None else units.get(chosen[of_error])
    flux = column["flux"]
    stated = flux_unit if flux_unit is not None else units.get(chosen["flux"])
    if flux_unit == "relative":
        unit, theirs = None, None
        if own is not None and units.get(chosen["flux"]) is not None:
            # the scale is not known, but the two columns have to have one
            unit, theirs = (_flux_unit(units[chosen["flux"]], label), _root(own, of_error, label))
    else:
        unit = _flux_unit(stated, label)
        theirs = unit if own is None else _root(own, of_error, label)
    if unit is not None:
        flux = flux * _scale(unit, wave, label)
        sigma = sigma * _scale(theirs if of_error is not None else unit, wave, label)
    if of_error is not None and own is None and flux_unit != "relative":
        notes.append("errors in the unit of the flux")
    if flux_unit == "relative":
        middle = np.nanmedian(np.abs(flux))
        scale = 1.0 / middle if np.isfinite(middle) and middle > 0.0 else 1.0
        flux, sigma = flux * scale, sigma * scale
        notes.append("flux on any scale")
    else:
        notes.append(f"flux in {unit}")
    mask = _mask(table, chosen, label, mask_is_known, notes)
    if lsf is None:
        lsf = _lsf(column, chosen, notes)
    if redshift is not None:
        notes.append(f"z {float(redshift):.6g}")
    _check_signal(flux, sigma, mask, label, notes)
    absolute = flux_unit != "relative"
    return Spectrum(wave, flux, sigma, medium, redshift, mask, lsf, absolute, label, notes=tuple(notes))


def _wavelengths(column, chosen, units, wave_unit, label):
    example = "'AA', 'nm' or 'um'"
    if "log10_wave" in chosen:
        name = chosen["log10_wave"]
        text = wave_unit if wave_unit is not None else units.get(name)
        text = "Angstrom" if text is None or "log" in str(text).lower() else text
        values = 10.0 ** column["log10_wave"]
    else:
        text = wave_unit if wave_unit is not None else units.get(chosen["wave"])
        values = column["wave"]
    unit = _unit(text, "wave", label, example)
    if not unit.is_equivalent(u.AA):
        raise UserError(
            f"{label}: the wave has the unit {unit}, which is not a length: give for example {example}"
        )
    return values * unit.to(u.AA)


_FLUX_EXAMPLE = "'1e-17 erg/s/cm2/AA', 'uJy', or 'relative'"


def _flux_unit(text, label):
    return _unit(text, "flux", label, _FLUX_EXAMPLE)


def _root(text, role, label):
    """Unit of standard deviations from that of errors, variances or their inverse."""
    unit = _unit(text, role, label, "that of the flux, its square for variances, or the inverse square")
    root = unit ** (1.0 / _ERROR_POWERS[role])
    if role != "error" and unit.is_equivalent(FLUX_UNIT):
        raise UserError(
            f"{label}: the {role} has the unit {unit}, which is that of a flux: expected its "
            f"{'square' if role == 'variance' else 'inverse square'}; name the column by what it is, such as "
            "columns=dict(error=...)"
        )
    return root


def _scale(unit, wave, label):
    """Factors (Pixel,) from a unit of flux densities to that of spectra."""
    with np.errstate(divide="ignore", invalid="ignore"):
        try:
            return (1.0 * unit).to_value(FLUX_UNIT, u.spectral_density(np.abs(wave) * u.AA))
        except u.UnitConversionError as err:
            raise UserError(
                f"{label}: the flux has the unit {unit}, which is no flux density: give {_FLUX_EXAMPLE}"
            ) from err


def _errors(column, chosen, snr, label):
    """Standard deviations, in the root of the unit of their column, and the role of that column."""
    if snr is not None:
        if not (np.isfinite(snr) and snr > 0.0):
            raise UserError(f"signal-to-noise ratio is {snr}: give that of the median pixel, above 0")
        flux = column["flux"]
        return np.full(flux.shape, np.nanmedian(np.abs(flux)) / snr), None
    role = next((role for role in _ERROR_POWERS if role in chosen), None)
    if role is None:
        raise UserError(
            f"{label} has no column of errors ({', '.join(chosen.values())} are known): name it with "
            "columns=dict(error=...), variance= or ivar=, or state the median signal-to-noise ratio per "
            "pixel with snr="
        )
    values, power = column[role], _ERROR_POWERS[role]
    # an error of 0 says that there is no data
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0.0, values, np.nan) ** (1.0 / power), role


def _mask(table, chosen, label, is_known, notes):
    """Pixels (Pixel,) that must not be used, or None."""
    if "good" in chosen and "mask" not in chosen:
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


def _lsf(column, chosen, notes):
    """LSF in the columns; where it is not positive (dead pixels), that of the pixels beside."""
    for role in _LSF_ROLES:
        if role in column:
            value = column[role]
            good = np.isfinite(value) & (value > 0.0)
            if good.any():
                at = np.arange(value.size)
                notes.append(f"LSF: {role} from {chosen[role]}")
                return LSF(role, np.interp(at, at[good], value[good]))
    return None
