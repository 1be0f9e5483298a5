"""Inference on many objects, one after the other: what is finished is written and stays, whatever happens."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from astropy.table import Table
from tqdm.auto import tqdm

from ..errors import UserError
from ..inference.quality import CODES
from ..io.atomic import no_room
from ..io.folders import alone_in, filling
from ..io.summary import write_summary
from .ahead import ReadAhead, fingerprint_of
from .entries import Entry, distinct
from .manifest import MANIFEST, first_wrong, hashes_of, listed, write_manifest
from .run_log import RunLog
from .shards import Shard

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
    meta : dict
        Provenance, for headers.
    """

    words: ClassVar[str]
    unit: ClassVar[str]
    refits: ClassVar[bool] = True
    meta: dict

    @property
    def columns(self) -> Mapping[str, tuple[str, str]]:
        """Unit and meaning of the catalogue's columns, where shares of a run can be merged."""
        return {}

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

    def files(self, row: dict, folder: Path) -> Iterable[str]:
        """Files of a row that are there, by their names relative to the folder."""
        return ()

    def others(self, folder: Path) -> Iterable[str]:
        """Files of the run as a whole that are there, beside the catalogue, by their names."""
        return ()

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
    shard: Shard | None = None,
) -> Table:
    """Fit objects one after the other, in a folder; the next one is read meanwhile.

    One that cannot be used gets a row without numbers and the reason in the column ``problem``; the others go
    on. A run that was killed at any moment and is resumed leaves the same bytes as one that was not.

    Parameters
    ----------
    job : Job
    entries : sequence of Entry
    folder : path
        Gets ``catalogue.ecsv`` with a row of each object, what the job writes, and at last ``manifest.json``;
        a hidden file has the finished rows, for ``resume``.
    resume : bool
        Keep what an earlier run with the same options finished in this folder.
    progress : bool
        Show a bar.
    on_row : callable, optional
        Called with each row, and whether an earlier run had finished it.
    shard : Shard, optional
        Fit this share of the objects alone, in a folder of its own in the folder: see
        :func:`dsps_sbi.survey.merge.merge`.

    Returns
    -------
    Table
        The catalogue; rows in the order of the entries.

    Raises
    ------
    UserError
        If the folder cannot be written or another process is at work there, two objects have the same name,
        an earlier run had other options, the folder has answers of other objects, or the disk is full; and
        what is wrong with the object, where there is only one.
    """
    everything, rows = distinct(entries, job.words), []
    entries = everything if shard is None else shard.part(everything)
    folder = folder if shard is None else shard.folder(folder)
    single = len(everything) == 1
    with filling(folder) as folder, alone_in(folder):
        log = RunLog(folder, job.options() | ({} if shard is None else {"shard": str(shard)}), resume)
        for entry in entries:
            job.admit(entry, folder, log)
        job.begin(folder, resume)
        finished = _finished(job, entries, folder, log)
        todo = [entry for entry in entries if entry.name not in finished]
        with ReadAhead(todo) as ahead:
            for entry in tqdm(entries, unit=job.unit, disable=not progress):
                row = finished.get(entry.name)
                kept = row is not None
                if not kept:
                    log.begin()
                    fingerprint = ahead.fingerprint(entry)
                    row = _fitted(job, entry, folder, single)
                    (folder / MANIFEST).unlink(missing_ok=True)
                    files = hashes_of(job.files(row, folder), folder)
                    log.add(entry.name, fingerprint, row, entry.source, files)
                rows.append(row)
                if on_row is not None:
                    on_row(row, kept)
        job.finish(rows, folder)
        table = job.table(rows)
        write_summary(folder / CATALOGUE, table)
        log.finish([entry.name for entry in entries])
        if job.columns:
            objects = [log.line(entry.name) for entry in entries]
            told = {"kind": job.words, "options": job.options(), "listed": listed(everything)}
            told |= {"columns": dict(job.columns), "meta": job.meta}
            others = [CATALOGUE, *job.others(folder)]
            write_manifest(folder, told, objects, others, None if shard is None else str(shard))
    return table


def _fitted(job, entry, folder, single) -> dict:
    try:
        return job.fit(entry, folder)
    except Exception as problem:
        # one bad object must not cost a night's work on the others; a full disk is no fault of an object
        if single or no_room(problem) is not None:
            raise
        return failed_row(entry.name, _reason(problem))


def _finished(job, entries, folder, log) -> dict[str, dict]:
    """Rows, by name, of objects that an earlier run finished and that are still what they were."""
    out = {}
    for entry in entries:
        row = log.row(entry.name)
        if row is None or "problem" in row or not job.complete(row, folder):
            continue
        if first_wrong(log.files(entry.name), folder) is not None:
            continue
        now = fingerprint_of(entry)
        if now == log.earlier(entry.name)[0]:
            out[entry.name] = row
        elif not job.refits and now is not None:
            raise UserError(
                f"{entry.source or entry.name} is not what it was in the run that {folder} holds: "
                "remove its outputs or run without --resume to fit it again, or give another folder"
            )
    return out


def failed_row(name: str, problem: str) -> dict:
    """Row of an object that has no answer."""
    none = {name: codes.NONE.name.lower() for name, codes in CODES.items()}
    return {"name": name, **none, "problem": problem}


def _reason(problem) -> str:
    text = " ".join(str(problem).split())
    return text if isinstance(problem, UserError | OSError) else f"{type(problem).__name__}: {text}"
