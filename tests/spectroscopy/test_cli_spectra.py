"""The command ``infer`` with a bundle of spectra."""

import numpy as np
import pytest
from astropy.table import Table

from dsps_sbi.bundle import load as bundle_module
from dsps_sbi.bundle.load import load_bundle
from dsps_sbi.cli import doctor as cli_doctor
from dsps_sbi.cli.spectra import as_options, describe
from dsps_sbi.io.spectrum_list import columns_of
from dsps_sbi.survey.run_log import LOG

READING = ("--medium", "air", "--lsf", "fwhm_aa=5.5")


@pytest.fixture
def fit(run, untrained, tiny_posterior, tmp_path, monkeypatch):
    """Run infer; bundles "spectra" and "images" are those of the tests."""
    known = {"spectra": untrained, "images": tiny_posterior}
    monkeypatch.setattr(bundle_module, "load_bundle", lambda name: known.get(name) or load_bundle(name))

    def fit(*argv, bundle="spectra", out=tmp_path / "out"):
        return run("infer", "--bundle", bundle, "-o", out, "--draws", 200, *argv)

    return fit


@pytest.fixture
def refused(fit, tmp_path):
    def refused(message, *argv, **options):
        status, output, error = fit(*argv, **options)
        assert status == 1 and output == ""
        assert error.startswith("error: ") and error.count("\n") == 1 and "Traceback" not in error
        assert message in error
        assert not (tmp_path / "out").exists()

    return refused


def catalogue(folder):
    return Table.read(folder / "catalogue.ecsv", format="ascii.ecsv")


def test_files(fit, files, tmp_path):
    status, output, error = fit(files["a"], files["b"], *READING, "--seed", 4, "--keep-draws")
    assert (status, error) == (0, "")
    assert "2 of 2 spectra fitted, 0 trusted" in output and "a: unchecked; t50 " in output
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {"catalogue.ecsv", "manifest.json", "a.png", "b.png", "draws.h5", LOG}
    table = catalogue(tmp_path / "out")
    assert table["name"].tolist() == ["a", "b"] and table["z"].tolist() == [0.05, 0.05]
    assert table.meta["seed"] == 4 and table.meta["n_draws"] == 200 and table.meta["method"] == "flow"
    status, output, _ = fit(files["a"], files["b"], *READING, "--seed", 4, "--keep-draws", "--resume")
    assert status == 0 and "2 of 2 spectra fitted" in output
    status, _, error = fit(files["a"], *READING, "--seed", 5, "--resume")
    assert status == 1 and "holds a run with seed 4, this one has 5" in error


@pytest.mark.optimized
def test_what_the_model_does_not_fit_is_told_with_what_may_be_the_cause(found):
    row = dict(found.table()[0])
    assert describe(row | {"population_p": 0.3}).startswith("a: untrusted; t50 ")
    row |= {"ppc_p": 0.3}
    assert "does not fit" not in describe(row | {"population_p": 0.3})
    assert "does not fit" not in describe(row | {"population_p": np.ma.masked})
    # a wrong redshift, medium, LSF or mask does the same as other populations do
    told = "; the model does not fit: wrong z, medium or LSF, unmasked lines, or other populations"
    assert describe(row | {"population_p": 1e-9}).endswith(told)
    assert describe(row | {"population_p": 0.3, "ppc_p": 1e-9}).endswith(told)


def test_limits_and_what_has_not_converged_are_told_as_such(found):
    row = found.rows()[0] | {
        "population_p": 0.3,
        "ess": 150.0,
        "at_edge": "stick_1 > 0.9, metallicity > 0.153",
    }
    median, half = row["sigma_v"], 0.5 * (row["sigma_v_p84"] - row["sigma_v_p16"])
    told = describe(row)
    assert "metallicity > 0.153 (95 %)," in told and "stick" not in told
    assert f"sigma_v {median:.3g} +- {half:.2g} km/s, from " in told
    told = describe(row | {"ess": 3.0})
    assert "+-" not in told and "95 %" not in told
    assert f"sigma_v {median:.3g} (not converged) km/s, from " in told
    told = describe(row | {"ess": 3.0, "at_edge": "sigma_v at the upper edge of the prior"})
    assert f"sigma_v {median:.3g} (not converged, at the upper edge of the prior) km/s, from " in told
    # the network's own draws have no weights
    assert "+-" in describe(row | {"ess": np.ma.masked})


def test_columns_units_and_redshift(fit, galaxies, tmp_path):
    one = galaxies[0]
    rows = np.transpose([one.wave_aa / 10.0, one.flux, one.sigma])
    np.savetxt(tmp_path / "plain.txt", rows, header="lam f e", comments="")
    options = ["--columns", "wave=lam,flux=f,error=e", "--wave-unit", "nm", "--flux-unit", "relative"]
    argv = [tmp_path / "plain.txt", *READING, *options, "--z", "0.05", "--no-pictures"]
    status, output, error = fit(*argv)
    assert (status, error) == (0, "") and "plain: unchecked" in output
    table = catalogue(tmp_path / "out")
    assert table["z"][0] == 0.05 and table["log_mass_formed"].mask.all()
    assert not (tmp_path / "out" / "plain.png").exists()
    np.savetxt(tmp_path / "two.txt", rows[:, :2])
    assert "air as given; LSF fwhm_aa 5.5 as given; z 0.05 as given" in output
    argv = [tmp_path / "two.txt", *READING, "--columns", "wave,flux", *options[2:]]
    assert fit(*argv, "--z", "0.05", "--snr", "60", "--no-pictures", out=tmp_path / "two")[0] == 0
    assert catalogue(tmp_path / "two")["snr"][0] == pytest.approx(60.0, rel=0.05)


def test_a_list(fit, files, tmp_path):
    rows = {"file": ["a.ecsv", "b.ecsv", "b.ecsv"], "redshift": [np.nan, 0.051, 0.05]}
    rows["name"] = ["first", "", "third"]
    Table(rows).write(tmp_path / "list.ecsv", format="ascii.ecsv")
    status, output, _ = fit("--list", tmp_path / "list.ecsv", *READING, "--no-pictures")
    assert status == 0 and "3 of 3 spectra fitted" in output
    table = catalogue(tmp_path / "out")
    assert table["name"].tolist() == ["first", "b", "third"] and table["z"].tolist() == [0.05, 0.051, 0.05]


def test_one_bad_spectrum_among_several(fit, files, tmp_path):
    (tmp_path / "broken.ecsv").write_text("nothing")
    status, output, error = fit(files["a"], tmp_path / "broken.ecsv", *READING, "--no-pictures")
    assert status == 1 and "1 of 2 spectra fitted" in output
    assert "error: broken: " in error and "1 of 2 spectra failed: mend them and run again" in error
    assert catalogue(tmp_path / "out")["trust"].tolist() == ["unchecked", "none"]


def test_options_of_the_other_kind(refused, files, make_cutout, tmp_path):
    message = "--filters was given with bundle spectra, which knows spectra: this goes with images"
    refused(message, files["a"], "--filters", "jades")
    message = "--pixel, --snr-min goes with a cube of spectra: give one, or leave it out"
    refused(message, files["a"], "--snr-min", 5, "--pixel", "1,2")
    refused("none.fits does not exist", tmp_path / "none.fits", "--snr-min", 5)
    message = "--lsf, --snr was given with bundle images, which knows images: this goes with spectra"
    refused(message, make_cutout(), "--lsf", "fwhm_aa=2.8", "--snr", 9, bundle="images")
    refused("some.csv does not exist", "--list", "some.csv", bundle="images")
    refused("--dask was given with bundle spectra", files["a"], "--dask", "local:2")
    message = "--shard 1/2 was given with --keep-draws: draws of spectra are in one file"
    refused(message, files["a"], *READING, "--shard", "1/2", "--keep-draws")


def test_wrong_input(refused, files, tmp_path):
    refused("does not tell its LSF", files["a"], "--medium", "air")
    refused("is not known: give --medium 'air' or --medium 'vacuum'", files["a"], "--lsf", "fwhm_aa=5.5")
    refused("has no column 'x'", files["a"], *READING, "--columns", "wave=x,flux=flux")
    refused("'flux' is no role=column", files["a"], *READING, "--columns", "wave=wavelength,flux")
    refused("--lsf 2.8: give what it is and its value", files["a"], "--lsf", "2.8")
    refused("LSF quantity 'fwhm' is unknown: give one of fwhm_aa", files["a"], "--lsf", "fwhm=2.8")
    refused("no spectrum is given: name at least one file, or a list")
    refused("no image is given: name at least one file", bundle="images")
    refused("--refine was given without the stellar populations", files["a"], *READING, "--refine")
    refused("--unweighted and --refine were given", files["a"], "--unweighted", "--refine")
    refused("two spectra are called a", files["a"], files["a"], *READING)
    refused("covers 1155-1400 Angstrom at rest, the network 4399-5350", files["a"], *READING, "--z", "3")
    (tmp_path / "list.csv").write_text("path,redshift\na.ecsv,0.05\n")
    refused("has 1 rows and the columns path, redshift: give", "--list", tmp_path / "list.csv")
    (tmp_path / "list.csv").write_text("file,redshift\na.ecsv,near\n")
    refused("the redshift of a.ecsv is 'near': give a number", "--list", tmp_path / "list.csv")


def test_doctor_knows_bundles_of_spectra(untrained, monkeypatch):
    monkeypatch.setattr(cli_doctor, "load_bundle", {"tiny": untrained}.__getitem__)
    told = cli_doctor._bundle("tiny")
    assert told == "spectra of 4400-5349 Angstrom at rest, z 0.0001-1, SSPs lines"


def test_columns_by_role_or_in_order():
    assert columns_of("wave=a, flux = b") == {"wave": "a", "flux": "b"}
    assert columns_of("wave,,flux") == ("wave", "", "flux")


@pytest.mark.parametrize(
    "python, option",
    [
        ("read it with redshift=", "read it with --z"),
        ("pass lsf=, for example LSF('fwhm_aa', 2.8) or", "pass --lsf, for example fwhm_aa=2.8 or"),
        ("give medium='air' or medium='vacuum'", "give --medium 'air' or --medium 'vacuum'"),
        ("pass pixel_in_lsf=False if", "pass --no-pixel-in-lsf if"),
        ("with columns=dict(error=...), variance=", "with --columns error=..., variance="),
        ("columns=dict(good='mask', ...)", "--columns good=mask,..."),
        ("choose one with targets=, or", "choose one with --targets, or"),
        ("ratio per pixel with snr=", "ratio per pixel with --snr"),
        ("columns=, for example dict(wave='a', flux='b'), of", "--columns, for example wave=a,flux=b, of"),
        ("columns= as their order, such as ('wave', 'flux')", "--columns as their order, such as wave,flux"),
        ("lower min_snr=, or give bins=", "lower --snr-min, or give --bins"),
    ],
)
def test_messages_name_options(python, option):
    assert as_options(python) == option


@pytest.mark.parametrize(
    "given, message",
    [
        (("--medium", "ether"), "--medium ether: give air or vacuum"),
        (("--lsf", "2.8"), "--lsf 2.8: give what it is and its value"),
        (("--columns", "wave=a,colour=b"), "'colour' is no role: give any of wave, log10_wave, flux"),
        (("--wave-unit", "furlong"), "--wave-unit furlong: no such unit"),
        (("--snr", "-3"), "--snr -3.0: give the signal-to-noise ratio"),
    ],
)
def test_mistyped_options_are_told_before_anything_is_loaded(run, monkeypatch, tmp_path, given, message):
    def load(*_):
        raise AssertionError("the bundle was loaded")

    monkeypatch.setattr(bundle_module, "load_bundle", load)
    status, _, error = run("infer", "a.fits", "--bundle", "any", "-o", tmp_path / "out", *given)
    assert status == 1 and message in error and error.count("\n") == 1
