"""The train verb from end to end, far too short to learn anything: toy grid to bundle to maps."""

import importlib
from functools import partial

import jax
import numpy as np
import pytest

from dsps_sbi.bundle.load import load_bundle, save_bundle
from dsps_sbi.photometry.network import PhotometryArchitecture
from dsps_sbi.photometry.train import train
from dsps_sbi.training.trainer import TrainConfig

SMALL = {"width": 16, "n_blocks": 1, "n_context": 8, "flow_width": 8, "n_layers": 2, "n_bins": 3}
ARCH = PhotometryArchitecture(**SMALL, guess_width=8, rank=8, n_redshifts=9)
CONFIG = TrainConfig(steps=4, batch=64, n_z=4, n_per_z=32, pool=4, refresh=100, warmup=1, seed=7)


@pytest.fixture(scope="module")
def trained(toy_model):
    module = importlib.import_module("dsps_sbi.photometry.train")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "validate", partial(module.validate, n_draws=10))
        patch.setattr(module, "fit_guess", partial(module.fit_guess, n_pool=24))
        patch.setattr(module, "fit_typicality", partial(module.fit_typicality, n_mocks=2000))
        return train(
            toy_model,
            arch=ARCH,
            config=CONFIG,
            name="quick",
            guess_steps=4,
            progress=False,
            command="dsps-sbi train ...",
        )


def test_provenance(trained, toy_model):
    meta = trained.meta
    assert meta["name"] == "quick" and meta["command"] == "dsps-sbi train ..." and meta["seed"] == 7
    assert meta["simulations"] == 4 * 64 and meta["skipped_updates"] == 0 and np.isfinite(meta["loss"])
    assert meta["ssp"]["sha"] == toy_model.ssp.sha and {"jax", "distrax", "dsps_sbi"} <= set(meta["versions"])
    reference = meta["reference"]
    assert np.shape(reference["theta"]) == (32, 5) and np.shape(reference["flux_ujy"]) == (32, 19)
    flux = jax.jit(toy_model.predict)(np.array(reference["theta"][9], np.float32), reference["z"][9])
    np.testing.assert_allclose(flux, reference["flux_ujy"][9], rtol=1e-3)
    validation = meta["validation"]
    assert validation["n"] > 200 and set(trained.quantities) <= set(validation)
    assert {"r2", "rmse", "coverage68"} <= set(validation["log_mass"])


def test_bundle_and_inference(trained, make_cube, tmp_path):
    post = load_bundle(save_bundle(trained, tmp_path / "quick"))
    assert post.meta["validation"] == trained.meta["validation"]
    for one, two in zip(jax.tree.leaves(post.weights), jax.tree.leaves(trained.weights), strict=True):
        np.testing.assert_array_equal(one, two)
    assert post.infer(make_cube(), n_draws=20).fitted.all()
