"""Mocks sorted into slices by what an observer knows."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.components import pytree
from dsps_sbi.errors import UserError
from dsps_sbi.kernels.likelihood import mean_snr
from dsps_sbi.noise import BandMasks
from dsps_sbi.photometry import held_out as module
from dsps_sbi.photometry.data import PhotometryData
from dsps_sbi.photometry.held_out import Slice, default_slices, fill_slices, held_out
from dsps_sbi.photometry.simulator import PhotometryMocks

N = 60


@pytree(arrays=("masks", "snr_bands"), aside=("model",))
@dataclass(frozen=True, eq=False)
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
        data = PhotometryData(flux, jnp.ones_like(flux), valid, jnp.zeros_like(valid), z)
        return PhotometryMocks(u, u, data)

    def snr(self, mocks):
        d = mocks.data
        return mean_snr(d.flux, d.sigma, d.valid, jnp.asarray(self.snr_bands), d.upper)


class Pool(NamedTuple):
    z: jax.Array


@pytest.fixture(scope="module")
def bare(toy_simulator):
    return Bare(toy_simulator.model, toy_simulator.masks, toy_simulator.snr_bands)


@pytest.fixture(scope="module")
def filled(bare):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"N_POOL": 6, "_N_Z": 6, "_N_PER_Z": 40}.items():
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
    wanted, (sliced, simulated), counted = filled
    assert set(sliced) == {s.name for s in wanted} and sum(counted) == N * len(wanted)
    assert simulated >= sum(counted) and simulated % 240 == 0
    for s in wanted:
        mocks = sliced[s.name]
        assert all(len(leaf) == N for leaf in jax.tree.leaves(mocks))
        # observed flux over reported sky, by hand
        for flux, sky, valid in zip(mocks.data.flux, mocks.data.sigma, mocks.data.valid, strict=True):
            use = valid & bare.snr_bands
            use = use if use.any() else valid
            assert s.low < np.mean(flux[use] / sky[use]) <= s.high * (1 + 1e-6)
    assert np.all(sliced["bands_5"].data.valid.sum(axis=1) == 5)
    assert len(np.unique(sliced["snr_100"].data.valid.sum(axis=1))) > 3


def test_redshifts_have_their_tables_and_come_mixed(filled):
    _, (sliced, _), _ = filled
    z = np.asarray(jnp.linspace(1.0, 3.0, 6))
    for mocks in sliced.values():
        assert np.all(np.isin(mocks.z, z)) and np.sum(np.diff(mocks.z) != 0) > N / 2
    # no galaxy twice
    u = np.concatenate([mocks.u for mocks in sliced.values()])
    assert len(np.unique(u[:, 0])) == len(u)


def test_a_slice_that_never_fills_is_refused(bare, monkeypatch):
    for name, value in {"N_POOL": 2, "_N_Z": 2, "_N_PER_Z": 4, "_PATIENCE": 3}.items():
        monkeypatch.setattr(module, name, value)
    empty = Slice("never", "S/N > 1e30", bare.masks, 1e30)
    with pytest.raises(UserError, match="no mock of S/N > 1e30 among the last 24: use another prior"):
        fill_slices(bare, [empty], 5, jax.random.key(0))


def test_other_filters_have_fewer_bands(bare):
    class Few:
        filters = type("Filters", (), {"names": bare.model.filters.names[:7]})

    found = default_slices(replace(bare, model=Few))
    assert [s.name for s in found if s.name.startswith("bands")] == ["bands_5", "bands_7"]


def test_held_out_mocks_are_those_of_the_slices_one_after_the_other(bare, filled, monkeypatch):
    for name, value in {"N_POOL": 6, "_N_Z": 6, "_N_PER_Z": 40}.items():
        monkeypatch.setattr(module, name, value)
    wanted, (sliced, simulated), _ = filled
    mocks = held_out(bare, N, jax.random.key(3))
    assert dict(mocks.slices) == {s.name: s.label for s in wanted} and mocks.n == N
    assert mocks.terms["mocks_simulated"] == simulated and mocks.terms["redshifts"] == 6
    for i, s in enumerate(wanted):
        rows = slice(i * N, (i + 1) * N)
        np.testing.assert_array_equal(mocks.u[rows], sliced[s.name].u)
        for one, two in zip(mocks.data, sliced[s.name].data, strict=True):
            np.testing.assert_array_equal(one[rows], two)
    first = mocks.first(7)
    assert first.n == 7 and len(first.u) == 7 * len(wanted) and first.slices == mocks.slices
    np.testing.assert_array_equal(first.u[7:14], sliced[wanted[1].name].u[:7])
    np.testing.assert_array_equal(first.data.flux[-7:], sliced[wanted[-1].name].data.flux[:7])
