"""Objects whose turn will come, in files or in memory: each with a name of its own."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import UserError


@dataclass(frozen=True)
class Entry:
    """An image or a spectrum that is read when its turn comes.

    Parameters
    ----------
    name : str
        Of its row, and of the files that its answer is written to.
    read : callable
        Returns the data.
    fingerprint : callable
        Returns what tells the data from others, as text.
    source : str
        Where the data are: the whole path of a file; empty where nothing is known.
    prefetch : callable, optional
        Brings from disk what ``fingerprint`` does not read; called in another thread, it parses nothing.
    """

    name: str
    read: Callable[[], object]
    fingerprint: Callable[[], str]
    source: str = ""
    prefetch: Callable[[], None] | None = None


def name_id(name: str) -> int:
    """Number (32 bits) that the draws of an object of this name depend on."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")


def distinct(entries: Iterable[Entry], words: str) -> list[Entry]:
    """Entries as a list.

    Parameters
    ----------
    entries : iterable of Entry
    words : str
        What they are, for messages: "images", "spectra".

    Raises
    ------
    UserError
        If there are none, or two of the same name.
    """
    entries, seen = list(entries), set()
    if not entries:
        raise UserError(f"no {words} are given: give at least one")
    for entry in entries:
        # some disks do not tell small letters from capitals
        if entry.name.casefold() in seen:
            raise UserError(
                f"two {words} are called {entry.name}, and would overwrite each other: rename one, or give "
                "names in a list"
            )
        seen.add(entry.name.casefold())
    return entries
