"""Training on fresh simulations, with checkpoints from which it resumes exactly."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from tqdm.auto import tqdm

from ..components import pytree
from ..errors import UserError
from ..io.atomic import atomic_path
from ..networks.base import FlowNetwork
from .optimizer import muon
from .plateau import find_plateau

_PACKAGES = ("dsps_sbi", "jax", "flax", "optax", "distrax", "numpy", "astropy", "astro-sedpy")


@pytree(
    arrays=("steps", "snr_min", "p_faint", "learning_rate", "warmup", "clip", "ema"),
    static=("batch", "n_z", "n_per_z"),
    aside=("pool", "refresh", "seed"),
)
@dataclass(frozen=True)
class TrainConfig:
    """How long and how a network is trained; a pytree: only sizes need another program.

    Parameters
    ----------
    steps : int
        Optimiser steps; the learning rate falls along a cosine over them.
    batch : int
        Mocks per step, all of them new.
    n_z, n_per_z : int
        Redshifts per step and candidate mocks for each; the batch is picked from the candidates.
    pool, refresh : int
        Redshifts in the pool of band tables, and steps after which a new pool is drawn.
    snr_min, p_faint : float
        Mocks below this observed S/N are kept with this probability.
    learning_rate, warmup, clip : float, int, float
        Peak rate of the matrices' optimiser Muon (vectors: Adam at a fifth of it), steps of linear
        warm-up, and largest global gradient norm.
    ema : float
        Decay per step of the running mean of the weights, which is what is kept.
    seed : int
    """

    steps: int = 20_000
    batch: int = 1024
    n_z: int = 32
    n_per_z: int = 64
    pool: int = 384
    refresh: int = 4000
    snr_min: float = 1.0
    p_faint: float = 0.1
    learning_rate: float = 1e-2
    warmup: int = 500
    clip: float = 5.0
    ema: float = 0.9995
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "batch", "n_z", "n_per_z", "pool", "refresh"):
            if getattr(self, name) < 1:
                raise UserError(f"training option {name}={getattr(self, name)}: give a positive integer")
        if not 0.0 < self.learning_rate < 1.0:
            raise UserError(f"learning rate {self.learning_rate}: give one between 0 and 1, such as 0.01")
        if self.batch > self.n_z * self.n_per_z:
            raise UserError(
                f"batch {self.batch} of {self.n_z} x {self.n_per_z} candidates: lower it or raise n_per_z"
            )

    def as_dict(self) -> dict:
        """Plain dictionary, for the bundle's configuration."""
        return asdict(self)


def _flatten(tree) -> dict[str, np.ndarray]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    # contiguous: safetensors writes raw buffers
    return {jax.tree_util.keystr(path): np.array(leaf, order="C") for path, leaf in leaves}


def _restore(tree, arrays: dict[str, np.ndarray], path: Path):
    """The tree with its leaves replaced by stored arrays of the same names."""
    expected = _flatten(tree)
    if {k: v.shape for k, v in expected.items()} != {k: v.shape for k, v in arrays.items()}:
        raise UserError(
            f"checkpoint {path} belongs to another network or optimiser: remove it to train afresh"
        )
    return jax.tree_util.tree_map_with_path(lambda p, _: jnp.asarray(arrays[jax.tree_util.keystr(p)]), tree)


# The encoder's first layer: one row for each feature
_INPUTS = "['encoder']['first']['kernel'].value"


def warm(fresh, given):
    """Fresh weights with those of a smaller network of the same kind filled in.

    Layers and blocks that the smaller one lacks stay as they are made: they begin as the identity,
    so that the larger network begins as the smaller one's equal. So do features of Gauss-Newton steps.

    Raises
    ------
    UserError
        If a given weight has no place: the networks differ in more than depth.
    """
    arrays = _flatten(given)
    sizes = {jax.tree_util.keystr(p): leaf.shape for p, leaf in jax.tree_util.tree_leaves_with_path(fresh)}
    for name, stored in arrays.items():
        if name == _INPUTS:
            # features that the smaller one lacks come after those that it has, and count nothing yet
            missing = max(sizes[name][0] - len(stored), 0)
            arrays[name] = np.pad(stored, ((0, missing), (0, 0)))
    odd = [name for name, stored in arrays.items() if sizes.get(name) != stored.shape]
    if odd:
        raise UserError(
            f"training cannot start from a network that differs in {odd[0]}: "
            "give it the same widths and bands, and at most as many layers"
        )
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jax.device_put(arrays.get(jax.tree_util.keystr(path), leaf)), fresh
    )


def provenance(start) -> dict:
    """What a bundle's record says of the posterior that its training began with, if any."""
    if start is None:
        return {}
    return {
        "start": {key: start.meta.get(key) for key in ("name", "command", "simulations", "sha256", "start")}
    }


# Parts of a network that are ready before its flow is trained: first guess, components of spectra
_READY = ("newton", "subspace")


def _parts(weights):
    """Whether each weight is trained."""

    def part(path, _):
        name = jax.tree_util.keystr(path[:1])
        return "ready" if any(ready in name for ready in _READY) else "trained"

    return jax.tree_util.tree_map_with_path(part, weights)


@dataclass(frozen=True)
class Trained:
    """Result of a training.

    Parameters
    ----------
    weights : pytree
        Running mean of the network's weights.
    history : list of dict
        Step, mean loss [nat], seconds so far.
    skipped : int
        Updates left out because of non-finite gradients.
    """

    weights: object
    history: list[dict]
    skipped: int

    def record(self, config: TrainConfig) -> dict:
        """How the weights came about, for a bundle's provenance."""
        return {
            "seed": config.seed,
            "training": config.as_dict(),
            "simulations": config.steps * config.batch,
            "seconds": self.history[-1]["seconds"],
            "loss": self.history[-1]["loss"],
            "skipped_updates": self.skipped,
            "plateau": find_plateau(self.history, config.steps),
            "device": str(jax.devices()[0].platform),
            "versions": {package: version(package) for package in _PACKAGES},
        }


def _optimizer(config: TrainConfig):
    warmup = jnp.minimum(jnp.minimum(config.warmup, config.steps // 10 + 1), config.steps - 1)
    trained = muon(config.learning_rate, warmup, config.steps)
    parts = optax.partition({"trained": trained, "ready": optax.set_to_zero()}, _parts)
    return optax.chain(optax.clip_by_global_norm(config.clip), parts)


def mean_loss(network: FlowNetwork, weights, mocks):
    """Mean of -log q(u | data) [nat] of mocks with ``u`` and ``data``."""
    condition = network.condition(weights, *mocks.data)
    return -jnp.mean(network.log_prob(weights, condition, mocks.u))


@jax.jit
def _beginning(weights, config):
    """All of a training's state but the weights: one program, where its many arrays one by one are many."""
    return {
        "mean": jax.tree.map(jnp.copy, weights),
        "optimizer": _optimizer(config).init(weights),
        "step": jnp.zeros((), jnp.int32),
        "skipped": jnp.zeros((), jnp.int32),
    }


@partial(jax.jit, donate_argnums=0)
def _update(state, key, pool, network, simulator, config):
    key = jax.random.fold_in(key, state["step"])
    mocks = simulator.training_batch(key, pool, config)
    loss, gradient = jax.value_and_grad(partial(mean_loss, network))(state["weights"], mocks)
    good = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(gradient))
    updates, optimizer = _optimizer(config).update(gradient, state["optimizer"], state["weights"])
    weights = optax.apply_updates(state["weights"], updates)
    # a short memory at first: the early weights are far from the final ones
    decay = jnp.minimum(config.ema, (1.0 + state["step"]) / (10.0 + state["step"]))
    mean = jax.tree.map(lambda m, w: m + (1.0 - decay) * (w - m), state["mean"], weights)
    new = {"weights": weights, "mean": mean, "optimizer": optimizer}
    kept = {name: state[name] for name in new}
    out = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, kept)
    return out | {"step": state["step"] + 1, "skipped": state["skipped"] + ~good}, loss


class Trainer:
    """One training run: a network, the simulator that feeds it, and a checkpoint file.

    Parameters
    ----------
    network : FlowNetwork
    simulator : PhotometrySimulator
        Or anything else with ``table_pool``, ``training_batch`` and ``identity``.
    config : TrainConfig
    checkpoint : path or None
        Written every ``every_s`` seconds and at the end; if it exists, training goes on from it.
    start : pytree or None
        Weights of an equal or shallower network to begin with instead of fresh ones.
    """

    def __init__(
        self,
        network: FlowNetwork,
        simulator,
        config: TrainConfig,
        checkpoint=None,
        every_s=120.0,
        start=None,
    ):
        self.network = network
        self.simulator = simulator
        self.config = config
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.every_s = every_s
        self.start = start

    def _init(self):
        weights = self.network.init(self.config.seed)
        if self.start is not None:
            weights = warm(weights, self.start)
        return {"weights": weights} | _beginning(weights, self.config)

    def loss(self, weights, mocks):
        """Mean of -log q(u | data) [nat]."""
        return mean_loss(self.network, weights, mocks)

    def _load(self, state):
        """State and history from the checkpoint, if there is one."""
        if self.checkpoint is None or not self.checkpoint.exists():
            return state, []
        try:
            arrays = load_file(self.checkpoint)
        except SafetensorError as error:
            raise UserError(
                f"checkpoint {self.checkpoint} cannot be read ({error}): remove it to train afresh"
            ) from error
        try:
            record = json.loads(bytes(arrays.pop("record")).decode())
            written = record["config"], record["model"]
            record["history"]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.checkpoint} is not a checkpoint of a training: name another file"
            ) from error
        if written != (self.config.as_dict(), self.simulator.identity()):
            raise UserError(
                f"checkpoint {self.checkpoint} was written with other options or another model: "
                "repeat them or remove it"
            )
        return _restore(state, arrays, self.checkpoint), record["history"]

    def _save(self, state, history):
        if self.checkpoint is None:
            return
        record = {"config": self.config.as_dict(), "model": self.simulator.identity(), "history": history}
        arrays = _flatten(state) | {"record": np.frombuffer(json.dumps(record).encode(), np.uint8)}
        with atomic_path(self.checkpoint) as temporary:
            Path(temporary).write_bytes(save(arrays))

    def run(self, progress: bool = True, on_record: Callable[[dict], None] | None = None) -> Trained:
        """Train to the last step, resuming from the checkpoint where there is one.

        Parameters
        ----------
        progress : bool
            Show a bar with loss and simulations per second.
        on_record : callable or None
            Called with each new entry of the history.

        Raises
        ------
        UserError
            If the checkpoint belongs to another configuration, or more than 1 % of all updates
            were not finite.
        """
        c = self.config
        state, history = self._load(self._init())
        first = int(state["step"])
        before = history[-1]["seconds"] if history else 0.0
        start = saved = time.monotonic()
        pool, pool_id, losses = None, -1, []
        key = jax.random.key(c.seed + 1)
        bar = tqdm(total=c.steps, initial=first, disable=not progress, unit="step")
        for step in range(first, c.steps):
            if step // c.refresh != pool_id:
                pool_id = step // c.refresh
                pool = self.simulator.table_pool(
                    jax.random.fold_in(jax.random.key(c.seed + 2), pool_id), c.pool
                )
            state, loss = _update(state, key, pool, self.network, self.simulator, c)
            losses.append(loss)
            bar.update()
            if len(losses) == 250 or step == c.steps - 1:
                now = time.monotonic()
                values = np.asarray(jax.device_get(losses))
                values = values[np.isfinite(values)]
                mean = float(values.mean()) if values.size else float("nan")
                history.append({"step": step + 1, "loss": mean, "seconds": round(before + now - start, 1)})
                losses = []
                rate = (step + 1 - first) * c.n_z * c.n_per_z / (now - start)
                bar.set_postfix(loss=f"{mean:.3f}", simulations_per_s=f"{rate:.0f}")
                if on_record is not None:
                    on_record(history[-1])
                if now - saved > self.every_s or step == c.steps - 1:
                    self._save(state, history)
                    saved = now
        bar.close()
        skipped = int(state["skipped"])
        if skipped > 0.01 * c.steps:
            raise UserError(
                f"{skipped} of {c.steps} updates were not finite: lower learning_rate or check the model"
            )
        return Trained(state["mean"], history, skipped)
