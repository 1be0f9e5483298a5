"""Trains the tiny posterior in ``trained/``, which tests of answers load; to be run from the top folder.

It belongs to the model of ``make_tau_model``: run this again where that, or what bundles hold, has changed.
"""

from pathlib import Path

import conftest as here

import dsps_sbi as ds

FOLDER = Path(__file__).parent / "trained"


def main():
    model = here.make_tau_model(here.make_line_grid())
    config = ds.TrainConfig(
        steps=200, batch=64, n_z=1, n_per_z=64, pool=16, learning_rate=1e-2, warmup=10, ema=0.95
    )
    post = ds.train_spectra(
        model,
        simulator=ds.SpectrumSimulator(model, snr=(10.0, 200.0)),
        arch=here.ARCH,
        config=config,
        guess_steps=150,
        guess_batch=96,
        name="tiny-trained",
        command="python tests/spectroscopy/make_trained.py",
        progress=False,
    )
    ds.save_bundle(post, FOLDER)


if __name__ == "__main__":
    main()
