"""A table of photometry as a catalogue in memory."""

import warnings
from collections import Counter

import numpy as np

from ...errors import UserError
from ..catalogue import Catalogue, Rejected, all_rejected
from .layout import layout_of, read_said
from .rows import TableFile
from .values import photometry_of

_MANY = 1 << 20


def read_catalogue(source, *, layout=None, filters=None, redshift=None) -> Catalogue:
    """Read a table of photometry: a row for each galaxy.

    Columns are found by the conventions of the field (``f_X``/``e_X``, ``FLUX_X``/``FLUXERR_X``,
    ``X_flux``/``X_fluxerr``, ``flux_X``/``flux_ivar_X``, ``X``/``X_err``, ``X``/``eX``,
    ``X_mag``/``X_magerr``), or as ``layout`` says. Missing are masked values, NaN, -99 and its
    like, errors and inverse variances that are not positive.

    Parameters
    ----------
    source : path, Table or DataFrame
        FITS, ECSV, CSV, Parquet, VOTable, or text whose first line names the columns.
    layout : dict or path, optional
        What the columns are, see :func:`dsps_sbi.io.tables.layout.layout_of`; or a TOML file with the same.
    filters : sequence of str, optional
        Sedpy names of bands to read. Default: all that are known, and those whose curves ``layout`` has.
    redshift : float or "unknown", optional
        Of all galaxies, instead of a column; ``unknown`` where they are to be inferred.

    Returns
    -------
    Catalogue
        Its ``ids`` are the numbers of the rows.

    Raises
    ------
    UserError
        For files that cannot be read, columns that are not understood, and if no row can be used.

    Warns
    -----
    UserWarning
        For rows without redshift or photometry, which are the catalogue's ``rejected``, and for names that
        stand in several rows.
    """
    said = {} if layout is None else dict(layout) if isinstance(layout, dict) else read_said(layout)
    table = TableFile(source, said.get("hdu"))
    found = layout_of(
        table.names, table.units, said=said, bands=filters, redshift=redshift, where=table.label
    )
    parts, first = [], 0
    for chunk in table.chunks(_MANY, found.columns):
        parts.append(photometry_of(chunk, found, table.units, first, table.label))
        first += len(parts[-1].ids)
    if not first:
        raise UserError(f"{table.label} has no rows: expected a galaxy in each; give another")
    ids = [name for part in parts for name in part.ids]
    problems = [problem for part in parts for problem in part.problems]
    whole = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("flux_ujy", "sigma_ujy", "redshift", "upper")
    }
    good = np.array([not problem for problem in problems])
    rejected = [Rejected(i, ids[i], problems[i], float(whole["redshift"][i])) for i in np.flatnonzero(~good)]
    if not good.any():
        raise UserError(all_rejected(rejected, table.label))
    tell_rejected(rejected, table.label)
    double = sum(n > 1 for n in Counter(ids).values())
    if double:
        warnings.warn(
            f"{table.label}: {double} ids stand in several rows: each row has its own answer",
            UserWarning,
            stacklevel=2,
        )
    if found.redshift is None:
        del whole["redshift"]
    return Catalogue(
        **{name: values[good] for name, values in whole.items()},
        filters=found.filter_set,
        names=[name for name, ok in zip(ids, good, strict=True) if ok],
        ids=np.flatnonzero(good),
        source=table.label,
        rejected=tuple(rejected),
    )


def tell_rejected(rejected, where: str) -> None:
    """Warn of rows that cannot be used."""
    if rejected:
        first = rejected[0]
        more = f", and {len(rejected) - 1} more rows" if len(rejected) > 1 else ""
        warnings.warn(
            f"{where}: {first.name} has {first.problem}{more}: no answer for these",
            UserWarning,
            stacklevel=3,
        )
