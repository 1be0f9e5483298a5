"""Typicality without filters of its own: usual data of any survey are told from odd ones."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.inference.derived import MassTable
from dsps_sbi.inference.importance import network_draws
from dsps_sbi.photometry.typicality import LEVELS, N_DRAWS
from dsps_sbi.photometry.universal.posterior import UniversalPosterior
from dsps_sbi.photometry.universal.train import with_typicality
from dsps_sbi.photometry.universal.typicality import UniversalTypicality, fit_universal_typicality

NAMES = ("bessell_V", "F182M", "hsc_i", "F277W")


@pytest.fixture(scope="module")
def fitted(plain_model, any_filters):
    simulator = replace(any_filters, buckets=(6,))
    table = MassTable.from_grid(plain_model.ssp)
    network = simulator.network
    post = UniversalPosterior(network, network.init(0), simulator.noise, table, {"name": "untrained"})
    return fit_universal_typicality(post, simulator, n_mocks=1536)


def p_values(fitted, data):
    post = fitted.for_filters(NAMES)
    data = post.filled(data)
    ids = np.arange(len(data.z), dtype=np.uint32)
    u = network_draws(post.network, post.weights, data, ids, jax.random.key(0), n_draws=N_DRAWS)
    return np.asarray(post.typicality.p_value(post, u, data))


def test_usual_and_odd_data(fitted, plain_model):
    post = fitted.for_filters(NAMES)
    simulator = post.simulator(replace(plain_model, filters=post.filter_set))
    mocks = simulator.mocks(jax.random.key(1), simulator.table_pool(jax.random.key(2), 3), 3, 80)
    data = mocks.data
    p = p_values(fitted, data)
    # of a survey that was not among those of the fit
    assert abs(p.mean() - 0.5) < 0.12 and 0.02 < np.mean(p < 0.1) < 0.25
    bright = np.asarray(simulator.snr(mocks)) > 30.0
    flux = np.array(data.flux)
    flux[:, 1] *= 300.0
    odd = p_values(fitted, data._replace(flux=flux))
    assert bright.sum() > 30 and np.median(odd[bright]) < np.median(p[bright]) - 0.2


def test_bundle_keeps_it(fitted, tmp_path):
    again = ds.load_bundle(ds.save_bundle(fitted, tmp_path / "typical"))
    np.testing.assert_array_equal(again.typicality.quantiles, fitted.typicality.quantiles)
    assert again.meta["typicality"]["mocks"] == 1536
    assert UniversalTypicality.from_arrays(fitted.typicality.as_arrays()).quantiles.shape == (
        5,
        5,
        len(LEVELS),
    )


def test_bands_beyond_the_light_are_missing_in_mocks(fitted, plain_model):
    names = ("hsc_i", "hsc_z", "wise_w1", "wise_w2")
    post = fitted.for_filters(names)
    simulator = post.simulator(replace(plain_model, filters=post.filter_set))
    z = np.array([0.05, 1.0], np.float32)
    flux, theta = np.ones((2, 4), np.float32), np.zeros((2, 5), np.float32)
    data = simulator.observe(jax.random.key(0), theta, theta, z, flux).data
    assert not data.valid[0, 2:].any() and (np.asarray(data.sigma)[0, 2:] == 1.0).all()


def test_measured_again_without_populations(fitted, any_filters):
    again = with_typicality(
        replace(fitted, typicality=None), library=any_filters.library, n_mocks=1536, buckets=(6,)
    )
    assert again.typicality.quantiles.shape == fitted.typicality.quantiles.shape
    assert np.isfinite(again.typicality.quantiles).all() and fitted.typicality is not again.typicality
