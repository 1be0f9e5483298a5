"""Figures of a calibration check: ranks, joint coverage, coverage of intervals, histograms."""

from typing import TYPE_CHECKING

import numpy as np

from ..plots.save import new_figure
from .coverage import LEVELS
from .scores import METHODS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Kolmogorov-Smirnov distance times sqrt(n) that chance exceeds once in a hundred times
_KS_99 = 1.628
_GRID = np.linspace(0.0, 1.0, 201)
_BAND = "0.88"


def _colours(scores):
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0.0, 0.92, len(scores)))


def plot_overview(calibration) -> "Figure":
    """Cumulative ranks less the diagonal for each parameter, and the same of TARP; a row per method."""
    names = calibration.names
    figure = new_figure(
        figsize=(2.4 * (len(names) + 1), 2.3 * len(calibration.methods) + 0.9), layout="constrained"
    )
    axes = figure.subplots(len(calibration.methods), len(names) + 1, sharex=True, squeeze=False)
    for row, method in zip(axes, calibration.methods, strict=True):
        scores = calibration.of(method)
        for i, (axis, name) in enumerate(zip(row, names, strict=False)):
            lines = [np.searchsorted(np.sort(s.pit[:, i]), _GRID) / s.n - _GRID for s in scores]
            chance = [_KS_99 / np.sqrt(s.n) for s in scores]
            _differences(axis, scores, _GRID, lines, max(chance), name.replace("_", " "))
        alpha = scores[0].tarp.alpha
        lines = [s.tarp.ecp - alpha for s in scores]
        _differences(row[-1], scores, alpha, lines, calibration.thresholds.tarp_max_deviation, "TARP, all")
        row[0].set_ylabel(f"{METHODS[method][1]}\nshare found $-$ expected", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("probability", fontsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8, frameon=False)
    return figure


def _differences(axis, scores, x, lines, limit, title):
    axis.axhspan(-limit, limit, color=_BAND)
    for s, line, colour in zip(scores, lines, _colours(scores), strict=True):
        axis.plot(x, line, color=colour, lw=1.1, label=s.label)
    reach = 1.1 * max(2.0 * limit, *(np.abs(line).max() for line in lines))
    axis.set(xlim=(0, 1), ylim=(-reach, reach))
    axis.set_title(title, fontsize=9)
    axis.tick_params(labelsize=7, direction="in")


def plot_coverage(calibration) -> "Figure":
    """Coverage of central 68 and 95 % intervals with three binomial standard deviations."""
    methods, names = calibration.methods, calibration.names
    figure = new_figure(figsize=(9.0, 2.4 * len(methods) + 0.8), layout="constrained")
    axes = figure.subplots(len(methods), len(LEVELS), sharex=True, squeeze=False)
    for row, method in zip(axes, methods, strict=True):
        scores = calibration.of(method)
        for axis, (which, level) in zip(row, LEVELS.items(), strict=True):
            axis.axhline(level, color="0.4", lw=0.8)
            for k, (s, colour) in enumerate(zip(scores, _colours(scores), strict=True)):
                x = np.arange(len(names)) + 0.09 * (k - (len(scores) - 1) / 2)
                sd = np.sqrt(level * (1.0 - level) / s.n)
                axis.errorbar(x, s.covered[which], 3 * sd, fmt="o", ms=3, lw=0.9, color=colour, label=s.label)
            axis.set_title(f"{METHODS[method][1]}: {100 * level:.1f} % intervals", fontsize=9)
            axis.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=7)
            axis.tick_params(axis="y", labelsize=7, direction="in")
        row[0].set_ylabel("share of truths inside", fontsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def plot_pit(calibration, method: str) -> "Figure":
    """Histograms of the truth's rank: parameters along the columns, slices along the rows."""
    scores, names = calibration.of(method), calibration.names
    figure = new_figure(figsize=(1.9 * len(names) + 0.6, 1.15 * len(scores) + 0.5), layout="constrained")
    axes = figure.subplots(len(scores), len(names), sharex=True, sharey=True, squeeze=False)
    for row, s, colour in zip(axes, scores, _colours(scores), strict=True):
        density, sd = pit_histogram(s.pit)
        for axis, values in zip(row, density, strict=True):
            axis.axhspan(1 - 3 * sd, 1 + 3 * sd, color=_BAND)
            axis.stairs(values, np.linspace(0, 1, len(values) + 1), color=colour)
            axis.tick_params(labelsize=7, direction="in")
        row[0].set_ylabel(s.label.replace(", ", "\n"), fontsize=7)
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name.replace("_", " "), fontsize=9)
    axes[0, 0].set(xlim=(0, 1), ylim=(0, None))
    return figure


def pit_histogram(pit, n_bins: int = 20):
    """Density of each parameter's PIT, 1 everywhere if calibrated; U-shaped if too narrow.

    Parameters
    ----------
    pit : array (Object, Param)
    n_bins : int

    Returns
    -------
    density : ndarray (Param, n_bins)
    sd : float
        Standard deviation of the density in one bin if calibrated.
    """
    pit = np.asarray(pit)
    counts = np.stack([np.histogram(column, n_bins, (0.0, 1.0))[0] for column in pit.T])
    return counts * n_bins / len(pit), float(np.sqrt((n_bins - 1) / len(pit)))
