"""What follows from answers on spectra: catalogue, curves, best fit."""

import dataclasses

import jax
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from scipy.integrate import quad

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.spectrum_columns import FLUX_UNIT
from dsps_sbi.sfh import Burst, Continuity, DelayedTau, Dirichlet
from dsps_sbi.spectroscopy.history import history_quantiles


def test_rows_are_what_the_draws_say(found):
    table = found.table()
    times = found.formation_times()
    assert table["name"].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(table["t50"], np.median(times[..., 4], axis=1), rtol=1e-6)
    np.testing.assert_allclose(table["t90_p84"], np.percentile(times[..., 8], 84, axis=1), rtol=1e-6)
    np.testing.assert_allclose(table["sigma_v_p16"], np.percentile(found.draws("sigma_v"), 16, axis=1))
    np.testing.assert_allclose(table["p_t90_1gyr"], found.probability_formed_by(1.0))
    np.testing.assert_allclose(table["log_mass_formed"], np.median(found.draws("log_mass_formed"), axis=1))
    np.testing.assert_allclose(table["ess"], found.posteriors.ess)
    # the galaxies are of the model
    np.testing.assert_allclose(table["population_p"], found.columns["population_p"])
    assert np.all((table["population_p"] > 1e-4) & (table["population_p"] <= 1.0))
    np.testing.assert_allclose(table["snr"], 60.0, rtol=0.02)
    # all of these are counted from the Big Bang or back from the same epoch
    assert np.all(table["t10"] <= table["t90"]) and np.all(table["t90"] <= table["universe_age"])
    mean = found.universe_gyr[:, None] - times.mean(axis=2)
    np.testing.assert_allclose(table["mass_weighted_age"], np.median(mean, axis=1), atol=0.15)
    assert set(table["method"]) == {"is"} and set(table["trust"]) == {"untrusted"}
    assert set(table["problem"]) == {""} and table["r_hat"].mask.all()


def test_it_comes_back_from_a_file(found, tmp_path):
    table = found.table()
    table.write(tmp_path / "c.ecsv", format="ascii.ecsv")
    back = Table.read(tmp_path / "c.ecsv", format="ascii.ecsv")
    assert all(back[name].description for name in back.colnames)
    assert back["t90"].unit == u.Gyr and back["sigma_v_p84"].unit == u.km / u.s
    assert back["log_mass_formed"].unit == u.dex(u.Msun) and back["metallicity"].unit == u.dex
    assert back["t50"].description == "cosmic time when half of the formed mass existed (median)"
    np.testing.assert_allclose(back["t50"], table["t50"], rtol=1e-5)
    np.testing.assert_allclose(back["log_evidence"], table["log_evidence"], atol=1e-3)
    expected = {"bundle": "tiny-spectra", "ssp": "lines", "method": "weighed", "n_draws": 200, "seed": 0}
    assert expected.items() <= back.meta.items()


def test_what_is_not_known_is_masked(untrained, galaxies):
    factor = 1e4
    blank = {"flux": factor * galaxies[1].flux, "sigma": factor * galaxies[1].sigma, "absolute": False}
    spectra = [galaxies[0], dataclasses.replace(galaxies[1], **blank)]
    table = untrained.infer(spectra, n_draws=200).table()
    assert table["log_mass_formed"].mask.tolist() == [False, True]
    assert table["log_mass_formed_p16"].mask.tolist() == [False, True]
    assert not table["sigma_v"].mask.any() and not table["t50"].mask.any()
    for name in ("ess", "pareto_k", "log_evidence", "r_hat", "ppc_p", "population_p"):
        assert table[name].mask.all(), name
    assert set(table["method"]) == {"flow"} and set(table["trust"]) == {"unchecked"}
    assert table.meta["method"] == "flow" and table["name"].tolist() == ["spectrum_1", "spectrum_2"]


@pytest.mark.parametrize(
    "sfh", [Dirichlet(), DelayedTau(), Continuity(), Burst()], ids=lambda s: type(s).__name__
)
def test_curves_are_those_of_the_histories(sfh):
    """The median curve of a history that all draws share is that history."""
    universe = np.array([13.0, 6.0])
    marginals = sfh.marginals()
    prior = ds.Prior(marginals, (0.01, 1.0))
    theta = prior.from_normal(0.3 * jax.random.normal(jax.random.key(2), (2, 1, len(marginals))), 6.0)
    params = np.repeat(np.asarray(theta), 5, axis=1)
    curves = history_quantiles(sfh, params, universe)
    assert curves.times_gyr.shape == (2, 101) and curves.formed.shape == (2, 3, 101)
    assert curves.sfr.shape == (2, 3, 100)
    np.testing.assert_allclose(curves.formed[:, :, 0], 0.0, atol=1e-5)
    np.testing.assert_allclose(curves.formed[:, :, -1], 1.0, atol=1e-6)
    assert np.all(np.diff(curves.formed, axis=2) > -1e-6) and np.all(curves.sfr >= 0.0)
    mass = np.sum(curves.sfr * np.diff(curves.times_gyr, axis=1)[:, None], axis=2)
    np.testing.assert_allclose(mass, 1.0, atol=1e-5)
    for share in (0.2, 0.7):
        time = np.asarray(sfh.formation_time(params[:, 0], np.float32(share), universe.astype(np.float32)))
        if not isinstance(sfh, Burst):
            one = [
                np.interp(t, *pair)
                for t, *pair in zip(time, curves.times_gyr, curves.formed[:, 1], strict=True)
            ]
            np.testing.assert_allclose(one, share, atol=0.02)


def test_rates_are_means_over_bins():
    params = np.tile(np.float32([0.5, 1.0]), (1, 4, 1))
    edges = np.array([0.0, 2.0, 3.0, 7.0, 13.0, 15.0])
    curves = history_quantiles(DelayedTau(), params, np.array([13.0]), edges, quantiles=[0.5])
    tau = 10.0**0.5
    rate = lambda t: max(t - 1.0, 0.0) * np.exp(-(t - 1.0) / tau)  # noqa: E731
    total = quad(rate, 1.0, 13.0)[0]
    for i in range(4):
        expected = quad(rate, edges[i], edges[i + 1], points=[1.0] if i == 0 else None)[0] / total
        assert curves.sfr[0, 0, i] * (edges[i + 1] - edges[i]) == pytest.approx(expected, abs=1e-5)
    # nothing is known about the time after the light left
    assert np.isnan(curves.sfr[0, 0, 4]) and np.isnan(curves.formed[0, 0, 5])
    assert curves.formed[0, 0, 4] == pytest.approx(1.0)


def test_quantiles_of_the_draws(found):
    curves = found.sfh_quantiles([2.0, 5.0], quantiles=(0.1, 0.9))
    assert curves.formed.shape == (3, 2, 2) and curves.quantiles == (0.1, 0.9)
    age = float(found.universe_gyr[0]) - 5.0
    share = 1.0 - found.post.network.sfh.fraction_younger(found.theta[0, :, :2], age, found.universe_gyr[0])
    np.testing.assert_allclose(curves.formed[0, :, 1], np.quantile(share, [0.1, 0.9]), atol=1e-6)
    with pytest.raises(
        UserError, match="times of shape \\(2,\\): give two or more, in Gyr since the Big Bang"
    ):
        found.sfh_quantiles([5.0, 2.0])
    with pytest.raises(UserError, match="quantiles \\(16.0, 50.0\\): give numbers from 0 to 1"):
        found.sfh_quantiles(quantiles=(16, 50))


def test_best_fit_is_the_best_of_the_draws(found, likelihood, galaxies):
    fit = found.best_fit(1)
    scaled, rest = found.post.prepared(galaxies[1])
    target = likelihood.observed(scaled, rest.extra_km_s).target
    log_p = np.asarray(jax.jit(lambda t, theta: t.log_likelihood(theta))(target, found.theta[1]))
    np.testing.assert_allclose(fit.theta, found.theta[1, np.argmax(log_p)])
    n = galaxies[1].wave_aa.size
    assert fit.best_fit.shape == fit.residual.shape == (n,)
    np.testing.assert_array_equal(fit.used, np.asarray(target.used)[:n])
    assert 0.7 < fit.chi2_per_pixel < 2.0 and np.isnan(fit.residual[~fit.used]).all()
    close = np.abs(fit.best_fit - galaxies[1].flux)[fit.used] / galaxies[1].flux[fit.used]
    assert np.median(close) < 0.02
    assert np.all(fit.error_total >= galaxies[1].sigma * (1.0 - 1e-6))


def test_best_fit_has_the_scale_of_the_spectrum(untrained, likelihood, galaxies):
    blank = {"flux": 1e4 * galaxies[0].flux, "sigma": 1e4 * galaxies[0].sigma, "absolute": False}
    relative = dataclasses.replace(galaxies[0], **blank)
    fit = untrained.infer(relative, model=likelihood, n_draws=200).best_fit()
    assert np.median((fit.best_fit / relative.flux)[fit.used]) == pytest.approx(1.0, abs=0.01)
    assert 0.7 < fit.chi2_per_pixel < 2.0
    assert fit.table()["flux"].unit == u.dimensionless_unscaled


def test_table_of_a_fit(found, tmp_path):
    fit = found.best_fit(0)
    fit.table({"name": "a"}).write(tmp_path / "fit.ecsv", format="ascii.ecsv")
    back = Table.read(tmp_path / "fit.ecsv", format="ascii.ecsv")
    first = ["wave", "flux", "error", "smoothed", "used"]
    assert back.colnames == [*first, "best_fit", "error_total", "residual"] and not back["smoothed"].any()
    assert back["wave"].unit == u.AA and back["best_fit"].unit == back["flux"].unit
    assert (1.0 * back["flux"].unit).to_value(FLUX_UNIT) == pytest.approx(1.0)
    assert back.meta["name"] == "a" and back["wave"].description == "observed wavelength, in air"
    residual = (back["flux"] - back["best_fit"]) / back["error_total"]
    np.testing.assert_allclose(back["residual"][back["used"]], residual[back["used"]], atol=1e-3)


def test_fits_that_cannot_be(found, untrained, galaxies):
    with pytest.raises(UserError, match="no spectrum 3: there are 3, counted from 0"):
        found.best_fit(3)
    with pytest.raises(UserError, match="a best fit needs the model: give it to infer as model="):
        untrained.infer(galaxies[:1], n_draws=200).best_fit()


def test_draws_depend_on_the_id_and_not_on_the_order(untrained, galaxies):
    one = untrained.infer(galaxies[:2], n_draws=200, ids=[5, 9])
    two = untrained.infer(galaxies[1::-1], n_draws=200, ids=[9, 5])
    np.testing.assert_array_equal(one.theta, two.theta[::-1])
    three = untrained.infer(galaxies[:2], n_draws=200, ids=[9, 5])
    assert not np.array_equal(one.theta, three.theta)
    with pytest.raises(UserError, match="1 ids and 2 labels of 2 spectra: give one for each"):
        untrained.infer(galaxies[:2], ids=[1])
    with pytest.raises(UserError, match="1 draws per spectrum: ask for at least 2"):
        untrained.infer(galaxies[:2], n_draws=1)
