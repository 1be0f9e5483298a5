"""A figure of the maps: medians above, half-widths of the posterior below."""

import numpy as np
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from ..inference.edges import EDGE, converged
from ..io.summary import differ
from .save import new_figure, save_figure

# quantity -> label of the colour bar, label of its half-width, colour map
_LOOKS = {
    "log_mass": (r"$\log_{10}\,M_\ast$ [M$_\odot$ pix$^{-1}$]", "[dex]", "inferno"),
    "log_mass_living": (r"$\log_{10}\,M_{\rm living}$ [M$_\odot$ pix$^{-1}$]", "[dex]", "inferno"),
    "log_mass_formed": (r"$\log_{10}\,M_{\rm formed}$ [M$_\odot$ pix$^{-1}$]", "[dex]", "inferno"),
    "log_sfr_100": (r"$\log_{10}\,$SFR$_{100}$ [M$_\odot$ yr$^{-1}$ pix$^{-1}$]", "[dex]", "viridis"),
    "mass_weighted_age": ("mass-weighted age [Gyr]", "[Gyr]", "cividis"),
    "metallicity": ("[M/H] [dex]", "[dex]", "plasma"),
    "av": (r"$A_V$ [mag]", "[mag]", "copper"),
    "t50": (r"$t_{50}$ [Gyr]", "[Gyr]", "viridis"),
    "t90": (r"$t_{90}$ [Gyr]", "[Gyr]", "viridis"),
    "alpha_fe": (r"[$\alpha$/Fe] [dex]", "[dex]", "plasma"),
    "sigma_v": (r"$\sigma_v$ [km s$^{-1}$]", "[km/s]", "inferno"),
}
_DEFAULT = ("log_mass", "log_sfr_100", "mass_weighted_age", "metallicity", "av")
_DEFAULT_OF_SPECTRA = ("t50", "t90", "mass_weighted_age", "metallicity", "alpha_fe", "sigma_v")
_EMPTY = "0.92"
# Sizes in inches: a panel, its bar of colours, and the room for labels around them. They are given, as
# letting matplotlib find them takes longer than all the rest of the picture.
_PANEL, _LOWEST, _HIGHEST = 2.16, 0.7, 4.5
_BAR, _TO_BAR = 0.086, 0.043
_LEFT, _RIGHT, _BOTTOM, _TOP = 0.82, 0.15, 0.47, 0.61
_BETWEEN_COLUMNS, _BETWEEN_ROWS = 0.13, 0.59
# Range from which a scale is logarithmic
_LOG_FROM = 3.0
# A line of text above all
_LINE = 0.22
# Totals that are told, as they are called in headers after the words for the pixels, and their look
_TOTALS = {"log_mass": r"$\log_{10}\,M_\ast$", "log_sfr_100": r"$\log_{10}\,$SFR$_{100}$"}


def plot_maps(maps, names=None, path=None):
    """Draw maps of several quantities and of the signal-to-noise ratio.

    Parameters
    ----------
    maps : dsps_sbi.photometry.maps.Maps
    names : sequence of str, optional
        Quantities. Default: mass, star-formation rate, age, metallicity and attenuation (of cubes of
        spectra t50, t90, age, metallicity, [alpha/Fe] and velocity dispersion), as far as they are there,
        or else all.
    path : str or os.PathLike, optional
        File to save: its ending (``.png``, ``.pdf``...) tells the format.

    Returns
    -------
    matplotlib.figure.Figure
        Medians above, half of the distance of the 16th and 84th percentiles below; the last
        column has the signal-to-noise ratio and the number of bands, of spectra that of their pixels. Pixels
        that were not fitted are grey; so are half-widths of limits, and of answers that have not converged
        (:mod:`dsps_sbi.inference.edges`). The scales end at the 1st and 99th percentiles of the pixels.
        Above stand the totals over all pixels and over the trusted ones, where the maps' meta has them,
        in red where these differ by more than their errors. Of a cube of spectra the part with answers is
        shown.
        Axes are offsets from the centre in arcsec if there is a WCS, else pixels.
    """
    if names is None:
        usual = _DEFAULT_OF_SPECTRA if maps.n_bands is None else _DEFAULT
        names = [name for name in usual if name in maps.names] or maps.names
    names = tuple(names)
    extent, unit = _extent(maps)
    lines = _totals(maps.meta)
    shown = extent if maps.n_bands is not None else _around_fitted(maps.snr, extent)
    figure, axes = _panels(len(names) + 1, shown, len(lines) * _LINE)
    for i, (text, colour) in enumerate(lines):
        height = 1.0 - (0.06 + _LINE * i) / figure.get_figheight()
        figure.text(_LEFT / figure.get_figwidth(), height, text, color=colour, fontsize=9, va="top")
    for column, name in enumerate(names):
        label, width_unit, colours = _look(maps, name)
        _panel(axes[0, column], maps.median(name), label, colours, extent)
        _panel(axes[1, column], _told_width(maps, name), f"half-width {width_unit}".strip(), "magma", extent)
    snr = np.where(maps.snr > 0, maps.snr, np.nan)
    _panel(axes[0, -1], snr, "S/N", "bone", extent, log=True)
    if maps.n_bands is not None:
        _panel(axes[1, -1], maps.n_bands.astype(float), "number of bands", "bone", extent, whole=True)
    elif "n_pixels" in maps.columns:
        _panel(axes[1, -1], maps.columns["n_pixels"], "pixels of the spectrum", "bone", extent, whole=True)
    else:
        axes[1, -1].set_visible(False)
    from matplotlib.ticker import MaxNLocator

    axes[0, 0].set(xlim=shown[:2], ylim=shown[2:])
    # labels at the ends would run into those of the panels beside
    axes[0, 0].xaxis.set_major_locator(MaxNLocator(5, prune="both"))
    for axis in axes[1]:
        axis.set_xlabel(f"x [{unit}]")
    for axis, row in zip(axes[:, 0], ("median", "(P84 $-$ P16) / 2"), strict=True):
        axis.set_ylabel(f"{row}\ny [{unit}]")
    if path is not None:
        save_figure(figure, path, crop=False)
    return figure


def _totals(meta):
    """Lines of text, and their colours: the totals that a header has."""
    lines = []
    for name, look in _TOTALS.items():
        told, values = [], []
        for start, words in (("total_", "all pixels"), ("trusted_", "trusted pixels")):
            found = [meta.get(f"{start}{name}{ending}") for ending in ("_p16", "", "_p84")]
            if None not in found:
                low, median, high = found
                told.append(f"{median:.3f} $\\pm$ {(high - low) / 2:.3f} ({words})")
                values.append(found)
        if told:
            apart = len(values) == 2 and differ(*values)
            lines.append((f"total {look}: {', '.join(told)}", "tab:red" if apart else "black"))
    return lines


def _panels(n_columns, extent, above):
    """A figure of two rows of panels, high enough for images of an extent, and room above [inch]."""
    left, right, bottom, top = extent
    height = np.clip(_PANEL * (top - bottom) / (right - left), _LOWEST, _HIGHEST)
    width_inch = _LEFT + n_columns * _PANEL + (n_columns - 1) * _BETWEEN_COLUMNS + _RIGHT
    height_inch = _BOTTOM + 2 * height + _BETWEEN_ROWS + _TOP + above
    figure = new_figure(figsize=(width_inch, height_inch))
    room = {
        "left": _LEFT / width_inch,
        "right": 1.0 - _RIGHT / width_inch,
        "bottom": _BOTTOM / height_inch,
        "top": 1.0 - (_TOP + above) / height_inch,
        "wspace": _BETWEEN_COLUMNS / _PANEL,
        "hspace": _BETWEEN_ROWS / height,
    }
    axes = figure.subplots(2, n_columns, sharex=True, sharey=True, squeeze=False, gridspec_kw=room)
    return figure, axes


def _told_width(maps, name):
    """Half-width of a quantity where there is one to tell."""
    untold = np.zeros(maps.shape, bool)
    if EDGE + name in maps.columns:
        untold |= maps.columns[EDGE + name] != 0
    if "ess" in maps.columns:
        untold |= ~converged(maps.columns["ess"])
    return np.where(untold, np.nan, maps.half_width(name))


def _look(maps, name):
    if name in _LOOKS:
        return _LOOKS[name]
    maps.median(name)  # refuses unknown names
    unit = maps.descriptions[name][0]
    unit = f"[{unit}]" if unit else ""
    return f"{name.replace('_', ' ')} {unit}".strip(), unit, "viridis"


def _extent(maps):
    """Edges of the image (left, right, bottom, top) around its centre, and their unit."""
    ny, nx = maps.shape
    if not maps.header:
        return (-0.5, nx - 0.5, -0.5, ny - 0.5), "pixel"
    scale_x, scale_y = proj_plane_pixel_scales(WCS(maps.header)) * 3600
    return (-nx / 2 * scale_x, nx / 2 * scale_x, -ny / 2 * scale_y, ny / 2 * scale_y), "arcsec"


def _around_fitted(snr, extent):
    """The part of an extent that has answers, and a spaxel beside: of a cube few spaxels may be fitted."""
    fitted = np.isfinite(snr) & (snr > 0)
    if not fitted.any():
        return extent
    edges = []
    for axis, (low, high) in enumerate((extent[:2], extent[2:])):
        n = snr.shape[1 - axis]
        found = np.flatnonzero(fitted.any(axis=axis))
        first, last = max(found[0] - 1, 0), min(found[-1] + 2, n)
        edges += [low + (high - low) * first / n, low + (high - low) * last / n]
    return tuple(edges)


def _panel(axis, image, label, colours, extent, log=False, whole=False):
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import MaxNLocator

    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, [0, 100] if whole else [1, 99]) if finite.size else (1.0, 2.0)
    if not high > low:
        low, high = (low / 1.1, low * 1.1) if log else (low - 0.5, low + 0.5)
    # ticks of a logarithmic scale need room
    log = log and high > _LOG_FROM * low
    norm = (LogNorm if log else Normalize)(low, high)
    axis.set_facecolor(_EMPTY)
    shown = axis.imshow(
        np.ma.masked_invalid(image),
        origin="lower",
        extent=extent,
        cmap=colours,
        norm=norm,
        interpolation="nearest",
    )
    axis.tick_params(labelsize=8, direction="in", top=True, right=True)
    # images that do not fill their panel touch its bar of colours
    axis.set_anchor("N")
    panel, inch = axis.get_position(original=True), 1.0 / axis.figure.get_figheight()
    place = axis.figure.add_axes((panel.x0, panel.y1 + _TO_BAR * inch, panel.width, _BAR * inch))
    bar = axis.figure.colorbar(shown, cax=place, orientation="horizontal", ticklocation="top")
    bar.ax.tick_params(labelsize=8)
    bar.set_label(label, fontsize=9)
    if whole:
        bar.locator = MaxNLocator(5, integer=True)
        bar.update_ticks()
