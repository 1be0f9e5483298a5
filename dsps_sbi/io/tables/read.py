"""A table of photometry as a catalogue in memory."""

import numpy as np

from ...errors import UserError
from ..catalogue import Catalogue
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
        Sedpy names of bands to read. Default: all that are known.
    redshift : float or "unknown", optional
        Of all galaxies, instead of a column; ``unknown`` where they are to be inferred.

    Returns
    -------
    Catalogue
        Its ``ids`` are the numbers of the rows.

    Raises
    ------
    UserError
        For files that cannot be read, columns that are not understood, and rows without redshift or
        photometry: these are named.
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
    bad = [i for i, problem in enumerate(problems) if problem]
    if bad:
        more = f", and {len(bad) - 1} more rows" if len(bad) > 1 else ""
        raise UserError(
            f"{table.label}: {ids[bad[0]]} has {problems[bad[0]]}{more}: leave them out; dsps-sbi infer "
            "on the file goes on without them"
        )
    whole = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("flux_ujy", "sigma_ujy", "redshift", "upper")
    }
    if found.redshift is None:
        whole["redshift"] = None
    return Catalogue(**whole, filters=found.filters, names=ids, source=table.label)
