"""A figure of one spectrum: data, best fit and residuals, star formation history, parameters."""

from typing import TYPE_CHECKING

import numpy as np

from ..inference.edges import CONFIDENCE, EDGE, LIMIT, converged, limit_text
from ..inference.trust import Method
from .save import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DATA, _FIT, _MASKED = "0.15", "#d1495b", "0.90"
_HISTORY, _BARS = "#2e6f9e", "#8fb8d3"
# Draws: label, and where they come from
_PANELS = {
    "t50": "$t_{50}$ [Gyr]",
    "t90": "$t_{90}$ [Gyr]",
    "metallicity": "[M/H]",
    "sigma_v": r"$\sigma_v$ [km s$^{-1}$]",
}
_SMALL = 8


def plot_spectrum(result, i: int = 0, *, fit=None, path=None) -> "Figure":
    """Draw one spectrum and what was found.

    Parameters
    ----------
    result : dsps_sbi.SpectrumResult
    i : int
        Which of its spectra.
    fit : SpectrumFit, optional
        That of :meth:`~dsps_sbi.SpectrumResult.best_fit`, if it was made before.
    path : path-like, optional
        File to save: its ending (``.png``, ``.pdf``...) tells the format.

    Returns
    -------
    matplotlib.figure.Figure
        The spectrum as the likelihood sees it with the best fit (where there is a model), pixels that do not
        count shaded, and residuals in units of their errors; a note where the spectrum was smoothed to the
        resolution of the SSPs; share of the formed mass and star formation rate over cosmic time, median and
        16th to 84th percentiles; histograms of some parameters, with median and errors, a limit, or "not
        converged" (:mod:`dsps_sbi.inference.edges`).

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    if fit is None and result.likelihood is not None:
        fit = result.best_fit(i)
    figure = new_figure(figsize=(12.5, 7.2), layout="constrained")
    rows = figure.add_gridspec(2, 1, height_ratios=(3.3, 1.0))
    top = rows[0].subgridspec(1, 2, width_ratios=(2.1, 1.0))
    left = top[0].subgridspec(2, 1, height_ratios=(3.0, 1.0)) if fit is not None else top[0].subgridspec(1, 1)
    axis = figure.add_subplot(left[0])
    _spectrum(axis, result.spectra[i] if fit is None else fit.spectrum, float(result.z[i]), fit)
    if fit is None:
        _wave_label(axis, result.spectra[i])
    else:
        axis.tick_params(labelbottom=False)
        below = figure.add_subplot(left[1], sharex=axis)
        _residuals(below, fit, result.post)
        _wave_label(below, result.spectra[i])
    right = top[1].subgridspec(2, 1)
    _history(figure.add_subplot(right[0]), figure.add_subplot(right[1]), result, i)
    for spot, (name, label) in zip(rows[1].subgridspec(1, len(_PANELS)), _PANELS.items(), strict=True):
        _histogram(figure.add_subplot(spot), result.draws(name)[i], label, _title_instead(result, i, name))
    figure.suptitle(_title(result, i), fontsize=11)
    if path is not None:
        save_figure(figure, path, dpi=150)
    return figure


def _title(result, i):
    columns = {name: values[i] for name, values in result.columns.items()}
    words = [result.labels[i], f"z = {result.z[i]:.4f}", result.trust[i]]
    if np.isfinite(columns["ppc_p"]):
        words.append(f"p = {columns['ppc_p']:.2g}, of populations {columns['population_p']:.2g}")
        words.append(f"{columns['ess']:.0f} effective draws ({Method(columns['method']).name})")
    words.append(f"{columns['n_pixels']} pixels, {100.0 * columns['wave_used']:.0f} %")
    return "     ".join(words)


def _spectrum(axis, spectrum, z, fit):
    used = spectrum.valid if fit is None else fit.used
    wave, unit = spectrum.wave_aa, "relative"
    if spectrum.absolute:
        unit = r"$10^{-17}$ erg s$^{-1}$ cm$^{-2}$ $\mathrm{\AA}^{-1}$"
    flux = np.where(np.isfinite(spectrum.flux), spectrum.flux, np.nan)
    _shade(axis, wave, ~used)
    axis.step(wave, flux, where="mid", color=_DATA, lw=0.6, label=_data_label(fit))
    if fit is not None:
        axis.plot(wave, fit.best_fit, color=_FIT, lw=0.7, alpha=0.9, label="best fit")
    low, high = np.nanpercentile(flux[used], [0.1, 99.9])
    margin = 0.12 * max(high - low, 1e-30)
    axis.set_ylim(low - margin, high + margin)
    # what the model does not reach takes no room
    first, last = wave[used][[0, -1]]
    margin = 0.02 * (last - first)
    axis.set_xlim(max(wave[0], first - margin), min(wave[-1], last + margin))
    axis.set_ylabel(f"flux density [{unit}]", fontsize=9)
    axis.tick_params(labelsize=_SMALL, direction="in", right=True)
    rest = axis.secondary_xaxis("top", functions=(lambda x: x / (1.0 + z), lambda x: x * (1.0 + z)))
    rest.set_xlabel(r"rest wavelength [$\mathrm{\AA}$]", fontsize=_SMALL)
    rest.tick_params(labelsize=_SMALL, direction="in")
    axis.legend(loc="best", fontsize=_SMALL, frameon=False)


def _data_label(fit):
    """``data``, and where they were smoothed."""
    if fit is None or not (fit.smoothed & fit.used).any():
        return "data"
    share = 100.0 * (fit.smoothed & fit.used).sum() / fit.used.sum()
    return f"data, {share:.0f} % of the pixels smoothed to the resolution of the SSPs"


def _residuals(axis, fit, post):
    wave, residual = fit.spectrum.wave_aa, fit.residual
    _shade(axis, wave, ~fit.used)
    axis.axhline(0.0, color=_FIT, lw=0.8)
    axis.plot(wave, residual, ".", color=_DATA, ms=1.5)
    reach = np.clip(1.1 * np.nanpercentile(np.abs(residual), 99.8), 3.5, 20.0)
    words = f"rms {np.sqrt(fit.chi2_per_pixel):.2f}"
    if "log_model_error" in post.names:
        share = 10.0 ** fit.theta[post.names.index("log_model_error")]
        words += f", model's error {100 * share:.1f} % among the errors"
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axis.text(0.01, 0.94, words, transform=axis.transAxes, va="top", fontsize=_SMALL, bbox=box)
    axis.set_ylim(-reach, 1.4 * reach)
    axis.set_ylabel("residual / error", fontsize=9)
    axis.tick_params(labelsize=_SMALL, direction="in", right=True)


def _wave_label(axis, spectrum):
    axis.set_xlabel(rf"observed wavelength in {spectrum.medium} [$\mathrm{{\AA}}$]", fontsize=9)


def _shade(axis, wave, out):
    """Shade runs of pixels."""
    edges = np.concatenate([[wave[0]], 0.5 * (wave[1:] + wave[:-1]), [wave[-1]]])
    changes = np.flatnonzero(np.diff(np.concatenate([[0], out.astype(int), [0]])))
    spans = [(edges[a], edges[b] - edges[a]) for a, b in zip(changes[::2], changes[1::2], strict=True)]
    axis.broken_barh(spans, (0.0, 1.0), transform=axis.get_xaxis_transform(), color=_MASKED, lw=0, zorder=0)


def _history(upper, lower, result, i):
    curves = result.sfh_quantiles()
    times, universe = curves.times_gyr[i], float(result.universe_gyr[i])
    low, median, high = curves.formed[i]
    upper.fill_between(times, low, high, color=_BARS, alpha=0.6, lw=0)
    upper.plot(times, median, color=_HISTORY, lw=1.4)
    for share in (0.5, 0.9):
        upper.axhline(share, color="0.6", lw=0.6, ls=":")
    upper.set(xlim=(0.0, universe), ylim=(0.0, 1.02))
    upper.set_ylabel("share of the mass formed", fontsize=9)
    back = upper.secondary_xaxis("top", functions=(lambda x: universe - x, lambda x: universe - x))
    back.set_xlabel("lookback time [Gyr]", fontsize=_SMALL)
    back.tick_params(labelsize=_SMALL, direction="in")
    low, median, high = curves.sfr[i]
    lower.stairs(high, times, baseline=low, color=_BARS, alpha=0.6, fill=True, lw=0)
    lower.stairs(median, times, color=_HISTORY, lw=1.4, baseline=None)
    lower.set(xlim=(0.0, universe), ylim=(0.0, 1.08 * max(high.max(), 1e-9)))
    lower.set_ylabel(r"SFR / mass formed [Gyr$^{-1}$]", fontsize=9)
    lower.set_xlabel("time since the Big Bang [Gyr]", fontsize=9)
    upper.tick_params(labelsize=_SMALL, direction="in", labelbottom=False)
    lower.tick_params(labelsize=_SMALL, direction="in")


def _title_instead(result, i, name):
    """What stands over a histogram where there are no errors to tell; else None."""
    columns = result.columns
    edge = columns[EDGE + name][i] if EDGE + name in columns else 0
    if not converged(columns["ess"][i]):
        return f"not converged, {limit_text(edge, np.nan)}" if edge else "not converged"
    return f"{limit_text(edge, columns[LIMIT + name][i])} ({CONFIDENCE} %)" if edge else None


def _histogram(axis, draws, label, title):
    low, median, high = np.percentile(draws, [16, 50, 84])
    span = np.percentile(draws, [0.2, 99.8])
    if not span[1] > span[0]:
        span = span[0] - 0.5, span[0] + 0.5
    axis.hist(draws, bins=30, range=tuple(span), color=_BARS, lw=0)
    axis.axvline(median, color=_HISTORY, lw=1.4)
    for x in (low, high):
        axis.axvline(x, color=_HISTORY, lw=0.9, ls="--")
    # two figures of the smaller error
    digits = int(np.clip(1 - np.floor(np.log10(max(min(high - median, median - low), 1e-3))), 0, 3))
    plus, minus = f"{high - median:.{digits}f}", f"{median - low:.{digits}f}"
    # no -0.00
    middle = round(float(median), digits) + 0.0
    axis.set_title(title or f"${middle:.{digits}f}^{{+{plus}}}_{{-{minus}}}$", fontsize=9)
    axis.set_xlabel(label, fontsize=9)
    axis.set_yticks([])
    axis.set_xlim(*span)
    axis.tick_params(labelsize=_SMALL, direction="in")
