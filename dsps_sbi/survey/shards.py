"""Shares of a list of objects, for several processes or machines, each in a folder of its own."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError

_FOLDER = re.compile(r"shard-(\d+)-of-(\d+)")
_SLURM = "SLURM_ARRAY_TASK_"


#: What has no shares
OF_CUBES = "its spaxels make one image; leave it out"
WITH_DRAWS = "draws of spectra are in one file, which shares cannot make; leave one of them out"


@dataclass(frozen=True)
class Shard:
    """One of n shares: every n-th object, from the i-th one on.

    Neighbours in a list are often alike in size: taking every n-th one balances the shares.

    Parameters
    ----------
    i, n : int
        From 1 to n.

    Raises
    ------
    UserError
        For numbers that are no share.
    """

    i: int
    n: int

    def __post_init__(self):
        if not 1 <= self.i <= self.n:
            raise UserError(
                f"shard {self.i}/{self.n}: expected i/n with i from 1 to n, such as 3/10; mend it"
            )

    def __str__(self):
        return f"{self.i}/{self.n}"

    @classmethod
    def of(cls, text: str) -> "Shard":
        """Of a text such as ``3/10``.

        Raises
        ------
        UserError
        """
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", str(text))
        if not found:
            raise UserError(f"shard {text!r}: expected i/n with i from 1 to n, such as 3/10; mend it")
        return cls(int(found[1]), int(found[2]))

    def rows(self, n_objects: int) -> range:
        """Places of its objects in the list of all."""
        return range(self.i - 1, n_objects, self.n)

    def part(self, objects: Sequence) -> list:
        """Its objects."""
        return [objects[row] for row in self.rows(len(objects))]

    def folder(self, folder) -> Path:
        """Its folder in that of the whole run.

        Raises
        ------
        UserError
            If that holds shards of another number.
        """
        folder = Path(folder)
        others = {n for _, n in shard_folders(folder)} - {self.n}
        if others:
            raise UserError(
                f"{folder} holds shards of {min(others)}, this one is {self}: give --shard i/{min(others)} "
                "to repeat one of them, or another folder"
            )
        return folder / f"shard-{self.i}-of-{self.n}"


def shard_folders(folder) -> dict[tuple[int, int], Path]:
    """Folders of shards in a folder, by i and n."""
    folder = Path(folder)
    found = ((path, _FOLDER.fullmatch(path.name)) for path in (folder.iterdir() if folder.is_dir() else ()))
    numbers = {(int(m[1]), int(m[2])): path for path, m in found if m and path.is_dir()}
    return dict(sorted(numbers.items()))


def slurm_shard(environment: Mapping[str, str] = os.environ) -> Shard | None:
    """The shard of a task of a job array of SLURM; None outside of one.

    Task k of an array ``first-last:step`` is shard (k - first) / step + 1. See ``sbatch``, "output
    environment variables".

    Raises
    ------
    UserError
        For arrays whose numbers have no common step: they do not tell which share a task has.
    """
    names = ("ID", "MIN", "MAX", "COUNT")
    given = {name: environment.get(_SLURM + name) for name in names}
    if given["ID"] is None or given["COUNT"] is None or given["MIN"] is None:
        return None
    try:
        task, first, count = (int(given[name]) for name in ("ID", "MIN", "COUNT"))
        last = first + count - 1 if given["MAX"] is None else int(given["MAX"])
    except ValueError as error:
        raise UserError(
            f"{_SLURM}ID, _MIN, _MAX and _COUNT are {', '.join(map(str, given.values()))}: expected whole "
            "numbers; give --shard i/n"
        ) from error
    step, rest = divmod(last - first, count - 1) if count > 1 else (1, 0)
    place, odd = divmod(task - first, max(step, 1))
    if rest or odd or step < 1 or not 0 <= place < count:
        raise UserError(
            f"task {task} of a SLURM array of {count} tasks from {first} to {last} does not tell its share: "
            "expected numbers with a common step, such as --array=0-9; give --shard i/n"
        )
    return Shard(place + 1, count)
