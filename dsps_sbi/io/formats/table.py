"""Spectra in tables of any other kind, by the names of their columns."""

from astropy.table import Table

from ..column_roles import choose, has_spectrum
from ..spectrum_columns import spectrum_of

NAME = "table"


def _number(hdus):
    """The first table that has a spectrum: some files have tables of other things before."""
    for i, hdu in enumerate(hdus):
        columns = getattr(hdu, "columns", None)
        if columns is not None and len(hdu.data) and has_spectrum(columns.names, None):
            return i
    return None


def recognises(hdus) -> bool:
    """Whether a table has columns for wavelength and flux by the usual names."""
    return _number(hdus) is not None


def read(hdus, i, label, options):
    """The spectrum."""
    return read_columns(hdus, _number(hdus), label, options, None)


def read_columns(hdus, number, label, options, columns):
    """The spectrum of some columns of table ``number``."""
    table = Table(hdus[number].data)
    units = {c.name: c.unit for c in hdus[number].columns}
    return from_table(table, units, columns, [hdus[number].header, hdus[0].header], label, options)


def from_table(table, units, columns, headers, label, options):
    """The spectrum of a table, its columns by role or by the usual names."""
    if columns is not None and not hasattr(columns, "keys"):
        columns = {role: name for role, name in zip(columns, table.colnames, strict=False) if role}
    chosen = choose(table.colnames, columns, label)
    options = options.redshift_of(headers, label)
    known = columns is not None and "mask" in columns
    return spectrum_of(table, chosen, units, label, options, notes=[NAME], mask_is_known=known)
