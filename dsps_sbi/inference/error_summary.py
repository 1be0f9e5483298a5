"""What the misfits of many objects say of the errors that were stated, in numbers, words and headers."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from ..errors import UserError

# What it is made of
COLUMNS = ("ppc_p", "error_scale", "error_dof")
# Of fewer objects there is no summary
FEWEST_OBJECTS = 10
# Tails of the p-values that are counted, and bins of their histogram
_TAIL, _BINS = 0.025, 10
# Fits of the scale: steps, the largest of them, and the relative change below which none is needed
_MOST_STEPS, _LONGEST, _CLOSE = 8, 4.0, 0.01


@dataclass(frozen=True)
class ErrorSummary:
    """Distribution of p-values, and the scale of the errors that would make them uniform.

    Parameters
    ----------
    n : int
        Objects with a p-value.
    n_independent : float
        As many independent ones: neighbouring pixels of an image are alike.
    histogram : tuple of float
        Shares of the p-values in tenths from 0 to 1.
    median, low, high : float
        Median of the p-values, and shares below 0.025 and above 0.975.
    scale, scale_low, scale_high : float
        Scale of the stated errors with its 68 % interval; 0 where the model's own error is more than what is
        seen.
    note : str
        What else is to be said of the errors.

    All but ``n`` are NaN for fewer than ten objects.
    """

    n: int
    n_independent: float = np.nan
    histogram: tuple[float, ...] = ()
    median: float = np.nan
    low: float = np.nan
    high: float = np.nan
    scale: float = np.nan
    scale_low: float = np.nan
    scale_high: float = np.nan
    note: str = ""

    @classmethod
    def of(cls, columns, shape=None, note: str = "") -> "ErrorSummary":
        """Summary of the columns of some objects.

        The scale is the median of ``error_scale``, weighted by ``error_dof``: a few objects that the model
        does not fit have no say, and those that the data tell more of count for more.

        Parameters
        ----------
        columns : mapping of str to array (Object,)
            With ``ppc_p``, ``error_scale`` and ``error_dof``; NaN where not known.
        shape : tuple of int, optional
            Of the image (ny, nx) whose pixels the objects are.
        note : str
        """
        p, scale, dof = (np.ravel(np.asarray(columns[name], float)) for name in COLUMNS)
        known = p[np.isfinite(p)]
        if len(known) < FEWEST_OBJECTS:
            return cls(len(known), note=note)
        independent = len(known) if shape is None else len(known) * _independent(p.reshape(shape))
        counts = np.histogram(known, bins=_BINS, range=(0.0, 1.0))[0] / len(known)
        return cls(
            len(known),
            float(independent),
            tuple(float(count) for count in counts),
            float(np.median(known)),
            float(np.mean(known < _TAIL)),
            float(np.mean(known > 1.0 - _TAIL)),
            *_median(scale, dof, independent / len(known)),
            note,
        )

    @property
    def known(self) -> bool:
        """Whether there are objects enough for a summary."""
        return bool(self.histogram)

    def words(self) -> str:
        """The summary in one line."""
        return "; ".join(part for part in (self._counted(), self.note) if part)

    def _counted(self):
        if not self.n:
            return ""
        if not self.known:
            return f"errors: {self.n} objects with a p-value, {FEWEST_OBJECTS} are needed for a summary"
        tails = (
            f"median p {self.median:.2g}, {100 * self.low:.0f} % below {_TAIL}, "
            f"{100 * self.high:.0f} % above {1 - _TAIL}"
        )
        if not np.isfinite(self.scale):
            return f"errors: {tails}; the misfits hardly depend on the errors"
        if self.scale == 0.0:
            return f"errors: {tails}; the model's own error alone is more than what is seen"
        half = 0.5 * (self.scale_high - self.scale_low)
        return f"errors: {tails}; {self.scale:.2f} +- {half:.2g} times as large they would be as seen"

    def meta(self) -> dict:
        """The summary for headers."""
        numbers = {
            "p_median": self.median,
            "p_low_share": self.low,
            "p_high_share": self.high,
            "p_histogram": " ".join(f"{share:.3f}" for share in self.histogram),
            "p_independent": self.n_independent,
            "error_scale_seen": self.scale,
            "error_scale_seen_low": self.scale_low,
            "error_scale_seen_high": self.scale_high,
        }
        known = {key: value for key, value in numbers.items() if isinstance(value, str) or np.isfinite(value)}
        return {"errors": self.words()} | (known if self.known else {}) if self.words() else {}


def _median(values, weights, share):
    """Weighted median and its 68 % interval by ranks, of values of which a share is independent."""
    known = np.isfinite(values)
    if known.sum() < FEWEST_OBJECTS:
        return np.nan, np.nan, np.nan
    order = np.argsort(values[known])
    values, weights = values[known][order], weights[known][order]
    weights = weights / weights.sum()
    below = np.cumsum(weights) - 0.5 * weights
    half = 0.5 * np.sqrt(np.sum(weights**2) / share)
    return tuple(float(np.interp(at, below, values)) for at in (0.5, 0.5 - half, 0.5 + half))


def _independent(p):
    """Share of the pixels of an image of p-values (ny, nx) that counts as independent.

    The normal scores of neighbours along each axis correlate by r; of n values whose correlation falls as r
    to the power of their distance, n (1 - r) / (1 + r) count.
    """
    score = -ndtri(np.clip(p, 1e-6, 1.0 - 1e-6))
    score = score - np.nanmean(score)
    variance, share = np.nanmean(score**2), 1.0
    for first, second in ((score[1:], score[:-1]), (score[:, 1:], score[:, :-1])):
        both = np.isfinite(first) & np.isfinite(second)
        if both.sum() >= FEWEST_OBJECTS and variance > 0.0:
            r = np.clip(np.mean(first[both] * second[both]) / variance, 0.0, 0.999)
            share *= (1.0 - r) / (1.0 + r)
    return max(share, 1.0 / np.isfinite(p).sum())


@dataclass(frozen=True)
class ErrorScale:
    """What stated errors were multiplied by before inference.

    Parameters
    ----------
    value : float
    low, high : float
        68 % interval of a fitted one.
    fitted : bool
    """

    value: float
    low: float = np.nan
    high: float = np.nan
    fitted: bool = False

    def meta(self) -> dict:
        """For headers."""
        told = {"error_scale": self.value, "error_scale_from": "fit" if self.fitted else "given"}
        return told | ({"error_scale_low": self.low, "error_scale_high": self.high} if self.fitted else {})


def checked_scale(error_scale) -> ErrorScale | None:
    """A scale that was given; None for "fit".

    Raises
    ------
    UserError
        If it is neither a number above 0 nor "fit".
    """
    if isinstance(error_scale, ErrorScale):
        return error_scale
    if isinstance(error_scale, str) and error_scale == "fit":
        return None
    try:
        value = float(error_scale)
    except (TypeError, ValueError):
        value = np.nan
    if isinstance(error_scale, bool) or not (np.isfinite(value) and value > 0.0):
        raise UserError(f"error scale {error_scale!r}: give a number above 0, or 'fit'")
    return ErrorScale(value)


def fit_scale(summary_at, what: str) -> ErrorScale:
    """The scale of the errors at which their misfits ask for no other one.

    Parameters
    ----------
    summary_at : callable
        Scale to the :class:`ErrorSummary` of errors so scaled.
    what : str
        What is fitted, for messages.

    Raises
    ------
    UserError
        If there are too few objects, no errors can make the p-values uniform, or no scale is found.
    """
    scale = 1.0
    for _ in range(_MOST_STEPS):
        summary = summary_at(scale)
        if not np.isfinite(summary.scale) or summary.scale == 0.0:
            words = summary.words() or "no object has a p-value"
            raise UserError(f"{what}: the scale of the errors cannot be fitted ({words}): give a number")
        step = float(np.clip(summary.scale, 1.0 / _LONGEST, _LONGEST))
        relative = np.array([summary.scale_low, summary.scale_high]) / summary.scale
        scale *= step
        if abs(np.log(step)) < max(_CLOSE, 0.25 * np.log(relative[1] / max(relative[0], 1e-3))):
            return ErrorScale(scale, *(float(x) for x in scale * relative), fitted=True)
    raise UserError(
        f"{what}: the scale of errors does not settle ({scale:.3g} after {_MOST_STEPS} steps): give a number"
    )


def note_on(sigma, n_bands) -> str:
    """What is odd about stated errors (Object, Band), NaN where missing, and numbers of bands (Object,)."""
    known = sigma[np.isfinite(sigma)]
    words = []
    if known.size >= FEWEST_OBJECTS and known.min() == known.max():
        words.append(f"all errors are {known[0]:g} uJy: equal errors are seldom measured ones")
    if np.size(n_bands) and np.max(n_bands) < 2:
        words.append("one band: the p-values say nothing about its errors")
    return "; ".join(words)
