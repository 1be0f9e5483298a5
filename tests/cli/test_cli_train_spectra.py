"""``dsps-sbi train`` for spectra: what it hands on."""

import importlib
from types import SimpleNamespace

import pytest

from dsps_sbi.spectroscopy import preset as presets


@pytest.fixture
def seen(monkeypatch, toy):
    """What the training and the bundle were given; nothing is trained."""
    seen = {}

    def train(model, **options):
        seen.update(options, model=model)
        return SimpleNamespace(meta={"loss": 1.5, "simulations": 9})

    monkeypatch.setattr(importlib.import_module("dsps_sbi.spectroscopy.train"), "train_spectra", train)
    monkeypatch.setattr(
        importlib.import_module("dsps_sbi.bundle.load"),
        "save_bundle",
        lambda post, path: seen.update(saved=path),
    )
    monkeypatch.setattr(presets.SpectrumPreset, "model", lambda self: seen.update(preset=self) or "model")
    return seen


def test_train_a_preset(run, seen, tmp_path):
    folder = tmp_path / "my.bundle"
    argv = ["train", "--preset", "miles-optical", "--name", "mine", "--steps", "3", "--seed", "2"]
    argv += ["--checkpoint", str(tmp_path / "my.ckpt"), "-o", str(folder)]
    status, output, _ = run(*argv)
    assert (status, output) == (0, f"{folder}: loss 1.500 after 9 simulations\n")
    assert seen["preset"].name == "miles-optical" and seen["saved"] == folder and seen["model"] == "model"
    assert (seen["config"].steps, seen["config"].seed, seen["config"].batch) == (3, 2, 256)
    assert seen["simulator"].snr == (5.0, 1000.0) and seen["simulator"].model == "model"
    assert seen["name"] == "mine" and seen["checkpoint"] == tmp_path / "my.ckpt"
    assert seen["command"] == "dsps-sbi " + " ".join(argv)


def test_train_from_a_bundle(run, seen, tmp_path, monkeypatch):
    monkeypatch.setattr(
        importlib.import_module("dsps_sbi.bundle.load"), "load_bundle", lambda name: f"read {name}"
    )
    argv = ["train", "--preset", "miles-optical", "--name", "a", "-o", tmp_path / "a"]
    assert run(*argv)[0] == 0 and seen["start"] is None
    assert run(*argv, "--start", "older")[0] == 0 and seen["start"] == "read older"
    assert seen["guess_steps"] is None
    assert run(*argv, "--start", "older", "--guess-steps", "7")[0] == 0 and seen["guess_steps"] == 7


def test_train_an_instrument(run, seen, tmp_path):
    path = tmp_path / "own.toml"
    text = (presets._folder() / "sdss.toml").read_text().replace('"sdss"', '"own"')
    path.write_text(text)
    assert run("train", "--instrument", path, "--name", "a", "-o", tmp_path / "a")[0] == 0
    assert seen["preset"].name == "own" and seen["preset"].observed.wave_aa[0] == 3800.0
    path.write_text(text.replace("grid =", "gird ="))
    status, _, error = run("train", "--instrument", path, "--name", "a", "-o", tmp_path / "a")
    assert status == 1 and error.startswith(f"error: {path}: [ssp] has the unknown key gird: expected grid")


@pytest.mark.parametrize(
    "words, message",
    [
        (("--preset", "sdss", "--dust", "salim"), "--dust salim is for presets of pixels: leave it out"),
        (("--preset", "sdss", "--log-u", "free"), "--log-u free is for presets of pixels"),
        (("--preset", "sdss", "--start", "a"), "no bundle at a: give a bundle"),
        (("--preset", "sdss", "--instrument", "a.toml"), "--preset sdss and --instrument a.toml were given"),
        (("--instrument", "a.toml"), "there is no preset and no file 'a.toml': give one of 4most"),
        (("--guess-steps", "7"), "--guess-steps 7 is for spectra and any-filters: leave it out"),
        (("--preset", "sds"), "model preset 'sds' is unknown"),
    ],
)
def test_what_is_refused(run, seen, tmp_path, words, message):
    status, _, error = run("train", "--name", "a", "-o", tmp_path / "a", *words)
    assert status == 1 and error.startswith(f"error: {message}") and "saved" not in seen


def test_a_grid_that_is_not_there(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "empty"))
    status, _, error = run("train", "--preset", "miles-optical", "--name", "a", "-o", tmp_path / "a")
    assert status == 1 and error.strip().endswith("run 'dsps-sbi fetch miles'")
