"""The manifest of a run: what was asked, what became of each object, and a hash of each file.

It is written when all else is there, so that a folder that has one is complete. It holds no time and no name
of a machine: the same run makes the same bytes, wherever and however often it was broken off.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from ..errors import UserError
from ..io.atomic import atomic_path

MANIFEST = "manifest.json"
FORMAT = 1
# What a manifest has at least
_KEYS = {"format", "kind", "options", "listed", "shard", "columns", "meta", "objects", "others"}


def file_hash(path) -> str:
    """SHA-256 of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes_of(files: Iterable[str], folder: Path) -> dict[str, str]:
    """Hash of each of some files, by their names relative to a folder."""
    return {name: file_hash(folder / name) for name in sorted(files)}


def first_wrong(hashes: dict[str, str], folder: Path) -> str | None:
    """The first file that is not there, or not what it was; None where all are."""
    for name, known in hashes.items():
        path = folder / name
        if not path.is_file() or file_hash(path) != known:
            return name
    return None


def listed(entries) -> dict:
    """What tells a list of objects from others: their number, and a hash of names and sources in turn."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(json.dumps([entry.name, entry.source]).encode() + b"\n")
    return {"n": len(entries), "sha256": digest.hexdigest()}


def write_manifest(folder: Path, told: dict, objects: list[dict], others, shard: str | None = None) -> None:
    """Write ``manifest.json``, whole or not at all.

    Parameters
    ----------
    folder : Path
    told : dict
        ``kind``, ``options``, ``listed`` (:func:`listed`, of all objects), ``columns`` and ``meta`` of the
        catalogue.
    objects : list of dict
        Of each object its ``name``, ``input``, ``source``, ``row`` of the catalogue, and hashes by ``files``.
    others : iterable of str
        Further files in the folder.
    shard : str, optional
        Which share of the run it is.
    """
    manifest = {"format": FORMAT, **told, "shard": shard, "objects": objects}
    manifest |= {"others": hashes_of(others, folder)}
    with atomic_path(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n")


def read_manifest(folder) -> dict:
    """The manifest of a complete run.

    Raises
    ------
    UserError
        If there is none, or none that this version understands.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise UserError(
            f"{folder} has no {MANIFEST}: expected the folder of a run that is complete; run it again with "
            "--resume, or give another folder"
        )
    try:
        manifest = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is no JSON ({error}): run again with --resume") from error
    if not isinstance(manifest, dict) or not set(manifest) >= _KEYS or manifest["format"] != FORMAT:
        raise UserError(
            f"{path} is not a manifest of format {FORMAT}: expected one of this version; run again with "
            "--resume"
        )
    return manifest
