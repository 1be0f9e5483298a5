"""Train a posterior of spectra from a model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..ssp.fetch import fetched_as
from ..training.initial_guess import fit_guess, with_parts
from ..training.trainer import TrainConfig, Trainer, provenance
from .compressed import find_subspace, mixing
from .fingerprint import reference_spectra
from .model import SpectrumModel
from .network import SpectrumArchitecture, SpectrumNetwork
from .nuisances import typical_terms
from .posterior import SpectrumPosterior
from .simulator import SpectrumSimulator

# Steps of a first guess that nothing is known of
_GUESS_STEPS = 500
# Spectra of the prior that the network's components are found with
_N_DRAWN = 4000


def train_spectra(
    model: SpectrumModel,
    *,
    simulator: SpectrumSimulator | None = None,
    arch: SpectrumArchitecture | None = None,
    config: TrainConfig | None = None,
    name: str = "unnamed",
    checkpoint=None,
    start: SpectrumPosterior | None = None,
    guess_steps: int | None = None,
    guess_batch: int = 256,
    progress: bool = True,
    on_record: Callable[[dict], None] | None = None,
    command: str = "",
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
    start : SpectrumPosterior or None
        Begin with its weights: of a network as wide and at most as deep, for the same pixels.
    guess_steps, guess_batch : int
        Of the first guess, which is trained before the rest; by default 500 steps, and none where
        ``start`` has a guess. If given, that guess is trained on.
    progress : bool
    on_record : callable or None
        Called with each new entry of the history.
    command : str
        The command line, for the record.

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
    drawn = {"n_draw": _N_DRAWN, "seed": config.seed + 40}
    # weights that are given know components by their signs
    like = None if start is None else np.asarray(start.network.subspace.components)
    subspace = find_subspace(model, view, **drawn, **sizes, like=like)
    basis = view.basis, typical_terms(model)
    network = SpectrumNetwork(arch, model.prior, model.sfh, model.cosmology, subspace, *basis)
    fresh = network.init(config.seed)
    # of this model, whatever given weights were trained on
    weights = fresh if start is None else with_parts(start.weights, subspace=fresh["subspace"])
    if guess_steps is None:
        guess_steps = _GUESS_STEPS if start is None else 0
    if guess_steps and (checkpoint is None or not Path(checkpoint).exists()):
        options = {"seed": config.seed + 30, "steps": guess_steps, "progress": progress}
        weights = fit_guess(network, simulator, weights, n_z=guess_batch, n_per_z=1, **options)
    trainer = Trainer(network, simulator, config, checkpoint, start=weights)
    trained = trainer.run(progress=progress, on_record=on_record)
    grids = list(model.grids.values())
    meta = {
        "name": name,
        "command": command,
        **trained.record(config),
        "ssp": {"name": [fetched_as(grid) for grid in grids], "sha": [grid.sha for grid in grids]},
        "subspace_error": float(subspace.error),
        "reference": reference_spectra(model),
    } | provenance(start)
    return SpectrumPosterior(
        network,
        trained.weights,
        model.spectrograph,
        np.asarray(view.valid),
        simulator.options,
        model.continuum,
        model.model_error,
        model.sharper,
        model.rest_aa,
        mixing(subspace, model, view, **drawn),
        drawn["seed"],
        meta,
    )
