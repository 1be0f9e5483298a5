r"""Two clocks of a galaxy's formation: its star formation history, and its [alpha/Fe].

**History.** Times t10, t50, t90 at which 10, 50 and 90 % of the formed mass existed, since the Big Bang, and
the durations t90 - t10 and t90 - t50; exact functions of each draw.

**Chemistry.** A calibration turns [alpha/Fe] into a time-scale,

.. math:: [\alpha/Fe] = a + b \log_{10} (\Delta t / Gyr) + \epsilon, \qquad \epsilon \sim N(0, s^2)

a, b and s are a user's to give, with their source, and so is which duration of the history is meant: none is
built in. Where b is small the scatter is large in time: for s = 0.05 and b = -1/6 it is 0.3 dex.

**The difference** of both in log time is made draw by draw: what history and [alpha/Fe] share of the data's
noise is in it.
"""

import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..inference.edges import CONFIDENCE

# t90 - t10 of a Gaussian star formation rate over its full width at half maximum: 2 * 1.28155 / 2.35482
_GAUSSIAN = 1.08845
#: Durations of a history that a calibration may be of, and their words
DURATIONS = {
    "t50": "t50 since the Big Bang",
    "t90_t10": "t90 - t10",
    "t90_t50": "t90 - t50",
    "fwhm": "full width at half maximum of the Gaussian with this t90 - t10",
}
# Durations are known to no better than this: of single bursts they are zero [Gyr]
_LEAST_GYR = 1e-3


@dataclass(frozen=True)
class ChemicalClock:
    """A calibration of [alpha/Fe] as a clock.

    Parameters
    ----------
    intercept : float
        [alpha/Fe] of a time-scale of 1 Gyr.
    slope : float
        Change of [alpha/Fe] per dex of time.
    scatter : float
        Standard deviation of [alpha/Fe] about the relation [dex].
    of : {"t50", "t90_t10", "t90_t50", "fwhm"}
        Which duration of a history the time-scale is, see :data:`DURATIONS`.
    source : str
        Where the numbers are from.

    Raises
    ------
    UserError
        For numbers that make no clock.
    """

    intercept: float
    slope: float
    scatter: float
    of: str
    source: str

    def __post_init__(self):
        numbers = (self.intercept, self.slope, self.scatter)
        if not all(isinstance(v, int | float) and np.isfinite(v) for v in numbers):
            raise UserError(f"calibration has intercept, slope, scatter {numbers}: give finite numbers")
        if self.slope == 0.0 or self.scatter < 0.0:
            raise UserError(
                f"calibration has slope {self.slope:g} and scatter {self.scatter:g}: give a slope that is "
                "not 0 and a scatter of 0 or more"
            )
        if self.of not in DURATIONS:
            raise UserError(f"calibration is of {self.of!r}: give one of {', '.join(DURATIONS)}")
        if not (isinstance(self.source, str) and self.source.strip()):
            raise UserError("calibration has no source: tell where its numbers are from, as source")

    @classmethod
    def read(cls, path) -> "ChemicalClock":
        """Read a calibration from a TOML file with the names of the parameters.

        Raises
        ------
        UserError
            If it is no such file.
        """
        path = Path(path)
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except OSError as err:
            raise UserError(
                f"cannot read {path} ({err.strerror}): give a TOML file of a calibration"
            ) from err
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
            raise UserError(f"{path} is not TOML ({err}): mend it") from err
        names = tuple(cls.__dataclass_fields__)
        odd = [name for name in names if name not in values] + [n for n in values if n not in names]
        if odd:
            raise UserError(f"{path}: {odd[0]} is missing or unknown: give {', '.join(names)}, each once")
        return cls(**values)

    def log_time(self, alpha_fe, scatter=0.0):
        """log10 of the time-scale [Gyr] of [alpha/Fe] (...); ``scatter`` is a normal number for each."""
        return (np.asarray(alpha_fe, float) - self.scatter * scatter - self.intercept) / self.slope


@dataclass(frozen=True, eq=False)
class Clocks:
    """Both clocks of one galaxy.

    Parameters
    ----------
    times_gyr : ndarray (Draw, 3)
        t10, t50, t90 since the Big Bang.
    universe_gyr : float
        Age of the Universe at the galaxy.
    alpha_fe : ndarray (Draw,) or None
        None without a source of it.
    alpha_edge : int
        -1 or 1 where [alpha/Fe] is at an edge of its range: it then is a limit, and so is the time.
    calibration : ChemicalClock or None
    seed : int
        Of the calibration's scatter.
    """

    times_gyr: np.ndarray
    universe_gyr: float
    alpha_fe: np.ndarray | None = None
    alpha_edge: int = 0
    calibration: ChemicalClock | None = None
    seed: int = field(default=0)

    def __post_init__(self):
        if self.calibration is not None and self.alpha_fe is None:
            raise UserError(
                "a calibration was given without a source of [alpha/Fe]: give one, such as a table of indices"
            )

    @classmethod
    def of(cls, result, calibration: ChemicalClock | None = None, i: int = 0, seed: int = 0) -> "Clocks":
        """Of an :class:`~dsps_sbi.AlphaResult`, or of spectrum i of a :class:`~dsps_sbi.SpectrumResult`."""
        fractions = (0.1, 0.5, 0.9)
        if hasattr(result, "edge"):
            times, j = result.formation_times(fractions), result.names.index("alpha_fe")
            return cls(times, result.universe_gyr, result.theta[:, j], int(result.edge[j]), calibration, seed)
        return cls(
            result.formation_times(fractions)[i], float(result.universe_gyr[i]), None, 0, calibration, seed
        )

    def duration(self, name: str) -> np.ndarray:
        """Draws (Draw,) of a duration of the history [Gyr], of :data:`DURATIONS`.

        Raises
        ------
        UserError
            For another name.
        """
        if name not in DURATIONS:
            raise UserError(f"duration {name!r} is not there: choose from {', '.join(DURATIONS)}")
        t10, t50, t90 = self.times_gyr.T
        of = {"t50": t50, "t90_t10": t90 - t10, "t90_t50": t90 - t50, "fwhm": (t90 - t10) / _GAUSSIAN}
        return np.maximum(of[name], _LEAST_GYR)

    @cached_property
    def log_chemical(self) -> np.ndarray | None:
        """Draws (Draw,) of log10 of the chemical time-scale [Gyr], the calibration's scatter in them."""
        if self.calibration is None:
            return None
        scatter = np.random.default_rng(self.seed).standard_normal(len(self.alpha_fe))
        return self.calibration.log_time(self.alpha_fe, scatter)

    @property
    def log_difference(self) -> np.ndarray | None:
        """Draws (Draw,) of log10 of the history's time over the chemical one."""
        if self.calibration is None:
            return None
        return np.log10(self.duration(self.calibration.of)) - self.log_chemical

    @property
    def significance(self) -> float:
        """Mean of the difference in standard deviations; NaN without one, or where it is a limit."""
        if self.calibration is None or self.alpha_edge:
            return np.nan
        return float(np.mean(self.log_difference) / np.std(self.log_difference))

    @property
    def chemical_edge(self) -> int:
        """1 where the chemical time is a lower limit, -1 where it is an upper one, else 0."""
        return 0 if self.calibration is None else int(np.sign(self.calibration.slope)) * self.alpha_edge

    def row(self) -> dict[str, float]:
        """16th, 50th and 84th percentiles of all of it, NaN where something is not known."""
        quantities = {f"t{p}": self.times_gyr[:, i] for i, p in enumerate((10, 50, 90))}
        quantities |= {name: self.duration(name) for name in ("t90_t10", "t90_t50")}
        quantities |= {
            "alpha_fe": self.alpha_fe,
            "log_chemical": self.log_chemical,
            "log_difference": self.log_difference,
        }
        out = {}
        for name, draws in quantities.items():
            values = np.full(3, np.nan) if draws is None else np.percentile(draws, (16, 50, 84))
            out |= dict(zip((f"{name}_p16", name, f"{name}_p84"), values.tolist(), strict=True))
        return out | {"alpha_edge": self.alpha_edge, "significance": self.significance}

    def lines(self) -> list[str]:
        """All of it in words."""
        names = ("t10", "t50", "t90")
        out = [f"{name} {_told(self.times_gyr[:, i])} Gyr" for i, name in enumerate(names)]
        out = [f"history: {', '.join(out)} since the Big Bang, of {self.universe_gyr:.3g} Gyr"]
        spans = [f"{DURATIONS[n]} {_told(self.duration(n))} Gyr" for n in ("t90_t10", "t90_t50")]
        out.append(f"history: {', '.join(spans)}")
        if self.alpha_fe is None:
            out.append("chemistry: no source of [alpha/Fe] was given")
            return out
        out.append(f"chemistry: [alpha/Fe] {_told(self.alpha_fe, self.alpha_edge)}")
        if self.calibration is None:
            out.append("chemistry: no calibration was given: no time-scale follows from [alpha/Fe]")
            return out
        clock = self.calibration
        out.append(
            f"chemistry: log time-scale / Gyr {_told(self.log_chemical, self.chemical_edge)} "
            f"({DURATIONS[clock.of]}; {clock.source}, scatter {clock.scatter:g} dex in [alpha/Fe])"
        )
        apart, edge = self.log_difference, -self.chemical_edge
        words = f"history - chemistry: {_told(apart, edge)} dex"
        if not edge:
            longer = np.mean(apart > 0.0)
            words += f", {abs(self.significance):.1f} sigma; P(history longer) {longer:.3f}"
        out.append(words)
        return out


def _told(draws, edge: int = 0) -> str:
    """Median with distances to the 16th and 84th percentile, or a one-sided limit."""
    low, median, high = np.percentile(draws, (16, 50, 84))
    if edge:
        limit = np.percentile(draws, 100 - CONFIDENCE if edge > 0 else CONFIDENCE)
        return f"{'>' if edge > 0 else '<'} {limit:.3g} ({CONFIDENCE} %)"
    return f"{median:.3g} +{high - median:.2g} -{median - low:.2g}"
