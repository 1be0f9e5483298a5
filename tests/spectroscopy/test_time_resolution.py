"""The experiment on time resolution: what is simulated, what is scored, and that runs go on."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from scipy.stats import beta

from dsps_sbi.cli import study as study_command
from dsps_sbi.cli.app import main
from dsps_sbi.errors import UserError
from dsps_sbi.sfh import Dirichlet, age_edges, mass_weights
from dsps_sbi.spectroscopy.time_resolution import QUANTITIES, TimeResolution
from dsps_sbi.spectroscopy.time_resolution_run import run_time_resolution

EARLY, LATE = 1.9650, 13.467


@pytest.fixture(scope="module")
def setting(line_grid):
    return TimeResolution(line_grid, snr=(2.0, 5.0), rest_aa=(4400.0, 5350.0), resolution=500.0)


def test_true_histories_are_of_the_range_and_end_early(setting):
    model = setting.models["cosmic"]
    for number in range(4):
        theta = setting.truth(number)
        times = np.asarray(
            model.sfh.formation_time(theta[None, :4], np.float32([0.1, 0.9]), np.float32(LATE))
        )
        assert 0.1 <= times[1] - times[0] <= 1.5 and times[1] <= EARLY
        np.testing.assert_array_equal(theta, setting.truth(number))
    assert not np.array_equal(setting.truth(0), setting.truth(1))


def test_the_same_stars_are_seen_at_both_redshifts(setting):
    """Against SSPs put together here: same noise in units of the errors, ages older by the time between."""
    theta, grid = setting.truth(3), setting.models["own"].ssp
    shown = {}
    for z, universe in ((3.2, EARLY), (0.0, LATE)):
        flux, sigma, same = setting.mock(3, 5.0, z)
        np.testing.assert_array_equal(theta, same)
        # ages of an early history, older by the time since
        edges = np.maximum(age_edges(grid.age_gyr) - (universe - EARLY), 0.0).astype(np.float32)
        weights = np.asarray(mass_weights(Dirichlet(), theta[:4], edges, np.float32(EARLY)))
        at = np.interp(theta[4], grid.metallicity, np.arange(3))
        one = grid.flux[int(at)] + (at % 1.0) * (grid.flux[min(int(at) + 1, 2)] - grid.flux[int(at)])
        shown[z] = flux, sigma, weights @ one
    middle = [np.median(sigma / light.mean()) for _, sigma, light in shown.values()]
    # light per mass by SSPs alone, and by the model
    assert middle[0] == pytest.approx(middle[1], rel=0.01)
    noise = [(flux / (5.0 * sigma) - 1.0)[5:-5] for flux, sigma, _ in shown.values()]
    # the polynomial and the noise are those of the galaxy
    np.testing.assert_allclose(noise[0], noise[1], atol=2e-3)


def test_ages_that_no_star_has_are_left_out(setting):
    """And nothing else: the light is that of the whole grid."""
    few, whole = (setting.models[name].ssp.age_gyr for name in ("cosmic", "own"))
    assert few.size < 0.6 * whole.size and set(few) <= set(whole)
    params = setting.truth(5)[:4]
    for universe in (EARLY, LATE):
        shares = []
        for age in (few, whole):
            edges = age_edges(age).astype(np.float32)
            sfh = setting.models["cosmic"].sfh
            shares.append(np.asarray(mass_weights(sfh, params, edges, np.float32(universe))))
        lit = shares[1] > 0.0
        assert lit.sum() > 3 and set(whole[lit]) <= set(few)
        np.testing.assert_allclose(shares[0][np.isin(few, whole[lit])], shares[1][lit], atol=1e-6)


def stub(self, number, snr, z, name):
    """Gaussian posteriors of known width about truths: 0.1 Gyr early, 0.3 Gyr late."""
    rng = np.random.default_rng([number, int(snr)])
    width, truth = (0.1 if z == 3.2 else 0.3), np.array([1.0, 0.8])
    centre = truth + width * rng.standard_normal(2)
    draws = centre + width * np.random.default_rng(5).standard_normal((4000, 2))
    return {"draws": draws, "truth": truth, "ess": np.float32(400), "method": np.int8(1), "seconds": 1.0}


@pytest.fixture
def stubbed(setting, monkeypatch):
    wide = replace(setting, durations_gyr=(0.0, 1.9))
    monkeypatch.setattr(TimeResolution, "posterior", stub)
    return wide


def test_scores_of_known_posteriors(stubbed):
    result = run_time_resolution(stubbed, 200)
    table = result.table()
    assert len(table) == 2 * 2 * 2 * 2 and set(table["n"]) == {200} and set(table["converged"]) == {1.0}
    for row in table[(table["prior"] == "own") & (table["quantity"] == "t50")]:
        width = 0.1 if row["z"] == 3.2 else 0.3
        assert row["width"] == pytest.approx(width, rel=0.03)
        assert row["rmse"] == pytest.approx(width, rel=0.2) and abs(row["bias"]) < 4.0 * row["bias_err"]
        assert abs(row["coverage68"] - 0.68) < 4.0 * row["coverage68_err"]
        # gaps of three quantiles are uniform under the prior: t50 is the middle one of three ordered numbers
        share = 0.5 * np.ptp(beta(2, 2).ppf([0.16, 0.84]))
        assert row["prior_width"] == pytest.approx(share * (EARLY if row["z"] == 3.2 else LATE), rel=0.03)
    assert result.width_ratio(5.0, 0.0, "t50", "own") == pytest.approx(3.0, rel=1e-3)
    assert any("width at z = 0 over that at z = 3.2: t50 3.00" in line for line in result.lines())


def test_posteriors_that_have_not_converged_are_not_scored(stubbed, monkeypatch):
    monkeypatch.setattr(TimeResolution, "posterior", lambda *a: stub(*a) | {"ess": np.float32(5.0)})
    table = run_time_resolution(stubbed, 3).table()
    assert set(table["converged"]) == {0.0} and np.isnan(table["width"]).all()
    assert np.isfinite(table["prior_width"]).all()


def test_a_run_goes_on_where_it_stopped(stubbed, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(TimeResolution, "posterior", lambda *a: made.append(a[1:]) or stub(*a))
    with pytest.raises(UserError, match="no galaxy has its 6 posteriors yet: 4 are there"):
        run_time_resolution(stubbed, 2, tmp_path, at_most=4)
    first = run_time_resolution(stubbed, 2, tmp_path, at_most=4)
    assert first.n_galaxies == 1 and first.n_left == 4
    last = run_time_resolution(stubbed, 2, tmp_path)
    assert last.n_left == 0 and last.n_galaxies == 2 and len(made) == len(set(made)) == 12
    whole = run_time_resolution(stubbed, 2)
    assert [list(row) for row in last.table()] == [list(row) for row in whole.table()]
    with pytest.raises(UserError, match="holds a study with seed 0, this one has 1: choose another folder"):
        run_time_resolution(replace(stubbed, seed=1), 2, tmp_path)
    path = next((tmp_path / "posteriors").iterdir())
    path.write_bytes(b"no array")
    with pytest.raises(UserError, match="cannot be read .* remove it, and it is made again"):
        run_time_resolution(stubbed, 2, tmp_path)
    (tmp_path / "study.json").write_text(json.dumps([]))
    with pytest.raises(UserError, match="holds a study with grid None"):
        run_time_resolution(stubbed, 2, tmp_path)
    with pytest.raises(UserError, match="at_most without a folder"):
        run_time_resolution(stubbed, 2, at_most=1)


def test_settings_that_make_no_experiment_are_refused(line_grid):
    def setting(**options):
        return TimeResolution(line_grid, **({"rest_aa": (4400.0, 5350.0)} | options))

    with pytest.raises(UserError, match="redshifts 3.2: give two or more different ones, 0 to 20"):
        setting(redshifts=(3.2,))
    with pytest.raises(UserError, match="redshifts 3.2, -1.0: give two"):
        setting(redshifts=(3.2, -1.0))
    with pytest.raises(UserError, match="S/N 0.0: give one or more numbers above 0"):
        setting(snr=(0.0,))
    with pytest.raises(
        UserError, match="t90 - t10 from 0.1 to 3 Gyr: give 0 <= low < high, up to 1.97 Gyr, the age"
    ):
        setting(durations_gyr=(0.1, 3.0))
    with pytest.raises(UserError, match="3650-7350 Angstrom: SSP grid lines has 4300-5500: give wavelengths"):
        TimeResolution(line_grid)
    with pytest.raises(UserError, match="0 quantiles of formation: give at least 1"):
        setting(n_quantiles=0)
    with pytest.raises(UserError, match="resolution -1.0: give a resolving power above 0"):
        setting(resolution=-1.0)
    with pytest.raises(UserError, match="no history of the prior has t90 - t10 from 1.96 to 1.9601 Gyr"):
        setting(durations_gyr=(1.96, 1.9601)).truth(0)


def test_command_line(line_grid, stubbed, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(study_command, "grid_of", lambda name: line_grid)
    common = ["study", "time-resolution", "-o", str(tmp_path / "out"), "--snr", "30", "--durations", "0,1.9"]
    monkeypatch.setattr(
        "dsps_sbi.spectroscopy.time_resolution.TimeResolution",
        lambda grid, **options: TimeResolution(grid, rest_aa=(4400.0, 5350.0), **options),
    )
    assert main([*common, "--n", "3"]) == 0
    said = capsys.readouterr().out
    assert "S/N 30, z = 0, prior cosmic: t50 +- 0.3" in said and "of 3 galaxies" in said
    table = Table.read(tmp_path / "out" / "time_resolution.ecsv")
    assert set(table["quantity"]) == set(QUANTITIES) and table.meta["resolution"] == 1000.0
    assert (tmp_path / "out" / "time_resolution.png").stat().st_size > 5000
    assert main([*common, "--n", "4", "--at-most", "1"]) == 0
    assert "2 posteriors are left: run again to go on" in capsys.readouterr().out


def test_what_is_mistyped_is_one_line(tmp_path, capsys):
    for words, said in (
        (["ages"], "there is no study 'ages': give time-resolution, outshining"),
        (["time-resolution", "--snr", "a"], "--snr is 'a': give numbers with commas"),
        (["time-resolution", "--durations", "1"], "--durations is '1': give two numbers"),
        (["time-resolution", "--ssp", "none.h5"], "there is no grid and no file 'none.h5': give one of bc03"),
    ):
        assert main(["study", *words, "-o", str(tmp_path)]) == 1
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1
