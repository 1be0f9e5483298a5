import dataclasses
import hashlib
import importlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dsps_sbi.bundle.files import META, WEIGHTS
from dsps_sbi.bundle.load import load_bundle, save_bundle
from dsps_sbi.errors import UserError
from dsps_sbi.inference.importance import network_draws
from dsps_sbi.inference.trust import Trust
from dsps_sbi.photometry.compress import compress
from dsps_sbi.photometry.fingerprint import reference_fluxes
from dsps_sbi.photometry.typicality import LEVELS, Typicality, fit_typicality, tabulate
from dsps_sbi.training.trainer import warm


@pytest.fixture(scope="module")
def with_model(tiny_posterior, toy_model):
    """A posterior with a forward model of its own, whose network nobody trained."""
    network = tiny_posterior.network
    arch = dataclasses.replace(network.arch, guess_width=8)
    tables = compress(toy_model, rank=24, n_z=129)
    network = dataclasses.replace(network, arch=arch, tables=tables)
    weights = warm(network.init(0), tiny_posterior.weights)
    return dataclasses.replace(tiny_posterior, network=network, weights=weights)


@pytest.fixture(scope="module")
def fitted(with_model, toy_simulator):
    with pytest.MonkeyPatch.context() as patch:
        real = type(toy_simulator).table_pool
        patch.setattr(type(toy_simulator), "table_pool", lambda self, key, n: real(self, key, 8))
        return fit_typicality(with_model, toy_simulator, seed=1, n_mocks=2000)


@pytest.fixture(scope="module")
def mocks(toy_simulator):
    pool = toy_simulator.table_pool(jax.random.key(77), 4)
    mocks = toy_simulator.detected(jax.random.key(8), pool, 4, 400, 500, 5.0, 0.0)
    return jax.tree.map(lambda a: np.asarray(a)[np.asarray(toy_simulator.snr(mocks)) > 5.0], mocks)


def p_values(post, mocks, flux=None):
    d = mocks.data
    data = post.prepared(d.flux if flux is None else flux, d.sigma, d.z, d.valid, d.upper)
    ids = np.arange(len(data.z), dtype=np.uint32)
    u = network_draws(post.network, post.weights, data, ids, jax.random.key(0), n_draws=64)
    return np.asarray(post.typicality.p_value(post, u, jax.tree.map(jnp.asarray, data)))


def test_p_value_is_uniform_for_fresh_mocks_and_small_for_odd_ones(fitted, mocks):
    p = p_values(fitted, mocks)
    assert len(p) > 300 and abs(p.mean() - 0.5) < 0.08
    assert np.mean(p < 0.01) < 0.04 and 0.03 < np.mean(p < 0.1) < 0.2
    flux = mocks.data.flux.copy()
    flux[:, ::2] *= 1000.0
    # draws of a network that nobody trained are far from all data: only gross errors stand out
    assert np.mean(p_values(fitted, mocks, flux) < 0.005) > 30 * max(np.mean(p < 0.005), 0.005)


def test_bundle_keeps_it(fitted, tmp_path):
    again = load_bundle(save_bundle(fitted, tmp_path / "typical"))
    for one, two in zip(jax.tree.leaves(again.typicality), jax.tree.leaves(fitted.typicality), strict=True):
        np.testing.assert_array_equal(one, two)
    assert again.meta["typicality"]["mocks"] == 2000
    assert Typicality.from_arrays(fitted.typicality.as_arrays()).quantiles.shape == (4, 4, len(LEVELS))


def test_a_bundle_whose_model_lacks_a_table_is_refused(fitted, tmp_path):
    folder = save_bundle(fitted, tmp_path / "cut")
    arrays = load_file(folder / WEIGHTS)
    del arrays["tables.screen"]
    save_file(arrays, folder / WEIGHTS)
    meta = json.loads((folder / META).read_text())
    meta["sha256"][WEIGHTS] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    (folder / META).write_text(json.dumps(meta))
    with pytest.raises(UserError, match=r"not complete \(table 'screen' of its forward model\): train"):
        load_bundle(folder)


def test_infer_has_the_column(fitted, make_cube):
    result = fitted.infer(make_cube(), n_draws=64)
    assert np.isfinite(result.columns["typicality"]).all()
    assert np.all(result.columns["trust"] == Trust.UNCHECKED)


def test_cells_with_few_mocks_borrow_from_others():
    rng = np.random.default_rng(0)
    deviate, rows, columns = rng.normal(size=5000), rng.integers(0, 2, 5000), rng.integers(0, 4, 5000)
    table = tabulate(deviate, rows, columns, (4, 4))
    assert np.all(np.diff(table, axis=-1) > 0)
    np.testing.assert_array_equal(table[2, 0], table[3, 3])
    assert table[0, 0, LEVELS.index(0.05)] == pytest.approx(1.645, abs=0.25)


def test_a_bundle_without_a_model_cannot(tiny_posterior, toy_simulator):
    with pytest.raises(UserError, match="has no forward model to tell typicality by: train it again"):
        fit_typicality(tiny_posterior, toy_simulator)


def test_command(run, fitted, with_model, toy, toy_model, tmp_path, monkeypatch):
    meta = with_model.meta | {"reference": reference_fluxes(toy_model)}
    folder = save_bundle(dataclasses.replace(with_model, meta=meta), tmp_path / "plain")
    monkeypatch.setattr("dsps_sbi.photometry.posterior.load", lambda name: toy)
    seen = {}

    def fit(post, simulator, **options):
        seen.update(options, ssp=simulator.model.ssp)
        return fitted

    monkeypatch.setattr(importlib.import_module("dsps_sbi.photometry.typicality"), "fit_typicality", fit)
    status, output, _ = run("typicality", folder, "-o", tmp_path / "new", "--seed", 7)
    assert status == 0 and "measured on 2000 mocks" in output
    assert seen == {"seed": 7, "ssp": toy}
    assert load_bundle(tmp_path / "new").typicality is not None
