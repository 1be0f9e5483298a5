"""Mocks sorted into slices by what an observer knows."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.checks import slices as module
from dsps_sbi.checks.slices import Slice, default_slices, fill_slices
from dsps_sbi.errors import UserError
from dsps_sbi.kernels.likelihood import mean_snr
from dsps_sbi.noise import BandMasks
from dsps_sbi.simulate import Mocks

N = 60


@dataclass(frozen=True)
class Bare:
    """A simulator of galaxies of one colour: nothing but their brightness, noise and masks."""

    model: object
    masks: BandMasks
    snr_bands: np.ndarray

    def table_pool(self, key, n):
        return Pool(jnp.linspace(1.0, 3.0, n))

    def draw(self, key, pool, n_z, n_per_z):
        keys = jax.random.split(key, 4)
        n, n_band = n_z * n_per_z, len(self.snr_bands)
        z = jnp.repeat(jax.random.choice(keys[0], pool.z, (n_z,)), n_per_z)
        u = jax.random.normal(keys[1], (n, 1))
        flux = 10.0 ** (1.5 + 0.7 * u) + jax.random.normal(keys[2], (n, n_band))
        valid = self.masks.sample(keys[3], n)
        return Mocks(u, u, z, flux, jnp.ones_like(flux), valid, jnp.zeros_like(valid))

    def snr(self, mocks):
        return mean_snr(mocks.flux, mocks.sky, mocks.valid, jnp.asarray(self.snr_bands), mocks.upper)


class Pool(NamedTuple):
    z: jax.Array


@pytest.fixture(scope="module")
def bare(toy_simulator):
    return Bare(toy_simulator.model, toy_simulator.masks, toy_simulator.snr_bands)


@pytest.fixture(scope="module")
def filled(bare):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"_N_POOL": 6, "_N_Z": 6, "_N_PER_Z": 40}.items():
            patch.setattr(module, name, value)
        wanted, counted = default_slices(bare), []
        return wanted, fill_slices(bare, wanted, N, jax.random.key(3), counted.append), counted


def test_the_slices_that_are_promised(toy_simulator):
    found = default_slices(toy_simulator)
    assert [s.name for s in found] == [
        *("snr_5_10", "snr_10_30", "snr_30_100", "snr_100"),
        *("bands_5", "bands_10", "bands_19"),
    ]
    assert [s.label for s in found[2:5]] == ["S/N 30-100", "S/N > 100", "5 bands, S/N > 5"]
    assert all(s.masks is toy_simulator.masks for s in found[:4])
    sizes = [np.unique(np.asarray(s.masks.sample(jax.random.key(0), 300)).sum(axis=1)) for s in found[4:]]
    assert [size.tolist() for size in sizes] == [[5], [10], [19]]


def test_each_slice_is_full_of_its_own(bare, filled):
    wanted, sliced, counted = filled
    assert set(sliced.mocks) == {s.name for s in wanted} and sum(counted) == N * len(wanted)
    assert sliced.simulated >= sum(counted) and sliced.simulated % 240 == 0
    for s in wanted:
        mocks = sliced.mocks[s.name]
        assert all(len(leaf) == N for leaf in jax.tree.leaves(mocks))
        # observed flux over reported sky, by hand
        for flux, sky, valid in zip(mocks.flux, mocks.sky, mocks.valid, strict=True):
            use = valid & bare.snr_bands
            use = use if use.any() else valid
            assert s.low < np.mean(flux[use] / sky[use]) <= s.high * (1 + 1e-6)
    assert np.all(sliced.mocks["bands_5"].valid.sum(axis=1) == 5)
    assert len(np.unique(sliced.mocks["snr_100"].valid.sum(axis=1))) > 3


def test_redshifts_have_their_tables_and_come_mixed(filled):
    _, sliced, _ = filled
    z = np.asarray(sliced.pool.z)
    for mocks in sliced.mocks.values():
        assert np.all(np.isin(mocks.z, z)) and np.sum(np.diff(mocks.z) != 0) > N / 2
    # no galaxy twice
    u = np.concatenate([mocks.u for mocks in sliced.mocks.values()])
    assert len(np.unique(u[:, 0])) == len(u)


def test_a_slice_that_never_fills_is_refused(bare, monkeypatch):
    for name, value in {"_N_POOL": 2, "_N_Z": 2, "_N_PER_Z": 4, "_PATIENCE": 3}.items():
        monkeypatch.setattr(module, name, value)
    empty = Slice("never", "S/N > 1e30", bare.masks, 1e30)
    with pytest.raises(UserError, match="no mock of S/N > 1e30 among the last 24: use another prior"):
        fill_slices(bare, [empty], 5, jax.random.key(0))


def test_other_filters_have_fewer_bands(bare):
    class Few:
        filters = type("Filters", (), {"names": bare.model.filters.names[:7]})

    found = default_slices(replace(bare, model=Few))
    assert [s.name for s in found if s.name.startswith("bands")] == ["bands_5", "bands_7"]
