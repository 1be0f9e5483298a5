"""The command ``check``: exit status, files, and messages."""

import dataclasses
import importlib
import json

import numpy as np
import pytest

from dsps_sbi.bundle.load import save_bundle
from dsps_sbi.calibration.scores import Calibration, score

NAMES = ("av", "log_mass_formed")


@pytest.fixture
def check(run, tiny_bundle, monkeypatch):
    """Run the command with a check that takes no time; what it was asked for is kept."""
    seen = {}

    def command(*argv, power=1.0, bundle=tiny_bundle):
        def quick(post, **options):
            seen.update(options)
            pit = np.random.default_rng(2).random((options["n"], 2)) ** power
            one = np.ones(len(pit))
            scores = [score("snr_100", "S/N > 100", "flow", pit, pit, one, one, one)]
            return Calibration("tiny", NAMES, tuple(scores), {"seed": options["seed"]})

        monkeypatch.setattr(importlib.import_module("dsps_sbi.calibration.check"), "check", quick)
        return run("check", bundle, *argv)

    return command, seen


def test_a_calibrated_bundle(check, tmp_path):
    command, seen = check
    status, output, error = command("--n", 4000, "--draws", 300, "-o", tmp_path / "new" / "out", "--seed", 5)
    assert (status, error) == (0, "") and output.startswith("tiny: calibration passed")
    assert seen == {"n": 4000, "n_draws": 300, "n_refined": 0, "seed": 5, "progress": False}
    assert {p.name for p in (tmp_path / "new" / "out").iterdir()} == {"report.html", "check.json"}
    assert json.loads((tmp_path / "new" / "out" / "check.json").read_text())["passed"] is True


def test_a_bundle_that_fails_is_exit_status_2(check, tmp_path):
    command, seen = check
    status, output, error = command("--refined", "--n", 3000, "-o", tmp_path, power=1.3)
    assert (status, error) == (2, "") and "calibration FAILED" in output and "ranks of av" in output
    assert seen["n_refined"] == 2000
    assert json.loads((tmp_path / "check.json").read_text())["failures"]
    assert command("--refined", "--n", 500, power=1.3)[0] == 2 and seen["n_refined"] == 500


def test_errors_are_one_line_and_exit_status_1(check, run, tiny_bundle, tmp_path, monkeypatch):
    status, output, error = check[0](bundle="nowhere")
    assert (status, output) == (1, "") and error.startswith("error: no bundle at nowhere")
    (tmp_path / "file").touch()
    status, output, error = check[0]("-o", tmp_path / "file")
    assert (status, output) == (1, "") and error.count("\n") == 1 and "cannot be made" in error


@pytest.fixture
def real_bundle(tiny_posterior, tmp_path):
    """A bundle that names a grid which can be fetched."""
    ssp = {"name": "bc03-miles", "sha": "0", "imf": "Kroupa", "tracks": "Padova 1994"}
    post = dataclasses.replace(tiny_posterior, meta=tiny_posterior.meta | {"ssp": ssp})
    return save_bundle(post, tmp_path / "real")


def test_the_grid_has_to_be_there(run, real_bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path))
    status, output, error = run("check", real_bundle)
    assert (status, output) == (1, "") and error.count("\n") == 1
    assert "run 'dsps-sbi fetch bc03-miles'" in error
    # a folder made for it goes again, one that was there stays
    assert run("check", real_bundle, "-o", tmp_path / "new" / "out")[0] == 1
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    assert run("check", real_bundle, "-o", tmp_path / "old")[0] == 1
    assert (tmp_path / "old").is_dir() and not list((tmp_path / "old").iterdir())


def test_another_model_is_refused_before_anything_is_simulated(run, tiny_bundle, toy, monkeypatch):
    monkeypatch.setattr("dsps_sbi.photometry.posterior.load", lambda name: toy)
    # the bundle of the tests holds no reference fluxes
    status, _, error = run("check", tiny_bundle)
    assert status == 1 and "bundle tiny holds no reference fluxes: train it again" in error
    status, _, error = run("check", tiny_bundle, "--n", 5)
    assert status == 1 and "5 mocks per slice" in error


def test_a_bundle_for_any_filters_needs_some(check, run, monkeypatch):
    command, seen = check
    module = importlib.import_module("dsps_sbi.bundle.load")
    asked = []

    class Any:
        def for_filters(self, names, **options):
            asked.append((names, options))
            return self

    monkeypatch.setattr(module, "load_bundle", lambda name: Any())
    status, output, error = command()
    assert (status, output) == (1, "") and error.count("\n") == 1
    assert "is for any filters, mocks are of given ones: give --filters jades" in error
    assert command("--n", 100, "--filters", "hsc_g, hsc_r", "--floor", 0.1)[0] == 0
    assert command("--n", 100, "--filters", "jades")[0] == 0
    assert asked[0] == (("hsc_g", "hsc_r"), {"floor": 0.1})
    assert len(asked[1][0]) == 19 and asked[1][1] == {}


def test_filters_go_with_a_bundle_for_any(check):
    status, _, error = check[0]("--filters", "jades")
    assert status == 1 and "go with a bundle for any filters" in error
