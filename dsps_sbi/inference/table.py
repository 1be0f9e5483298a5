"""Results as tables: a row for each object, with units, meanings, and words for codes."""

from collections.abc import Iterable, Mapping

import numpy as np
from astropy.table import MaskedColumn, Table

from .derived import describe
from .quality import AT_EDGE, CODES, QUALITY
from .quality import describe as meaning
from .result import Result

# Endings of columns, by percentile
ENDINGS = {50: "", 16: "_p16", 84: "_p84"}
# Columns of words, also where all of them are empty
_WORDS = (
    "id",
    "name",
    "flags",
    "left_out",
    "prefers",
    "note",
    "errors",
    "notes",
    "problem",
    "quantity",
    AT_EDGE[0],
    *CODES,
)
# Differences of evidences count, not their size
_FORMATS = {"log_evidence": ".3f"}


def percentile_columns(names) -> dict[str, tuple[str, str]]:
    """Unit and meaning of the columns of some quantities: median, 16th and 84th percentile of each."""
    out = {}
    for name in names:
        unit, text = describe(name)
        for percentile, ending in ENDINGS.items():
            which = f"{percentile}th percentile" if ending else "median"
            out[name + ending] = unit, f"{text} ({which})"
    return out


def quality_columns(names=tuple(QUALITY)) -> dict[str, tuple[str, str]]:
    """Unit and meaning of columns that say what answers are worth."""
    return {name: ("", meaning(name)[1]) for name in names} | {AT_EDGE[0]: ("", AT_EDGE[1])}


def rows_of(result: Result, first: Mapping, quality=tuple(QUALITY)) -> list[dict]:
    """A row of plain values for each object, None where a number is not known.

    Parameters
    ----------
    result : Result
    first : mapping of str to sequence
        Further columns, before the others.
    quality : sequence of str
        Columns of :data:`~dsps_sbi.inference.quality.QUALITY`.
    """
    columns = dict(first)
    for name in result.names:
        values = result.percentiles(name, tuple(ENDINGS))
        columns |= {name + ending: row for ending, row in zip(ENDINGS.values(), values, strict=True)}
    for name in quality:
        if name in CODES:
            columns[name] = [CODES[name](code).name.lower() for code in result.columns[name]]
        elif name in result.columns:
            columns[name] = result.columns[name]
    columns[AT_EDGE[0]] = result.columns.at_edge()
    n = len(result.columns["trust"])
    return [{name: _plain(values[i]) for name, values in columns.items()} for i in range(n)]


def _plain(value):
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, str) or np.isfinite(value) else None


def table_of(rows: Iterable[Mapping], columns: Mapping[str, tuple[str, str]], meta: Mapping) -> Table:
    """Rows as a table: numbers that are not known are masked.

    Parameters
    ----------
    rows : iterable of mapping
        Of plain values by column.
    columns : mapping of str to (str, str)
        Unit and meaning.
    meta : mapping
        Provenance.
    """
    rows, table = list(rows), Table(meta=dict(meta))
    for name, (unit, text) in columns.items():
        values = [row.get(name) for row in rows]
        known = [value for value in values if value is not None]
        if name in _WORDS:
            column = MaskedColumn([value or "" for value in values], dtype=str)
        else:
            whole = bool(known) and all(isinstance(value, int) for value in known)
            filled = [(0 if whole else np.nan) if value is None else value for value in values]
            kind = np.int64 if whole else np.float64
            column = MaskedColumn(filled, mask=[value is None for value in values], dtype=kind)
            column.unit = unit
            column.info.format = None if whole else _FORMATS.get(name, ".6g")
        column.description = text
        table[name] = column
    return table
