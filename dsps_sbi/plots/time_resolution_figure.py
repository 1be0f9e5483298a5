"""A figure of the experiment on time resolution: widths, biases and coverage against S/N and age."""

from typing import TYPE_CHECKING

import numpy as np

from .save import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SMALL = 8
_TITLES = {"t50": "$t_{50}$", "t90_t10": "$t_{90} - t_{10}$"}
_STYLES = {"cosmic": "-", "own": "--"}
_WORDS = {"cosmic": "prior on cosmic time", "own": "prior of its own age"}


def plot_time_resolution(table, *, path=None) -> "Figure":
    """Draw the table of a study of time resolution.

    Parameters
    ----------
    table : astropy.table.Table
        Of :meth:`dsps_sbi.spectroscopy.time_resolution_run.TimeResolutionResult.table`.
    path : path-like, optional
        File to save: its ending (``.png``, ``.pdf``...) tells the format.

    Returns
    -------
    matplotlib.figure.Figure
        A row for t50 and one for t90 - t10: width against S/N; width against the age of the Universe;
        posterior over prior, bias and coverage against S/N.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    figure = new_figure(figsize=(15.0, 5.6), layout="constrained")
    axes = figure.subplots(2, 5, squeeze=False)
    redshifts, ratios = np.unique(table["z"])[::-1], np.unique(table["snr"])
    colors = [f"C{i}" for i in range(10)]
    for row, quantity in zip(axes, _TITLES, strict=True):
        some = table[table["quantity"] == quantity]
        for prior, style in _STYLES.items():
            of_prior = some[some["prior"] == prior]
            for z, color in zip(redshifts, colors * 10, strict=False):
                one = of_prior[of_prior["z"] == z]
                label = f"z = {z:g}, {_WORDS[prior]}"
                for axis, name in zip(
                    row[[0, 2, 3, 4]], ("width", "posterior_over_prior", "bias", "coverage68"), strict=True
                ):
                    error = one[f"{name}_err"] if f"{name}_err" in one.colnames else None
                    axis.errorbar(
                        one["snr"], one[name], error, color=color, ls=style, marker="o", label=label
                    )
            for snr, color in zip(ratios, colors[::-1] * 10, strict=False):
                one = of_prior[of_prior["snr"] == snr]
                label = f"S/N {snr:g}" if prior == "cosmic" else None
                row[1].plot(one["universe_gyr"], one["width"], color=color, ls=style, marker="o", label=label)
        row[0].set_ylabel(f"{_TITLES[quantity]}: width [Gyr]")
        row[1].set_ylabel("width [Gyr]")
        row[2].set_ylabel("width over that of the prior")
        row[3].set_ylabel("bias [Gyr]")
        row[4].set_ylabel("share of truths in the 68 %")
        row[3].axhline(0.0, color="0.6", lw=0.8)
        row[4].axhline(0.68, color="0.6", lw=0.8)
        for i, axis in enumerate(row):
            if i != 1:
                axis.set_xscale("log")
                axis.set_xticks(ratios, [f"{snr:g}" for snr in ratios])
                axis.set_xticks([], minor=True)
            axis.set_xlabel("age of the Universe when seen [Gyr]" if i == 1 else "S/N per pixel")
        for axis in row[[0, 1]]:
            axis.set_yscale("log")
    lines = axes[0, 0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside upper center", ncols=4, fontsize=_SMALL, frameon=False)
    axes[0, 1].legend(fontsize=_SMALL, frameon=False)
    if path is not None:
        save_figure(figure, path, dpi=120, crop=False)
    return figure
