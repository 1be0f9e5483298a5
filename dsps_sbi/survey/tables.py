"""Tables of galaxies: some thousand rows at a time, a row of the catalogue each, in the table's order."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from tqdm.auto import tqdm

from ..errors import UserError
from ..inference.derived import quantities_of
from ..inference.engine import check_numbers
from ..inference.error_summary import checked_scale
from ..inference.quality import COMMON, OF_REDSHIFTS
from ..inference.result import provenance
from ..inference.table import percentile_columns, quality_columns, rows_of, table_of
from ..io.atomic import atomic_path
from ..io.catalogue import Catalogue
from ..io.folders import filling
from ..io.tables.data_digest import DataDigest
from ..io.tables.layout import Layout
from ..io.tables.rows import TableFile
from ..io.tables.values import Photometry, photometry_of
from ..io.tables.write import WRITERS, join, keep_part, part_of, rows_of_part
from ..photometry.band_floors import floor_meta
from ..photometry.catalogue import BANDS
from .run import failed_row
from .run_log import RunLog
from .table_outputs import OUTPUTS, outputs_of
from .table_redshifts import TableRedshifts, placed

# Rows that are read, fitted and kept together
ROWS = 4096
_PARTS, _DRAWS, _DONE = ".parts", "draws.h5", "joined"


@dataclass(frozen=True)
class TableRun:
    """What is done with the rows of a table.

    Parameters
    ----------
    post : PhotometryPosterior
    likelihood : PhotometryLikelihood or None
        What the draws are weighed with; without, they are the network's own.
    layout : Layout
        Of the table.
    refine : bool
    n_draws, seed : int
        The draws of a galaxy depend on the seed and on the number of its row.
    quantities : sequence of str or None
        See :func:`dsps_sbi.inference.derived.quantities_of`.
    keep_draws : bool
        Write ``draws.h5``.
    kind : {"fits", "parquet", "ecsv"}
        Of the catalogue.
    error_scale : float, optional
        What to multiply the errors by.
    outputs : sequence of str
        What to write beside the catalogue: names of :data:`~dsps_sbi.survey.table_outputs.OUTPUTS`.
    redshifts : TableRedshifts
        What is known of redshifts that are not exact.
    """

    post: object
    likelihood: object
    layout: Layout
    refine: bool = False
    n_draws: int = 500
    seed: int = 0
    quantities: tuple[str, ...] | None = None
    keep_draws: bool = False
    kind: str = "fits"
    error_scale: float | None = None
    outputs: tuple[str, ...] = ()
    redshifts: TableRedshifts = TableRedshifts()

    def __post_init__(self):
        outputs_of(self.outputs, self.likelihood)
        if self.error_scale is not None and checked_scale(self.error_scale) is None:
            raise UserError(
                "error scale 'fit' of a table that is read part by part: give a number, such as the one that "
                "post.infer(table, error_scale='fit') finds in Python"
            )
        check_numbers(self.n_draws, self.seed, "galaxy")
        self.redshifts.check(self.layout, self.limits)
        if self.inferred and self.likelihood is None:
            raise UserError(
                "redshifts that are not exact need the stellar populations of the bundle, whose likelihood "
                "tells them: run dsps-sbi fetch, leave --unweighted out, or give exact redshifts"
            )
        if self.kind not in WRITERS:
            raise UserError(f"catalogues of kind {self.kind!r}: give one of {', '.join(WRITERS)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Quantities."""
        names = quantities_of(self.post.names, self.quantities)
        return ("z", *names) if self.inferred else names

    @property
    def limits(self) -> tuple[float, float]:
        """Redshifts that the posterior knows."""
        return self.post.network.prior.z

    @property
    def inferred(self) -> bool:
        """Whether redshifts are."""
        return self.redshifts.inferred(self.layout)

    @property
    def quality(self) -> tuple[str, ...]:
        """Columns that say what answers are worth."""
        return (*COMMON, *OF_REDSHIFTS) if self.inferred else COMMON

    @property
    def columns(self) -> dict[str, tuple[str, str]]:
        """Unit and meaning of the catalogue's columns."""
        first = {"id": ("", "as in the table"), "z": ("", "redshift")} | BANDS
        last = {"problem": ("", "why there is no answer")}
        return first | percentile_columns(self.names) | quality_columns(self.quality) | last

    def meta(self, source: str) -> dict:
        """Provenance."""
        method = "flow" if self.likelihood is None else "refined" if self.refine else "weighed"
        numbers = {"n_draws": self.n_draws, "seed": self.seed, "method": method}
        numbers |= floor_meta(self.post)
        scale = {} if self.error_scale is None else checked_scale(self.error_scale).meta()
        if self.inferred:
            numbers |= {"redshift": self.redshifts.words(self.layout)}
        return provenance(self.post, **numbers, source=source, **scale)

    def rows(self, seen: Photometry, first: int):
        """Rows of the catalogue, and what is known of them.

        Returns
        -------
        rows : list of dict
        draws : ndarray (Quantity, Row, Draw)
            NaN where there are none.
        result : CatalogueResult or None
            Of the rows that have an answer.
        """
        cosmology = self.post.network.cosmology
        problems = self.redshifts.problems(seen, first, self.limits, cosmology)
        seen = replace(seen, problems=self._unseen(replace(seen, problems=problems)))
        good = np.flatnonzero([not problem for problem in seen.problems])
        n_bands = np.isfinite(seen.flux_ujy).sum(axis=1)
        rows = [
            failed_row(name, problem) | {"id": name}
            for name, problem in zip(seen.ids, seen.problems, strict=True)
        ]
        draws = np.full((len(self.names), len(seen.ids), self.n_draws), np.nan, np.float32)
        result, words = None, [""] * len(rows)
        if good.size:
            catalogue = Catalogue(
                seen.flux_ujy[good],
                seen.sigma_ujy[good],
                self.layout.filter_set,
                None if self.layout.redshift is None else seen.redshift[good],
                names=[seen.ids[i] for i in good],
                upper=seen.upper[good],
                ids=first + good,
            )
            distance = None if seen.distance_mpc is None else seen.distance_mpc[good]
            catalogue = placed(catalogue, distance, cosmology, self.limits)
            seen.redshift[good] = catalogue.redshift
            result = self.post.infer(
                catalogue,
                redshift=self.redshifts.of(seen, good, first, self.limits),
                model=self.likelihood,
                weigh=self.likelihood is not None,
                refine=self.refine,
                n_draws=self.n_draws,
                seed=self.seed,
                quantities=self.quantities,
                error_scale=self.error_scale,
            )
            draws[:, good] = result.values
            for i, left_out in zip(good, result.bands_left_out(), strict=True):
                words[i] = left_out
            for i, row in zip(good, rows_of(result, {}, self.quality), strict=True):
                rows[i] = row | {"id": seen.ids[i], "problem": ""}
        for row, z, n, left_out in zip(rows, seen.redshift, n_bands, words, strict=True):
            row |= {"n_bands": int(n)}
            row |= {"n_left_out": len(left_out.split(", ")) * bool(left_out), "left_out": left_out}
            if not self.inferred:
                row["z"] = float(z) if np.isfinite(z) else None
        return rows, draws, result

    def _unseen(self, seen):
        """Problems of rows, also of those without a band whose light is modelled at their redshift."""
        if self.inferred or seen.distance_mpc is not None:
            return seen.problems
        measured = self.post.align(self.layout.filters, np.isfinite(seen.flux_ujy))[0] == 1.0
        usable = (measured & self.post.coverage(seen.redshift)[1]).any(axis=1)
        return [
            problem if problem or known else "no band whose light is modelled was measured"
            for problem, known in zip(seen.problems, usable, strict=True)
        ]


def infer_table(
    run: TableRun,
    table: TableFile,
    folder,
    *,
    fingerprint: str,
    resume: bool = False,
    progress: bool = False,
    on_rows: Callable[[list[dict]], None] | None = None,
) -> Path:
    """Posteriors of the galaxies of a table, in bounded memory.

    Parameters
    ----------
    run : TableRun
    table : TableFile
    folder : path
        Gets the catalogue, ``draws.h5``, and what else ``run.outputs`` names.
    fingerprint : str
        What tells the table from others: a run that goes on must have the same.
    resume : bool
        Keep what an earlier run with the same options and the same table finished in this folder.
    progress : bool
        Show a bar.
    on_rows : callable, optional
        Called with the rows of each part, those of the earlier run among them.

    Returns
    -------
    path
        Of the catalogue: a row for each of the table's, in its order.

    Raises
    ------
    UserError
        If the folder cannot be written, the table has no rows or cannot be read, or an earlier run had other
        options or another table.
    """
    meta = run.meta(table.label)
    weights = run.post.meta.get("sha256", {}).get("params.safetensors", "unknown")
    options = meta | {"weights": weights, "table": fingerprint, "quantities": list(run.names)}
    columns = [*run.layout.told(table.units), *run.redshifts.told()]
    options |= {"columns": columns, "keep_draws": run.keep_draws, "p_z": run.redshifts.fingerprint}
    options |= {"outputs": list(run.outputs)}
    outputs = outputs_of(run.outputs, run.likelihood)
    with filling(folder) as folder:
        path, draws_path = folder / f"catalogue.{run.kind}", folder / _DRAWS
        log, parts = RunLog(folder, options, resume), folder / _PARTS
        wanted = [path, *[draws_path] * run.keep_draws, *(output.place(run, folder) for output in outputs)]
        if log.row(_DONE) and all(place.exists() for place in wanted):
            return path
        if not resume:
            shutil.rmtree(parts, ignore_errors=True)
            # those of another run must not stay beside a new catalogue
            for output in OUTPUTS.values():
                output.clear(run, folder)
            log.begin()
        parts.mkdir(exist_ok=True)
        files, first, digest = [], 0, DataDigest(run.layout.filters)
        with tqdm(unit="galaxy", disable=not progress) as bar:
            for chunk in table.chunks(ROWS, run.layout.columns):
                seen = photometry_of(chunk, run.layout, table.units, first, table.label)
                digest.add(seen.flux_ujy, seen.sigma_ujy, seen.upper)
                part = parts / f"{len(files):06d}.npz"
                wanted = [part] + [_draws_of(part)] * run.keep_draws
                there = all(file.is_file() for file in wanted)
                there = there and all(output.kept(part, folder) for output in outputs)
                if log.row(part.stem) is None or not there:
                    rows, draws, result = run.rows(seen, first)
                    for output in outputs:
                        output.keep(part, folder, run, seen, first, result)
                    if run.keep_draws:
                        with atomic_path(_draws_of(part)) as temporary:
                            np.save(temporary, draws)
                    keep_part(part, table_of(rows, run.columns, {}))
                    log.add(part.stem, fingerprint, {"rows": len(rows)})
                else:
                    rows = rows_of_part(part)
                if on_rows is not None:
                    on_rows(rows)
                files.append(part)
                first += len(seen.ids)
                bar.update(len(seen.ids))
        if not first:
            raise UserError(f"{table.label} has no rows: expected a galaxy in each; give another")
        join(files, path, run.columns, meta | digest.meta())
        if run.keep_draws:
            _join_draws(files, draws_path, run, first, meta)
        else:
            draws_path.unlink(missing_ok=True)
        for output in outputs:
            output.join(files, folder, run, first, meta)
        log.add(_DONE, fingerprint, {"rows": first})
        shutil.rmtree(parts)
    return path


def _draws_of(part):
    return part.with_name(f"{part.stem}-draws.npy")


def _join_draws(parts, path, run, n, meta):
    """All draws in one file: ``id`` (Object,) and ``draws/<quantity>`` (Object, Draw) float32."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(meta)
        ids = file.create_dataset("id", (n,), h5py.string_dtype())
        sets = [file.create_dataset(f"draws/{name}", (n, run.n_draws), np.float32) for name in run.names]
        first = 0
        for part in parts:
            draws = np.load(_draws_of(part), allow_pickle=False)
            rows = slice(first, first + draws.shape[1])
            ids[rows] = part_of(part)["id"].astype(object)
            for one, values in zip(sets, draws, strict=True):
                one[rows] = values
            first = rows.stop
