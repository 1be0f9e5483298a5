"""Shares of a run, each in a folder of its own, as the one run that they are shares of."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from astropy.table import Table

from ..errors import UserError
from ..inference.table import table_of
from ..io.atomic import atomic_path, clear_temporary, temporary_beside
from ..io.folders import alone_in, filling
from ..io.summary import write_summary
from .manifest import first_wrong, read_manifest, write_manifest
from .run import CATALOGUE
from .run_log import RunLog
from .shards import Shard, shard_folders
from .spectra import SpectrumJob, draw_errors, errors_of

# What shares of one run have in common
_SAME = ("kind", "options", "listed", "columns", "meta")


def merge(folders, output) -> Table:
    """Join the shares of a run: the folder then has the same bytes as that of a run that was not shared out.

    Files are linked where the file system can, else copied; the shares stay as they are. Merging that was
    broken off can be repeated.

    Parameters
    ----------
    folders : path or sequence of path
        Those of the shares, or one that has them all, as ``dsps-sbi infer --shard i/n`` leaves it.
    output : path
        Folder of the whole run.

    Returns
    -------
    Table
        The catalogue.

    Raises
    ------
    UserError
        If shares are missing, twice there, not complete, damaged, or of different bundles, options or lists
        of objects; if the folder holds another run.
    """
    manifests = _manifests(folders)
    first = next(iter(manifests.values()))
    for folder, manifest in manifests.items():
        _compare(next(iter(manifests)), first, folder, manifest)
    shards = _in_order(manifests)
    objects = _objects(shards, first["listed"]["n"])
    for folder, manifest in manifests.items():
        _check_files(folder, manifest)
    with filling(output) as output, alone_in(output):
        # of another run
        RunLog(output, first["options"], resume=True)
        log = RunLog(output, first["options"], resume=False)
        for folder, line in objects:
            for place in {(output / name).parent for name in line.get("files", {})}:
                place.mkdir(parents=True, exist_ok=True)
                # of merging that was killed
                clear_temporary(place)
            for name in line.get("files", {}):
                _link(folder / name, output / name)
            log.add(line["name"], line["input"], line["row"], line.get("source", ""), line.get("files"))
        columns = {name: tuple(words) for name, words in first["columns"].items()}
        rows, meta, others = [line["row"] for _, line in objects], first["meta"], [CATALOGUE]
        if first["kind"] == SpectrumJob.words:
            # what all spectra together say of their errors
            meta, others = meta | errors_of(rows).meta(), others + draw_errors(rows, output)
        table = table_of(rows, columns, meta)
        write_summary(output / CATALOGUE, table)
        names = [line["name"] for _, line in objects]
        log.finish(names)
        told = {name: first[name] for name in _SAME}
        write_manifest(output, told, [log.line(name) for name in names], others)
    return table


def _manifests(folders) -> dict[Path, dict]:
    """Manifest by folder."""
    folders = [folders] if isinstance(folders, str | Path) else folders
    found: list[Path] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise UserError(f"{folder} is no folder: expected one of a shard; mend the name")
        found += shard_folders(folder).values() or [folder]
    if not found:
        raise UserError("no shards are given: give their folders, or the one that has them")
    return {folder: read_manifest(folder) for folder in found}


def _compare(place, first, folder, manifest):
    for name in _SAME:
        if manifest[name] == first[name]:
            continue
        if name == "listed":
            raise UserError(
                f"{folder} is a share of {manifest[name]['n']} objects, {place} of {first[name]['n']}, and "
                "not of the same list: expected shares of one run; merge those of one list"
            )
        for key in sorted({*manifest[name], *first[name]}):
            one, other = first[name].get(key), manifest[name].get(key)
            if one != other:
                raise UserError(
                    f"{folder} was made with {key} {other}, {place} with {one}: expected shares of one "
                    "bundle and one set of options; run one of them again"
                )


def _in_order(manifests) -> list[tuple[Path, dict]]:
    """Folders and manifests by number."""
    unshared = [folder for folder, manifest in manifests.items() if manifest["shard"] is None]
    if unshared:
        raise UserError(f"{unshared[0]} is a whole run, no share of one: leave it out")
    numbers: dict[int, Path] = {}
    counts = {Shard.of(manifest["shard"]).n for manifest in manifests.values()}
    if len(counts) > 1:
        raise UserError(
            f"shards of {' and of '.join(map(str, sorted(counts)))} were given: give those of one run"
        )
    for folder, manifest in manifests.items():
        shard = Shard.of(manifest["shard"])
        if shard.i in numbers:
            raise UserError(f"{numbers[shard.i]} and {folder} are both shard {shard}: leave one out")
        numbers[shard.i] = folder
    (n,) = counts
    missing = [str(i) for i in range(1, n + 1) if i not in numbers]
    if missing:
        raise UserError(
            f"shards {', '.join(missing)} of {n} are not there: expected all; give their folders too, or run "
            f"them with --shard {missing[0]}/{n}"
        )
    return [(numbers[i], manifests[numbers[i]]) for i in range(1, n + 1)]


def _objects(shards: Sequence[tuple[Path, dict]], n: int) -> list[tuple[Path, dict]]:
    """Folder and line of each object, in the order of the list."""
    out: list = [None] * n
    for i, (folder, manifest) in enumerate(shards, 1):
        rows = Shard(i, len(shards)).rows(n)
        if len(rows) != len(manifest["objects"]):
            raise UserError(
                f"{folder} has {len(manifest['objects'])} objects: expected {len(rows)}; run it again"
            )
        for row, line in zip(rows, manifest["objects"], strict=True):
            out[row] = folder, line
    return out


def _check_files(folder, manifest):
    for hashes in (manifest["others"], *(line.get("files", {}) for line in manifest["objects"])):
        wrong = first_wrong(hashes, folder)
        if wrong is not None:
            raise UserError(
                f"{folder / wrong} is not what the manifest says: expected the file that the run wrote; run "
                "that shard again with --resume"
            )


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where there are no links, such as across disks."""
    temporary = temporary_beside(target)
    try:
        os.link(source, temporary)
        os.replace(temporary, target)
    except OSError:
        with atomic_path(target) as copy:
            shutil.copyfile(source, copy)
    finally:
        # a link to what is there already is not moved
        temporary.unlink(missing_ok=True)
