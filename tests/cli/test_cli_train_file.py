"""``dsps-sbi train MODEL.toml``: trained, kept, checked, resumed; options of the command line come first."""

import importlib
import json

import pytest

from dsps_sbi.bundle.files import META
from dsps_sbi.calibration.scores import Calibration

TINY = """
name = "mine"
output = "mine.bundle"
preset = "jades-pixels"

[model]
ssp = "toy.h5"

[prior]
av = [0.0, 2.0]

[network]
width = 8
n_blocks = 1
n_context = 8
flow_width = 8
n_layers = 1
n_bins = 3
guess_width = 0

[training]
steps = 2
batch = 8
n_z = 2
n_per_z = 8
pool = 2

[check]
n = 100
draws = 70
"""


@pytest.fixture
def file(toy, tmp_path):
    from dsps_sbi.ssp import write_grid

    write_grid(toy, tmp_path / "toy.h5")
    (tmp_path / "model.toml").write_text(TINY)
    return tmp_path / "model.toml"


def test_a_training_from_beginning_to_end(run, file, tmp_path, monkeypatch):
    checking = importlib.import_module("dsps_sbi.calibration.check")
    result = type("Result", (), {"passed": False, "__str__": lambda self: "not calibrated"})()
    monkeypatch.setattr(checking, "check", lambda *_, **more: result)
    status, output, error = run("train", file)
    assert status == 2, error
    assert "step 2: loss" in output and f"{tmp_path / 'mine.bundle'}: loss" in output
    assert output.endswith("not calibrated\n")
    meta = json.loads((tmp_path / "mine.bundle" / META).read_text())
    assert meta["training"]["steps"] == 2 and meta["plateau"] is None and meta["name"] == "mine"
    assert (tmp_path / "mine.bundle.ckpt").is_file()
    # it goes on from its checkpoint: nothing is trained again
    status, output, _ = run("train", file, "--check-n", 0)
    assert status == 0 and "step 2" not in output
    # mocks under another prior are another training
    file.write_text(TINY.replace("[0.0, 2.0]", "[0.0, 3.0]"))
    status, _, error = run("train", file)
    assert (
        status == 1 and "was written with other options or another model" in error and error.count("\n") == 1
    )


@pytest.fixture
def seen(monkeypatch):
    """What the training was given; nothing is trained."""
    seen = {}

    def train(model, **options):
        seen.update(options, model=model)
        return type("Post", (), {"meta": {"loss": 1.0, "simulations": 2}})()

    monkeypatch.setattr(importlib.import_module("dsps_sbi.photometry.train"), "train", train)
    loading = importlib.import_module("dsps_sbi.bundle.load")
    monkeypatch.setattr(loading, "save_bundle", lambda post, path: seen.update(saved=path))
    checking = importlib.import_module("dsps_sbi.calibration.check")
    monkeypatch.setattr(
        checking, "check", lambda *_, **more: seen.update(more) or Calibration("x", (), (), {})
    )
    return seen


def test_options_come_first(run, file, seen, tmp_path):
    argv = ["--steps", 5, "--name", "other", "-o", tmp_path / "b", "--guess-steps", 3]
    status, _, error = run("train", file, *argv)
    assert status == 0, error
    assert seen["config"].steps == 5 and seen["config"].batch == 8 and seen["guess_steps"] == 3
    assert seen["name"] == "other" and seen["saved"] == tmp_path / "b" and seen["arch"].width == 8
    assert seen["checkpoint"] == tmp_path / "b.ckpt" and seen["model"].prior.marginals["av"].high == 2.0
    assert (seen["n"], seen["n_draws"], seen["n_refined"]) == (100, 70, 0)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--sfh", "dirichlet"], "--sfh beside"),
        (["--preset", "any-filters"], "--preset beside"),
        (["--steps", 0], "--steps"),
        (["-o", "model.toml"], "is a file: expected a folder for the bundle"),
    ],
)
def test_refused(run, file, argv, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, _, error = run("train", file, *argv)
    assert status == 1 and message in error and error.count("\n") == 1


def test_without_a_file_or_a_name(run, tmp_path):
    status, _, error = run("train")
    assert status == 1 and "--output and --name are missing" in error
    (tmp_path / "m.toml").write_text("name = 'x'")
    status, _, error = run("train", tmp_path / "m.toml")
    assert status == 1 and "has no output: add output" in error
    (tmp_path / "m.toml").write_text("naem = 'x'")
    status, _, error = run("train", tmp_path / "m.toml")
    assert status == 1 and "unknown key naem: do you mean name?" in error and error.count("\n") == 1
