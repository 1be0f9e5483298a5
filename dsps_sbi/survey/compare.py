"""Two results of the same galaxies side by side: files of any size, or what inference returned."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy.table import Table

from ..errors import UserError
from ..inference.compare import NEEDED, OPTIONAL, Totals, compared, comparison_columns
from ..inference.result import Result
from ..inference.table import table_of
from ..io.tables.rows import TableFile, numbers_of, words_of
from ..io.tables.write import WRITERS, join, keep_part

_ROWS = 65536
_ENDINGS = tuple(WRITERS)
# What must be the same for evidences to be of the same data
_SAME = ("error_scale",)
_EXACT = "exact"
# Of 1 + z
_Z_SAME = 1e-4


def compare(a, b, path=None) -> Table | Path:
    """Compare two results of the same galaxies under two models, such as two histories.

    Parameters
    ----------
    a, b : Result, Table, or path
        What ``infer`` returned, its table, or what ``dsps-sbi infer`` wrote: a catalogue, or its folder. The
        same galaxies in the same order.
    path : path, optional
        Catalogue to write (``.fits``, ``.parquet``, ``.ecsv``), part by part.

    Returns
    -------
    Table or Path
        A row for each galaxy: evidences with Monte-Carlo errors, the log Bayes factor of A over B with its
        own, which model the data prefer, and masses under both and over both; see
        :mod:`dsps_sbi.inference.compare`. In ``meta`` what holds for all of them.

    Raises
    ------
    UserError
        If the galaxies are not the same, there are no evidences with errors, the errors of the data were
        scaled differently, or their fluxes, errors or redshifts are others.
    """
    comparison = Comparison(a, b)
    if path is None:
        rows = [row for part in comparison.parts() for row in part]
        return table_of(rows, comparison.columns, comparison.totals.meta())
    return comparison.write(path)


class Comparison:
    """A comparison that is made part by part; arguments as of :func:`compare`.

    Attributes
    ----------
    labels : (str, str)
        Names of the models: of the bundles, or A and B.
    totals : Totals
        Of the parts that were made.
    """

    def __init__(self, a, b):
        self._files = tuple(_opened(one) for one in (a, b))
        metas = [file.meta for file in self._files]
        for key in _SAME:
            if metas[0].get(key) != metas[1].get(key):
                raise UserError(
                    f"{self._files[0].label} has {key} {metas[0].get(key)}, {self._files[1].label} "
                    f"{metas[1].get(key)}: expected the same data; run one of them again"
                )
        self._refuse_other_data(metas)
        self._inferred = _known_before(metas[0]) != _EXACT
        names = tuple(str(meta.get("bundle", "")) for meta in metas)
        self.labels = names if all(names) and names[0] != names[1] else ("A", "B")
        self.totals = Totals(self.labels)

    def _refuse_other_data(self, metas):
        """Refuse redshifts that are known otherwise, and other fluxes in the same bands."""
        labels = [file.label for file in self._files]
        known = [_known_before(meta) for meta in metas]
        if known[0] != known[1]:
            words = [f"{label} has redshifts {how}" for label, how in zip(labels, known, strict=True)]
            raise UserError(
                f"{', '.join(words)}: evidences compare where the same is known before; run one again"
            )
        bands, data = ([meta.get(key) for meta in metas] for key in ("bands", "data"))
        if None not in data and bands[0] == bands[1] and data[0] != data[1]:
            raise UserError(
                f"{labels[0]} and {labels[1]} are of other fluxes, errors or limits in the same bands: "
                "expected the same data; run one of them again"
            )

    @property
    def columns(self) -> dict[str, tuple[str, str]]:
        """Unit and meaning of the columns."""
        return comparison_columns(self.labels)

    def parts(self) -> Iterator[list[dict]]:
        """Rows, some thousand at a time.

        Raises
        ------
        UserError
            Where the galaxies are not the same.
        """
        first = 0
        for one, two in zip_longest(*(_chunks(file) for file in self._files)):
            if one is None or two is None or len(one[0]) != len(two[0]):
                raise UserError(
                    f"{self._files[0].label} and {self._files[1].label} have not equally many rows: expected "
                    "the same galaxies in the same order"
                )
            ids, others = one[0], two[0]
            wrong = next((i for i, (x, y) in enumerate(zip(ids, others, strict=True)) if x != y), None)
            if wrong is not None:
                raise UserError(
                    f"row {first + wrong}, counted from 0, is {ids[wrong]} in {self._files[0].label} and "
                    f"{others[wrong]} in {self._files[1].label}: expected the same galaxies in the same order"
                )
            self._refuse_other_redshifts(ids, one[1], two[1])
            rows = compared(ids, one[1], two[1], self.labels)
            self.totals.add(rows)
            first += len(ids)
            yield rows

    def _refuse_other_redshifts(self, ids, one, two):
        """Refuse redshifts that were given and are not the same."""
        if self._inferred or "z" not in one or "z" not in two:
            return
        apart = np.abs(one["z"] - two["z"]) > _Z_SAME * (1.0 + np.abs(one["z"]))
        if apart.any():
            i = int(np.argmax(apart))
            raise UserError(
                f"{ids[i]} is at z = {one['z'][i]:g} in {self._files[0].label} and {two['z'][i]:g} in "
                f"{self._files[1].label} ({int(apart.sum())} such rows): expected the same data; run one of "
                "them again"
            )

    def write(self, path) -> Path:
        """Write all rows to a catalogue."""
        path = Path(path)
        if path.suffix[1:] not in _ENDINGS:
            raise UserError(f"{path}: expected a name that ends in .{', .'.join(_ENDINGS)}; rename it")
        with TemporaryDirectory(dir=path.parent if path.parent.is_dir() else None) as folder:
            parts = []
            for rows in self.parts():
                parts.append(Path(folder) / f"{len(parts):06d}.npz")
                keep_part(parts[-1], table_of(rows, self.columns, {}))
            join(parts, path, self.columns, self.totals.meta())
        return path


def _opened(source) -> TableFile:
    if isinstance(source, Result):
        source = source.table()
    if isinstance(source, str | Path) and Path(source).is_dir():
        found = [path for end in _ENDINGS if (path := Path(source) / f"catalogue.{end}").is_file()]
        if len(found) != 1:
            words = ", ".join(path.name for path in found) or "no catalogue"
            raise UserError(f"{source} has {words}: expected one that dsps-sbi infer wrote; name the file")
        source = found[0]
    file = TableFile(source)
    missing = [name for name in NEEDED if name not in file.names]
    if missing or not {"id", "name"} & set(file.names):
        raise UserError(
            f"{file.label} has no {', '.join(missing or ['id'])}: expected a catalogue of dsps-sbi infer "
            "with weights; run infer again, with log_mass among its quantities"
        )
    return file


def _known_before(meta) -> str:
    """What was known of redshifts: of a range, its ends too."""
    words = str(meta.get("redshift", _EXACT))
    return words if words.startswith("unknown") else words.split(",")[0]


def _chunks(file):
    """Names, and columns as numbers, of some thousand rows at a time."""
    key = "id" if "id" in file.names else "name"
    numbers = [*NEEDED, *(name for name in (*OPTIONAL, "z") if name in file.names)]
    waiting = file.chunks(_ROWS, [key, *numbers])
    for chunk in waiting:
        yield words_of(chunk[key]), {n: np.asarray(numbers_of(chunk[n], n, file.label)) for n in numbers}
