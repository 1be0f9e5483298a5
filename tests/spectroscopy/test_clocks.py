"""The clocks of history and chemistry: numbers that are known, limits, and the command line."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.bundle import load as bundle_module
from dsps_sbi.cli.app import main
from dsps_sbi.errors import UserError
from dsps_sbi.plots.clocks_figure import plot_clocks
from dsps_sbi.spectroscopy import alpha as alpha_module

# the package has the command itself under its module's name
clocks_command = importlib.import_module("dsps_sbi.cli.clocks")

CLOCK = ds.ChemicalClock(0.2, -0.2, 0.05, "fwhm", "made up")
N = 40_000


def galaxy(alpha=0.3, spread=0.02, duration=1.0, edge=0, calibration=CLOCK):
    """Gaussian draws: t50 of 2 Gyr, half a duration on either side."""
    rng = np.random.default_rng(2)
    half = 0.5 * duration * 10.0 ** (0.05 * rng.standard_normal(N))
    times = np.stack([2.0 - half, np.full(N, 2.0), 2.0 + half], axis=1)
    draws = None if alpha is None else alpha + spread * rng.standard_normal(N)
    return ds.Clocks(times, 13.0, draws, edge, calibration)


def test_a_calibration_and_its_scatter():
    assert CLOCK.log_time(0.2) == 0.0 and CLOCK.log_time(0.4) == pytest.approx(-1.0)
    found = galaxy()
    # scatter of 0.05 dex in [alpha/Fe] is 0.25 dex in time, the draws' own is 0.1
    assert found.log_chemical.mean() == pytest.approx(-0.5, abs=0.01)
    assert found.log_chemical.std() == pytest.approx(np.hypot(0.25, 0.1), rel=0.02)
    history = np.log10(1.0 / 1.08845)
    assert found.log_difference.mean() == pytest.approx(history + 0.5, abs=0.01)
    spread = np.sqrt(0.25**2 + 0.1**2 + 0.05**2)
    assert found.significance == pytest.approx((history + 0.5) / spread, rel=0.03)


def test_the_width_of_a_gaussian():
    """t90 - t10 of a Gaussian star formation rate, over its full width at half maximum."""
    t = np.linspace(0.0, 10.0, 100_001)
    share = np.cumsum(np.exp(-0.5 * ((t - 5.0) / 0.6) ** 2))
    times = np.interp([0.1, 0.5, 0.9], share / share[-1], t)[None]
    found = ds.Clocks(times, 10.0)
    assert found.duration("fwhm")[0] == pytest.approx(0.6 * np.sqrt(8.0 * np.log(2.0)), rel=1e-3)
    assert found.duration("t90_t50")[0] == pytest.approx(0.5 * found.duration("t90_t10")[0], rel=1e-3)
    assert found.duration("t50")[0] == pytest.approx(5.0, rel=1e-4)
    # a burst has no duration: it is told as the shortest that can be
    assert ds.Clocks(np.full((1, 3), 2.0), 10.0).duration("t90_t10")[0] == 1e-3
    with pytest.raises(
        UserError, match="duration 't80' is not there: choose from t50, t90_t10, t90_t50, fwhm"
    ):
        found.duration("t80")


def test_words():
    text = "\n".join(galaxy().lines())
    assert "t50 2 +0 -0 Gyr" in text and "[alpha/Fe] 0.3 +0.02 -0.02" in text
    assert "made up, scatter 0.05 dex in [alpha/Fe]" in text and "sigma; P(history longer) 0.9" in text
    row = galaxy().row()
    assert row["t50"] == 2.0 and row["t90_t10_p16"] < row["t90_t10"] < row["t90_t10_p84"]


def test_a_limit_is_no_value():
    found = galaxy(alpha=0.39, edge=1)
    text = "\n".join(found.lines())
    assert "[alpha/Fe] > 0.357 (95 %)" in text and "log time-scale / Gyr < " in text
    assert "history - chemistry: > " in text and "sigma" not in text
    assert np.isnan(found.significance) and found.chemical_edge == -1
    assert "lower limit (95 %)" in [t.get_text() for a in plot_clocks(found).axes for t in _legend(a)]


def test_without_a_source_alpha_is_never_told():
    found = galaxy(alpha=None, calibration=None)
    text = "\n".join(found.lines())
    assert text.endswith("chemistry: no source of [alpha/Fe] was given") and "sigma" not in text
    assert np.isnan(found.row()["alpha_fe"]) and found.log_difference is None
    only = "\n".join(galaxy(calibration=None).lines())
    assert "no calibration was given: no time-scale follows" in only
    with pytest.raises(UserError, match=r"a calibration was given without a source of \[alpha/Fe\]"):
        galaxy(alpha=None)


def test_calibrations_that_are_none_are_one_line(tmp_path):
    path = tmp_path / "clock.toml"
    with pytest.raises(UserError, match="cannot read .*clock.toml .*give a TOML file of a calibration"):
        ds.ChemicalClock.read(path)
    path.write_text("intercept = ")
    with pytest.raises(UserError, match="clock.toml is not TOML"):
        ds.ChemicalClock.read(path)
    good = 'intercept = 0.2\nslope = -0.2\nscatter = 0.05\nof = "fwhm"\nsource = "made up"\n'
    path.write_text(good.replace("slope", "slop"))
    with pytest.raises(
        UserError, match="slope is missing or unknown: give intercept, slope, scatter, of, sou"
    ):
        ds.ChemicalClock.read(path)
    path.write_text(good.replace("-0.2", "0.0"))
    with pytest.raises(UserError, match="has slope 0 and scatter 0.05: give a slope that is not 0"):
        ds.ChemicalClock.read(path)
    path.write_text(good.replace('"fwhm"', '"tau"'))
    with pytest.raises(UserError, match="calibration is of 'tau': give one of t50, t90_t10, t90_t50, fwhm"):
        ds.ChemicalClock.read(path)
    path.write_text(good.replace('"made up"', '""'))
    with pytest.raises(UserError, match="calibration has no source: tell where its numbers are from"):
        ds.ChemicalClock.read(path)
    path.write_text(good.replace("-0.2", '"a"'))
    with pytest.raises(UserError, match="give finite numbers"):
        ds.ChemicalClock.read(path)
    path.write_text(good)
    assert ds.ChemicalClock.read(path) == CLOCK


def test_pictures_have_what_there_is(tmp_path):
    assert len(plot_clocks(galaxy(alpha=None, calibration=None)).axes) == 1
    assert len(plot_clocks(galaxy(calibration=None)).axes) == 2
    figure = plot_clocks(galaxy(), "one", path=tmp_path / "one.png")
    assert len(figure.axes) == 4 and (tmp_path / "one.png").stat().st_size > 5000
    assert "sigma" in figure.axes[3].get_title()


def _legend(axis):
    legend = axis.get_legend()
    return () if legend is None else legend.get_texts()


def plain_result():
    """What a result of two spectra without [alpha/Fe] has for the clocks."""
    return SimpleNamespace(
        formation_times=lambda fractions: np.ones((2, 5, 1)) * fractions * [[[1.0]], [[2.0]]],
        universe_gyr=np.array([12.0, 13.0]),
        trust=np.array(["untrusted", "trusted"]),
        posteriors=SimpleNamespace(ess=np.array([5.0, 200.0])),
    )


def test_clocks_of_results():
    clocks = ds.Clocks.of(plain_result(), i=1)
    np.testing.assert_allclose(clocks.times_gyr, [[0.2, 1.0, 1.8]] * 5)
    assert clocks.alpha_fe is None and clocks.universe_gyr == 13.0
    of_alpha = SimpleNamespace(
        edge=np.array([0, 1]),
        names=("t", "alpha_fe"),
        theta=np.full((5, 2), 0.4),
        universe_gyr=3.0,
        formation_times=lambda fractions: np.ones((5, 1)) * fractions,
    )
    clocks = ds.Clocks.of(of_alpha, CLOCK)
    assert clocks.alpha_edge == 1 and clocks.duration("t90_t10")[0] == pytest.approx(0.8)


def test_command_line(files, tmp_path, capsys, monkeypatch):
    """Histories alone; and what is mistyped is told before anything is loaded."""
    post = SimpleNamespace(data_words="spectra", infer=lambda *a, **k: plain_result())
    monkeypatch.setattr(bundle_module, "load_bundle", {"mine": post}.get)
    common = [
        "clocks",
        str(files["a"]),
        "--medium",
        "air",
        "--lsf",
        "fwhm_aa=5.5",
        "-o",
        str(tmp_path / "out"),
    ]
    assert main([*common, "--bundle", "mine"]) == 0
    said = capsys.readouterr().out
    assert "a: untrusted" in said and "no source of [alpha/Fe] was given" in said
    table = Table.read(tmp_path / "out" / "clocks.ecsv")
    assert table["name"][0] == "a" and np.isnan(table["alpha_fe"][0]) and 0.0 < table["t50"][0] < 14.0
    assert (tmp_path / "out" / "a_clocks.png").is_file()
    path = tmp_path / "clock.toml"
    path.write_text('intercept = 0.2\nslope = -0.2\nscatter = 0.05\nof = "fwhm"\nsource = "made up"\n')
    assert main([*common, "--bundle", "none", "--calibration", str(path)]) == 1
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1 and "--calibration was given without --alpha: [alpha/Fe] needs a source" in said
    )
    assert main([*common, "--bundle", "none", "--beside", str(path)]) == 1
    said = capsys.readouterr().err
    assert "--beside was given without --later-z: name the redshift to age to, such as 0" in said
    assert main([*common, "--bundle", "none", "--alpha", str(tmp_path / "no.fits")]) == 1
    assert "there is no" in (said := capsys.readouterr().err) and said.count("\n") == 1


def test_a_spectrum_of_nirspec_in_the_layout_of_the_dja(tmp_path, capsys, monkeypatch):
    """As of ZF-UDS-7329 in EXCELS: microns, micro-Jansky, and what the pipeline adds; neither z nor LSF."""
    wave = np.arange(1.70, 3.10, 1e-3)
    # f_lambda flat: f_nu rises with the square of the wavelength
    columns = {"wave": wave, "flux": 2.0 * wave**2, "err": np.where(wave < 1.75, 0.0, 0.02)}
    columns |= {"full_err": columns["err"], "path_corr": np.ones(wave.size), "profsum": np.ones(wave.size)}
    units = {"wave": "um", "flux": "uJy", "err": "uJy", "full_err": "uJy"}
    hdu = fits.BinTableHDU(Table(columns, units=units), name="SPEC1D")
    hdu.header["SRCNAME"], hdu.header["GRATING"], hdu.header["FILTER"] = "3543_55410", "G235M", "F170LP"
    others = [fits.ImageHDU(np.zeros((5, wave.size)), name=name) for name in ("SCI", "WHT", "PROFILE")]
    path = tmp_path / "excels-uds04-v4_g235m-f170lp_3543_55410.spec.fits"
    fits.HDUList([fits.PrimaryHDU(), hdu, *others]).writeto(path)
    seen = []
    post = SimpleNamespace(data_words="spectra", infer=lambda s, **k: seen.append(s) or plain_result())
    monkeypatch.setattr(bundle_module, "load_bundle", {"mine": post}.get)
    command = ["clocks", str(path), "--bundle", "mine", "--z", "3.205", "-o", str(tmp_path / "out")]
    assert main([*command, "--lsf", "resolving_power=1000"]) == 0
    assert "msaexp SPEC1D" in capsys.readouterr().out
    (spectrum,) = seen
    assert spectrum.redshift == 3.205 and spectrum.medium == "vacuum" and spectrum.absolute
    np.testing.assert_allclose(spectrum.wave_aa[[0, -1]] / 4.205, [4042.8, 7369.8], atol=3.0)
    assert not spectrum.valid[:49].any() and spectrum.valid[51:].all()
    # 2 uJy at 1 micron, of wavelength squared: 2e-29 c / (1 micron)^2 in erg/s/cm2/Angstrom
    np.testing.assert_allclose(spectrum.flux[60:], 2e-29 * 2.99792458e18 / 1e8 / 1e-17, rtol=1e-5)


def test_command_line_with_both_clocks(files, tmp_path, capsys, monkeypatch):
    """What reads, infers and draws is put together; the inference itself has tests of its own."""
    rng = np.random.default_rng(1)
    result = SimpleNamespace(
        edge=np.array([0, 0]),
        names=("t", "alpha_fe"),
        theta=0.3 + 0.02 * rng.standard_normal((400, 2)),
        universe_gyr=13.0,
        formation_times=lambda fractions: 2.0 + np.subtract(fractions, 0.5) + np.zeros((400, 1)),
        trust="trusted",
        ess=300.0,
    )
    given = {}

    def infer_alpha(post, spectrum, source, **options):
        given.update(source=source, **options)
        return result

    monkeypatch.setattr(alpha_module, "infer_alpha", infer_alpha)
    monkeypatch.setattr(alpha_module.AlphaSource, "of", lambda post, source: source)
    monkeypatch.setattr(clocks_command, "alpha_source", lambda path: path.name)
    monkeypatch.setattr(bundle_module, "load_bundle", {"mine": SimpleNamespace(data_words="spectra")}.get)
    path = tmp_path / "clock.toml"
    path.write_text('intercept = 0.2\nslope = -0.2\nscatter = 0.05\nof = "t90_t10"\nsource = "made up"\n')
    options = ["--medium", "air", "--lsf", "fwhm_aa=5.5", "-o", str(tmp_path), "--bundle", "mine"]
    options += ["--alpha", "table.fits", "--calibration", str(path), "--draws", "400"]
    assert main(["clocks", str(files["a"]), *options]) == 0
    assert given == {"source": "table.fits", "n_draws": 400, "seed": 0, "refine": True}
    said = capsys.readouterr().out
    assert "a: trusted, 300 effective draws" in said and "[alpha/Fe] 0." in said
    assert "history - chemistry: 0." in said and "made up, scatter 0.05 dex" in said
    row = Table.read(tmp_path / "clocks.ecsv")[0]
    assert row["alpha_fe"] == pytest.approx(0.3, abs=0.01) and 1.0 < row["significance"] < 2.0
