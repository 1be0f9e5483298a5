import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from dsps_sbi.errors import UserError
from dsps_sbi.inference.quality import Columns
from dsps_sbi.plots.spectrum_figure import plot_spectrum


def words(figure):
    return figure.get_suptitle()


def lines(axis, label):
    return next(line for line in axis.get_lines() if line.get_label() == label)


@pytest.fixture(scope="module")
def fit(found):
    return found.best_fit(1)


def test_panels_and_file(found, fit, tmp_path):
    figure = plot_spectrum(found, 1, fit=fit, path=tmp_path / "b.png")
    assert isinstance(figure, Figure) and len(figure.axes) == 8
    assert [file.name for file in tmp_path.iterdir()] == ["b.png"]
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    told = words(figure)
    assert told.startswith("b ") and "z = 0.0500" in told and "untrusted" in told
    assert f"p = {found.posteriors.ppc_p[1]:.2g}" in told and "(IS)" in told
    assert f"of populations {found.columns['population_p'][1]:.2g}" in told
    labels = {axis.get_xlabel() for axis in figure.axes}
    assert {"$t_{50}$ [Gyr]", "$t_{90}$ [Gyr]", "[M/H]", r"$\sigma_v$ [km s$^{-1}$]"} <= labels


def test_limits_stand_over_the_histograms(found, fit):
    columns = dict(found.columns) | {name: np.array(found.columns[name]) for name in ("ess",)}
    columns["ess"][:] = 150.0
    columns["edge_sigma_v"], columns["limit_sigma_v"] = np.array([0, 1, 0]), np.array([np.nan, 441.3, np.nan])
    titles = {}
    for name, ess in (("limit", 150.0), ("lost", 3.0)):
        columns["ess"][:] = ess
        result = dataclasses.replace(found, columns=Columns(dict(columns)))
        titles[name] = [axis.get_title() for axis in plot_spectrum(result, 1, fit=fit).axes[-4:]]
    assert titles["limit"][3] == "> 441 (95 %)" and "^{+" in titles["limit"][2]
    assert titles["lost"] == ["not converged"] * 3 + ["not converged, at the upper edge of the prior"]


def test_data_fit_and_residuals_are_what_is_drawn(found, fit):
    spectrum, below, *_ = plot_spectrum(found, 1, fit=fit).axes
    np.testing.assert_array_equal(lines(spectrum, "data").get_ydata(), found.spectra[1].flux)
    np.testing.assert_array_equal(lines(spectrum, "best fit").get_ydata(), fit.best_fit)
    drawn = [line.get_ydata() for line in below.get_lines()]
    assert any(np.array_equal(y, fit.residual, equal_nan=True) for y in drawn)
    low, high = spectrum.get_xlim()
    used = fit.spectrum.wave_aa[fit.used]
    assert fit.spectrum.wave_aa[0] <= low <= used[0] and used[-1] <= high <= fit.spectrum.wave_aa[-1]
    assert below.get_xlabel().startswith("observed wavelength in air")


def test_pixels_that_do_not_count_are_shaded(found, fit):
    axis = plot_spectrum(found, 1, fit=fit).axes[0]
    (shade,) = axis.collections
    wave, inside = fit.spectrum.wave_aa, np.zeros(fit.used.size, bool)
    for path in shade.get_paths():
        low, high = path.vertices[:, 0].min(), path.vertices[:, 0].max()
        inside |= (wave >= low) & (wave <= high)
    np.testing.assert_array_equal(inside, ~fit.used)


def test_histories(found, fit):
    upper, lower = plot_spectrum(found, 1, fit=fit).axes[2:4]
    curves = found.sfh_quantiles()
    median = upper.get_lines()[0]
    np.testing.assert_allclose(median.get_ydata(), curves.formed[1, 1])
    np.testing.assert_allclose(median.get_xdata(), curves.times_gyr[1])
    assert upper.get_xlim() == lower.get_xlim() == (0.0, pytest.approx(float(found.universe_gyr[1])))
    assert lower.get_ylim()[1] > curves.sfr[1].max()


def test_without_a_model_there_is_no_fit(untrained, galaxies, tmp_path):
    mask = np.zeros(galaxies[0].wave_aa.size, bool)
    mask[100:140] = True
    blank = dataclasses.replace(galaxies[0], absolute=False, mask=mask)
    figure = plot_spectrum(untrained.infer(blank, n_draws=200), path=tmp_path / "a.pdf")
    assert len(figure.axes) == 7 and "unchecked" in words(figure) and "p =" not in words(figure)
    axis = figure.axes[0]
    assert axis.get_ylabel() == "flux density [relative]" and len(axis.get_lines()) == 1
    (span,) = axis.collections[0].get_paths()
    low, high = blank.wave_aa[[100, 139]]
    assert low - 1.3 < span.vertices[:, 0].min() < low < high < span.vertices[:, 0].max() < high + 1.3


def test_bad_files_are_refused(found, fit, tmp_path):
    with pytest.raises(UserError, match="cannot be drawn: expected .png or .pdf"):
        plot_spectrum(found, 1, fit=fit, path=tmp_path / "b.xyz")
    with pytest.raises(UserError, match="does not exist"):
        plot_spectrum(found, 1, fit=fit, path=tmp_path / "none" / "b.png")
    assert not list(tmp_path.iterdir())
