"""Spectra from files."""

import warnings

import numpy as np
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from ..errors import UserError
from .fits_open import existing_file, open_fits
from .from_specutils import read_with_specutils
from .sdss_spectrum import is_sdss, sdss_spectrum
from .spectrum import Spectrum
from .spectrum_columns import choose, has_spectrum, spectrum_of

_TEXT_ORDER = ("wave", "flux", "error")


def read_spectrum(
    path,
    *,
    columns=None,
    redshift=None,
    medium=None,
    lsf=None,
    wave_unit=None,
    flux_unit=None,
    snr=None,
    format=None,
) -> Spectrum:
    """Read a spectrum: SDSS files, FITS and ECSV tables, columns of text; by specutils, many more.

    Files of SDSS need nothing else. Tables are read by the usual names of columns (wavelength, flux,
    error or ivar, mask, wdisp in any case of letters) or by ``columns``; units are those of the
    file or of the keywords. Text without names of columns is wavelength, flux, error, or as
    ``columns`` says.

    Parameters
    ----------
    path : path-like
        ``.fits``, ``.fits.gz``, ``.fit``, ``.ecsv``, or text.
    columns : mapping of str to str, or sequence of str, optional
        For tables with names: the column of each role (for FITS files that hold them so: the
        one-dimensional image extension of each role); for text: the role of each column in order,
        ``""`` for one that is not wanted. Roles are wave, flux, error, ivar, mask (not 0: do not
        use), good (0: do not use), and for an LSF fwhm_aa, sigma_pixel, sigma_km_s,
        resolving_power.
    redshift : float, optional
        Instead of that in the file (SDSS's table; ``REDSHIFT`` in the header or metadata).
    medium : {"air", "vacuum"}, optional
        What the wavelengths are in; known for SDSS.
    lsf : LSF, optional
        Instead of that in the file.
    wave_unit, flux_unit : str, optional
        Instead of those in the file; a flux_unit of "relative" is for spectra on any scale.
    snr : float, optional
        Signal-to-noise ratio of the median pixel, where there is no column of errors: all pixels
        get the same error.
    format : str, optional
        A format of specutils, such as ``"JWST x1d"`` or ``"DESI coadd"``, which then reads the file
        (``pip install 'dsps_sbi[specutils]'``); see :func:`dsps_sbi.from_specutils`.

    Returns
    -------
    Spectrum

    Raises
    ------
    UserError
        If the file cannot be read, its columns or units are not known, errors are missing, or
        :class:`dsps_sbi.Spectrum` refuses what it holds.
    """
    path = existing_file(path)
    options = {"medium": medium, "lsf": lsf, "wave_unit": wave_unit, "flux_unit": flux_unit, "snr": snr}
    if format is not None:
        for name, value in {"columns": columns, "wave_unit": wave_unit, "flux_unit": flux_unit}.items():
            if value is not None:
                raise UserError(f"{name}= was given with format=: specutils knows the columns; leave it out")
        return read_with_specutils(path, format, redshift=redshift, medium=medium, lsf=lsf, snr=snr)
    with path.open("rb") as file:
        start = file.read(2)
    if start == b"\x1f\x8b" or path.suffix.lower() in (".fits", ".fit", ".fts") or start == b"SI":
        return _read_fits(path, columns, redshift, options)
    return _read_text(path, columns, redshift, options)


def _read_fits(path, columns, redshift, options):
    with open_fits(path) as hdus:
        rows = {hdu.name: hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 1}
        if hasattr(columns, "values") and set(columns.values()) <= set(rows):
            table = Table({name: np.array(rows[name].data, float) for name in columns.values()})
            units = {name: rows[name].header.get("BUNIT") for name in columns.values()}
            return _from_table(path, table, units, columns, redshift, [hdus[0].header], options)
        tables = [
            i for i, hdu in enumerate(hdus) if getattr(hdu, "columns", None) is not None and len(hdu.data)
        ]
        if not tables:
            raise UserError(f"{path} has no table: expected a spectrum as a table; write it with columns")
        for i in tables:
            if columns is None and is_sdss([name.lower() for name in hdus[i].columns.names]):
                return sdss_spectrum(hdus, i, str(path), redshift=redshift, **options)
        # some files have tables of other things before the spectrum
        number = next((i for i in tables if has_spectrum(hdus[i].columns.names, columns)), tables[0])
        table = Table(hdus[number].data)
        units = {c.name: c.unit for c in hdus[number].columns}
        headers = [hdus[number].header, hdus[0].header]
        return _from_table(path, table, units, columns, redshift, headers, options)


def _read_text(path, columns, redshift, options):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            if path.suffix.lower() == ".ecsv":
                table = Table.read(path, format="ascii.ecsv")
            else:
                table = Table.read(path, format="ascii")
    except (OSError, ValueError, TypeError, KeyError) as err:
        reason = " ".join(str(err).split())[:100]
        raise UserError(f"{path} is no table of text ({reason}): give columns of numbers, or FITS") from err
    plain = [name for name in table.colnames if table[name].dtype.kind in "fiub"]
    if len(plain) != len(table.colnames) and path.suffix.lower() != ".ecsv":
        other = next(name for name in table.colnames if name not in plain)
        raise UserError(f"{path}: column {other} is not numbers: remove it or give FITS or ECSV")
    nameless = all(name == f"col{i}" for i, name in enumerate(table.colnames, 1))
    if nameless or (columns is not None and not hasattr(columns, "keys")):
        table, columns = _by_order(path, table, columns)
    units = {name: table[name].unit for name in table.colnames}
    return _from_table(path, table, units, columns, redshift, [table.meta], options)


def _by_order(path, table, columns):
    """Table and columns by role, for text whose columns have no names or are told by their order."""
    if hasattr(columns, "keys"):
        raise UserError(
            f"{path} has no names of columns: give columns= as their order, such as ('wave', 'flux')"
        )
    n = len(table.colnames)
    order = _TEXT_ORDER[: min(n, 3)] if columns is None else tuple(columns)
    if (columns is None and n > 3) or len(order) > n:
        raise UserError(
            f"{path} has {n} columns: give columns= as their order, such as ('wave', 'flux', 'error')"
        )
    return table, {role: name for role, name in zip(order, table.colnames, strict=False) if role}


def _from_table(path, table, units, columns, redshift, headers, options):
    if columns is not None and not hasattr(columns, "keys"):
        columns = {role: name for role, name in zip(columns, table.colnames, strict=False) if role}
    chosen = choose(table.colnames, columns, str(path))
    for header in headers:
        lower = {str(key).lower(): value for key, value in dict(header).items()}
        if redshift is None and isinstance(lower.get("redshift"), int | float | np.floating):
            redshift = float(lower["redshift"])
    return spectrum_of(table, chosen, units, str(path), redshift=redshift, **options)
