"""What comes next is read from the disk while this object is fitted."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from .entries import Entry


class ReadAhead:
    """Fingerprints of entries, in turn, by a thread of their own that is one entry ahead.

    A fingerprint is a hash of the contents of files: making it reads them, so that what parses them later
    finds them in memory. The thread does not parse: the filters of Python's ``warnings`` are of the whole
    process, and two threads that set them would undo each other's settings.

    Parameters
    ----------
    entries : sequence of Entry
        In the order in which they will be asked for.
    """

    def __init__(self, entries: Sequence[Entry]):
        self._waiting = list(reversed(entries))
        self._started: dict[str, Future] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")

    def __enter__(self):
        self._next()
        return self

    def __exit__(self, *error):
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _next(self):
        if self._waiting:
            entry = self._waiting.pop()
            self._started[entry.name] = self._pool.submit(_read, entry)

    def fingerprint(self, entry: Entry) -> str | None:
        """That of the next entry; None for what cannot be read: reading it tells why."""
        future = self._started.pop(entry.name)
        self._next()
        return future.result()


def _read(entry):
    stamp = fingerprint_of(entry)
    if stamp is not None and entry.prefetch is not None:
        entry.prefetch()
    return stamp


def fingerprint_of(entry: Entry) -> str | None:
    """None for what cannot be read: reading it tells why."""
    try:
        return entry.fingerprint()
    # of any kind: it comes up again where the object is read, and costs that object alone
    except Exception:
        return None
