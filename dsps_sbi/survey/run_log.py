"""What a broken-off run over many objects leaves behind, to go on from."""

import json
from pathlib import Path

from ..errors import UserError
from ..io.atomic import atomic_path, full_disk_told

LOG = ".infer.jsonl"


class RunLog:
    """Rows of a table as they are finished: a line of JSON each, the options of the run before them.

    The file of an earlier run stays until the first object is fitted.

    Parameters
    ----------
    folder : path
        That exists.
    options : dict
        What answers depend on beside the data; plain values.
    resume : bool
        Go on with the rows that are there.

    Raises
    ------
    UserError
        If the rows that are there were made with other options.
    """

    def __init__(self, folder, options: dict, resume: bool):
        self._path = Path(folder) / LOG
        # as they come back from the file
        self._options = json.loads(json.dumps(options))
        before, lines = self._read() if self._path.is_file() else ({}, [])
        self._earlier = {line["name"]: (line["input"], line.get("source", "")) for line in lines}
        if resume and lines:
            self._compare(before)
        kept = lines if resume else []
        self._rows = {line["name"]: _value(line) for line in kept}
        self._started = False

    def _read(self):
        lines = []
        for text in self._path.read_text(errors="replace").splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                break  # the line that was being written
        if not lines or not isinstance(lines[0], dict):
            return {}, []
        whole = [line for line in lines[1:] if {"name", "input", "row"} <= set(line)]
        return lines[0].get("options", {}), whole

    def _compare(self, before):
        for name in sorted(set(before) | set(self._options)):
            if before.get(name) != self._options.get(name):
                raise UserError(
                    f"{self._path.parent} holds a run with {name} {before.get(name)}, this one has "
                    f"{self._options.get(name)}: resume with the same options, or give another folder"
                )

    def row(self, name: str) -> dict | None:
        """The row of an object in the run that is resumed."""
        return self._rows.get(name, _NONE)[1]

    def files(self, name: str) -> dict[str, str]:
        """Files of an object in the run that is resumed, and their hashes."""
        return self._rows.get(name, _NONE)[3]

    def line(self, name: str) -> dict:
        """All that is kept of an object."""
        return _line(name, self._rows[name])

    def earlier(self, name: str) -> tuple[str | None, str]:
        """Fingerprint and source of an object in the run before, whether that is resumed or not."""
        return self._earlier.get(name, (None, ""))

    def begin(self):
        """Before the first object is fitted: rows that are not resumed must not vouch for new files."""
        if not self._rows:
            self._path.unlink(missing_ok=True)

    def add(self, name: str, fingerprint: str | None, row: dict, source: str = "", files=None):
        """Keep the row of an object, and hashes by file.

        Raises
        ------
        UserError
            If the disk is full.
        """
        self._rows[name] = fingerprint, row, source, files or {}
        if not self._started:
            # whole, without what was broken off
            self._write(self._rows)
            self._started = True
            return
        with full_disk_told(self._path), self._path.open("a") as file:
            file.write(json.dumps(_line(name, self._rows[name])) + "\n")

    def finish(self, names):
        """Rows in the order of these names, each once, then others: that of finishing is forgotten."""
        names = [name for name in names if name in self._rows]
        if self._rows:
            self._write(dict.fromkeys([*names, *self._rows]))

    def _write(self, names):
        with atomic_path(self._path) as temporary:
            lines = [{"options": self._options}, *(_line(name, self._rows[name]) for name in names)]
            temporary.write_text("".join(json.dumps(line) + "\n" for line in lines))


# Fingerprint, row, source, files
_NONE = (None, None, "", {})


def _value(line):
    return line["input"], line["row"], line.get("source", ""), line.get("files", {})


def _line(name, value):
    more = {key: part for key, part in (("source", value[2]), ("files", value[3])) if part}
    return {"name": name, "input": value[0], "row": value[1]} | more
