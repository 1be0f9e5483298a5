"""A figure of the experiment on outshining: masses of wholes and of summed pixels, and the true ones."""

from typing import TYPE_CHECKING

import numpy as np

from .save import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WAYS = {"pixels": "pixels, summed", "integrated": "whole galaxy"}


def plot_outshining(result, *, path=None) -> "Figure":
    """Draw a study of outshining.

    Parameters
    ----------
    result : dsps_sbi.photometry.outshining_run.OutshiningResult
    path : path-like, optional
        File to save: its ending (``.png``, ``.pdf``...) tells the format.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each bundle: recovered over true mass by both ways, and the mass of the whole over that of
        the pixels against mass and against specific SFR.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    figure = new_figure(figsize=(12.0, 3.4 * len(result.found)), layout="constrained")
    axes = figure.subplots(len(result.found), 3, squeeze=False)
    table = result.table()
    for row, (bundle, one) in zip(axes, result.found.items(), strict=True):
        true = one["true"][:, 0]
        for (way, word), color in zip(_WAYS.items(), ("C0", "C1"), strict=True):
            row[0].plot(true, result.error(bundle, way), ".", color=color, ms=3, label=word)
        off = result.outshined(bundle)
        for axis, name in ((row[1], "log_mass"), (row[2], "log_ssfr")):
            axis.plot(one[name], off, ".", color="0.6", ms=3)
            some = table[(table["bundle"] == bundle) & (table["by"] == name)]
            low, high = (np.clip(some[end], one[name].min(), one[name].max()) for end in ("low", "high"))
            axis.errorbar((low + high) / 2, some["outshined"], some["outshined_err"], (high - low) / 2, "C3o")
            axis.set_ylabel("whole over pixels [dex]")
        row[0].set_ylabel(f"{bundle}\nrecovered over true mass [dex]")
        row[0].legend(fontsize=8, frameon=False)
        row[0].set_xlabel("true log mass")
        row[1].set_xlabel("log mass of the galaxy")
        row[2].set_xlabel("log specific SFR [1/yr]")
        for axis in row:
            axis.axhline(0.0, color="k", lw=0.7)
    if path is not None:
        save_figure(figure, path, dpi=120, crop=False)
    return figure
