"""Two models of the same galaxies by their evidences: which one the data prefer, and the masses under both.

The log Bayes factor is the difference of the log evidences, and its error that of both. A model is preferred
where the factor, less two errors, is above e: "positive" evidence of Kass & Raftery (1995, JASA 90, 773).
Probabilities and averages over the two models count them equally likely before the data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

from .derived import describe
from .trust import LARGEST_K

# Columns that are read of each result, and those that are read where they are there
NEEDED = ("log_evidence", "log_evidence_error", "pareto_k", "log_mass", "log_mass_p16", "log_mass_p84")
OPTIONAL = ("n_bands", "n_left_out")
UNDECIDED = "undecided"
_POSITIVE = 1.0
_MASS, _MASS_TEXT = describe("log_mass")


def comparison_columns(labels: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """Unit and meaning of the columns of a comparison of two models of these names."""
    columns = {"id": ("", "of the galaxy")}
    for end, label in zip("ab", labels, strict=True):
        columns |= {
            f"log_evidence_{end}": ("", f"log evidence under {label}"),
            f"log_evidence_error_{end}": ("", "its Monte-Carlo standard deviation"),
        }
    columns |= {
        "log_bayes": ("", f"log evidence of {labels[0]} less that of {labels[1]}"),
        "log_bayes_error": ("", "its Monte-Carlo standard deviation"),
        "p_a": ("", f"probability of {labels[0]}, both equally likely before"),
        "prefers": ("", "model that the data prefer by a factor of e and two errors at least"),
    }
    for end, label in zip("ab", labels, strict=True):
        columns |= {
            f"log_mass_{end}{tail}": (_MASS, f"{_MASS_TEXT} under {label} ({which})")
            for tail, which in (("", "median"), ("_p16", "16th percentile"), ("_p84", "84th percentile"))
        }
    columns |= {
        "log_mass_mean": (_MASS, f"{_MASS_TEXT}, mean over both models by their probabilities"),
        "log_mass_sd": ("dex", "its standard deviation"),
        "note": ("", "why the evidences are not compared, or not to be relied on"),
    }
    return columns


def compared(
    ids, one: Mapping[str, np.ndarray], two: Mapping[str, np.ndarray], labels: tuple[str, str]
) -> list[dict]:
    """Rows of a comparison.

    Parameters
    ----------
    ids : sequence of str (Object,)
    one, two : mapping of str to array (Object,)
        Those of :data:`NEEDED`, NaN where not known, and perhaps of :data:`OPTIONAL`.
    labels : (str, str)
    """
    notes = _notes(one, two)
    known = np.array([not note.startswith("not compared") for note in notes])
    difference = np.where(known, one["log_evidence"] - two["log_evidence"], np.nan)
    error = np.where(known, np.hypot(one["log_evidence_error"], two["log_evidence_error"]), np.nan)
    p = expit(difference)
    mean, sd = _averaged(one, two, p)
    columns = {"id": list(ids)}
    for end, each in zip("ab", (one, two), strict=True):
        columns |= {f"{name}_{end}": each[name] for name in NEEDED[:2]}
        columns |= {f"log_mass_{end}{tail}": each[f"log_mass{tail}"] for tail in ("", "_p16", "_p84")}
    columns |= {"log_bayes": difference, "log_bayes_error": error, "p_a": p}
    columns |= {"log_mass_mean": mean, "log_mass_sd": sd, "note": notes}
    certain = np.abs(difference) - 2.0 * error > _POSITIVE
    reliable = np.array([not note for note in notes])
    columns["prefers"] = [
        "" if not k else labels[int(d < 0.0)] if c and r else UNDECIDED
        for k, c, r, d in zip(known, certain, reliable, difference, strict=True)
    ]
    n = len(columns["id"])
    return [{name: _plain(values[i]) for name, values in columns.items()} for i in range(n)]


def _notes(one, two) -> list[str]:
    n = len(one["log_evidence"])
    used = [
        each["n_bands"] - each["n_left_out"] if set(OPTIONAL) <= set(each) else np.full(n, np.nan)
        for each in (one, two)
    ]
    out = []
    for i in range(n):
        if not all(np.isfinite(each["log_evidence"][i]) for each in (one, two)):
            note = "not compared: no evidence of one of them"
        elif np.isfinite(used[0][i]) and np.isfinite(used[1][i]) and used[0][i] != used[1][i]:
            note = f"not compared: {used[0][i]:.0f} and {used[1][i]:.0f} bands are used"
        elif not all(each["pareto_k"][i] <= LARGEST_K for each in (one, two)):
            note = f"weights of one of them are not reliable (pareto_k above {LARGEST_K:g})"
        else:
            note = ""
        out.append(note)
    return out


def _averaged(one, two, p):
    """Mean and standard deviation (Object,) of the mass over both models, by percentiles of each."""
    means = [each["log_mass"] for each in (one, two)]
    spreads = [0.5 * (each["log_mass_p84"] - each["log_mass_p16"]) for each in (one, two)]
    shares = (p, 1.0 - p)
    mean = sum(share * m for share, m in zip(shares, means, strict=True))
    square = sum(w * (s**2 + m**2) for w, s, m in zip(shares, spreads, means, strict=True))
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0))


def _plain(value):
    if isinstance(value, str):
        return value
    return float(value) if np.isfinite(value) else None


@dataclass
class Totals:
    """What a comparison says of all galaxies; rows are added part by part.

    Parameters
    ----------
    labels : (str, str)
    """

    labels: tuple[str, str]
    n: int = 0
    prefers: dict = field(default_factory=dict)
    log_bayes: float = 0.0
    variance: float = 0.0
    p_a: float = 0.0
    masses: list = field(default_factory=list)

    def add(self, rows) -> None:
        """Add rows of :func:`compared`."""
        self.n += len(rows)
        for row in rows:
            self.prefers[row["prefers"]] = self.prefers.get(row["prefers"], 0) + 1
            if row["log_bayes"] is not None:
                self.log_bayes += row["log_bayes"]
                # infinite where no weight counts
                self.variance += np.inf if row["log_bayes_error"] is None else row["log_bayes_error"] ** 2
                self.p_a += row["p_a"]
        both = [(row["log_mass_a"], row["log_mass_b"]) for row in rows]
        apart = [a - b for a, b in both if a is not None and b is not None]
        self.masses.append(np.array(apart, np.float32))

    @property
    def n_compared(self) -> int:
        """Galaxies with evidences of both."""
        return self.n - self.prefers.get("", 0)

    @property
    def mass_offset(self) -> tuple[float, float]:
        """Median of log mass under the first less that under the second [dex], and 1.48 times the MAD."""
        apart = np.concatenate([*self.masses, np.zeros(0, np.float32)])
        if not apart.size:
            return np.nan, np.nan
        middle = float(np.median(apart))
        return middle, 1.4826 * float(np.median(np.abs(apart - middle)))

    def meta(self) -> dict:
        """For headers."""
        offset, scatter = self.mass_offset
        values = {
            "model_a": self.labels[0],
            "model_b": self.labels[1],
            "n_compared": self.n_compared,
            "n_prefer_a": self.prefers.get(self.labels[0], 0),
            "n_prefer_b": self.prefers.get(self.labels[1], 0),
            "n_undecided": self.prefers.get(UNDECIDED, 0),
            "sum_log_bayes": self.log_bayes,
            "sum_log_bayes_error": float(np.sqrt(self.variance)),
            "mean_p_a": self.p_a / max(self.n_compared, 1),
            "log_mass_offset": offset,
            "log_mass_scatter": scatter,
        }
        return {key: value for key, value in values.items() if isinstance(value, str) or np.isfinite(value)}

    def lines(self) -> list[str]:
        """In words."""
        a, b = self.labels
        meta, (offset, scatter) = self.meta(), self.mass_offset
        out = [f"{self.n_compared} of {self.n} galaxies have evidences under both: A {a}, B {b}"]
        if self.n_compared:
            out.append(
                f"{meta['n_prefer_a']} prefer A, {meta['n_prefer_b']} prefer B, {meta['n_undecided']} are "
                f"undecided; sum of log Bayes factors (A over B) {self.log_bayes:.1f} +- "
                f"{np.sqrt(self.variance):.1f}; mean probability of A {meta['mean_p_a']:.2f}"
            )
        if np.isfinite(offset):
            out.append(f"log_mass of A less B: median {offset:+.3f} dex, scatter {scatter:.3f}")
        return out
