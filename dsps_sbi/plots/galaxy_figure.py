"""A figure of one galaxy: bands and the best model, residuals, and a corner of posteriors."""

from typing import TYPE_CHECKING

import numpy as np

from ..inference.edges import converged
from ..inference.trust import Method
from .save import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DATA, _FIT, _LEFT_OUT = "0.10", "#d1495b", "0.60"
_LINE, _BARS = "#2e6f9e", "#8fb8d3"
_SMALL = 7
# Quantities of the corner, in this order, as many as there are
_CORNER = {
    "log_mass": r"log $M_\star$",
    "log_sfr_100": r"log SFR$_{100}$",
    "mass_weighted_age": "age [Gyr]",
    "metallicity": "[M/H]",
    "av": "$A_V$",
    "z": "$z$",
}
_MOST = 5


def plot_galaxy(result, i: int = 0, path=None) -> "Figure":
    """Draw one galaxy and what was found.

    Parameters
    ----------
    result : dsps_sbi.CatalogueResult
    i : int
        Which of its galaxies.
    path : path-like, optional
        File to save: its ending (``.png``, ``.pdf``...) tells the format.

    Returns
    -------
    matplotlib.figure.Figure
        Observed fluxes, upper limits as arrows and bands that are left out in grey; the spectrum of the draw
        of the highest likelihood, also with the errors that bands share, and 16th to 84th percentiles of the
        model's fluxes; data less their median in units of the stated errors; and histograms of pairs of
        quantities. Without stellar populations, the data and the histograms. Where redshifts are inferred,
        their density beside the bands.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    view = result.view
    figure = new_figure(figsize=(12.5, 6.2), layout="constrained")
    left, right = figure.add_gridspec(1, 2, width_ratios=(1.15, 1.0))
    known = view.likelihood is not None
    if "z" in result.names:
        left, beside = left.subgridspec(1, 2, width_ratios=(3.2, 1.0))
        _redshifts(figure.add_subplot(beside), result, i)
    rows = left.subgridspec(2, 1, height_ratios=(3.0, 1.0)) if known else left.subgridspec(1, 1)
    axis = figure.add_subplot(rows[0])
    _bands(axis, result, i)
    if known:
        _model(axis, view, i)
        axis.tick_params(labelbottom=False)
        below = figure.add_subplot(rows[1], sharex=axis)
        _residuals(below, view, i)
        below.set_xlabel("observed wavelength [micron]", fontsize=9)
    else:
        axis.set_xlabel("observed wavelength [micron]", fontsize=9)
    _corner(figure, right, result, i)
    figure.suptitle(_title(result, i), fontsize=10)
    if path is not None:
        save_figure(figure, path, dpi=110, crop=False)
    return figure


def _columns(result, i):
    """Measured fluxes, errors and limits (Band,) in the posterior's order, left-out bands among them."""
    catalogue, view = result.catalogue, result.view
    one = slice(i, i + 1)
    arrays = (catalogue.flux_ujy, catalogue.sigma_ujy, catalogue.upper)
    flux, sigma, upper = (a[0] for a in view.post.align(catalogue.filters, *(a[one] for a in arrays)))
    return flux, sigma, upper == 1.0


def _bands(axis, result, i):
    view = result.view
    wave, (flux, sigma, upper) = view.pivot_aa / 1e4, _columns(result, i)
    used = view.used[i]
    left_out = np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0.0) & ~used
    for which, color, label in ((used, _DATA, "data"), (left_out, _LEFT_OUT, "left out")):
        seen = which & ~upper
        if seen.any():
            axis.errorbar(
                wave[seen], flux[seen], sigma[seen], fmt="o", ms=4, color=color, lw=1, label=label, zorder=4
            )
        limits = which & upper
        if limits.any():
            axis.plot(wave[limits], flux[limits], "v", ms=6, color=color, zorder=4, label=f"{label}: limits")
    there = used & (flux > 0.0)
    low, high = (flux[there].min(), flux[there].max()) if there.any() else (1e-3, 1.0)
    axis.set(xscale="log", yscale="log")
    axis.set_ylim(0.2 * low, 4.0 * high)
    pivots = wave[used] if used.any() else wave
    axis.set_xlim(0.8 * pivots.min(), 1.25 * pivots.max())
    axis.set_ylabel(r"$f_\nu$ [$\mu$Jy]", fontsize=9)
    axis.tick_params(labelsize=_SMALL, which="both", direction="in", right=True)


def _model(axis, view, i):
    spectrum = view.spectrum(i)
    curves = {"best model": (spectrum.flux_ujy, _LEFT_OUT)}
    if np.nanmax(np.abs(spectrum.shared), initial=0.0) > 0.0:
        curves["with shared errors"] = spectrum.as_seen(view.pivot_aa), _FIT
    else:
        curves["best model"] = spectrum.flux_ujy, _FIT
    for label, (flux, color) in curves.items():
        seen = flux > 0.0
        axis.plot(spectrum.wave_aa[seen] / 1e4, flux[seen], color=color, lw=0.6, label=label, zorder=1)
    wave, (low, median, high) = view.pivot_aa / 1e4, view.fluxes()[:, i]
    known = np.isfinite(median)
    axis.errorbar(
        wave[known],
        median[known],
        np.array([median - low, high - median])[:, known],
        fmt="s",
        ms=6,
        mfc="none",
        color=_LINE,
        lw=1.2,
        label="model, 16 to 84 %",
        zorder=3,
    )
    axis.legend(loc="best", fontsize=_SMALL, frameon=False)


def _residuals(axis, view, i):
    wave, data = view.pivot_aa / 1e4, view.data
    used = view.used[i] & ~np.asarray(data.upper)[i]
    median = view.fluxes()[1, i]
    residual = (np.asarray(data.flux)[i] - median) / np.asarray(data.sigma)[i]
    axis.axhline(0.0, color=_FIT, lw=0.8)
    axis.plot(wave[used], residual[used], "o", ms=4, color=_DATA)
    reach = np.clip(1.2 * np.nanmax(np.abs(residual[used]), initial=0.0), 3.0, 50.0)
    axis.set_ylim(-reach, reach)
    axis.set_ylabel("residual / stated error", fontsize=_SMALL)
    axis.tick_params(labelsize=_SMALL, which="both", direction="in", right=True)


def _redshifts(axis, result, i):
    z = result.draws("z")[i]
    low, high = z.min(), z.max()
    margin = 0.08 * (high - low) + 1e-3
    grid = np.linspace(max(low - margin, 0.0), high + margin, 400)
    density = result.p_z(grid, i)
    axis.fill_betweenx(grid, density, color=_BARS, lw=0)
    if result.view.likelihood is not None:
        axis.axhline(result.best_spectrum(i).z, color=_FIT, lw=0.8, label="best model")
    axis.axhline(float(np.median(z)), color=_LINE, lw=1.2, label="median")
    axis.set(xlim=(0.0, 1.08 * density.max()), ylim=(grid[0], grid[-1]), xticks=[])
    axis.set_xlabel("p(z)", fontsize=9)
    axis.set_ylabel("redshift", fontsize=9)
    axis.tick_params(labelsize=_SMALL, which="both", direction="in", right=True)
    axis.legend(loc="best", fontsize=_SMALL - 1, frameon=False)


def _corner(figure, place, result, i):
    labels = {name: label for name, label in _CORNER.items() if name in result.names}
    for name in result.names:
        if len(labels) >= min(_MOST, len(result.names)):
            break
        labels.setdefault(name, name)
    n, grid = len(labels), place.subgridspec(len(labels), len(labels), wspace=0.05, hspace=0.05)
    draws = {name: result.draws(name)[i] for name in labels}
    spans = {name: _span(values) for name, values in draws.items()}
    for row, (y, y_label) in enumerate(labels.items()):
        for column, (x, x_label) in enumerate(list(labels.items())[: row + 1]):
            axis = figure.add_subplot(grid[row, column])
            if row == column:
                axis.hist(draws[x], bins=24, range=spans[x], color=_BARS, lw=0)
                low, median, high = np.percentile(draws[x], [16, 50, 84])
                axis.axvline(median, color=_LINE, lw=1.2)
                for edge in (low, high):
                    axis.axvline(edge, color=_LINE, lw=0.8, ls="--")
                axis.set_title(f"{median:.2f} +{high - median:.2f} -{median - low:.2f}", fontsize=_SMALL)
                axis.set_yticks([])
            else:
                axis.hist2d(draws[x], draws[y], bins=24, range=(spans[x], spans[y]), cmap="Blues")
                axis.set_ylim(*spans[y])
            axis.set_xlim(*spans[x])
            axis.tick_params(
                labelsize=_SMALL - 1,
                direction="in",
                labelbottom=row == n - 1,
                labelleft=column == 0 and row > 0,
            )
            axis.locator_params(nbins=3)
            if row == n - 1:
                axis.set_xlabel(x_label, fontsize=_SMALL)
            if column == 0 and row > 0:
                axis.set_ylabel(y_label, fontsize=_SMALL)


def _span(values):
    low, high = np.percentile(values, [0.5, 99.5])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _title(result, i):
    columns = {name: values[i] for name, values in result.columns.items()}
    words = [str(result.catalogue.names[i]), f"z = {result.catalogue.redshift[i]:.4g}", result.trust[i]]
    if np.isfinite(columns["ppc_p"]):
        words.append(f"p = {columns['ppc_p']:.2g}")
        words.append(f"{columns['ess']:.0f} effective draws ({Method(columns['method']).name})")
    if not converged(columns["ess"]):
        words.append("not converged")
    left_out = result.bands_left_out()[i]
    return "     ".join(words + ([f"left out: {left_out}"] if left_out else []))
