"""The outcome of a calibration check: scores of every slice, and whether they pass."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..inference.trust import Method
from .coverage import LEVELS, coverage, excess
from .sbc import holm, uniformity
from .tarp import ExpectedCoverage, expected_coverage

# How the draws were made -> what the names of its metrics end in, and how it is called for readers
METHODS = {"flow": ("", "raw flow"), "refined": ("_refined", "refined")}


@dataclass(frozen=True)
class Thresholds:
    """What a calibrated posterior keeps to.

    Parameters
    ----------
    sbc_min_p : float
        Smallest p-value of uniform ranks, corrected for the number of parameters and slices.
    tarp_max_deviation : float
        Largest deviation of the joint expected coverage. Where few mocks deviate more than that
        by chance alone in 1 % of all cases, that chance is the limit.
    coverage68_max_deviation : float
        Largest deviation of a parameter's 68 % coverage beyond three standard deviations.
    """

    sbc_min_p: float = 0.01
    tarp_max_deviation: float = 0.02
    coverage68_max_deviation: float = 0.01


@dataclass(frozen=True, eq=False)
class SliceScore:
    """Scores of one slice under one method.

    Parameters
    ----------
    name, label, method : str
        Of the slice, for readers, and one of :data:`METHODS`.
    pit : ndarray (Object, Param)
    tarp : ExpectedCoverage
    ks_distance, p_value : ndarray (Param,)
        Of uniform ranks; the p-value stands for itself, not corrected for others.
    covered : dict of str to ndarray (Param,)
        Shares of truths inside central intervals: ``coverage68``, ``coverage95``.
    n_bad : int
        Objects left out because a draw was not finite.
    ess : float
        Median effective share of the draws.
    shares : dict of str to float
        Of refined answers: those that are trusted, and those of each method of
        :class:`~dsps_sbi.inference.trust.Method`.
    """

    name: str
    label: str
    method: str
    pit: np.ndarray
    tarp: ExpectedCoverage
    ks_distance: np.ndarray
    p_value: np.ndarray
    covered: dict[str, np.ndarray]
    n_bad: int
    ess: float
    shares: dict[str, float]

    @property
    def n(self) -> int:
        """Number of objects."""
        return len(self.pit)

    @property
    def answers(self) -> str:
        """What the answers are, for readers; empty for draws of the network."""
        if not self.shares:
            return ""
        return ", ".join(f"{100 * share:.0f} % {_WORDS[name]}" for name, share in self.shares.items())

    def excess(self, which: str) -> np.ndarray:
        """Deviation (Param,) of ``coverage68`` or ``coverage95`` beyond three standard deviations."""
        return excess(self.covered[which], LEVELS[which], self.n)


def score(name, label, method, pit, credibilities, ess, trusted, methods) -> SliceScore:
    """Scores of a slice from columns of its objects.

    Parameters
    ----------
    name, label, method : str
        As :class:`SliceScore` has them.
    pit, credibilities : ndarray (Object, Param), (Object, Ref)
        Of single parameters, and of TARP; NaN where a draw is not finite.
    ess : ndarray (Object,)
        Effective share of the draws.
    trusted, methods : ndarray (Object,)
        Of the answers; they count for refined ones alone.
    """
    shares = {}
    if method != "flow":
        shares = {"trusted_fraction": float(np.mean(trusted))}
        shares |= {
            f"method_{m.name.lower()}": float(np.mean(methods == m)) for m in Method if m > Method.FLOW
        }
    good = np.isfinite(pit).all(axis=1) & np.isfinite(credibilities).all(axis=1)
    if not good.any():
        # nothing to score: every test fails
        pit, credibilities, ess = np.zeros_like(pit), np.zeros_like(credibilities), np.zeros(len(pit))
    else:
        pit, credibilities, ess = pit[good], credibilities[good], ess[good]
    distance, p_value = uniformity(pit)
    return SliceScore(
        name=name,
        label=label,
        method=method,
        pit=pit,
        tarp=expected_coverage(credibilities),
        ks_distance=distance,
        p_value=p_value,
        covered={which: coverage(pit, level) for which, level in LEVELS.items()},
        n_bad=int(np.sum(~good)),
        ess=float(np.median(ess)),
        shares=shares,
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """Result of :func:`dsps_sbi.calibration.check.check`; printing it gives the verdict and a table.

    Parameters
    ----------
    bundle : str
    names : tuple of str
        Parameters, the last axis of all arrays.
    scores : tuple of SliceScore
    terms : dict
        PhotometryMocks and draws per slice, seed, mocks simulated, seconds, noise.
    thresholds : Thresholds
    """

    bundle: str
    names: tuple[str, ...]
    scores: tuple[SliceScore, ...]
    terms: dict
    thresholds: Thresholds = Thresholds()

    @property
    def methods(self) -> tuple[str, ...]:
        """Those that were checked."""
        return tuple(m for m in METHODS if any(s.method == m for s in self.scores))

    def of(self, method: str) -> tuple[SliceScore, ...]:
        """Scores of one method."""
        return tuple(s for s in self.scores if s.method == method)

    @cached_property
    def corrected(self) -> dict[tuple[str, str], np.ndarray]:
        """p-values (Param,) by method and slice, corrected over all slices of the method."""
        out = {}
        for method in self.methods:
            scores = self.of(method)
            p = holm(np.stack([s.p_value for s in scores]))
            out |= {(method, s.name): row for s, row in zip(scores, p, strict=True)}
        return out

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Flat numbers: of all slices, of each, and of each parameter in it."""
        out = {}
        for method in self.methods:
            scores, suffix = self.of(method), METHODS[method][0]
            per_slice = {s.name: self._of_slice(s) for s in scores}
            for name, worst in (("sbc_min_p", min), *((k, max) for k in _LARGEST)):
                out[name + suffix] = worst(metrics[name] for metrics in per_slice.values())
            for slice_name, metrics in per_slice.items():
                out |= {f"{slice_name}.{name}{suffix}": value for name, value in metrics.items()}
        return out

    def _of_slice(self, s: SliceScore) -> dict[str, float]:
        metrics = {
            "sbc_min_p": self.corrected[s.method, s.name].min(),
            "tarp_max_deviation": s.tarp.max_deviation,
            "tarp_error": s.tarp.error,
            "tarp_chance99": s.tarp.chance,
            "coverage68_max_deviation": s.excess("coverage68").max(),
            "coverage95_max_deviation": s.excess("coverage95").max(),
            "ess_median": s.ess,
            **s.shares,
        }
        for i, name in enumerate(self.names):
            metrics[f"{name}.ks_distance"] = s.ks_distance[i]
            metrics[f"{name}.coverage68"] = s.covered["coverage68"][i]
            metrics[f"{name}.coverage95"] = s.covered["coverage95"][i]
        return {name: float(value) for name, value in metrics.items()}

    @cached_property
    def failures(self) -> tuple[str, ...]:
        """One line for everything that keeps the posterior from passing."""
        lines, limits = [], self.thresholds
        for s in self.scores:
            where = f"{METHODS[s.method][1]}, {s.label}"
            if s.n_bad:
                lines.append(f"{where}: {s.n_bad} of {s.n_bad + s.n} mocks have draws that are not finite")
            limit = max(limits.tarp_max_deviation, s.tarp.chance)
            if not s.tarp.max_deviation <= limit:
                lines.append(
                    f"{where}: joint coverage is off by {s.tarp.max_deviation:.4f} (limit {limit:.4f})"
                )
            for name, distance, p, covered, off in zip(
                self.names,
                s.ks_distance,
                self.corrected[s.method, s.name],
                s.covered["coverage68"],
                s.excess("coverage68"),
                strict=True,
            ):
                if not p >= limits.sbc_min_p:
                    lines.append(
                        f"{where}: ranks of {name} are not uniform (off by up to {distance:.4f}, p = {p:.2g})"
                    )
                if not off <= limits.coverage68_max_deviation:
                    lines.append(f"{where}: 68 % intervals of {name} hold {100 * covered:.1f} %")
        return tuple(lines)

    @property
    def passed(self) -> bool:
        """Whether everything that was checked keeps to the thresholds."""
        return not self.failures

    def __str__(self) -> str:
        t = self.thresholds
        lines = [
            f"{self.bundle}: calibration {'passed' if self.passed else 'FAILED'} "
            f"({len(self.failures)} of the checks below failed)",
            f"  thresholds: sbc_min_p >= {t.sbc_min_p:g}, tarp_max_deviation <= {t.tarp_max_deviation:g}, "
            f"coverage68_max_deviation <= {t.coverage68_max_deviation:g}",
            f"  {'draws':9} {'slice':20} {'mocks':>7} {'SBC p':>10} {'TARP':>8} {'68% off':>11} {'ESS/N':>6}",
        ]
        for s in self.scores:
            metrics = self._of_slice(s)
            lines.append(
                f"  {METHODS[s.method][1]:9} {s.label:20} {s.n:7d} {metrics['sbc_min_p']:10.3g} "
                f"{s.tarp.max_deviation:8.4f} {metrics['coverage68_max_deviation']:11.4f} {s.ess:6.2f}"
                f"{'  ' if s.answers else ''}{s.answers}"
            )
        return "\n".join([*lines, *(f"  {line}" for line in self.failures)])


# Shares, for readers
_WORDS = {
    "trusted_fraction": "trusted",
    "method_is": "weighed",
    "method_hmc": "chains",
    "method_failed": "failed",
}
_LARGEST = ("tarp_max_deviation", "tarp_chance99", "coverage68_max_deviation", "coverage95_max_deviation")
