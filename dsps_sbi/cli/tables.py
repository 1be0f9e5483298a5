"""A table of galaxies in, a catalogue out: what the command ``infer`` does with a bundle of photometry."""

import sys
import time
from collections import Counter

import numpy as np

from ..errors import UserError
from ..inference.error_summary import COLUMNS, ErrorSummary

# Problems that are told one by one
_FEW = 5


def infer_file(
    post,
    path,
    output,
    *,
    layout,
    dry_run,
    kind,
    draws,
    seed,
    keep_draws,
    unweighted,
    refine,
    resume,
    z,
    z_err,
    z_range,
    p_z,
    keep_p_z,
    quantities,
    error_scale,
    floor,
    outputs,
) -> None:
    """Fit the galaxies of a table; the options are those of the command line, None where not given."""
    from ..io.tables.layout import layout_of, said_of
    from ..io.tables.rows import TableFile, fingerprint
    from ..io.tables.values import check_units
    from ..survey.tables import TableRun, infer_table

    redshifts, column = known_redshifts(z, z_err, z_range, p_z, keep_p_z)
    said = {} if layout is None else said_of(layout)
    table = TableFile(path, said.get("hdu"))
    found = layout_of(table.names, table.units, said=said, bands=post.filters, where=str(path), **column)
    check_units(found, table.units, str(path))
    redshifts.check(found, post.network.prior.z, table.n_rows() if redshifts.by_row else None)
    for line in (*found.told(table.units), *redshifts.told()):
        print(line)
    if dry_run:
        return
    post = in_filters(post, found, floor)
    likelihood = post.likelihood(None if unweighted else "auto")
    if refine and likelihood is None:
        raise UserError(
            "--refine was given without the stellar populations of the bundle: run dsps-sbi fetch for them, "
            "or leave it out"
        )
    names = None if quantities is None else tuple(name.strip() for name in quantities.split(","))
    numbers = {"n_draws": 500 if draws is None else draws, "seed": seed}
    run = TableRun(
        post,
        likelihood,
        found,
        refine,
        quantities=names,
        keep_draws=keep_draws,
        kind=kind or "fits",
        error_scale=error_scale,
        outputs=outputs,
        redshifts=redshifts,
        **numbers,
    )
    count = Count()
    start = time.perf_counter()
    place = infer_table(
        run,
        table,
        output,
        fingerprint=fingerprint(path),
        resume=resume,
        progress=sys.stderr.isatty(),
        on_rows=count.add,
    )
    count.tell(place, time.perf_counter() - start)


def in_filters(post, layout, floor):
    """The posterior for the filters of a table, where it is one for any; else as it is.

    Raises
    ------
    UserError
        If curves or an error floor are given, and the bundle has its own.
    """
    from ..photometry.band_floors import floor_of_words

    if hasattr(post, "for_filters"):
        return post.for_filters(layout.filter_set, *([] if floor is None else [floor_of_words(floor)]))
    given = {"--floor": floor, "curves of filters": layout.curves}
    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise UserError(
            f"{' and '.join(wrong)} were given with bundle {post.label}, which has its own: leave them out, "
            "or take a bundle for any filters"
        )
    return post


def known_redshifts(z, z_err, z_range, p_z, keep_p_z):
    """What options say of redshifts: :class:`TableRedshifts`, and arguments of the table's layout.

    Raises
    ------
    UserError
        For options that do not go together, and a range that is none.
    """
    from ..io.tables.layout import UNKNOWN
    from ..io.tables.p_of_z import read_p_z
    from ..survey.table_redshifts import TableRedshifts

    number, name = _number_or_name(z_err)
    ends = None if z_range is None else _range(z_range)
    density = None if p_z is None else read_p_z(p_z)
    redshifts = TableRedshifts(number, ends, density, keep_p_z)
    if name is not None and (ends or density):
        raise UserError(
            "--z-err was given with --z-range or --p-z: each of them tells the redshift; give one"
        )
    if z is not None and (ends or density):
        raise UserError("--z was given with --z-range or --p-z: each of them tells the redshift; give one")
    if keep_p_z and density is None:
        raise UserError("--keep-p-z was given without --p-z: give the file, or leave it out")
    return redshifts, {"redshift": UNKNOWN if ends or density else z, "redshift_error": name}


def _number_or_name(text):
    try:
        return (None if text is None else float(text)), None
    except ValueError:
        return None, text


def _range(text):
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"--z-range {text}: expected two redshifts, such as 0.01,6") from error
    return low, high


class Count:
    """What became of the rows of a table."""

    def __init__(self):
        self.n = self.trusted = 0
        self.problems, self.few = Counter(), []
        # arrays: millions of rows fit in memory so
        self.ids, self.errors = [], {name: [] for name in COLUMNS}

    def add(self, rows):
        """Count rows."""
        self.n += len(rows)
        self.ids.append(np.array([hash(row["id"]) for row in rows], np.int64))
        for name, parts in self.errors.items():
            values = [row.get(name) for row in rows]
            parts.append(np.array([np.nan if value is None else value for value in values], np.float32))
        for row in rows:
            self.trusted += row["trust"] == "trusted"
            if row["problem"]:
                self.problems[row["problem"].split(" ")[0]] += 1
                if len(self.few) < _FEW:
                    self.few.append(f"{row['id']}: {row['problem']}")

    def tell(self, place, seconds):
        """What was fitted, in lines."""
        bad, ids = self.problems.total(), np.concatenate([*self.ids, np.zeros(0, np.int64)])
        double = int((np.unique(ids, return_counts=True)[1] > 1).sum())
        for line in self.few:
            print(f"no answer: {line}", file=sys.stderr)
        if bad > len(self.few):
            print(f"no answer: {bad - len(self.few)} more, see the column problem", file=sys.stderr)
        if double:
            print(f"{double} ids stand in several rows: each row has its own answer", file=sys.stderr)
        if not self.n:
            print(f"outputs are complete, skipped; in {place}")
            return
        print(
            f"{self.n - bad} of {self.n} galaxies fitted, {self.trusted} trusted; {seconds:.1f} s; in {place}"
        )
        words = ErrorSummary.of({name: np.concatenate(parts) for name, parts in self.errors.items()}).words()
        if words:
            print(words)
