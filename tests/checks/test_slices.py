"""Mocks sorted into slices by what an observer knows."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from dsps_sbi.checks import slices as module
from dsps_sbi.checks.slices import Slice, default_slices, fill_slices
from dsps_sbi.errors import UserError

N = 60


@pytest.fixture(scope="module")
def filled(toy_simulator):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"_N_POOL": 6, "_N_Z": 6, "_N_PER_Z": 40}.items():
            patch.setattr(module, name, value)
        wanted = default_slices(toy_simulator)
        # all that share masks, and one number of bands: each kind of masks compiles anew
        wanted = [s for s in wanted if s.name not in ("bands_10", "bands_19")]
        counted = []
        return wanted, fill_slices(toy_simulator, wanted, N, jax.random.key(3), counted.append), counted


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


def test_each_slice_is_full_of_its_own(toy_simulator, filled):
    wanted, sliced, counted = filled
    assert set(sliced.mocks) == {s.name for s in wanted} and sum(counted) == N * len(wanted)
    assert sliced.simulated >= sum(counted) and sliced.simulated % 240 == 0
    for s in wanted:
        mocks = sliced.mocks[s.name]
        assert all(len(leaf) == N for leaf in jax.tree.leaves(mocks))
        # observed flux over reported sky, by hand
        for flux, sky, valid in zip(mocks.flux, mocks.sky, mocks.valid, strict=True):
            use = valid & toy_simulator.snr_bands
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


def test_a_slice_that_never_fills_is_refused(toy_simulator, monkeypatch):
    for name, value in {"_N_POOL": 2, "_N_Z": 2, "_N_PER_Z": 4, "_PATIENCE": 3}.items():
        monkeypatch.setattr(module, name, value)
    empty = Slice("never", "S/N > 1e30", toy_simulator.masks, 1e30)
    with pytest.raises(UserError, match="no mock of S/N > 1e30 among the last 24: use another prior"):
        fill_slices(toy_simulator, [empty], 5, jax.random.key(0))


def test_other_filters_have_fewer_bands(toy_simulator):
    class Few:
        filters = type("Filters", (), {"names": toy_simulator.model.filters.names[:7]})

    found = default_slices(replace(toy_simulator, model=Few))
    assert [s.name for s in found if s.name.startswith("bands")] == ["bands_5", "bands_7"]
