"""A calibration check on disk: ``check.json``, and ``report.html`` that needs nothing else."""

import base64
import io
import json
from html import escape
from pathlib import Path

from ..io.atomic import atomic_path
from .figure import plot_coverage, plot_overview, plot_pit
from .scores import METHODS, Calibration

REPORT, DATA = "report.html", "check.json"

_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .25em .8em; text-align: right }
th { border-bottom: 1px solid #888 } td:first-child, th:first-child { text-align: left }
tr:nth-child(even) { background: #f4f4f4 } img { max-width: 100% } .bad { color: #b00; font-weight: bold }
.good { color: #070; font-weight: bold } caption { text-align: left; font-weight: bold }
"""

_OVERVIEW = (
    "For each parameter, the share of mocks whose truth lies below a given cumulative probability of its "
    "posterior, less that probability: zero if calibrated. Grey: what chance does in 99 % of all cases. An S "
    "that rises first (positive left, negative right) means posteriors too narrow, the reverse too wide; one "
    "hump means biased: above zero, posteriors lie too high. The last panel is TARP, which tests all "
    "parameters together; grey is the limit."
)
_COVERAGE = (
    "Share of truths inside central intervals, with three binomial standard deviations: points below the "
    "line mean intervals too short."
)
_PIT = (
    "Histogram of the truth's rank among the draws, flat if calibrated: a U means too narrow, a hill too "
    "wide, a slope biased. Grey: three standard deviations of chance."
)


def as_dict(calibration: Calibration) -> dict:
    """Everything about a check but the ranks themselves, ready for JSON."""
    return {
        "bundle": calibration.bundle,
        "passed": calibration.passed,
        "thresholds": vars(calibration.thresholds),
        "failures": list(calibration.failures),
        "terms": calibration.terms,
        "metrics": {name: float(f"{value:.6g}") for name, value in calibration.metrics.items()},
    }


def write_report(calibration: Calibration, folder) -> list[Path]:
    """Write ``report.html`` and ``check.json`` into a folder that exists; each appears whole or not at all.

    Raises
    ------
    UserError
        If the folder is missing or cannot be written.
    """
    texts = {
        DATA: json.dumps(as_dict(calibration), indent=1, allow_nan=False) + "\n",
        REPORT: to_html(calibration),
    }
    for name, text in texts.items():
        with atomic_path(Path(folder) / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [Path(folder) / name for name in texts]


def to_html(calibration: Calibration) -> str:
    """The report as one page with its pictures inside."""
    title = f"Calibration of {escape(calibration.bundle)}"
    verdict = '<span class="good">passed</span>' if calibration.passed else '<span class="bad">failed</span>'
    failures = "".join(f"<li>{escape(line)}</li>" for line in calibration.failures)
    parts = [
        f"<h1>{title}: {verdict}</h1>",
        "<p>Mock galaxies whose parameters are known were drawn from the prior, none of them seen in "
        "training, and sorted by what an observer knows: observed S/N, and number of bands. The posterior of "
        "a calibrated network holds the truth as often as it says, in each of these slices.</p>",
        _summary(calibration),
        f"<ul>{failures}</ul>" if failures else "",
        "<h2>Slices</h2>",
        *(_slices(calibration, method) for method in calibration.methods),
        "<h2>Ranks and joint coverage</h2>",
        _picture(plot_overview(calibration), _OVERVIEW),
        "<h2>Coverage</h2>",
        _picture(plot_coverage(calibration), _COVERAGE),
    ]
    for method in calibration.methods:
        parts += [f"<h2>PIT, {METHODS[method][1]}</h2>", _picture(plot_pit(calibration, method), _PIT)]
    parts += ["<h2>Parameters</h2>", *(_parameters(calibration, method) for method in calibration.methods)]
    terms = [[escape(str(k)), escape(str(v))] for k, v in calibration.terms.items()]
    parts += ["<h2>Terms</h2>", _table("", ("", ""), terms)]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _table(caption, head, rows):
    cells = "".join(f"<th>{name}</th>" for name in head)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{caption}</caption><tr>{cells}</tr>\n{body}</table>"


def _mark(text, good):
    return text if good else f'<span class="bad">{text}</span>'


def _summary(c: Calibration):
    t, metrics, rows = c.thresholds, c.metrics, []
    for name, limit, upward, meaning in (
        ("sbc_min_p", t.sbc_min_p, True, "smallest p-value of uniform ranks, Holm-corrected"),
        ("tarp_max_deviation", t.tarp_max_deviation, False, "largest deviation of joint coverage"),
        (
            "coverage68_max_deviation",
            t.coverage68_max_deviation,
            False,
            "deviation of 68 % coverage beyond 3 standard deviations",
        ),
    ):
        row = [f"{name}: {meaning}", f"{'&ge;' if upward else '&le;'} {limit:g}"]
        for method in c.methods:
            value = metrics[name + METHODS[method][0]]
            good = value >= limit if upward else value <= limit
            row.append(_mark(f"{value:.3g}", good))
        rows.append(row)
    head = ("worst over parameters and slices", "limit", *(METHODS[m][1] for m in c.methods))
    return _table("", head, rows)


def _slices(c: Calibration, method):
    rows, t = [], c.thresholds
    for s in c.of(method):
        p, off = c.corrected[method, s.name].min(), s.excess("coverage68").max()
        tarp, chance = s.tarp.max_deviation, s.tarp.chance
        rows.append(
            [
                escape(s.label),
                s.n,
                _mark(f"{p:.2g}", p >= t.sbc_min_p),
                _mark(f"{tarp:.4f} &plusmn; {s.tarp.error:.4f}", tarp <= max(t.tarp_max_deviation, chance)),
                f"{chance:.4f}",
                _mark(f"{off:.4f}", off <= t.coverage68_max_deviation),
                f"{s.ess:.2f}",
                s.answers,
            ]
        )
    head = (
        "slice",
        "mocks",
        "SBC p (corrected)",
        "TARP deviation",
        "99 % of chance below",
        "68 % coverage excess",
        "median ESS/N",
        "answers",
    )
    return _table(METHODS[method][1], head, rows)


def _parameters(c: Calibration, method):
    rows = []
    for s in c.of(method):
        for i, name in enumerate(c.names):
            p = c.corrected[method, s.name][i]
            rows.append(
                [
                    f"{escape(s.label)}: {escape(name)}",
                    f"{s.ks_distance[i]:.4f}",
                    _mark(f"{p:.2g}", p >= c.thresholds.sbc_min_p),
                    f"{s.covered['coverage68'][i]:.4f}",
                    f"{s.covered['coverage95'][i]:.4f}",
                ]
            )
    head = ("slice and parameter", "KS distance", "p (corrected)", "68 % coverage", "95 % coverage")
    return _table(METHODS[method][1], head, rows)


def _picture(figure, caption):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<p>{caption}</p>\n<img alt="" src="data:image/png;base64,{data}">'
