"""A catalogue from its parts, however many: FITS and Parquet part by part, ECSV as a whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from ...errors import UserError
from ..atomic import atomic_path
from ..summary import write_summary

# FITS counts in blocks of these [bytes]
_BLOCK = 2880
_NAME = "CATALOGUE"


def keep_part(path: Path, table: Table) -> None:
    """Write a part: numbers that are not known as NaN."""
    arrays = {}
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind in "iu" and not np.ma.getmaskarray(column).any():
            arrays[name] = np.asarray(column, np.int64)
        elif column.dtype.kind in "fiu":
            arrays[name] = np.ma.filled(np.ma.asarray(column).astype(float), np.nan)
        else:
            arrays[name] = np.asarray(np.ma.filled(column, ""), str)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def part_of(path: Path) -> dict[str, np.ndarray]:
    """Columns of a part."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def rows_of_part(path: Path) -> list[dict]:
    """Rows of a part: plain values by column, None for numbers that are not known."""
    columns = {name: values.tolist() for name, values in part_of(path).items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [{name: value if value == value else None for name, value in row.items()} for row in rows]


def join(parts: Sequence[Path], path: Path, columns: Mapping[str, tuple[str, str]], meta: Mapping) -> None:
    """Write the catalogue.

    Parameters
    ----------
    parts : sequence of path
        Of :func:`keep_part`, in order.
    path : path
        Its ending is a key of :data:`WRITERS`.
    columns : mapping of str to (str, str)
        Unit and meaning.
    meta : mapping
        Provenance.

    Raises
    ------
    UserError
        If what writes Parquet is not installed.
    """
    with atomic_path(path) as temporary:
        WRITERS[path.suffix[1:]](list(parts), Path(temporary), columns, meta)


def _types(parts):
    """Rows, and the type of each column that holds the values of all parts."""
    types, n = {}, 0
    for path in parts:
        arrays = part_of(path)
        n += len(next(iter(arrays.values())))
        for name, values in arrays.items():
            types[name] = np.promote_types(types.get(name, values.dtype), values.dtype)
    return n, types


def _fits(parts, path, columns, meta):
    n, types = _types(parts)
    stored = {}
    for name, kind in types.items():
        # text of FITS is of one width: bytes of UTF-8 would not be read as such
        width = max(1, kind.itemsize // 4)
        stored[name] = np.dtype(f"S{width}") if kind.kind == "U" else kind.newbyteorder(">")
    formats = {"f": "D", "i": "K"}
    definitions = [
        fits.Column(
            name,
            f"{kind.itemsize}A" if kind.kind == "S" else formats[kind.kind],
            unit=_fits_unit(columns[name][0]),
        )
        for name, kind in stored.items()
    ]
    header = fits.BinTableHDU.from_columns(definitions, nrows=0, name=_NAME).header
    header["NAXIS2"] = n
    for i, name in enumerate(stored):
        unit, text = columns[name]
        header[f"TCOMM{i + 1}"] = f"[{unit}] {text}" if unit and not _fits_unit(unit) else text
    for key, value in meta.items():
        header[f"HIERARCH {key.upper()}" if len(key) > 8 else key.upper()] = value
    rows = np.dtype([(name, kind) for name, kind in stored.items()])
    with path.open("wb") as file:
        file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
        file.write(header.tostring().encode("ascii"))
        for part in parts:
            arrays = part_of(part)
            out = np.zeros(len(next(iter(arrays.values()))), rows)
            for name, values in arrays.items():
                is_text = values.dtype.kind == "U"
                out[name] = np.char.encode(values, "ascii", "replace") if is_text else values
            file.write(out.tobytes())
        file.write(bytes(-(n * rows.itemsize) % _BLOCK))


def _fits_unit(text):
    """The unit as FITS spells it; None for logarithms, which its standard does not have."""
    try:
        return u.Unit(text).to_string("fits") or None
    except (ValueError, TypeError):
        return None


def _parquet(parts, path, columns, meta):
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UserError("writing Parquet needs pyarrow: run pip install 'dsps_sbi[parquet]'") from error
    _, types = _types(parts)
    kinds = {"U": pyarrow.string(), "f": pyarrow.float64(), "i": pyarrow.int64()}
    schema = pyarrow.schema(
        [
            pyarrow.field(
                name,
                kinds[kind.kind],
                metadata=dict(zip(("unit", "description"), columns[name], strict=True)),
            )
            for name, kind in types.items()
        ],
        metadata={key: str(value) for key, value in meta.items()},
    )
    with parquet.ParquetWriter(path, schema) as writer:
        for part in parts:
            arrays = {name: values.astype(types[name]) for name, values in part_of(part).items()}
            writer.write_table(pyarrow.table(arrays, schema=schema))


def _ecsv(parts, path, columns, meta):
    _, types = _types(parts)
    whole = [part_of(part) for part in parts]
    table = Table(meta=dict(meta))
    for name, kind in types.items():
        values = np.concatenate([arrays[name].astype(kind) for arrays in whole])
        mask = np.isnan(values) if kind.kind == "f" else np.zeros(len(values), bool)
        table[name] = MaskedColumn(
            values, mask=mask, unit=columns[name][0] or None, description=columns[name][1]
        )
        if kind.kind == "f":
            table[name].info.format = ".6g"
    write_summary(path, table)


WRITERS = {"fits": _fits, "parquet": _parquet, "ecsv": _ecsv}
