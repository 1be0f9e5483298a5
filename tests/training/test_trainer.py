from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from dsps_sbi.components import pytree
from dsps_sbi.errors import UserError
from dsps_sbi.photometry.compress import compress
from dsps_sbi.photometry.network import PhotometryArchitecture, PhotometryNetwork
from dsps_sbi.photometry.simulator import PhotometrySimulator
from dsps_sbi.training.trainer import TrainConfig, Trainer, _update, warm

ARCH = PhotometryArchitecture(
    width=8, n_blocks=1, n_context=8, flow_width=8, n_layers=2, n_bins=3, guess_width=0
)
CONFIG = TrainConfig(
    steps=300, batch=32, n_z=2, n_per_z=24, pool=2, refresh=150, learning_rate=5e-3, ema=0.98
)


@pytest.fixture(scope="module")
def network(three_bands):
    model = three_bands.model
    return PhotometryNetwork(ARCH, 3, model.prior, model.sfh, model.cosmology)


@pytest.fixture(scope="module")
def train(network, three_bands):
    """Make trainers that share one network."""

    def make(checkpoint=None, kind=Trainer, source=three_bands, config=CONFIG, **options):
        return kind(network, source, config, checkpoint, **options)

    return make


class Stops(Exception):
    pass


class Interrupted(Trainer):
    """Stops right after its first checkpoint."""

    def _save(self, state, history):
        super()._save(state, history)
        raise Stops


@pytest.fixture(scope="module")
def runs(train, tmp_path_factory):
    """One training in a single run, and one that was stopped at step 250 and resumed."""
    path = tmp_path_factory.mktemp("runs") / "interrupted.safetensors"
    whole = train().run(progress=False)
    with pytest.raises(Stops):
        train(path, Interrupted, every_s=-1.0).run(progress=False)
    halfway = path.read_bytes()
    records = []
    resumed = train(path).run(progress=False, on_record=records.append)
    return whole, resumed, records, halfway, path


def same(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_loss_falls(network, three_bands, runs):
    whole = runs[0]
    assert [entry["step"] for entry in whole.history] == [250, 300] and whole.skipped == 0
    trainer = Trainer(network, three_bands, CONFIG)
    pool = three_bands.table_pool(jax.random.key(99), 4)
    mocks = three_bands.mocks(jax.random.key(98), pool, 4, 50)
    loss = jax.jit(trainer.loss)
    before, after = float(loss(network.init(CONFIG.seed), mocks)), float(loss(whole.weights, mocks))
    # the prior itself costs 5 * 1.419 = 7.1 nat
    assert after < before - 1.0 and after < 7.0
    assert whole.history[-1]["loss"] < whole.history[0]["loss"]


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(runs):
    whole, resumed, records, _, _ = runs
    assert same(whole.weights, resumed.weights)
    # it really went on from step 250, with the losses known until then
    assert [entry["step"] for entry in records] == [300]
    losses = [[(entry["step"], entry["loss"]) for entry in run.history] for run in (whole, resumed)]
    assert losses[0] == losses[1]


def test_a_finished_run_is_not_repeated(train, runs):
    whole, _, _, _, path = runs
    records = []
    again = train(path).run(progress=False, on_record=records.append)
    assert records == [] and same(again.weights, whole.weights)


def test_other_lengths_rates_and_seeds_share_a_program(train, runs):
    n = _update._cache_size()
    other = replace(CONFIG, steps=3, seed=7, learning_rate=1e-3, warmup=1, clip=1.0, ema=0.5, p_faint=0.3)
    assert np.isfinite(train(config=other).run(progress=False).history[-1]["loss"])
    assert _update._cache_size() == n
    train(config=replace(CONFIG, steps=2, batch=16)).run(progress=False)
    assert _update._cache_size() == n + 1


@pytest.mark.parametrize("options", [{"steps": 301}, {"seed": 1}, {"learning_rate": 4e-3}])
def test_changed_options_are_refused(network, three_bands, runs, options):
    trainer = Trainer(network, three_bands, replace(CONFIG, **options), runs[4])
    with pytest.raises(UserError, match="written with other options"):
        trainer.run(progress=False)


def test_another_model_is_refused(network, three_bands, runs):
    other = replace(three_bands, noise=replace(three_bands.noise, floor=0.1))
    with pytest.raises(UserError, match="other options or another model"):
        Trainer(network, other, CONFIG, runs[4]).run(progress=False)


def test_another_network_is_refused(network, three_bands, runs):
    other = replace(network, arch=replace(ARCH, width=9))
    with pytest.raises(UserError, match="belongs to another network"):
        Trainer(other, three_bands, CONFIG, runs[4]).run(progress=False)


@pytest.mark.parametrize("length", [0, 5, 100, 0.5, -1])
def test_a_truncated_checkpoint_is_refused(network, three_bands, runs, tmp_path, length):
    path, whole = tmp_path / "cut.safetensors", runs[3]
    path.write_bytes(whole[: int(length * len(whole)) if length == 0.5 else length])
    with pytest.raises(UserError, match="cannot be read"):
        Trainer(network, three_bands, CONFIG, path).run(progress=False)


@pytest.mark.parametrize("record", [None, b"not json", b"[1]", b"{}"])
def test_a_file_of_something_else_is_refused(network, three_bands, tmp_path, record):
    path = tmp_path / "other.safetensors"
    arrays = {"a": np.zeros(3, np.float32)}
    if record is not None:
        arrays["record"] = np.frombuffer(record, np.uint8)
    save_file(arrays, path)
    with pytest.raises(UserError, match="is not a checkpoint"):
        Trainer(network, three_bands, CONFIG, path).run(progress=False)


@pytree(arrays=("model", "noise", "masks", "snr_bands"), static=("limits",), aside=("pools", "spoilt"))
class Spoilt(PhotometrySimulator):
    """Every ``spoilt``-th pool of tables holds nothing but NaN."""

    def table_pool(self, key, n):
        object.__setattr__(self, "pools", self.pools + 1)
        pool = super().table_pool(key, n)
        bad = self.pools % self.spoilt == 0
        factor = jnp.where(bad, jnp.nan, 1.0)
        return replace(pool, layers=jax.tree.map(lambda leaf: leaf * factor, pool.layers))


def spoil(three_bands, every):
    made = Spoilt(three_bands.model, three_bands.noise, three_bands.masks)
    object.__setattr__(made, "spoilt", every)
    object.__setattr__(made, "pools", 0)
    return made


OFTEN = replace(CONFIG, refresh=3)


def test_updates_that_are_not_finite_are_skipped_and_counted(train, three_bands):
    trained = train(source=spoil(three_bands, 60), config=OFTEN).run(progress=False)
    assert trained.skipped == 3 and np.isfinite(trained.history[-1]["loss"])
    assert all(np.all(np.isfinite(w)) for w in jax.tree.leaves(trained.weights))


def test_a_skipped_update_changes_nothing(train, three_bands):
    trainer = train()
    pool = three_bands.table_pool(jax.random.key(0), CONFIG.pool)

    def step(state, pool):
        return _update(state, jax.random.key(1), pool, trainer.network, three_bands, CONFIG)

    state, _ = step(trainer._init(), pool)
    before = jax.tree.map(np.array, state)
    after, loss = step(state, jax.tree.map(lambda leaf: leaf * jnp.nan, pool))
    assert not np.isfinite(loss) and int(after["skipped"]) == 1 and int(after["step"]) == 2
    for name in ("weights", "mean", "optimizer"):
        assert same(after[name], before[name])
    moved, _ = step(after, pool)
    assert not same(moved["weights"], before["weights"])


def test_too_many_updates_that_are_not_finite_are_an_error(train, three_bands):
    with pytest.raises(UserError, match="99 of 300 updates were not finite"):
        train(source=spoil(three_bands, 3), config=OFTEN).run(progress=False)


@pytest.mark.parametrize(
    "options, match",
    [({"steps": 0}, "steps=0"), ({"pool": -1}, "pool=-1"), ({"batch": 49}, "batch 49 of 2 x 24 candidates")],
)
def test_unusable_options(options, match):
    with pytest.raises(UserError, match=match):
        replace(CONFIG, **options)


def test_a_deeper_network_starts_as_the_equal_of_a_shallower_one(network, three_bands):
    deeper = replace(network, arch=replace(ARCH, n_blocks=2, n_layers=4))
    rng = np.random.default_rng(3)
    given = jax.tree.map(lambda w: w + 0.1 * rng.normal(size=w.shape).astype(np.float32), network.init(0))
    mocks = three_bands.mocks(jax.random.key(0), three_bands.table_pool(jax.random.key(1), 2), 2, 10)

    @partial(jax.jit, static_argnums=0)
    def log_q(net, weights):
        return net.log_prob(weights, net.condition(weights, *mocks.data), mocks.u)

    np.testing.assert_allclose(
        log_q(deeper, warm(deeper.init(5), given)), log_q(network, given), rtol=1e-4, atol=1e-4
    )
    tables = compress(three_bands.model, rank=4, n_z=5)
    seeing = replace(network, arch=replace(ARCH, guess_width=6), tables=tables)
    np.testing.assert_allclose(
        log_q(seeing, warm(seeing.init(5), given)), log_q(network, given), rtol=1e-4, atol=1e-4
    )
    wider = replace(network, arch=replace(ARCH, width=12))
    with pytest.raises(UserError, match="differs in .*: give it the same widths and bands"):
        warm(wider.init(0), given)
    with pytest.raises(UserError, match="at most as many layers"):
        warm(network.init(0), deeper.init(0))
