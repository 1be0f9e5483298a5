import dataclasses

import numpy as np
import pytest
from astropy.io import fits
from matplotlib.figure import Figure

from dsps_sbi.errors import UserError
from dsps_sbi.inference.quality import Columns
from dsps_sbi.photometry.maps import Maps
from dsps_sbi.plots.map_figure import plot_maps


def galaxy_maps(names, ny=40, nx=60, wcs=True):
    """Smooth, tilted discs whose outskirts were not fitted."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:ny, :nx]
    radius = np.hypot((x - nx / 2) / nx, 1.6 * (y - ny / 2) / ny) * 5
    snr = 60 * np.exp(-radius) + rng.normal(0, 0.5, radius.shape)
    centre = {"log_mass": 8.2, "log_sfr_100": -1.0, "mass_weighted_age": 1.3, "metallicity": -0.2, "av": 1.2}
    planes = []
    for name in names:
        median = centre.get(name, 1.0) - 0.4 * radius + rng.normal(0, 0.05, radius.shape)
        width = 0.08 + 0.08 * radius
        planes.append([median - width, median, median + width])
    percentiles = np.where(snr > 3, np.array(planes), np.nan)
    header = fits.Header()
    if wcs:
        cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 53.0, "CRVAL2": -27.8}
        cards |= {"CRPIX1": nx / 2, "CRPIX2": ny / 2, "CDELT1": -0.03 / 3600, "CDELT2": 0.03 / 3600}
        header.update(cards)
    n_bands = np.where(rng.random(snr.shape) > 0.1, 16, 15)
    return Maps(names, percentiles, snr, n_bands, np.where(snr > 3, 0, 2), header=header)


NAMES = ("log_mass", "log_mass_formed", "log_sfr_100", "mass_weighted_age", "metallicity", "av")


def test_default_quantities_and_signal_to_noise_have_two_rows(tmp_path):
    figure = plot_maps(galaxy_maps(NAMES), path=tmp_path / "maps.png")
    assert isinstance(figure, Figure)
    images = [axis for axis in figure.axes if axis.get_images()]
    assert len(images) == 2 * 6
    assert [file.name for file in tmp_path.iterdir()] == ["maps.png"]
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")


def test_totals_stand_above():
    maps = galaxy_maps(("log_mass",))
    assert not plot_maps(maps).texts
    total = {"total_log_mass": 10.48, "total_log_mass_p16": 10.47, "total_log_mass_p84": 10.49}
    trusted = {"trusted_log_mass": 9.85, "trusted_log_mass_p16": 9.84, "trusted_log_mass_p84": 9.86}
    sfr = {f"total_log_sfr_100{ending}": 1.0 for ending in ("", "_p16", "_p84")}
    figure = plot_maps(dataclasses.replace(maps, meta=total | trusted | sfr))
    mass, rate = figure.texts
    assert "10.480 $\\pm$ 0.010 (all pixels), 9.850 $\\pm$ 0.010 (trusted pixels)" in mass.get_text()
    assert mass.get_color() == "tab:red" and rate.get_color() == "black" and "(all pixels)" in rate.get_text()
    # above the labels of the bars of colours, within the figure
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts]
    highest = max(axis.get_tightbbox().y1 for axis in figure.axes)
    assert boxes[0].y1 <= figure.bbox.y1 and boxes[0].y0 >= boxes[1].y1 and boxes[1].y0 >= highest


def test_axes_are_in_arcsec_with_a_wcs_and_pixels_without():
    with_wcs = plot_maps(galaxy_maps(("av",)), names=["av"]).axes[0]
    assert with_wcs.get_ylabel() == "median\ny [arcsec]"
    np.testing.assert_allclose(with_wcs.get_images()[0].get_extent(), [-0.9, 0.9, -0.6, 0.6], rtol=1e-6)
    without = plot_maps(galaxy_maps(("av",), wcs=False)).axes[0]
    assert without.get_ylabel() == "median\ny [pixel]"
    assert list(without.get_images()[0].get_extent()) == [-0.5, 59.5, -0.5, 39.5]


def test_panels_show_median_and_half_width():
    maps = galaxy_maps(("log_mass",))
    axes = [axis for axis in plot_maps(maps).axes if axis.get_images()]
    np.testing.assert_array_equal(axes[0].get_images()[0].get_array().filled(np.nan), maps.median("log_mass"))
    shown = axes[2].get_images()[0].get_array().filled(np.nan)
    np.testing.assert_array_equal(shown, maps.half_width("log_mass"))


def test_limits_and_what_has_not_converged_have_no_half_width():
    maps = galaxy_maps(("log_mass", "av"))
    edge, ess = np.zeros(maps.shape, int), np.full(maps.shape, 150.0)
    edge[20, 30], ess[20, 31] = -1, 19.0
    maps = dataclasses.replace(maps, columns=Columns({"edge_av": edge, "ess": ess}))
    axes = [axis for axis in plot_maps(maps).axes if axis.get_images()]
    shown = [axis.get_images()[0].get_array().filled(np.nan) for axis in axes]
    for name, median, width in (("log_mass", shown[0], shown[3]), ("av", shown[1], shown[4])):
        np.testing.assert_array_equal(median, maps.median(name))
        expected = maps.half_width(name)
        expected[20, 31] = np.nan
        expected[20, 30] = np.nan if name == "av" else expected[20, 30]
        np.testing.assert_array_equal(width, expected)


@pytest.mark.parametrize(("ny", "nx"), [(40, 40), (90, 30), (30, 200)])
def test_all_labels_fit_into_the_picture_whatever_the_shape(ny, nx):
    figure = plot_maps(galaxy_maps(("log_mass", "av"), ny=ny, nx=nx))
    figure.draw_without_rendering()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
    # panels keep apart, and a bar of colours lies above each
    panels = [axis.get_position() for axis in figure.axes if axis.get_images()]
    bars = [axis.get_position() for axis in figure.axes if not axis.get_images()]
    assert panels[0].y0 > bars[1].y1 and panels[1].x0 > panels[0].x1
    assert all(bar.y0 > panel.y1 for bar, panel in zip(bars[::2] + bars[1::2], panels, strict=True))


def test_other_quantities_are_labelled_by_their_description(tmp_path):
    maps = galaxy_maps(("t_50",))
    maps.descriptions["t_50"] = ("Gyr", "lookback time")
    figure = plot_maps(maps, path=tmp_path / "t.pdf")
    assert any(axis.get_xlabel() == "t 50 [Gyr]" for axis in figure.axes)


def test_cubes_of_spectra_have_quantities_of_their_own(tmp_path):
    names = ("t10", "t50", "t90", "metallicity", "sigma_v", "log_mass_formed")
    maps = galaxy_maps(names)
    n_pixels = np.where(maps.snr > 3, 3000.0, np.nan)
    cube = dataclasses.replace(maps, n_bands=None, flags=None, columns=Columns({"n_pixels": n_pixels}))
    axes = [axis for axis in plot_maps(cube, path=tmp_path / "maps.png").axes if axis.get_images()]
    assert len(axes) == 2 * 5
    # the part that has answers, and a spaxel beside
    few = dataclasses.replace(
        cube, snr=np.where(np.arange(60) // 2 == 15, maps.snr, np.nan), header=fits.Header()
    )
    axis = plot_maps(few).axes[0]
    assert axis.get_xlim() == (28.5, 32.5) and axis.get_ylim() == (-0.5, 39.5)
    for axis, name in zip(axes[:4], ("t50", "t90", "metallicity", "sigma_v"), strict=True):
        np.testing.assert_array_equal(axis.get_images()[0].get_array().filled(np.nan), maps.median(name))
    np.testing.assert_array_equal(axes[-1].get_images()[0].get_array().filled(np.nan), n_pixels)


def test_nothing_fitted_is_still_a_picture(tmp_path):
    empty = np.full((1, 3, 4, 5), np.nan)
    image = np.zeros((4, 5))
    plot_maps(Maps(["av"], empty, image * np.nan, image, image), path=tmp_path / "empty.png")
    assert (tmp_path / "empty.png").exists()


def test_bad_names_and_files_are_refused(tmp_path):
    maps = galaxy_maps(("av",))
    with pytest.raises(UserError, match="there is no map 'mass'"):
        plot_maps(maps, names=["mass"])
    with pytest.raises(UserError, match="cannot be drawn"):
        plot_maps(maps, path=tmp_path / "maps.xyz")
    with pytest.raises(UserError, match="does not exist"):
        plot_maps(maps, path=tmp_path / "none" / "maps.png")
    assert not list(tmp_path.iterdir())
