"""Spectra that are read when their turn comes, and lists of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table

from ..errors import UserError
from ..instruments.lsf import LSF
from .fits_open import existing_file
from .lsf_file import read_lsf
from .read_spectrum import read_spectrum, spectrum_names
from .spectrum import Spectrum

_SUFFIXES = (".gz", ".fits", ".fit", ".fts", ".ecsv", ".csv", ".txt", ".dat")
_KNOWN = ("file", "redshift", "name", "lsf", "medium", "columns", "format", "targets")
_KINDS = {
    ".ecsv": "ascii.ecsv",
    ".csv": "ascii.csv",
    ".fits": "fits",
    ".fit": "fits",
    ".fits.gz": "fits",
}


def stem(source, default: str = "spectrum") -> str:
    """Name of what comes from a file: that of the file without its ending, or the default."""
    name = Path(source).name if str(source) else ""
    for suffix in _SUFFIXES:
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name or default


@dataclass(frozen=True, eq=False)
class SpectrumFile:
    """A spectrum that is on disk until it is needed.

    Parameters
    ----------
    path : path-like
    name : str
        Of the spectrum, and of the files that its answer is written to. Default: that of the file,
        without its ending.
    options : mapping
        Keywords of :func:`~dsps_sbi.read_spectrum`.

    Raises
    ------
    UserError
        For a name that cannot be that of a file.
    """

    path: Path
    name: str = ""
    options: Mapping = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "path", Path(self.path))
        object.__setattr__(self, "name", str(self.name) or stem(self.path))
        if self.name.startswith(".") or set(self.name) & set("/\\\0\n"):
            raise UserError(
                f"{self.path} is called {self.name!r}: give a name that a file can have, not a path or one "
                "that begins with a dot"
            )

    def read(self) -> Spectrum:
        """The spectrum.

        Raises
        ------
        UserError
            See :func:`~dsps_sbi.read_spectrum`.
        """
        return read_spectrum(self.path, **self.options)

    def fingerprint(self) -> str:
        """What tells this file, read like this, from others: size and time, not the contents."""
        known = self.path.stat() if self.path.is_file() else None
        stamp = [known.st_size, known.st_mtime_ns] if known else []
        options = {key: _told(value) for key, value in sorted(self.options.items())}
        return _hashed([str(self.path.resolve()), stamp, options])


def spectrum_fingerprint(spectrum: Spectrum) -> str:
    """What tells a spectrum in memory from others: a hash of all of it."""
    arrays = (spectrum.wave_aa, spectrum.flux, spectrum.sigma, spectrum.mask)
    rest = [spectrum.medium, spectrum.redshift, spectrum.absolute, _told(spectrum.lsf), spectrum.pixel_in_lsf]
    return _hashed([*(hashlib.sha256(a.tobytes()).hexdigest() for a in arrays), rest])


def _told(value):
    """Keyword as text; arrays of an LSF whole."""
    parts = getattr(value, "__dict__", None)
    if parts is None:
        return value.tolist() if isinstance(value, np.ndarray) else str(value)
    return {key: _told(part) for key, part in parts.items()}


def _hashed(parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def expanded(files) -> list[SpectrumFile]:
    """Files of several spectra as one for each spectrum, called by file and target.

    A file that cannot be read stays one, and says why when its turn comes.
    """
    out = []
    for file in files:
        try:
            names = spectrum_names(file.path, file.options.get("targets"))
        except UserError:
            names = ("",)
        if file.options.get("format") is not None or names == ("",):
            out.append(file)
            continue
        single = len(names) == 1 and file.name != stem(file.path)
        for name in names:
            called = file.name if single else f"{file.name}_{name}"
            out.append(SpectrumFile(file.path, called, {**file.options, "targets": (name,)}))
    return out


def columns_of(text: str):
    """Column by role, or roles in the order of the columns, of ``wave=a,flux=b`` or ``wave,flux``.

    Raises
    ------
    UserError
        If it is neither.
    """
    parts = [part.strip() for part in text.split(",")]
    if not any("=" in part for part in parts):
        return tuple(parts)
    pairs = [part.split("=", 1) for part in parts]
    odd = next((pair for pair in pairs if len(pair) != 2 or not all(pair)), None)
    if odd is not None:
        raise UserError(
            f"columns {text}: {'='.join(odd)!r} is no role=column: give them as wave=a,flux=b,error=c, or "
            "roles in the order of the columns as wave,flux,error"
        )
    return {role.strip(): name.strip() for role, name in pairs}


def lsf_of(text: str) -> LSF:
    """LSF of a text such as ``fwhm_aa=2.8``, or of a file of it (:func:`~dsps_sbi.io.lsf_file.read_lsf`).

    Raises
    ------
    UserError
        If it is none.
    """
    if text.lower().endswith(".fits"):
        try:
            return read_lsf(text)
        except UserError as problem:
            raise UserError(f"lsf {problem}") from problem
    quantity, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError as problem:
        raise UserError(
            f"lsf {text}: give what it is and its value, such as fwhm_aa=2.8, resolving_power=2000, "
            "sigma_km_s=60 or the name of a FITS file"
        ) from problem
    return LSF(quantity.strip(), number)


def targets_of(text: str) -> tuple[str, ...]:
    """Targets of a text with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


# Columns of a list, as the command line has them
_TEXTS = {"lsf": lsf_of, "medium": str, "columns": columns_of, "format": str, "targets": targets_of}


def read_spectrum_list(path, **options) -> list[SpectrumFile]:
    """A list of files of spectra: ECSV, FITS or CSV.

    Parameters
    ----------
    path : path-like
        A table with the column ``file`` (relative to the folder of the table), and perhaps ``redshift``
        (a number that is not there: as in the spectrum's file), ``name``, and as on the command line
        ``lsf``, ``medium``, ``columns``, ``format`` and ``targets``.
    **options
        Keywords of :func:`~dsps_sbi.read_spectrum`, for all of them; redshifts of the table come first.

    Raises
    ------
    UserError
        If it is no table, or has other columns or no rows.
    """
    path = existing_file(path)
    kind = next((kind for ending, kind in _KINDS.items() if path.name.lower().endswith(ending)), "ascii")
    try:
        table = Table.read(path, format=kind)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"{path} is no table ({reason}): give a list as ECSV, FITS or CSV") from error
    unknown = [name for name in table.colnames if name not in _KNOWN]
    if "file" not in table.colnames or unknown or not len(table):
        raise UserError(
            f"{path} has {len(table)} rows and the columns {', '.join(table.colnames)}: give at least one "
            f"row, the column file, and perhaps {', '.join(_KNOWN[1:])}"
        )
    return [_entry(path, row, options) for row in table]


def _entry(path, row, options):
    reading = dict(options)
    if "redshift" in row.colnames:
        try:
            redshift = float(np.ma.filled(np.ma.asarray(row["redshift"], float), np.nan))
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{path}: the redshift of {row['file']} is '{row['redshift']}': give a number"
            ) from error
        if np.isfinite(redshift):
            reading["redshift"] = redshift
    for key, read in _TEXTS.items():
        value = row[key] if key in row.colnames else ""
        text = "" if np.ma.is_masked(value) else str(value).strip()
        if text:
            reading[key] = read(text)
    name = row["name"] if "name" in row.colnames else ""
    name = "" if np.ma.is_masked(name) else str(name).strip()
    return SpectrumFile(path.parent / str(row["file"]).strip(), name, reading)
