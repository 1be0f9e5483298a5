"""``dsps-sbi train --preset any-filters``: what it hands on."""

import importlib
from types import SimpleNamespace

import pytest

from dsps_sbi.photometry.model import GalaxyModel


@pytest.fixture
def seen(monkeypatch):
    """What the training and the bundle were given; nothing is trained."""
    seen = {}

    def train(model, **options):
        options["on_record"]({"step": 250, "loss": 1.25, "seconds": 60.0})
        seen.update(options, model=model)
        scores = {"av": {"r2": 0.5, "rmse": 0.25, "coverage68": 0.68}}
        return SimpleNamespace(meta={"loss": 1.5, "simulations": 9, "validation": scores}, names=("av",))

    module = importlib.import_module("dsps_sbi.photometry.universal.train")
    monkeypatch.setattr(module, "train_universal", train)
    monkeypatch.setattr(GalaxyModel, "preset", lambda name, **options: options)
    loading = importlib.import_module("dsps_sbi.bundle.load")
    monkeypatch.setattr(loading, "save_bundle", lambda post, path: seen.update(saved=path))
    monkeypatch.setattr(loading, "load_bundle", lambda name: f"read {name}")
    return seen


def test_train_for_any_filters(run, seen, tmp_path):
    argv = ["train", "--preset", "any-filters", "--name", "mine", "--steps", "3", "-o", tmp_path / "b"]
    argv += ["--log-u", "free", "--lya-escape", "0", "--model-error", "libraries", "--guess-steps", "5"]
    status, output, _ = run(*argv, "--start", "older", "--checkpoint", tmp_path / "c")
    assert status == 0
    assert output.splitlines() == [
        "step 250: loss 1.2500 nat, 60 s",
        f"{tmp_path / 'b'}: loss 1.500 after 9 simulations",
        "                av: r2 0.500  rmse 0.250  coverage68 0.680",
    ]
    assert seen["model"]["log_u"] == "free" and seen["model"]["error"] is not None
    assert (seen["config"].steps, seen["config"].n_z, seen["guess_steps"]) == (3, 64, 5)
    assert (
        seen["start"] == "read older"
        and seen["checkpoint"] == tmp_path / "c"
        and seen["saved"] == tmp_path / "b"
    )


def test_a_larger_batch_is_of_more_surveys(run, seen, tmp_path):
    argv = ["train", "--preset", "any-filters", "--name", "mine", "-o", tmp_path / "b", "--batch", 4096]
    assert run(*argv)[0] == 0 and (seen["config"].batch, seen["config"].n_z) == (4096, 256)
    assert seen["start"] is None and "guess_steps" not in seen
