"""From the columns of a table to a spectrum: names, units, errors."""

import warnings
from collections.abc import Mapping

import numpy as np
from astropy import units as u

from ..errors import UserError
from ..instruments.lsf import LSF
from .spectrum import Spectrum

FLUX_UNIT = 1e-17 * u.erg / u.s / u.cm**2 / u.AA
# What a column can be, and the names, in small letters, by which it is found where none are given
ROLES = {
    "wave": ("wavelength", "wave", "lambda", "lam"),
    "flux": ("flux", "flux_density", "spec", "spectrum"),
    "error": ("error", "err", "flux_error", "flux_err", "fluxerr", "uncertainty", "sigma", "stdev"),
    "ivar": ("ivar", "inverse_variance", "flux_ivar"),
    "mask": ("mask",),
    "good": (),
    "fwhm_aa": (),
    "sigma_pixel": ("wdisp",),
    "sigma_km_s": (),
    "resolving_power": (),
}
_LSF_ROLES = ("fwhm_aa", "sigma_pixel", "sigma_km_s", "resolving_power")


def choose(names, columns, label) -> dict[str, str]:
    """Column of each role.

    Parameters
    ----------
    names : sequence of str
        Columns of the table.
    columns : mapping of str to str, or None
        Column by role as the user gives it; None: by the usual names.
    label : str
        How messages name the table.

    Raises
    ------
    UserError
        For unknown roles or columns, and where wavelength or flux are not found.
    """
    if columns is not None:
        for role, name in columns.items():
            if role not in ROLES:
                raise UserError(f"columns names {role!r}: give any of {', '.join(ROLES)}")
            if name not in names:
                raise UserError(f"{label} has no column {name!r}: it has {', '.join(names)}")
        chosen = dict(columns)
    else:
        small = {name.lower(): name for name in names}
        usual = {role: [small[n] for n in found if n in small] for role, found in ROLES.items()}
        chosen = {role: found[0] for role, found in usual.items() if found}
    for role in ("wave", "flux"):
        if role not in chosen:
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
    return all(small & set(ROLES[role]) for role in ("wave", "flux"))


def _unit(given, of_column, what, label, example):
    """Unit that the user gives or the column has."""
    text = given if given is not None else of_column
    if text is None or str(text).strip() == "":
        raise UserError(f"{label}: the {what} has no unit: pass {what}_unit=, for example {example}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        try:
            return u.Unit(text)
        except (ValueError, TypeError) as err:
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

    Raises
    ------
    UserError
        If a unit is missing or wrong, or there is no error and no signal-to-noise ratio.
    """
    column = {role: _plain(table[name]) for role, name in chosen.items() if role not in ("mask", "good")}
    example = "'AA', 'nm' or 'um'"
    unit = _unit(wave_unit, units.get(chosen["wave"]), "wave", label, example)
    if not unit.is_equivalent(u.AA):
        raise UserError(
            f"{label}: the wave has the unit {unit}, which is not a length: give for example {example}"
        )
    wave = column["wave"] * unit.to(u.AA)

    flux, absolute = column["flux"], flux_unit != "relative"
    sigma = _errors(column, flux, snr, label)
    if absolute:
        example = "'1e-17 erg/s/cm2/AA', 'uJy', or 'relative'"
        unit = _unit(flux_unit, units.get(chosen["flux"]), "flux", label, example)
        with np.errstate(divide="ignore", invalid="ignore"):
            try:
                scale = (1.0 * unit).to_value(FLUX_UNIT, u.spectral_density(np.abs(wave) * u.AA))
            except u.UnitConversionError as err:
                raise UserError(
                    f"{label}: the flux has the unit {unit}, which is no flux density: give {example}"
                ) from err
        flux, sigma = flux * scale, sigma * scale
    else:
        middle = np.nanmedian(np.abs(flux))
        scale = 1.0 / middle if np.isfinite(middle) and middle > 0.0 else 1.0
        flux, sigma = flux * scale, sigma * scale
    mask = None
    if "mask" in chosen:
        mask = np.asarray(table[chosen["mask"]]) != 0
    elif "good" in chosen:
        mask = np.asarray(table[chosen["good"]]) == 0
    if lsf is None:
        lsf = _lsf(column)
    return Spectrum(wave, flux, sigma, medium, redshift, mask, lsf, absolute, label)


def _errors(column, flux, snr, label):
    """Standard deviations in the unit of the flux."""
    if snr is not None:
        if not (np.isfinite(snr) and snr > 0.0):
            raise UserError(f"signal-to-noise ratio is {snr}: give that of the median pixel, above 0")
        return np.full(flux.shape, np.nanmedian(np.abs(flux)) / snr)
    if "error" in column:
        return column["error"]
    if "ivar" in column:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(column["ivar"] > 0.0, column["ivar"], np.nan) ** -0.5
    raise UserError(
        f"{label} has no column of errors: name it with columns=dict(error=...), or state the median "
        "signal-to-noise ratio per pixel with snr="
    )


def _lsf(column):
    """LSF in the columns; where it is not positive (dead pixels), that of the pixels beside."""
    for role in _LSF_ROLES:
        if role in column:
            value = column[role]
            good = np.isfinite(value) & (value > 0.0)
            if good.any():
                at = np.arange(value.size)
                return LSF(role, np.interp(at, at[good], value[good]))
    return None
