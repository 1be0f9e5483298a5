"""Arrays: the names of their axes, and how they come in from a user's own code.

Every shape in a docstring is spelled with these names:

=========  ==============================================================
``Object``  independent objects: the pixels of an image, or spectra
``Draw``    posterior draws of one object
``Param``   parameters of the model, in the order of ``GalaxyModel.names``
``Band``    photometric bands
``Sub``     pieces that a band is cut into for the dust screen
``Wave``    wavelengths
``Age``     ages of the simple stellar populations (SSPs), young to old
``Met``     metallicities [M/H] of the SSPs, poor to rich
``Line``    nebular emission lines
``Grid``    points of the log-wavelength grid that spectra are broadened on
``Pixel``   pixels of a spectrograph
``Window``  grid cells that one pixel sees
``Term``    terms of the polynomial that a spectrum is multiplied with
=========  ==============================================================

What comes in goes through :func:`plain`, :func:`flags` or :func:`number`: what has a unit is converted, what
is masked is missing, and what is no array of numbers is refused in one line.
"""

from dataclasses import dataclass

import jax
import numpy as np
from astropy import units as u

from .errors import UserError

# How messages name kinds of arrays that are no numbers
_KINDS = {"b": "true and false", "c": "complex numbers", "U": "text", "S": "text", "V": "rows of a table"}


def plain(values, what: str, unit=None, *, dtype=None, equivalencies=()):
    """Numbers of any kind as a plain array in native byte order and one unit.

    Without ``dtype``, arrays of jax (traced ones too) and Python's own numbers pass as they are.

    Parameters
    ----------
    values : array-like
        A list, an array of numpy (big-endian or masked, too), a Quantity, a Column, a Table (its columns are
        the last axis), a Series or DataFrame of pandas, an array of jax.
    what : str
        How messages name the values.
    unit : unit, optional
        What is expected, and what values without a unit are in. Default: numbers that have no unit.
    dtype : dtype, optional
        Default: that of the values.
    equivalencies : list
        As of :meth:`astropy.units.Quantity.to`.

    Returns
    -------
    ndarray or jax.Array or int or float
        NaN where the values are masked.

    Raises
    ------
    UserError
        For a unit that cannot be converted, naming both; for anything but real numbers; for lists of unequal
        lengths.
    """
    if dtype is None and (isinstance(values, jax.Array) or type(values) in (int, float)):
        return values
    bare = _bare(values, what)
    array = bare.converted(what, unit, equivalencies)
    if array.dtype.kind not in "fiu":
        found = _KINDS.get(array.dtype.kind, type(values).__name__)
        raise UserError(f"{what}: {found} given: expected an array of real numbers; give that")
    if bare.mask.any():
        array = np.where(bare.mask, np.nan, array)
    kind = array.dtype.newbyteorder("=") if dtype is None else np.dtype(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array, kind, order="C")


def flux_pair(flux, sigma, names=("flux", "sigma"), unit=None, *, dtype=np.float32, equivalencies=()):
    """Fluxes and their errors, see :func:`plain`.

    Parameters
    ----------
    flux, sigma : array-like
        Both with a unit or both without.
    names : (str, str)
        How messages name them.
    unit : unit, optional
    dtype, equivalencies
        As of :func:`plain`.

    Returns
    -------
    flux, sigma : ndarray

    Raises
    ------
    UserError
        As of :func:`plain`, and if one of them has a unit other than the expected one and the other has none.
    """
    units = [unit_of(values) for values in (flux, sigma)]
    known = units[0] if units[1] is None else units[1]
    if None in units and known is not None and known != unit:
        given, bare = names if units[1] is None else names[::-1]
        expected = "" if unit is None else f" in {unit}"
        raise UserError(
            f"{given} is in {known} and {bare} has no unit: give both with a unit, or both as plain numbers"
            f"{expected}"
        )
    options = {"dtype": dtype, "equivalencies": equivalencies}
    return plain(flux, names[0], unit, **options), plain(sigma, names[1], unit, **options)


def flags(values, what: str, *, masked: bool) -> np.ndarray:
    """True or false of any kind as a plain array; where the values are masked, ``masked`` counts.

    Raises
    ------
    UserError
        For values that are neither true nor false, 1 nor 0.
    """
    bare = _bare(values, what)
    array = np.where(bare.mask, masked, bare.array) if bare.mask.any() else bare.array
    if array.dtype.kind not in "biuf" or not (array.dtype.kind == "b" or np.isin(array, (0, 1)).all()):
        raise UserError(
            f"{what} holds other values than true and false: expected an array of bool; give that"
        )
    return array.astype(bool)


def number(value, what: str, unit=None) -> float:
    """One number of any kind: text is read, true and false are no numbers; NaN where it is masked.

    Parameters
    ----------
    value : object
    what : str
        How messages name the value.
    unit : unit, optional
        As of :func:`plain`.

    Raises
    ------
    UserError
        For anything else.
    """
    try:
        if isinstance(value, str):
            return float(value)
        if value is not None and not isinstance(value, bool | np.bool_):
            array = plain(value, what, unit, dtype=float)
            if array.ndim == 0:
                return float(array)
    except UserError:
        # the unit is what has to be told
        if unit_of(value) is not None:
            raise
    except ValueError:
        pass
    raise UserError(f"{what} is {_shown(value)}: expected one number; give that")


def whole(value, what: str, *, least: int, most: int) -> int:
    """One whole number within bounds.

    Raises
    ------
    UserError
        For anything else.
    """
    try:
        # exact, where a float would round the largest ones
        found = int(value) if not isinstance(value, bool | np.bool_ | str) and int(value) == value else None
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None or not least <= found <= most:
        raise UserError(
            f"{what} is {_shown(value)}: expected a whole number from {least} to {most}; give one of these"
        )
    return found


def unit_of(values):
    """Unit that values come with, the first one of a list or a table; None where they have none."""
    while True:
        if isinstance(values, list | tuple) and values:
            values = values[0]
        elif hasattr(values, "colnames") and values.colnames:
            values = values[values.colnames[0]]
        else:
            break
    unit = None if isinstance(values, jax.Array) or _is_frame(values) else getattr(values, "unit", None)
    return unit if isinstance(unit, u.UnitBase | u.function.FunctionUnitBase) else None


@dataclass(frozen=True)
class _Bare:
    """An array, where it is masked, and its unit or None."""

    array: np.ndarray
    mask: np.ndarray
    unit: object

    def converted(self, what, unit, equivalencies):
        """The array in another unit; as it is where it has none."""
        expected = u.dimensionless_unscaled if unit is None else u.Unit(unit)
        if self.unit is None or self.unit == expected:
            return self.array
        if unit is None:
            # slow to import, and rarely needed
            from astropy.cosmology.units import dimensionless_redshift

            equivalencies = [*equivalencies, *dimensionless_redshift()]
        try:
            if not isinstance(self.unit, u.UnitBase):
                raise u.UnitConversionError("a logarithm")
            with np.errstate(over="ignore", invalid="ignore"):
                return self.unit.to(expected, self.array, equivalencies)
        except (u.UnitsError, ValueError, TypeError) as error:
            words = "numbers without a unit" if unit is None else str(unit)
            raise UserError(f"{what} is in {self.unit}: expected {words}; convert it") from error


def _bare(values, what) -> _Bare:
    if values is None:
        raise UserError(f"{what} is None: expected an array of real numbers; give that")
    if hasattr(values, "colnames"):
        return _stacked([values[name] for name in values.colnames], what, -1)
    if isinstance(values, list | tuple) and any(_is_dressed(value) for value in values):
        return _stacked(values, what, 0)
    unit = unit_of(values)
    mask = None
    if _is_frame(values):
        values = _of_frame(values)
    elif isinstance(values, np.ma.MaskedArray):
        values, mask = values.data, np.ma.getmaskarray(values)
    elif hasattr(values, "unmasked"):
        values, mask = values.unmasked, np.asarray(values.mask)
    if unit is not None:
        values = getattr(values, "value", values)
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O":
            array = array.astype(float)
    except (TypeError, ValueError) as error:
        unequal = isinstance(values, list | tuple) and "inhomogeneous" in str(error)
        found = "lists of unequal lengths" if unequal else f"{type(values).__name__} {_shown(values)}"
        raise UserError(f"{what}: {found} given: expected an array of real numbers; give that") from error
    return _Bare(array, np.zeros(array.shape, bool) if mask is None else mask, unit)


def _stacked(parts, what, axis) -> _Bare:
    """Parts that may each have a unit and a mask as one array, in the unit of the first."""
    parts = [_bare(part, what) for part in parts]
    first = parts[0].unit if parts else None
    if any((part.unit is None) != (first is None) for part in parts):
        raise UserError(f"{what}: some have a unit and some have none: expected the same of all; mend that")
    try:
        arrays = [part.array if first is None else part.converted(what, first, ()) for part in parts]
        return _Bare(np.stack(arrays, axis), np.stack([part.mask for part in parts], axis), first)
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{what}: lists of unequal lengths given: expected an array; mend them") from error


def _is_frame(values):
    """Whether it is of pandas or the like, whose attributes may be columns."""
    return hasattr(values, "to_numpy")


def _is_dressed(value):
    """Whether there is more to a part of a list than its numbers."""
    if isinstance(value, list | tuple):
        return any(_is_dressed(part) for part in value)
    return any(hasattr(value, name) for name in ("unit", "mask", "to_numpy"))


def _of_frame(values):
    try:
        # what pandas has for a missing whole number is no float
        return values.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        return values.to_numpy()


def _shown(value):
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
