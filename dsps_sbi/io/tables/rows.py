"""Rows of tables in files, some thousand at a time: FITS, Parquet, CSV; other text and VOTable as a whole."""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy.io import ascii as text_tables
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from ...errors import UserError
from ..fits_open import existing_file, is_fits, open_fits

_TEXT = (".csv", ".ecsv", ".txt", ".cat", ".dat", ".tbl", ".ascii", ".tsv")
_PARQUET, _VOTABLE = (".parquet", ".pq"), (".vot", ".votable", ".xml")
# Of text that is read piece by piece [bytes]
_PIECE = 20_000_000
# Text that stands for no number
_NOTHING = ("", "-", "--", "---", "null", "none", "n/a", "nan")
# Rows of FITS for which the file is mapped into memory
_MAPPED = 65_536


def is_table(path) -> bool:
    """Whether a file that is there is a table and no image: by its ending, of FITS by its extensions."""
    path = Path(path)
    if not path.is_file():
        return False
    if path.suffix.lower() in (*_TEXT, *_PARQUET, *_VOTABLE):
        return True
    if not is_fits(path):
        return False
    with open_fits(path) as hdus:
        images = any(hdu.is_image and hdu.shape for hdu in hdus)
        return not images and any(isinstance(hdu, fits.BinTableHDU) for hdu in hdus)


def fingerprint(path) -> str:
    """Hash of a file's content."""
    digest = hashlib.blake2b(digest_size=16)
    with existing_file(path).open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


class TableFile:
    """A table in a file, or in memory.

    Parameters
    ----------
    source : path or Table
        Also anything that :class:`astropy.table.Table` takes, such as a DataFrame.
    hdu : int or str, optional
        Extension of a FITS file with several tables.

    Attributes
    ----------
    label : str
        For messages.
    names : tuple of str
        Columns.
    units : dict of str to str or None
    meta : dict
        What the file says of itself: cards of the extension, metadata of the schema; keys in small letters.

    Raises
    ------
    UserError
        If the file is missing, broken, no table, has several tables of which none is named, or if what reads
        Parquet is not installed.
    """

    def __init__(self, source, hdu=None):
        self._table, self.meta = None, {}
        if isinstance(source, str | Path):
            self._path = existing_file(source)
            self.label = str(self._path)
            self._open(hdu)
        else:
            self._path, self.label = None, "the table"
            self._table = source if isinstance(source, Table) else _as_table(source)
        if self._table is not None:
            _describe(self, self._table)
        if not self.names:
            raise UserError(f"{self.label} has no columns: expected a row of names and a row for each galaxy")

    def _open(self, hdu):
        with self._path.open("rb") as file:
            start = file.read(6)
        if is_fits(self._path):
            self._kind = "fits"
            self._hdu, self.names, self.units = _fits_columns(self._path, hdu)
            self.meta = _fits_meta(self._path, self._hdu)
        elif start[:4] == b"PAR1":
            self._kind = "parquet"
            schema = _parquet(self._path).schema_arrow
            known = (schema.metadata or {}).items()
            self.meta = {k.decode("utf-8", "replace").lower(): v.decode("utf-8", "replace") for k, v in known}
            units = [(field.metadata or {}).get(b"unit") for field in schema]
            self.names = tuple(schema.names)
            self.units = {
                n: None if u is None else u.decode() for n, u in zip(self.names, units, strict=True)
            }
        elif self._path.suffix.lower() == ".csv" and not start.startswith(b"# %EC"):
            self._kind = "csv"
            first = next(iter(self._pieces()))
            self.names, self.units = tuple(first.colnames), dict.fromkeys(first.colnames)
        else:
            self._kind = "whole"
            self._table = _read_whole(self._path, start)

    def n_rows(self) -> int:
        """Number of rows; text that is read piece by piece is gone through."""
        if self._table is not None:
            return len(self._table)
        if self._kind == "parquet":
            return _parquet(self._path).metadata.num_rows
        if self._kind == "fits":
            with open_fits(self._path) as hdus:
                return int(hdus[self._hdu].header["NAXIS2"])
        return sum(len(piece) for piece in self._pieces())

    def chunks(self, size: int, columns: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
        """Some columns of ``size`` rows after the other; masked where there is nothing."""
        if self._table is not None:
            for first in range(0, len(self._table), size):
                yield _part(self._table[first : first + size], columns)
        elif self._kind == "fits":
            yield from _fits_chunks(self._path, self._hdu, size, columns)
        elif self._kind == "parquet":
            for batch in _parquet(self._path).iter_batches(size, columns=list(columns)):
                yield {name: _of_arrow(batch.column(name)) for name in columns}
        else:
            yield from _resized(self._pieces(), size, columns)

    def _pieces(self):
        # pieces: 10^7 rows of text do not fit in memory
        fast = {"chunk_size": _PIECE, "chunk_generator": True}
        with _told(self._path):
            yield from text_tables.read(self._path, format="csv", guess=False, fast_reader=fast)


@contextmanager
def _told(path):
    """Errors of readers as one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"{path} cannot be read as a table ({reason}): give FITS, ECSV, CSV, Parquet, VOTable, or text "
            "whose first line names the columns"
        ) from error


def _as_table(source):
    try:
        if hasattr(source, "columns") and hasattr(source, "iloc"):
            return Table.from_pandas(source)
        return Table(source)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"a table of type {type(source).__name__}: give a Table, a DataFrame, or the name of a file"
        ) from error


def _describe(self, table):
    self.names = tuple(table.colnames)
    self.units = {name: _unit(table[name]) for name in self.names}
    self.meta = {str(key).lower(): value for key, value in table.meta.items()}


def _unit(column):
    return str(column.unit) if getattr(column, "unit", None) else None


def _read_whole(path, start):
    with _told(path):
        if start.startswith(b"<") or path.suffix.lower() in _VOTABLE:
            return Table.read(path, format="votable")
        if start.startswith(b"# %EC"):
            return Table.read(path, format="ascii.ecsv")
        return text_tables.read(path)


def _part(table, columns):
    return {name: _bare(table[name]) for name in columns}


def _bare(column):
    if hasattr(column, "mask") and not isinstance(column, np.ma.MaskedArray):
        return np.ma.array(np.asarray(column.unmasked), mask=column.mask)
    return np.ma.asarray(column) if isinstance(column, np.ma.MaskedArray) else np.asarray(column)


def _fits_columns(path, hdu):
    with open_fits(path) as hdus:
        tables = {i: one for i, one in enumerate(hdus) if isinstance(one, fits.BinTableHDU)}
        words = ", ".join(f"{i} {one.name}".strip() for i, one in tables.items())
        if hdu is not None:
            wanted = str(hdu).lower()
            tables = {i: one for i, one in tables.items() if wanted in (str(i), one.name.lower())}
        if len(tables) != 1:
            raise UserError(
                f"{path} has {'several tables' if tables else 'no table'} ({words or 'none'}): say which, as "
                "--layout hdu=1"
            )
        ((number, one),) = tables.items()
        units = {column.name: column.unit or None for column in one.columns}
        return number, tuple(one.columns.names), units


def _fits_meta(path, hdu) -> dict:
    with open_fits(path) as hdus:
        header = hdus[hdu].header
        return {str(key).lower(): header[key] for key in header if key and key not in ("COMMENT", "HISTORY")}


def _fits_chunks(path, number, size, columns):
    start, end = 0, 1
    while start < end:
        # opened anew from time to time: what was read of a file that is mapped stays in memory
        with open_fits(path) as hdus:
            hdu = hdus[number]
            nulls, end = {column.name: column.null for column in hdu.columns}, hdu.header["NAXIS2"]
            stop = min(start + max(_MAPPED // size, 1) * size, end)
            for first in range(start, stop, size):
                rows, out = hdu.data[first : first + size], {}
                for name in columns:
                    values = np.array(rows[name])
                    if nulls[name] is not None and values.dtype.kind in "iu":
                        values = np.ma.array(values, mask=values == nulls[name])
                    out[name] = values
                yield out
        start = stop


def _parquet(path):
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(
            f"{path} is Parquet, which needs pyarrow: run pip install 'dsps_sbi[parquet]'"
        ) from error
    with _told(path):
        return parquet.ParquetFile(path)


def _of_arrow(column):
    values = column.to_numpy(zero_copy_only=False)
    mask = column.is_null().to_numpy(zero_copy_only=False)
    if values.dtype.kind == "O":
        values = np.array(["" if none else str(value) for value, none in zip(values, mask, strict=True)], str)
    return np.ma.array(values, mask=mask) if mask.any() else values


def _resized(pieces, size, columns):
    """Chunks of equal sizes from pieces of any."""
    waiting, n = [], 0

    def joined(parts):
        return {name: np.ma.concatenate([part[name] for part in parts]) for name in columns}

    for piece in pieces:
        waiting.append(_part(piece, columns))
        n += len(piece)
        if n >= size:
            whole = joined(waiting)
            for first in range(0, n - n % size, size):
                yield {name: values[first : first + size] for name, values in whole.items()}
            waiting, n = [{name: values[n - n % size :] for name, values in whole.items()}], n % size
    if n:
        yield joined(waiting)


def numbers_of(values, name: str, label: str) -> np.ndarray:
    """A column as float64, NaN where there is nothing: masked, or text such as blanks and "--".

    Raises
    ------
    UserError
        For text that is no number.
    """
    array = np.ma.filled(values, np.nan) if np.ma.asarray(values).dtype.kind == "f" else values
    mask = np.ma.getmaskarray(values)
    data = np.ma.getdata(array)
    if data.dtype.kind in "US":
        words = np.char.lower(np.char.strip(data.astype(str)))
        empty = np.isin(words, _NOTHING)
        data, mask = np.where(empty | mask, "nan", words), mask | empty
    try:
        with np.errstate(invalid="ignore"):
            kept = data if data.dtype.kind in "US" else np.where(mask, 0, data)
            out = np.where(mask, np.nan, kept.astype(float))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{label}: column {name} is text ({str(data.ravel()[0])!r}): expected numbers; name another"
        ) from error
    return out


def words_of(values) -> list[str]:
    """A column as text, without blanks about it."""
    data, mask = np.ma.getdata(values), np.ma.getmaskarray(values)
    if data.dtype.kind == "f" and np.all(np.isfinite(data)) and np.all(data == np.floor(data)):
        data = data.astype(np.int64)
    out = []
    for value, none in zip(data.tolist(), mask.tolist(), strict=True):
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        out.append("" if none else text.strip())
    return out
