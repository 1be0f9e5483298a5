"""Inference on many objects, one after the other: what is finished is written and stays, whatever happens."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from astropy.table import Table
from tqdm.auto import tqdm

from ..errors import UserError
from ..inference.quality import CODES
from ..io.folders import filling
from ..io.summary import write_summary
from .entries import Entry, distinct
from .run_log import RunLog

CATALOGUE = "catalogue.ecsv"


class Job(ABC):
    """How one kind of object is fitted and written; made for a run in one folder.

    Attributes
    ----------
    words : str
        What the objects are: "images", "spectra".
    unit : str
        One of them.
    refits : bool
        Whether a resumed run fits again what has changed; else it is refused.
    """

    words: ClassVar[str]
    unit: ClassVar[str]
    refits: ClassVar[bool] = True

    @abstractmethod
    def options(self) -> dict:
        """What answers depend on beside the data; plain values."""

    @abstractmethod
    def fit(self, entry: Entry, folder: Path) -> dict:
        """Fit an object, write its files into the folder, and return its row of plain values.

        Raises
        ------
        UserError
            If it cannot be used.
        """

    @abstractmethod
    def complete(self, row: dict, folder: Path) -> bool:
        """Whether all files of a row that an earlier run finished are there."""

    @abstractmethod
    def table(self, rows: Sequence[dict]) -> Table:
        """Rows of all objects as a table."""

    def admit(self, entry: Entry, folder: Path, log: RunLog) -> None:  # noqa: B027
        """Before anything is done: refuse an object whose answer would take the place of another's.

        Raises
        ------
        UserError
        """

    def begin(self, folder: Path, resume: bool) -> None:  # noqa: B027
        """Before the first object."""

    def finish(self, rows: Sequence[dict], folder: Path) -> None:  # noqa: B027
        """After the last object."""


def run(
    job: Job,
    entries: Sequence[Entry],
    folder,
    *,
    resume: bool = False,
    progress: bool = False,
    on_row: Callable[[dict, bool], None] | None = None,
) -> Table:
    """Fit objects one after the other, in a folder.

    One that cannot be used gets a row without numbers and the reason in the column ``problem``; the others go
    on.

    Parameters
    ----------
    job : Job
    entries : sequence of Entry
    folder : path
        Gets ``catalogue.ecsv`` with a row of each object, and what the job writes; a hidden file has the
        finished rows, for ``resume``.
    resume : bool
        Keep what an earlier run with the same options finished in this folder.
    progress : bool
        Show a bar.
    on_row : callable, optional
        Called with each row, and whether an earlier run had finished it.

    Returns
    -------
    Table
        The catalogue; rows in the order of the entries.

    Raises
    ------
    UserError
        If the folder cannot be written, two objects have the same name, an earlier run had other options, or
        the folder has answers of other objects; and what is wrong with the object, where there is only one.
    """
    entries, rows = distinct(entries, job.words), []
    with filling(folder) as folder:
        log = RunLog(folder, job.options(), resume)
        for entry in entries:
            job.admit(entry, folder, log)
        job.begin(folder, resume)
        finished = _finished(job, entries, folder, log)
        for entry in tqdm(entries, unit=job.unit, disable=not progress):
            row = finished.get(entry.name)
            kept = row is not None
            if not kept:
                log.begin()
                fingerprint = _fingerprint(entry)
                try:
                    row = job.fit(entry, folder)
                except Exception as problem:
                    # one bad object must not cost a night's work on the others
                    if len(entries) == 1:
                        raise
                    row = failed_row(entry.name, _reason(problem))
                log.add(entry.name, fingerprint, row, entry.source)
            rows.append(row)
            if on_row is not None:
                on_row(row, kept)
        job.finish(rows, folder)
        table = job.table(rows)
        write_summary(folder / CATALOGUE, table)
    return table


def _finished(job, entries, folder, log) -> dict[str, dict]:
    """Rows, by name, of objects that an earlier run finished and that are still what they were."""
    out = {}
    for entry in entries:
        row = log.row(entry.name)
        if row is None or "problem" in row or not job.complete(row, folder):
            continue
        now = _fingerprint(entry)
        if now == log.earlier(entry.name)[0]:
            out[entry.name] = row
        elif not job.refits and now is not None:
            raise UserError(
                f"{entry.source or entry.name} is not what it was in the run that {folder} holds: "
                "remove its outputs or run without --resume to fit it again, or give another folder"
            )
    return out


def _fingerprint(entry) -> str | None:
    """None for what cannot be read: reading it tells why."""
    try:
        return entry.fingerprint()
    except Exception:
        return None


def failed_row(name: str, problem: str) -> dict:
    """Row of an object that has no answer."""
    none = {name: codes.NONE.name.lower() for name, codes in CODES.items()}
    return {"name": name, **none, "problem": problem}


def _reason(problem) -> str:
    text = " ".join(str(problem).split())
    return text if isinstance(problem, UserError | OSError) else f"{type(problem).__name__}: {text}"
