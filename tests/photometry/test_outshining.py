"""The experiment on outshining: galaxies of known mass, runs that go on, and numbers of known answers."""

import warnings

import jax
import numpy as np
import pytest
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.cli import study as study_command
from dsps_sbi.errors import UserError
from dsps_sbi.instruments.jades import JADES_BANDS, JADES_DEPTH_UJY
from dsps_sbi.photometry import outshining
from dsps_sbi.photometry.main_sequence import log_sfr
from dsps_sbi.photometry.outshining import Outshining
from dsps_sbi.photometry.outshining_run import run_outshining


@pytest.fixture(scope="module")
def setting(toy, tiny_posterior):
    posts = {"one": tiny_posterior, "two": tiny_posterior}
    return Outshining(posts, ssp=toy, sides=(5,), n_draws=20, models=dict.fromkeys(posts))


def test_galaxies_have_the_mass_and_rate_that_they_say(setting):
    galaxies = [setting.galaxy(i) for i in range(20)]
    masses = np.array([np.log10(truth["mass"].sum()) for _, truth in galaxies])
    assert masses.min() > 6.5 and masses.max() < 11.0 and np.ptp(masses) > 3.0
    z = np.array([truth["z"] for _, truth in galaxies])
    # the less massive the nearer
    assert z[masses < 7.5].max() < 1.0 and z[masses > 9.5].max() > 1.0
    rates = np.array([np.log10(truth["sfr_100"].sum()) for _, truth in galaxies])
    ages = np.array([float(ds.Cosmology.from_astropy().age(np.float32(one))) for one in z])
    off = rates - log_sfr(masses, ages)
    # about the sequence: bursts are averaged over 100 Myr, old stars form some too
    assert abs(np.median(off)) < 0.4 and 0.2 < np.std(off) < 0.9
    for cube, truth in galaxies:
        assert cube.redshift == pytest.approx(truth["z"]) and (cube.mask == (truth["mass"] == 0)).all()
        ratio = (cube.flux_ujy / cube.sigma_ujy)[~cube.mask]
        rows = [cube.filters.index(f"jwst_f{band}w") for band in (277, 356, 444)]
        assert np.median(ratio[:, rows].mean(axis=1)) == pytest.approx(truth["snr"], rel=0.35)
    again = setting.galaxy(3)
    np.testing.assert_array_equal(again[0].flux_ujy, galaxies[3][0].flux_ujy)


def test_light_is_that_of_both_populations(setting, monkeypatch):
    """Against the model at full resolution, one pixel after the other."""
    seen = []
    stars = Outshining._stars
    monkeypatch.setattr(Outshining, "_stars", lambda *args: seen.append(stars(*args)) or seen[-1])
    cube, truth = setting.galaxy(2)
    old, young, universe = seen[0]
    assert universe == pytest.approx(float(ds.Cosmology.from_astropy().age(np.float32(truth["z"]))))
    centre = int(np.argmax(old[:, -1]))
    pixel = next(i for i in (centre, *range(len(old))) if np.isfinite(young[i, -1]))
    flux = 0.0
    for model, theta in zip(setting._truth.values(), (old, young), strict=True):
        flux = flux + np.asarray(jax.jit(model.predict)(np.float32(theta[pixel]), truth["z"]), float)
    # the scale of the mass is one number for all pixels: all bands together tell it
    shape = flux / cube.sigma_ujy[pixel]
    scale = shape @ (cube.flux_ujy[pixel] / cube.sigma_ujy[pixel]) / (shape @ shape)
    chi2 = np.sum(((cube.flux_ujy[pixel] - scale * flux) / cube.sigma_ujy[pixel]) ** 2)
    assert 5.0 < chi2 < 45.0
    # inside out: stars of the centre are the oldest
    inside = ~cube.mask
    assert old[centre, 1] == pytest.approx(old[inside, 1].min(), rel=0.05)
    share = 10.0 ** young[inside, -1] / (10.0 ** young[inside, -1] + 10.0 ** old[inside, -1])
    assert share.max() <= 0.9 + 1e-6 and (share == 0).any()
    np.testing.assert_allclose(cube.sigma_ujy[0] / JADES_DEPTH_UJY, cube.sigma_ujy[0, 0] / JADES_DEPTH_UJY[0])


def test_both_ways_see_the_same_pixels(setting):
    cube, truth = setting.galaxy(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = setting.fit("one", cube, truth)
    n = int(found["n_pixels"])
    assert 3 < n <= (~cube.mask).sum() and 0.0 < found["seen"] <= 1.0
    assert found["true"][0] == pytest.approx(np.log10(truth["mass"].sum() * found["seen"]))
    for way in ("pixels", "integrated"):
        assert (np.diff(found[way], axis=1) > 0.0).all() and np.isfinite(found[way]).all()
    # nothing is bright enough
    dark = ds.PixelCube(cube.flux_ujy * 0.01, cube.sigma_ujy, cube.filters, cube.redshift, cube.shape)
    found = setting.fit("one", dark, truth)
    assert int(found["n_pixels"]) == 0 and np.isnan(found["pixels"]).all()


@pytest.fixture
def stubbed(monkeypatch):
    """Fits whose answers are known: the whole misses 0.3 dex of galaxies below 10^8 Msun, 0.01 dex above."""
    calls = []

    def fit(self, name, cube, truth=None):
        calls.append(name)
        true = 9.0 if truth is None else np.log10(truth["mass"].sum())
        way = true + (0.2 if name == "two" else 0.0) + np.array([-0.1, 0.0, 0.1])
        missed = 0.3 if true < 8.0 else 0.01
        out = {"pixels": np.stack([way, way]), "integrated": np.stack([way - missed, way])}
        out |= {"true": np.array([true, 0.0]), "seen": 1.0, "n_pixels": 9, "n_trusted": 8}
        out |= {
            "integrated_trusted": True,
            "z": 1.0,
            "log_mass": true,
            "snr": 12.0,
            "side": 5,
            "log_ssfr": -9.0,
        }
        return {key: np.asarray(value) for key, value in out.items()}

    def galaxy(self, number):
        masses = 10.0 ** np.random.default_rng(number).uniform(6.5, 11.0)
        cube = ds.PixelCube(np.ones((4, 3)), np.ones((4, 3)), JADES_BANDS[:3], 1.0 + number, (2, 2))
        return cube, {"mass": np.full(4, masses / 4), "sfr_100": np.ones(4)}

    monkeypatch.setattr(Outshining, "fit", fit)
    monkeypatch.setattr(Outshining, "galaxy", galaxy)
    return calls


def test_numbers_are_those_of_known_answers(setting, stubbed):
    result = run_outshining(setting, 40)
    table = result.table()
    few = table[(table["bundle"] == "one") & (table["by"] == "log_mass")]
    assert few["outshined"][0] == pytest.approx(-0.3) and few["outshined"][-1] == pytest.approx(-0.01)
    assert few["pixels_bias"][0] == pytest.approx(0.0) and few["integrated_bias"][0] == pytest.approx(-0.3)
    assert few["pixels_coverage68"].tolist() == [1.0] * 4 and few["integrated_coverage68"][0] == 0.0
    assert few["n"].sum() == 40 == table["n"][0] and table["by"][0] == "all"
    between = result.between_histories()
    assert between == {key: pytest.approx(0.2) for key in ("median", "rms", "median_size")}
    assert any("10^6.5 to 10^8 Msun" in line and "-0.300 +- 0.000 dex" in line for line in result.lines())
    assert "two over one, summed over pixels: +0.20 dex in the median, 0.20 rms" in result.lines()
    single = Outshining({"one": setting.posts["one"]}, ssp=setting.ssp)
    assert run_outshining(single, 4).between_histories() == {}


def test_runs_go_on(setting, stubbed, tmp_path):
    with pytest.raises(UserError, match="no galaxy has the fits of all 2 bundles yet: go on with a larger"):
        run_outshining(setting, 3, tmp_path, at_most=1)
    assert run_outshining(setting, 3, tmp_path, at_most=2).n_left == 3
    assert len(stubbed) == 3
    result = run_outshining(setting, 3, tmp_path)
    assert len(stubbed) == 6 and result.n_left == 0 and result.n_galaxies == 3
    image = setting.galaxy(7)[0]
    for _ in range(2):
        result = run_outshining(setting, 3, tmp_path, images=[image])
    assert len(stubbed) == 8 and result.image_table()["outshined"].tolist() == pytest.approx([-0.01, -0.01])
    other = Outshining(setting.posts, ssp=setting.ssp, sides=(5,), n_draws=21)
    with pytest.raises(UserError, match="holds a study with n_draws 20, this one has 21: choose another"):
        run_outshining(other, 3, tmp_path)
    next((tmp_path / "fits").iterdir()).write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be read .*: remove it, and it is made again"):
        run_outshining(setting, 3, tmp_path)
    with pytest.raises(UserError, match="at_most without a folder"):
        run_outshining(setting, 3, at_most=1)


def test_command_line(toy, tiny_bundle, make_cutout, stubbed, tmp_path, run, monkeypatch):
    monkeypatch.setattr(study_command, "grid_of", lambda name: toy)
    common = [
        "study",
        "outshining",
        "-o",
        tmp_path / "out",
        "--bundles",
        tiny_bundle,
        "--sides",
        "5",
        "--n",
        6,
    ]
    status, said, error = run(*common, make_cutout())
    assert (status, error) == (0, "") and "outshining.ecsv and .png, of 6 galaxies" in said
    assert "galaxy.fits, tiny: 9.00 by 9 pixels, 8.99 by the whole" in said
    assert set(Table.read(tmp_path / "out" / "outshining.ecsv")["bundle"]) == {"tiny"}
    assert len(Table.read(tmp_path / "out" / "images.ecsv")) == 1
    assert (tmp_path / "out" / "outshining.png").stat().st_size > 5000
    for words, message in (
        (
            ["outshining", "--durations", "0,1"],
            "--durations was given with outshining: this goes with",
        ),
        (["time-resolution", "--masses", "7,9"], "--masses was given with time-resolution: this goes with"),
        (["outshining", "--masses", "7"], "--masses is '7': give two numbers, such as 6.5,11"),
        (["outshining", "--sides", "5.5"], "--sides is '5.5': give whole numbers of pixels"),
    ):
        status, _, error = run("study", *words, "-o", tmp_path)
        assert status == 1 and message in error and error.count("\n") == 1


def test_what_makes_no_experiment_is_refused(setting, toy):
    for options, message in (
        ({"log_mass": (9.0, 8.0)}, "mass from 9 to 8: give low < high, from 4.5 up"),
        ({"snr": (0.1, 9.0)}, "S/N from 0.1 to 9: give low < high, from 1 up"),
        ({"z_most": 0.2}, "redshifts up to 0.2: give a number above 0.3"),
        ({"sides": (2,)}, "pixels across a galaxy"),
        ({"posts": {}}, "no bundle is named: give one or more of images"),
    ):
        with pytest.raises(UserError, match=message):
            Outshining(**({"posts": setting.posts, "ssp": toy} | options))
    assert outshining.QUANTITIES[0] == "log_mass"
