"""A figure of two clocks: times of the history, [alpha/Fe], and both time-scales with their difference."""

from typing import TYPE_CHECKING

import numpy as np

from ..inference.edges import CONFIDENCE
from .save import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HISTORY, _CHEMISTRY, _APART = "#2e6f9e", "#d1495b", "0.35"
_SMALL = 8
_N_BIN = 40


def plot_clocks(clocks, label: str = "", *, path=None) -> "Figure":
    """Draw the clocks of a galaxy.

    Parameters
    ----------
    clocks : dsps_sbi.spectroscopy.clocks.Clocks
    label : str
        Name of the galaxy.
    path : path-like, optional
        File to save: its ending (``.png``, ``.pdf``...) tells the format.

    Returns
    -------
    matplotlib.figure.Figure
        Histograms of t10, t50 and t90; of [alpha/Fe], where there is a source of it; and of log10 of both
        time-scales and of their ratio, where there is a calibration.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    n = 1 + (clocks.alpha_fe is not None) + 2 * (clocks.calibration is not None)
    figure = new_figure(figsize=(1.0 + 3.4 * n, 3.4), layout="constrained")
    axes = figure.subplots(1, n, squeeze=False)[0]
    names = ("$t_{10}$", "$t_{50}$", "$t_{90}$")
    for i, (name, alpha) in enumerate(zip(names, (0.45, 0.65, 0.9), strict=True)):
        _bars(axes[0], clocks.times_gyr[:, i], _HISTORY, name, alpha, (0.0, clocks.universe_gyr))
    axes[0].set_xlabel("since the Big Bang [Gyr]")
    axes[0].axvline(clocks.universe_gyr, color="0.6", lw=0.8)
    axes[0].legend(fontsize=_SMALL, frameon=False)
    if clocks.alpha_fe is not None:
        _bars(axes[1], clocks.alpha_fe, _CHEMISTRY, _limit(clocks.alpha_edge))
        axes[1].set_xlabel(r"[$\alpha$/Fe]")
        _legend(axes[1], clocks.alpha_edge)
    if clocks.calibration is not None:
        history = np.log10(clocks.duration(clocks.calibration.of))
        both = np.concatenate([history, clocks.log_chemical])
        span = (both.min(), both.max())
        _bars(axes[2], history, _HISTORY, "history", 0.7, span)
        _bars(axes[2], clocks.log_chemical, _CHEMISTRY, "chemistry", 0.7, span)
        axes[2].set_xlabel("log time-scale [Gyr]")
        axes[2].legend(fontsize=_SMALL, frameon=False)
        _bars(axes[3], clocks.log_difference, _APART, _limit(-clocks.chemical_edge))
        axes[3].axvline(0.0, color="k", lw=0.8)
        axes[3].set_xlabel("history / chemistry [dex]")
        if np.isfinite(clocks.significance):
            axes[3].set_title(f"{abs(clocks.significance):.1f} sigma", fontsize=_SMALL + 1)
        _legend(axes[3], clocks.chemical_edge)
    for axis in axes:
        axis.set_yticks([])
    if label:
        figure.suptitle(label, fontsize=_SMALL + 2)
    if path is not None:
        save_figure(figure, path)
    return figure


def _bars(axis, draws, color, label, alpha=0.8, span=None):
    axis.hist(draws, bins=_N_BIN, range=span, color=color, alpha=alpha, density=True, label=label or None)


def _limit(edge):
    return f"{'lower' if edge > 0 else 'upper'} limit ({CONFIDENCE} %)" if edge else ""


def _legend(axis, edge):
    if edge:
        axis.legend(fontsize=_SMALL, frameon=False)
