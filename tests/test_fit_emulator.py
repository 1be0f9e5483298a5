import jax
import numpy as np
import pytest

from dsps_sbi.fit_emulator import fit_emulator
from dsps_sbi.network import Architecture, PixelNetwork


@pytest.fixture(scope="module")
def network(three_bands):
    arch = Architecture(8, 1, 8, 8, 2, 3, emulator_width=32, n_waves=4)
    model = three_bands.model
    return PixelNetwork(arch, 3, model.prior, model.sfh, model.cosmology)


@pytest.fixture(scope="module")
def fitted(network, three_bands):
    return fit_emulator(network, three_bands, network.init(0), seed=4, steps=300, n_pool=24)


@pytest.fixture(scope="module")
def mocks(three_bands):
    pool = three_bands.table_pool(jax.random.key(31), 6)
    return jax.jit(lambda: three_bands.draw(jax.random.key(32), pool, 6, 60))()


def test_emulated_fluxes_are_those_of_the_model(network, three_bands, fitted, mocks):
    got = network.emulate(fitted, mocks.u[:, :-1], mocks.z) - network.log_scale(mocks.z)[:, None]
    flux = np.asarray(jax.jit(jax.vmap(three_bands.model.predict))(mocks.theta, mocks.z))
    bright = flux > 0.01 * flux.max(axis=1, keepdims=True)
    error = np.abs(np.asarray(got + mocks.theta[:, -1:]) - np.log10(np.maximum(flux, 1e-30)))
    stated = np.asarray(fitted["newton"]["scatter_dex"][...])
    assert np.median(error[bright]) < 0.08, np.median(error[bright])
    # what is stated is exceeded by a third of the errors
    assert 0.5 < np.quantile(error[bright], 0.683) / stated.mean() < 2.0
    relative2 = np.asarray(fitted["newton"]["relative2"][...])
    np.testing.assert_allclose(relative2, 0.05**2 + (np.log(10.0) * stated) ** 2, rtol=1e-5)


def test_first_guess_is_better_than_the_prior(network, fitted, mocks):
    guess = np.asarray(network.guess(fitted, *mocks.data))
    error = ((guess - mocks.u[:, :-1]) ** 2).mean(axis=0)
    # three bands tell dust; the prior itself has an error of 1
    assert error.mean() < 0.95 and error.min() < 0.7


def test_everything_else_is_left_alone(network, fitted):
    fresh = network.init(0)
    for part in ("encoder", "flow"):
        for one, two in zip(jax.tree.leaves(fitted[part]), jax.tree.leaves(fresh[part]), strict=True):
            np.testing.assert_array_equal(one, two)
    assert jax.tree.structure(fitted) == jax.tree.structure(fresh)
