"""Files of filter curves: two columns of text, a folder of these, or the numbered curves of EAZY."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ..errors import UserError

# Length of each unit [Angstrom]
UNIT_AA = {"angstrom": 1.0, "micron": 1e4}
COUNTING = ("photon", "energy")
# Wavelengths that a filter can have [Angstrom], ultraviolet to millimetre: catches a wrong unit
_RANGE_AA = (100.0, 1e8)
_ENDINGS = (".dat", ".txt", ".csv", ".res", ".par", ".filter", ".trans", ".curve")
# How many rows a curve of EAZY has, and its words
_EAZY_HEAD = re.compile(r"\s*(\d+)\s+(\S.*)")


def check_options(counting: str, unit: str) -> None:
    """Refuse what transmission cannot be relative to, and units that wavelengths do not have.

    Raises
    ------
    UserError
    """
    if counting not in COUNTING:
        raise UserError(f"counting is {counting!r}: give 'photon' or 'energy'")
    if unit not in UNIT_AA:
        raise UserError(f"unit of wavelength is {unit!r}: give {' or '.join(map(repr, UNIT_AA))}")


def read_curve(path, unit: str = "angstrom") -> tuple[np.ndarray, np.ndarray]:
    """Wavelength [Angstrom], rising, and transmission of a file of two columns; # starts a comment.

    Raises
    ------
    UserError
        If the file cannot be read, has other columns, or wavelengths that no filter has.
    """
    try:
        rows = [line.split("#")[0].replace(",", " ").split() for line in Path(path).read_text().splitlines()]
        table = np.array([[float(value) for value in row] for row in rows if row])
    except (OSError, ValueError) as err:
        raise UserError(f"cannot read the filter curve {path} ({err}): give two columns of text") from err
    if table.ndim != 2 or table.shape[1] != 2:
        raise UserError(f"filter curve {path} has shape {table.shape}, expected (rows, 2): give two columns")
    wave, trans = rising(*table.T)
    wave = wave * UNIT_AA[unit]
    if not (wave[0] > 0.0 and _RANGE_AA[0] <= wave[-1] <= _RANGE_AA[1]):
        other = "micron" if unit == "angstrom" else "angstrom"
        raise UserError(
            f"filter curve {path} would reach {wave[-1]:g} Angstrom: "
            f"check the columns, or pass unit={other!r}"
        )
    return wave, trans


def rising(wave, trans) -> tuple[np.ndarray, np.ndarray]:
    """A curve from blue to red, where it is given from red to blue."""
    step = -1 if wave[0] > wave[-1] else 1
    return np.ascontiguousarray(wave[::step]), np.ascontiguousarray(trans[::step])


def per_photon(wave, trans, counting: str) -> np.ndarray:
    """Transmission per photon: of curves per energy, throughput times lambda, that over lambda.

    Detectors count photons (Bessell & Murphy 2012, PASP 124, 140, sect. 2).
    """
    # scaled to the middle of the curve so that its numbers stay of the same size
    return trans * wave[len(wave) // 2] / wave if counting == "energy" else trans


def curves_in(folder) -> dict[str, Path]:
    """Files of curves in a folder, by their names without endings.

    Raises
    ------
    UserError
        If there is none, or two of one name.
    """
    folder, found = Path(folder), {}
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: expected one with a file for each filter; mend the name")
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _ENDINGS or not path.is_file():
            continue
        if path.stem in found:
            raise UserError(f"{found[path.stem]} and {path.name} are of one name: leave one out")
        found[path.stem] = path
    if not found:
        raise UserError(f"{folder} has no filter curves: expected files such as VIS.dat, of two columns")
    return found


def read_eazy_curves(path, numbers: Iterable[int]) -> Mapping[int, tuple[str, np.ndarray, np.ndarray]]:
    """Curves by number from a file as EAZY's ``FILTER.RES.latest``.

    Each begins with a line of how many rows follow and what the filter is; rows are number, wavelength
    [Angstrom] and transmission. Numbers count from 1 (Brammer et al. 2008, ApJ 686, 1503).

    Parameters
    ----------
    path : path
    numbers : iterable of int

    Returns
    -------
    mapping of int to (str, array, array)
        What the filter is, wavelengths and transmissions.

    Raises
    ------
    UserError
        If the file is not like that, or has fewer filters.
    """
    wanted, found, n = set(numbers), {}, 0
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        row = 0
        while row < len(lines):
            if not lines[row].strip():
                row += 1
                continue
            head = _EAZY_HEAD.fullmatch(lines[row])
            if head is None:
                raise ValueError(f"line {row + 1} is {lines[row][:40]!r}")
            n, length = n + 1, int(head[1])
            if n in wanted:
                part = [line.split() for line in lines[row + 1 : row + 1 + length]]
                table = np.array([[float(value) for value in columns] for columns in part])
                if table.shape != (length, 3):
                    raise ValueError(f"filter {n} has rows {table.shape}, not ({length}, 3)")
                found[n] = head[2].strip(), *rising(table[:, 1], table[:, 2])
            row += length + 1
    except (OSError, ValueError) as err:
        raise UserError(
            f"{path} cannot be read as a file of filters ({err}): expected one as EAZY's FILTER.RES.latest"
        ) from err
    missing = sorted(wanted - set(found))
    if missing:
        raise UserError(f"{path} has {n} filters, and none of number {missing[0]}: give the file that has it")
    return found
