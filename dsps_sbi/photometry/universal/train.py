"""Train a posterior for any filters from a model and pack it with its provenance."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ...calibration.recovery import recovery
from ...errors import UserError
from ...inference.derived import MassTable
from ...inference.importance import network_draws
from ...training.initial_guess import fit_guess
from ...training.trainer import TrainConfig, Trainer, provenance, warm
from ..decompose import wave_basis
from ..fingerprint import reference_fluxes, ssp_record
from ..model import GalaxyModel
from ..prior import beyond_defaults
from .network import UniversalArchitecture, UniversalNetwork
from .posterior import UniversalPosterior
from .simulator import UniversalSimulator
from .surveys import EXAMINATION, training_filters
from .typicality import fit_universal_typicality

# Functions of wavelength, of stars and of gas, of the light of mocks, and mixtures of ages of gas
RANKS, _N_MIXTURE = (112, 40), 16
# Surveys of the pool that the first guess is trained on
_N_GUESS_POOL = 2048
# Of a pool, surveys of a step, and candidates of each
DEFAULT = TrainConfig(steps=60_000, batch=1024, n_z=64, n_per_z=48, pool=2048, refresh=2000)


def universal_simulator(
    model: GalaxyModel, *, arch: UniversalArchitecture | None = None, library=None, ranks=RANKS, **more
) -> UniversalSimulator:
    """Network without weights and mocks that it is trained on.

    Parameters
    ----------
    model : GalaxyModel
        Its filters do not count.
    arch : UniversalArchitecture or None
    library : sequence of Curve or None
        Filters of training; by default :func:`~dsps_sbi.photometry.universal.surveys.training_filters`.
    ranks : tuple of int
        Functions of wavelength, of stars and of gas, of the light of mocks.
    **more
        ``noise``, ``limits`` and ``buckets`` of the simulator.
    """
    arch = UniversalArchitecture() if arch is None else arch
    basis = wave_basis(model, rank=ranks[0], gas_rank=ranks[1])
    few = basis.simplified(arch.rank, arch.gas_rank, arch.step_dex, arch.n_mixture)
    network = UniversalNetwork(arch, model.prior, model.sfh, few, model.error)
    basis = basis.simplified(*ranks, n_mixture=_N_MIXTURE)
    library = training_filters() if library is None else library
    return UniversalSimulator(network, basis, tuple(library), _identity(model), **more)


def train_universal(
    model: GalaxyModel,
    *,
    simulator: UniversalSimulator | None = None,
    config: TrainConfig = DEFAULT,
    name: str = "unnamed",
    checkpoint=None,
    start: UniversalPosterior | None = None,
    guess_steps: int = 4000,
    n_typical: int = 40_000,
    progress: bool = True,
    on_record: Callable[[dict], None] | None = None,
    command: str = "",
) -> UniversalPosterior:
    """Simulate random surveys and train until the last step, then validate on fresh mocks.

    Parameters
    ----------
    model : GalaxyModel
    simulator : UniversalSimulator or None
        By default :func:`universal_simulator` of the model.
    config : TrainConfig
        ``n_z`` surveys make a step, ``batch`` must be a multiple of it, and ``pool`` surveys are drawn anew
        every ``refresh`` steps.
    name : str
        Of the bundle.
    checkpoint : path or None
        Training resumes from it if it exists.
    start : UniversalPosterior or None
        Begin with its weights: of a network as wide and at most as deep.
    guess_steps : int
        Of the first guess, which is trained before the rest unless ``start`` has one.
    n_typical : int
        Mocks that typicality is measured on.
    progress : bool
    on_record : callable or None
        Called with each new entry of the history.
    command : str
        The command line, for the record.

    Returns
    -------
    UniversalPosterior

    Raises
    ------
    UserError
        For a batch that surveys cannot share, and as :meth:`dsps_sbi.training.trainer.Trainer.run`.
    """
    simulator = universal_simulator(model) if simulator is None else simulator
    check_sizes(config, simulator)
    network = simulator.network
    weights = None if start is None else start.weights
    resumed = checkpoint is not None and Path(checkpoint).exists()
    if not resumed:
        weights = network.init(config.seed) if weights is None else warm(network.init(config.seed), weights)
        if start is None:
            options = {"seed": config.seed + 30, "steps": guess_steps, "progress": progress}
            sizes = {"n_z": config.n_z, "n_per_z": max(config.batch // config.n_z, 1)}
            n_pool = min(_N_GUESS_POOL, config.pool)
            weights = fit_guess(network, simulator, weights, **options, **sizes, n_pool=n_pool)
    trainer = Trainer(network, simulator, config, checkpoint, start=weights)
    trained = trainer.run(progress=progress, on_record=on_record)
    meta = {
        "name": name,
        "command": command,
        **trained.record(config),
        "ssp": ssp_record(model),
        "filters": {"curves": len(simulator.library), "withheld": list(EXAMINATION)},
    } | provenance(start)
    post = UniversalPosterior(
        network,
        trained.weights,
        simulator.noise,
        MassTable.from_grid(model.ssp),
        meta,
        model.dust,
        model.log_u,
        limits=simulator.limits,
        lya_escape=model.lya_escape,
        error=model.error,
    )
    meta["reference"] = reference_fluxes(post.behind_reference(model))
    meta["validation"] = validate(post, simulator, seed=config.seed + 10)
    return fit_universal_typicality(post, simulator, seed=config.seed + 20, n_mocks=n_typical)


def with_typicality(
    post: UniversalPosterior, *, seed: int = 0, library=None, n_mocks: int = 40_000, **more
) -> UniversalPosterior:
    """Give a posterior what tells unusual data, on mocks of its network's own forward model: no SSPs needed.

    Parameters
    ----------
    post : UniversalPosterior
    seed : int
    library : sequence of Curve or None
        Filters of the mocks; by default those of training.
    n_mocks : int
    **more
        ``buckets`` of the simulator.

    Returns
    -------
    UniversalPosterior
    """
    library = training_filters() if library is None else library
    network = post.network
    simulator = UniversalSimulator(
        network, network.basis, tuple(library), {}, post.noise, post.limits, **more
    )
    return fit_universal_typicality(post, simulator, seed=seed, n_mocks=n_mocks)


def check_sizes(config: TrainConfig, simulator: UniversalSimulator) -> None:
    """Refuse batches that surveys cannot share equally, and fewer surveys than there are numbers of bands.

    Raises
    ------
    UserError
    """
    if config.batch % config.n_z:
        raise UserError(
            f"batch {config.batch} of {config.n_z} surveys: expected as many of each; give a multiple"
        )
    fewest = len(simulator.buckets)
    if min(config.n_z, config.pool) < fewest:
        raise UserError(
            f"{config.n_z} surveys of a pool of {config.pool}: expected one of each of {fewest} numbers "
            "of bands; give more"
        )


def validate(
    post: UniversalPosterior, simulator: UniversalSimulator, *, seed: int, n_draws=200, n=2000
) -> dict:
    """Scores of the parameters on fresh mocks at observed S/N > 5 of surveys as in training."""
    pool_key, draw_key = jax.random.split(jax.random.key(seed))
    pool = simulator.table_pool(pool_key, 128)
    mocks = simulator.mocks(draw_key, pool, 128, 2 * n // 128)
    u, z = _draws(post, mocks, n_draws, draw_key)
    bright = np.flatnonzero(np.asarray(simulator.snr(mocks)) > 5.0)[:n]
    universe = post.network.cosmology.age(jnp.asarray(z[bright]))[:, None]
    theta = np.asarray(post.network.prior.from_normal(jnp.asarray(u[bright]), universe))
    truth = np.asarray(mocks.theta)[bright]
    scores = {name: recovery(theta[..., i], truth[:, i]) for i, name in enumerate(post.names)}
    return {"n": len(bright), "n_draws": n_draws} | scores


def _draws(post, mocks, n_draws, key):
    """Draws (Object, Draw, Param) of mocks, bucket by bucket, and redshifts."""
    out = []
    for i, bucket in enumerate(mocks.data):
        ids = np.arange(len(bucket.z), dtype=np.uint32)
        drawn = network_draws(
            post.network, post.weights, (bucket,), ids, jax.random.fold_in(key, i), n_draws=n_draws
        )
        out.append(np.asarray(drawn))
    return np.concatenate(out), np.asarray(mocks.z)


def _identity(model) -> dict:
    return {
        "ssp": model.ssp.sha,
        "parameters": list(model.names),
        "log_u": model.log_u,
        "lya_escape": model.lya_escape,
        "model_error": None if model.error is None else model.error.identity(),
        "cosmology": model.cosmology.name,
        **beyond_defaults(model),
    }
