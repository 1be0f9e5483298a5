"""Train a posterior of spectra from a model."""

from pathlib import Path

import numpy as np

from .fit_guess import fit_guess
from .spectra.model import SpectrumModel
from .spectra.network import SpectrumArchitecture, SpectrumNetwork
from .spectra.simulate import SpectrumSimulator, identity
from .spectra.subspace import find_subspace
from .spectrum_posterior import SpectrumPosterior
from .training import TrainConfig, Trainer


def train_spectra(
    model: SpectrumModel,
    *,
    simulator: SpectrumSimulator | None = None,
    arch: SpectrumArchitecture | None = None,
    config: TrainConfig | None = None,
    name: str = "unnamed",
    checkpoint=None,
    guess_steps: int = 2000,
    guess_batch: int = 512,
    progress: bool = True,
) -> SpectrumPosterior:
    """Simulate spectra and train until the last step.

    Parameters
    ----------
    model : SpectrumModel
        Its spectrograph has the rest wavelengths, the pixels and the resolution that the network sees.
    simulator : SpectrumSimulator or None
        Noise and gaps; by default S/N of 5 to 1000 per pixel.
    arch : SpectrumArchitecture or None
    config : TrainConfig or None
    name : str
    checkpoint : path or None
        Training resumes from it if it exists.
    guess_steps, guess_batch : int
        Of the first guess, which is trained before the rest.
    progress : bool

    Returns
    -------
    SpectrumPosterior

    Raises
    ------
    UserError
        If the model has dust, or the checkpoint is another training's.
    """
    simulator = SpectrumSimulator(model) if simulator is None else simulator
    config = TrainConfig(batch=256) if config is None else config
    arch = arch or SpectrumArchitecture()
    view = simulator.view
    sizes = {"n_component": arch.n_component, "n_light": arch.n_light, "n_node": arch.n_node}
    subspace = find_subspace(model, view, seed=config.seed + 40, **sizes)
    basis = view.basis, model.continuum.sigma
    network = SpectrumNetwork(arch, model.prior, model.sfh, model.cosmology, subspace, *basis)
    weights = None
    if checkpoint is None or not Path(checkpoint).exists():
        options = {"seed": config.seed + 30, "steps": guess_steps, "progress": progress}
        weights = fit_guess(
            network, simulator, network.init(config.seed), n_z=guess_batch, n_per_z=1, **options
        )
    trained = Trainer(network, simulator, config, checkpoint, start=weights).run(progress=progress)
    meta = {
        "name": name,
        **trained.record(config),
        "model": identity(model),
        "noise": simulator.identity()["noise"],
    }
    return SpectrumPosterior(
        network,
        trained.weights,
        model.spectrograph,
        np.asarray(view.valid),
        simulator.snr,
        simulator.shortest,
        meta,
    )
