"""Rows of a table as fluxes in microjansky, with what is wrong with each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy import units as u

from ...errors import UserError
from ..stand_ins import stand_ins
from ..unit_text import read_unit
from ..units import factor_to_ujy
from .layout import CIGALE, Layout
from .rows import numbers_of, words_of

# AB magnitude of a microjansky
_UJY_AB = 23.9
# Magnitudes beyond are 99, -99, 999: nothing was measured
_NO_MAGNITUDE = 90.0


@dataclass(frozen=True)
class Photometry:
    """Some rows of a table.

    Parameters
    ----------
    ids : list of str
    redshift : ndarray (Row,)
        NaN where it is not read.
    flux_ujy, sigma_ujy : ndarray (Row, Band)
        NaN where nothing was measured.
    upper : bool ndarray (Row, Band)
    problems : list of str
        Why a row cannot be used; empty where it can.
    redshift_error, distance_mpc : ndarray (Row,) or None
        Where these are read.
    """

    ids: list[str]
    redshift: np.ndarray
    flux_ujy: np.ndarray
    sigma_ujy: np.ndarray
    upper: np.ndarray
    problems: list[str]
    redshift_error: np.ndarray | None = None
    distance_mpc: np.ndarray | None = None


def photometry_of(
    chunk: Mapping[str, np.ndarray],
    layout: Layout,
    units: Mapping[str, str | None],
    first: int = 0,
    label: str = "the table",
) -> Photometry:
    """Fluxes of rows.

    A band is missing where its flux or error is masked, not finite, or a number that stands for a missing one
    (:mod:`dsps_sbi.io.stand_ins`; magnitudes of 90 and more), and where the error, variance or inverse
    variance is not positive. With ``limits`` "cigale" negative errors mark upper limits, as in CIGALE
    (Boquien et al. 2019, A&A 622, A103): the flux is the limit, the error without its sign its sigma. With a
    number k, fluxes below k errors are upper limits of k errors.

    Parameters
    ----------
    chunk : mapping of str to array (Row,)
        Columns.
    layout : Layout
    units : mapping of str to str or None
        Of all columns.
    first : int
        Number of the first row, where the table has no names.
    label : str
        Of the table, in messages.

    Raises
    ------
    UserError
        For columns of text, and units that are no flux densities.
    """
    n = len(next(iter(chunk.values())))
    ids = [str(first + i) for i in range(n)] if layout.id is None else words_of(chunk[layout.id])
    if isinstance(layout.redshift, str):
        redshift = numbers_of(chunk[layout.redshift], layout.redshift, label)
    else:
        redshift = np.full(n, np.nan if layout.redshift is None else layout.redshift)
    read = {"redshift_error": layout.redshift_error, "distance_mpc": layout.distance}
    more = {role: numbers_of(chunk[name], name, label) for role, name in read.items() if name is not None}
    parts = [_band(chunk, band, layout, units, label) for band in layout.bands]
    flux, sigma, upper = (np.stack(values, axis=1) for values in zip(*parts, strict=True))
    seen = np.isfinite(flux).any(axis=1)
    problems = ["" if one else "no band was measured" for one in seen]
    checks = [] if layout.redshift is None else [(redshift, "redshift")]
    checks += [(values, role.removesuffix("_mpc").replace("_", " ")) for role, values in more.items()]
    for values, what in checks:
        for i in np.flatnonzero(~(np.isfinite(values) & (values > 0.0))):
            none = not np.isfinite(values[i]) or values[i] <= -1.0
            problems[i] = f"no {what}" if none else f"{what} {values[i]:g} is not above 0"
    return Photometry(ids, redshift, flux, sigma, upper, problems, **more)


def _band(chunk, band, layout, units, label):
    """Flux, error [uJy] and limits (Row,) of a band."""
    value = numbers_of(chunk[band.flux], band.flux, label)
    second = numbers_of(chunk[band.error], band.error, label)
    limit = np.zeros(len(value), bool)
    if band.upper is not None:
        limit = np.ma.filled(chunk[band.upper], 0).astype(bool)
    negative = (second < 0.0) & np.isfinite(second) & (layout.limits == CIGALE) & (band.kind == "error")
    # -99 and -9999 for both say that there is nothing, also to CIGALE
    negative &= ~((value < 0.0) & (second <= -99.0))
    second, limit = np.where(negative, -second, second), limit | negative
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if band.kind == "ivar":
            sigma = np.where(second > 0.0, second, np.nan) ** -0.5
        elif band.kind == "variance":
            sigma = np.sqrt(np.where(second > 0.0, second, np.nan))
        else:
            sigma = np.where(second > 0.0, second, np.nan)
        if band.magnitude:
            missing = (np.abs(value) >= _NO_MAGNITUDE) | (sigma >= _NO_MAGNITUDE)
            flux = 10.0 ** (-0.4 * (value - _UJY_AB))
            sigma = flux * sigma * np.log(10.0) / 2.5
        else:
            missing = stand_ins(value, sigma)
            of_flux, of_sigma = _factors(band, layout, units, label)
            flux, sigma = value * of_flux, sigma * of_sigma
        sigma = sigma * band.scale
        missing |= ~np.isfinite(flux) | ~np.isfinite(sigma)
        if isinstance(layout.limits, float):
            below = flux < layout.limits * sigma
            flux, limit = np.where(below, layout.limits * sigma, flux), limit | below
    limit &= ~missing
    # a limit that is not positive limits nothing
    missing |= limit & (flux <= 0.0)
    return np.where(missing, np.nan, flux), np.where(missing, np.nan, sigma), limit & ~missing


def check_units(layout: Layout, units: Mapping[str, str | None], label: str = "the table") -> None:
    """Refuse units of a layout that are no flux densities, before any row is read.

    Raises
    ------
    UserError
    """
    for band in layout.bands:
        if not band.magnitude:
            _factors(band, layout, units, label)


def _factors(band, layout, units, label):
    """Factors to uJy of a flux and of its standard deviation."""
    if layout.zero_point is not None:
        factor = 10.0 ** (-0.4 * (layout.zero_point - _UJY_AB))
        return factor, factor
    where = f"{label}, column {band.flux}"
    of_flux = factor_to_ujy(units.get(band.flux) or layout.unit, where=where)
    own = units.get(band.error)
    if own is None:
        return of_flux, of_flux
    where = f"{label}, column {band.error}"
    power = {"error": 1.0, "variance": 0.5, "ivar": -0.5}[band.kind]
    try:
        unit = read_unit(own)
    except ValueError as error:
        raise UserError(f"{where} has the unit {own!r}, which cannot be read: mend it") from error
    root = unit if power == 1.0 else u.Unit(unit**power)
    return of_flux, factor_to_ujy(root, where=where)
