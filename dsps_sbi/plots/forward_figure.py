"""A figure of stars aged passively, beside an observed spectrum."""

from typing import TYPE_CHECKING

import numpy as np

from .save import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OLD, _SEEN = "#2e6f9e", "#d1495b"
_SMALL = 8
# Where spectra are scaled to each other, about the V band [Angstrom]
_SCALE_AA = (5300.0, 5700.0)


def plot_forward(descendant, beside=None, spectrum=None, *, path=None) -> "Figure":
    """Draw a descendant, and an observed spectrum and its indices beside it.

    Parameters
    ----------
    descendant : dsps_sbi.spectroscopy.fast_forward.Descendant
    beside : dsps_sbi.spectroscopy.fast_forward.Beside, optional
    spectrum : Spectrum, optional
        That of ``beside``, with a redshift.
    path : path-like, optional
        File to save: its ending (``.png``, ``.pdf``...) tells the format.

    Returns
    -------
    matplotlib.figure.Figure
        Spectra at rest, scaled to each other; below, differences of the indices in standard deviations.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    n = 1 + (beside is not None)
    figure = new_figure(figsize=(10.0, 3.2 * n), layout="constrained")
    axes = figure.subplots(n, 1, squeeze=False)[:, 0]
    wave, light = descendant.wave_aa, descendant.light
    low, middle, high = np.percentile(light / _level(wave, light)[:, None], (16, 50, 84), axis=0)
    axes[0].fill_between(wave, low, high, color=_OLD, alpha=0.4, lw=0.0)
    words = f"z = {descendant.z:g}, {descendant.years_gyr:.1f} Gyr later, without velocities"
    axes[0].plot(wave, middle, color=_OLD, lw=0.7, label=f"{descendant.label}: {words}")
    if spectrum is not None:
        rest = spectrum.wave_aa / (1.0 + spectrum.redshift)
        use = spectrum.valid & (rest > wave[0]) & (rest < wave[-1])
        flux = np.where(use, spectrum.flux, np.nan)[None]
        axes[0].plot(rest, (flux / _level(rest, flux)[:, None])[0], color=_SEEN, lw=0.7, label=spectrum.label)
    axes[0].set_xlim(wave[0], wave[-1])
    axes[0].set_xlabel("wavelength at rest [Angstrom]")
    axes[0].set_ylabel(r"$L_\lambda$ (scaled)")
    axes[0].legend(fontsize=_SMALL, frameon=False)
    if beside is not None:
        table = beside.table()
        place = np.arange(len(table))
        axes[1].axhline(0.0, color="0.6", lw=0.8)
        axes[1].bar(place, table["sigmas"], color=_SEEN)
        axes[1].set_xticks(place, list(table["index"]), rotation=90, fontsize=_SMALL)
        axes[1].set_ylabel("observed - descendant [sigma]")
        axes[1].set_title(f"all indices: p = {table.meta['p_value']:.2g}", fontsize=_SMALL + 1)
    if path is not None:
        save_figure(figure, path, dpi=120, crop=False)
    return figure


def _level(wave, light):
    """Mean (Draw,) of light (Draw, Wave) where spectra are scaled; of all of it where they do not reach."""
    use = (wave > _SCALE_AA[0]) & (wave < _SCALE_AA[1]) & np.isfinite(light).all(axis=0)
    return light[:, use].mean(axis=1) if use.any() else np.nanmean(light, axis=1)
