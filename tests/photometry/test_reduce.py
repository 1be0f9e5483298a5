"""Percentiles and totals that are made on the device are those of the draws."""

import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.io.summary import TotalAccumulator
from dsps_sbi.photometry import images, reduce


@pytest.fixture
def drawn():
    """Draws (Quantity, Filled, Draw), of which an object has one that is not finite."""
    rng = np.random.default_rng(8)
    values = rng.normal(9.0, 1.0, (3, 7, 101)).astype(np.float32)
    values[1, 2, 50] = np.nan
    return values


def test_percentiles_on_the_device_are_those_of_numpy(drawn):
    here, there = reduce.HostDraws(drawn[:, :5]), reduce.DeviceDraws(jnp.asarray(drawn), 5)
    expected = np.percentile(drawn[:, :5], (16, 50, 84), axis=-1).swapaxes(0, 1)
    expected[:, :, 2] = np.nan
    for found in (here, there):
        assert found.bad.tolist() == [False, False, True, False, False]
        np.testing.assert_allclose(found.percentiles(), expected, rtol=3e-7)
    assert np.array_equal(here.draws(), there.draws(), equal_nan=True)


def test_totals_on_the_device_are_those_of_the_draws(drawn):
    trusted = np.array([True, False, True, False, True])
    tables = []
    for found in (reduce.HostDraws(drawn[:, :5]), reduce.DeviceDraws(jnp.asarray(drawn), 5)):
        totals = TotalAccumulator()
        for name, i in (("log_mass", 0), ("log_sfr_100", 2)):
            found.add_to(totals, name, i, trusted)
            found.add_to(totals, name, i, trusted)
        tables.append(totals.table())
    one, other = tables
    for name in one.colnames[1:]:
        np.testing.assert_allclose(other[name], one[name], atol=2e-7, err_msg=name)
    assert other["n_pixels"].tolist() == [8, 8] and other["n_left_out"].tolist() == [2, 2]
    # the linear sum of a few pixels, by hand
    linear = 2 * (10.0 ** drawn[0, [0, 1, 3, 4]].astype(float)).sum(axis=0)
    assert other["independent_50"][0] == pytest.approx(np.log10(np.median(linear)), abs=1e-6)


def test_an_image_reduced_on_the_device_is_the_same(tiny_posterior, make_cube, tmp_path, monkeypatch):
    expected = tiny_posterior.infer(make_cube(), n_draws=20, draws_path=tmp_path / "a.h5")
    monkeypatch.setattr(images, "kept", reduce.DeviceDraws)
    found = tiny_posterior.infer(make_cube(), n_draws=20, draws_path=tmp_path / "b.h5")
    np.testing.assert_allclose(found.quantiles, expected.quantiles, rtol=3e-7)
    assert np.array_equal(found.draws("av"), expected.draws("av"))
    for name in found.totals.colnames[1:]:
        np.testing.assert_allclose(found.totals[name], expected.totals[name], atol=2e-7)
    assert isinstance(found, ds.ImageResult)
