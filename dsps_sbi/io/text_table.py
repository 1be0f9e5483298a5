"""Tables of text as people write them: any encoding, commas or semicolons, exponents of Fortran."""

import gzip
import re
import warnings
import zlib
from pathlib import Path

from astropy.io import ascii as astropy_ascii
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from ..errors import UserError

_ENCODINGS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?|nan", re.IGNORECASE)
_FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d)")
# Lines in which exponents of Fortran are looked for
_LOOKED_AT = 1000
# A decimal comma between digits
_COMMA = re.compile(r"(?<=\d),(?=\d)")


def read_text_table(path) -> Table:
    """A table of text, or of ECSV.

    Columns may be apart by blanks, commas, semicolons (then commas between digits are those of decimals) or
    bars. Byte-order marks are left out, and exponents of Fortran (1.0D-3) are numbers.

    Parameters
    ----------
    path : pathlib.Path
        Also compressed by gzip.

    Raises
    ------
    UserError
        If it is none, has no rows, or a column is not of numbers.
    """
    lines, ecsv = _text(path).splitlines(), Path(path.name.removesuffix(".gz")).suffix.lower() == ".ecsv"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            if ecsv:
                return astropy_ascii.read(lines, format="ecsv")
            table = astropy_ascii.read(_with_e(_with_commas(lines, path)))
    except IndexError as err:
        # what astropy's reader raises for names without a row of numbers
        raise UserError(f"{path} has no rows: expected a row for each pixel; add them") from err
    except UserError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as err:
        reason = " ".join(str(err).split())[:100]
        raise UserError(f"{path} is no table of text ({reason}): give columns of numbers, or FITS") from err
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind not in "fiub":
            odd = next((str(text) for text in column if not _NUMBER.fullmatch(str(text).strip())), "text")
            raise UserError(
                f"{path}: column {name} is not numbers (it has {odd[:30]!r}): remove it, or give FITS or "
                "ECSV; columns may be apart by blanks, commas or semicolons"
            )
    return table


def _text(path) -> str:
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise UserError(
                f"{path} is cut off or damaged ({error}): expected a whole file; copy or download it again"
            ) from error
    encoding = next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), "utf-8")
    if encoding != "utf-16" and b"\0" in data:
        raise UserError(f"{path} is no table of text (it is binary): give columns of numbers, or FITS")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        # an Angstrom sign of an old editor, say: every byte is a letter there
        return data.decode("latin-1")


def _with_commas(lines, path):
    """Lines whose columns are apart by semicolons, with commas, which astropy looks for."""
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    if ";" not in first:
        return lines
    text = "\n".join(lines)
    if _COMMA.search(text) and re.search(r"\d\.\d", text):
        raise UserError(
            f"{path} has semicolons between columns, and points and commas in numbers: expected one sign for "
            "decimals; write points"
        )
    return _COMMA.sub(".", text).replace(";", ",").splitlines()


def _with_e(lines):
    """Lines of numbers with exponents that others than Fortran read."""
    if not any(_FORTRAN.search(line) for line in lines[:_LOOKED_AT]):
        return lines
    return [_FORTRAN.sub("e", line) if _is_of_numbers(line) else line for line in lines]


def _is_of_numbers(line):
    return all(_NUMBER.fullmatch(part) for part in re.split(r"[\s,|]+", line.strip()) if part)
