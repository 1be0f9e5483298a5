"""Order and number of bands do not count, and the peak is where the posterior is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.instruments.coverage import USABLE
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.photometry.universal.data import UniversalData
from dsps_sbi.photometry.universal.newton import peaks
from dsps_sbi.photometry.universal.survey_network import SurveyNetwork


@pytest.fixture(scope="module")
def mocks(any_filters):
    pool = any_filters.table_pool(jax.random.key(0), 8)
    return any_filters.mocks(jax.random.key(1), pool, 6, 4)


@jax.jit
def condition(network, weights, data):
    return network.condition(weights, data)


def reordered(data: UniversalData, order, n_band):
    """Bands in another order, and more that are not there."""
    n = data.flux.shape[1]
    more = n_band - n
    columns = [
        np.pad(np.asarray(a)[:, order], [(0, 0), (0, more)], constant_values=fill)
        for a, fill in zip(data[:4], (0.0, 1.0, False, False), strict=True)
    ]
    bands = data.bands
    pieces = np.asarray(bands.pieces).reshape(len(bands.pieces), -1, n, bands.pieces.shape[-1])[:, :, order]
    pieces = np.pad(pieces, [(0, 0), (0, 0), (0, more), (0, 0)]).reshape(len(pieces), -1, pieces.shape[-1])
    screen = np.pad(np.asarray(bands.screen)[:, :, order], [(0, 0), (0, 0), (0, more)], constant_values=1.0)
    rest = [
        np.pad(np.asarray(a)[:, order], [(0, 0), (0, more)], constant_values=fill)
        for a, fill in zip(bands[2:], (1e4, 0.1), strict=True)
    ]
    return UniversalData(*columns, data.z, data.floor, type(bands)(pieces, screen, *rest))


def test_order_and_number_of_bands_do_not_count(any_filters, shaken, mocks):
    network, data = any_filters.network, mocks.data[0]
    one = condition(network, shaken, data)
    other = condition(network, shaken, reordered(data, np.array([2, 0, 3, 1]), 6))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_buckets_come_one_after_the_other(any_filters, shaken, mocks):
    both = jax.jit(lambda net, w, data: net.condition(w, *data))(any_filters.network, shaken, mocks.data)
    first = condition(any_filters.network, shaken, mocks.data[0])
    n = len(mocks.data[0].z)
    for a, b in zip(jax.tree.leaves(both), jax.tree.leaves(first), strict=True):
        assert len(a) == len(mocks.u) and len(b) == n
        np.testing.assert_allclose(a[:n], b, atol=1e-4)


def test_steps_end_at_the_peak(any_filters, mocks):
    """Of noiseless fluxes of galaxies of the same functions, from a start close by."""
    network, data = any_filters.network, mocks.data[1]
    n_survey = len(data.bands.pivot_aa)
    u = 0.5 * mocks.u[len(mocks.data[0].z) :, :-1].reshape(n_survey, 4, -1)
    z = data.z.reshape(n_survey, 4)[:, 0]
    universe = network.cosmology.age(z)

    @jax.jit
    def run(network, u, bands, universe):
        from dsps_sbi.photometry.universal.light import behind_screen, parts_of

        theta = network.prior.from_normal(u, universe[:, None])
        place = len(network.sfh.names) + 1
        flux = jax.vmap(
            jax.vmap(
                lambda t, b, age: behind_screen(parts_of(network.basis, network.sfh, t, age), b, t[place])[0],
                (0, None, None),
            )
        )(theta, bands, universe)
        there = bands.pivot_aa != 1e4
        scale = 100.0 / jnp.max(flux, axis=-1, keepdims=True) * jnp.ones_like(flux)
        counted = jnp.broadcast_to(there[:, None], flux.shape)
        relative2 = jnp.full(u.shape[:2], 1e-6)
        return peaks(
            network.basis,
            network.prior,
            network.sfh,
            None,
            u + 0.05,
            flux * scale,
            counted,
            relative2,
            bands,
            None,
            scale,
            universe,
            6,
        )

    peak, step, covariance, residual, _ = (np.asarray(a) for a in run(network, u, data.bands, universe))
    assert np.abs(residual).max() < 0.3 and np.isfinite(covariance).all()
    sigma = np.sqrt(np.diagonal(covariance, axis1=2, axis2=3))
    assert (sigma > 0.0).all() and (sigma <= 1.0 + 1e-3).all()
    # the prior pulls where the data say little
    assert np.median(np.abs(step) / sigma) < 0.05
    assert (np.abs(peak - np.asarray(u)) < 1.5 * sigma + 0.05).mean() > 0.95


def test_bands_that_leave_the_light_are_seen_whole(any_filters):
    """Between the last redshift of the network's grid that covers a band, and the end of the light."""
    basis, filters = any_filters.network.basis, FilterSet.from_names(("hsc_i", "wise_w1"))
    network = SurveyNetwork.of(any_filters.network, filters, 0.05)
    nodes = np.expm1(np.asarray(network.log_z, float))
    covered = basis.pieces(filters, nodes)[2] >= 1.0 - USABLE
    first = int(np.argmax(covered[:, 1]))
    assert first > 0 and covered[first - 1].tolist() == [True, False]
    between = np.linspace(*nodes[first - 1 : first + 1], 20)
    pieces, screen, share = basis.pieces(filters, between)
    i = int(np.argmax(share[:, 1] >= 1.0 - USABLE))
    assert i < 15
    one = np.ones((1, 2), np.float32)
    seen = network.seen(one, one, one > 0, one < 0, np.float32(between[i : i + 1])).bands
    n_sub = screen.shape[1]
    got = np.asarray(seen.pieces).reshape(n_sub, -1, pieces.shape[-1])[:, :2]
    expected = pieces[i].reshape(n_sub, 2, -1)
    # in the pixels of the light that the band sees at either redshift
    scale = np.abs(expected).sum(axis=0)
    assert np.abs((got - expected).sum(axis=0)).max() < 0.05 * scale.max()
    np.testing.assert_allclose(np.asarray(seen.screen)[0, :, :2], screen[i], atol=0.02)
