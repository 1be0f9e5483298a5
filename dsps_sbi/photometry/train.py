"""Train a posterior from a model and pack it with its provenance."""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from ..calibration.recovery import recovery
from ..inference.derived import MassTable
from ..instruments.coverage import redshift_ranges
from ..training.initial_guess import fit_guess, with_variance
from ..training.trainer import TrainConfig, Trainer, provenance, warm
from .compress import compress
from .fingerprint import reference_fluxes, ssp_record
from .model import GalaxyModel
from .network import PhotometryArchitecture, PhotometryNetwork
from .posterior import PhotometryPosterior
from .simulator import PhotometrySimulator
from .typicality import fit_typicality


def train(
    model: GalaxyModel,
    *,
    simulator: PhotometrySimulator | None = None,
    arch: PhotometryArchitecture | None = None,
    config: TrainConfig | None = None,
    name: str = "unnamed",
    checkpoint=None,
    start: PhotometryPosterior | None = None,
    guess_steps: int = 4000,
    progress: bool = True,
    on_record: Callable[[dict], None] | None = None,
    command: str = "",
) -> PhotometryPosterior:
    """Simulate and train until the last step, then validate on fresh mocks.

    Parameters
    ----------
    model : GalaxyModel
    simulator : PhotometrySimulator or None
        Noise and masks; by default those of JADES pixels.
    arch : PhotometryArchitecture or None
    config : TrainConfig or None
    name : str
        Of the bundle.
    checkpoint : path or None
        Training resumes from it if it exists.
    start : PhotometryPosterior or None
        Begin with its weights: of a network as wide and at most as deep.
    guess_steps : int
        Of the first guess, which is trained before the rest unless ``start`` has one.
    progress : bool
    on_record : callable or None
        Called with each new entry of the history.
    command : str
        The command line, for the record.

    Returns
    -------
    PhotometryPosterior
        Its ``meta`` holds SSPs, versions, seed, loss, validation and the fluxes of 32 fixed
        parameter sets by which a model can be recognised.
    """
    simulator = PhotometrySimulator.jades_pixels(model) if simulator is None else simulator
    config = TrainConfig() if config is None else config
    arch = arch or PhotometryArchitecture()
    tables = None
    if arch.guess_width:
        tables = compress(model, rank=arch.rank, n_z=arch.n_redshifts, progress=progress)
    network = PhotometryNetwork(
        arch, len(model.filters.names), model.prior, model.sfh, model.cosmology, tables
    )
    weights = None if start is None else start.weights
    fitted = weights is not None and "newton" in weights
    resumed = checkpoint is not None and Path(checkpoint).exists()
    if arch.guess_width and not resumed:
        if not fitted:
            fresh = network.init(config.seed)
            fresh = fresh if weights is None else warm(fresh, weights)
            weights = fit_guess(
                network, simulator, fresh, seed=config.seed + 30, steps=guess_steps, progress=progress
            )
        # of this model, whatever the weights were trained on
        weights = with_variance(network, simulator, weights)
    trainer = Trainer(network, simulator, config, checkpoint, start=weights)
    trained = trainer.run(progress=progress, on_record=on_record)
    meta = {
        "name": name,
        "command": command,
        **trained.record(config),
        "ssp": ssp_record(model),
        "reference": reference_fluxes(model),
        "coverage": None if model.sees_all else redshift_ranges(model.coverage, model.prior.z),
    } | provenance(start)
    post = PhotometryPosterior(
        network,
        trained.weights,
        model.filters.names,
        simulator.noise,
        MassTable.from_grid(model.ssp),
        meta,
        model.dust,
        model.log_u,
        limits=simulator.limits,
        lya_escape=model.lya_escape,
        error=model.error,
    )
    meta["validation"] = validate(post, simulator, seed=config.seed + 10)
    if tables is None:
        return post
    return fit_typicality(post, simulator, seed=config.seed + 20)


def validate(
    post: PhotometryPosterior, simulator: PhotometrySimulator, *, seed: int, n_draws: int = 200
) -> dict:
    """Scores on about 2000 fresh mocks at observed S/N > 5 with masks and depths as in training."""
    pool_key, draw_key = jax.random.split(jax.random.key(seed))
    pool = simulator.table_pool(pool_key, 64)
    mocks = simulator.mocks(draw_key, pool, 64, 64)
    bright = np.asarray(simulator.snr(mocks)) > 5.0
    mocks = jax.tree.map(lambda a: np.asarray(a)[bright][:2000], mocks)
    draws = np.asarray(
        post.quantity_draws(
            mocks.data.flux,
            mocks.data.sigma,
            mocks.z,
            valid=mocks.data.valid,
            upper=mocks.data.upper,
            n_draws=n_draws,
            seed=seed,
        )
    )
    truth = np.asarray(post.derived_draws(mocks.u[:, None], mocks.z))[..., 0]
    scores = {"n": len(mocks.z), "n_draws": n_draws}
    for i, name in enumerate(post.quantities):
        scores[name] = {k: round(v, 4) for k, v in recovery(draws[i], truth[i]).items()}
    return scores
