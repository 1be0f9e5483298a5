"""Spectra whose turn will come, in files or in memory: each with a name of its own."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .errors import UserError
from .io.spectrum import Spectrum
from .io.spectrum_list import SpectrumFile, spectrum_fingerprint, stem


@dataclass(frozen=True)
class Entry:
    """A spectrum in a catalogue.

    Parameters
    ----------
    name : str
    read : callable
        Returns the Spectrum.
    fingerprint : callable
        Returns what tells it from others, as text.
    """

    name: str
    read: Callable[[], Spectrum]
    fingerprint: Callable[[], str]


def name_id(name: str) -> int:
    """Number (32 bits) that the draws of a spectrum of this name depend on."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")


def entries_of(spectra) -> list[Entry]:
    """Entries of one or several files or spectra.

    Parameters
    ----------
    spectra : path, SpectrumFile or Spectrum, or sequence of these

    Raises
    ------
    UserError
        If there are none, or two of the same name.
    """
    single = isinstance(spectra, str | Path | Spectrum | SpectrumFile)
    entries = []
    for i, one in enumerate([spectra] if single else spectra):
        if isinstance(one, Spectrum):
            # its source may be any text
            name = SpectrumFile("", stem(one.source, f"spectrum_{i + 1}")).name
            entries.append(Entry(name, lambda one=one: one, partial(spectrum_fingerprint, one)))
        else:
            file = one if isinstance(one, SpectrumFile) else SpectrumFile(one)
            entries.append(Entry(file.name, file.read, file.fingerprint))
    if not entries:
        raise UserError("no spectrum is given: give at least one")
    seen = set()
    for entry in entries:
        # some disks do not tell small letters from capitals
        if entry.name.casefold() in seen:
            raise UserError(
                f"two spectra are called {entry.name}, and would overwrite each other: rename one, or give "
                "names in a list"
            )
        seen.add(entry.name.casefold())
    return entries
