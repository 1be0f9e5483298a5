"""Filters of a table that are given by their curves: files, folders of them, and EAZY's numbers.

``curves`` is a folder whose files are named as the bands are, or a table of names of bands with the name of a
file, or with ``file``, ``counting`` (photon or energy), ``unit`` (angstrom or micron) and ``clip`` (0 for
negative values). ``counting``, ``wave_unit`` and ``clip`` are for all that say nothing else.

EAZY calls columns ``F12`` and ``E12`` by the numbers of its file of filters, or says in a ``.translate`` file
which columns these are: lines of ``column F12``, ``column E12``, and perhaps a factor of the errors.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from ...errors import UserError
from ...instruments.curve_files import curves_in, read_eazy_curves
from ...instruments.filter_names import canonical_filter
from ...instruments.filters import FilterSet
from .columns import BandColumns

CURVE_ROLES = ("curves", "counting", "wave_unit", "clip", "filter_file", "translate")
_PATHS = ("curves", "filter_file", "translate")
_CODE = re.compile(r"([FE])(\d+)", re.IGNORECASE)
_YES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def resolved(said: Mapping, folder: Path) -> dict:
    """What a file says, with the files that it names beside it."""
    out = dict(said)
    for role in _PATHS:
        value = said.get(role)
        if isinstance(value, str):
            out[role] = str(folder / value)
        elif isinstance(value, Mapping):
            out[role] = {name: _beside(entry, folder) for name, entry in value.items()}
    return out


def _beside(entry, folder):
    if isinstance(entry, str):
        return str(folder / entry)
    if isinstance(entry, Mapping) and isinstance(entry.get("file"), str):
        return dict(entry) | {"file": str(folder / entry["file"])}
    return entry


def curves_by_name(said: Mapping) -> FilterSet | None:
    """Curves that a user gives by the names of bands; None where there are none.

    Raises
    ------
    UserError
        For files that cannot be read, curves that cannot be used, and options that are not known.
    """
    if "curves" not in said:
        wrong = [role for role in ("counting", "wave_unit", "clip") if role in said]
        if wrong and "filter_file" not in said:
            raise UserError(f"{', '.join(wrong)} without curves: expected curves=FOLDER, or filter_file=FILE")
        return None
    given = said["curves"]
    if isinstance(given, str | Path):
        given = curves_in(given)
    if not isinstance(given, Mapping) or not given:
        raise UserError(f"curves is {given!r}: expected a folder, or names of bands with the name of a file")
    files = {name: Path(entry) if isinstance(entry, str) else entry for name, entry in given.items()}
    return FilterSet.of(files, said.get("counting", "photon"), said.get("wave_unit", "angstrom"), _clip(said))


def _clip(said) -> bool:
    value = said.get("clip", False)
    known = value if isinstance(value, bool) else _YES.get(str(value).lower())
    if known is None:
        raise UserError(f"clip is {value!r}: expected yes or no")
    return known


def curves_by_number(names, said: Mapping, filters: Mapping[str, str]):
    """Bands of EAZY's numbers.

    Parameters
    ----------
    names : sequence of str
        Columns.
    said : mapping
        ``translate``, a file that says which columns are which numbers, and ``filter_file``, that of curves.
    filters : mapping of str to str
        Filters of numbers, as ``{"F12": "acs_wfc_f606w"}``; others are those of the file.

    Returns
    -------
    bands : tuple of BandColumns
        Called ``eazy_12``, where they are not named.
    strangers : tuple of str
        Columns without a filter, and why.
    curves : FilterSet or None

    Raises
    ------
    UserError
        If a file cannot be read, or says what nobody knows.
    """
    codes = _codes(names, said.get("translate"))
    by_number = {}
    for column, (letter, number, factor) in codes.items():
        by_number.setdefault(number, {})[letter] = column, factor
    pairs = {number: pair for number, pair in by_number.items() if set(pair) == {"F", "E"}}
    strangers = [
        f"{next(iter(pair.values()))[0]} ({'no error' if 'F' in pair else 'no flux'} of filter {number})"
        for number, pair in by_number.items()
        if number not in pairs
    ]
    if not pairs:
        raise UserError(
            "no columns are EAZY's F1, E1, F2, E2... by their names or by the translate file: columns are "
            f"{', '.join(list(names)[:8])}; give translate=FILE"
        )
    named = {name.lower(): value for name, value in filters.items()}
    own = {number: f"eazy_{number}" for number in pairs if f"f{number}" not in named}
    if own and "filter_file" not in said:
        first = next(iter(own))
        raise UserError(
            f"which filter is EAZY's number {first}: give filter_file=FILTER.RES.latest, or filters = "
            f'{{F{first} = "NAME"}} in a TOML file'
        )
    curves = None
    if own:
        options = {"counting": said.get("counting", "photon"), "clip": _clip(said)}
        found = read_eazy_curves(said["filter_file"], own)
        entries = {name: {"wave": found[n][1], "trans": found[n][2]} for n, name in own.items()}
        curves = FilterSet.of(entries, unit=said.get("wave_unit", "angstrom"), **options)
    bands = tuple(
        BandColumns(
            own[n] if n in own else canonical_filter(named[f"f{n}"]), p["F"][0], p["E"][0], scale=p["E"][1]
        )
        for n, p in pairs.items()
    )
    double = {band.filter for band in bands if sum(other.filter == band.filter for other in bands) > 1}
    if double:
        raise UserError(
            f"several of EAZY's numbers are {', '.join(sorted(double))}: name each once in filters"
        )
    return bands, tuple(strangers), curves


def _codes(names, path) -> dict[str, tuple[str, int, float]]:
    """Letter, number and factor of errors of the columns that are EAZY's."""
    words = {name: (name, 1.0) for name in names} | ({} if path is None else _translation(path))
    out = {}
    for name in names:
        code, factor = words[name]
        match = _CODE.fullmatch(code)
        if match:
            out[name] = match[1].upper(), int(match[2]), factor
    return out


def _translation(path) -> dict[str, tuple[str, float]]:
    """What a translate file calls columns, and factors of errors."""
    out = {}
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give EAZY's translate file") from error
    for number, line in enumerate(lines, 1):
        parts = line.split("#")[0].split()
        if not parts:
            continue
        try:
            column, code, factor = parts[0], parts[1], float(parts[2]) if len(parts) > 2 else 1.0
        except (IndexError, ValueError) as error:
            raise UserError(
                f"line {number} of {path} is {line.strip()!r}: expected a column, F or E with a number, and "
                "perhaps a factor of the errors"
            ) from error
        if not 0.0 < factor < float("inf"):
            raise UserError(f"line {number} of {path} has a factor of {factor:g}: expected one above 0")
        out[column] = code, factor
    return out
