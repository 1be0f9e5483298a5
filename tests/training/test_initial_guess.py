import jax
import numpy as np
import pytest

from dsps_sbi.photometry.compress import compress
from dsps_sbi.photometry.network import PhotometryArchitecture, PhotometryNetwork
from dsps_sbi.training.initial_guess import fit_guess, with_variance


@pytest.fixture(scope="module")
def network(three_bands):
    arch = PhotometryArchitecture(8, 1, 8, 8, 2, 3, guess_width=32)
    model = three_bands.model
    return PhotometryNetwork(
        arch, 3, model.prior, model.sfh, model.cosmology, compress(model, rank=16, n_z=33)
    )


@pytest.fixture(scope="module")
def fitted(network, three_bands):
    return fit_guess(network, three_bands, network.init(0), seed=4, steps=300, n_pool=24)


def test_first_guess_is_better_than_the_prior(network, three_bands, fitted):
    pool = three_bands.table_pool(jax.random.key(31), 6)
    mocks = three_bands.mocks(jax.random.key(32), pool, 6, 60)
    guess = np.asarray(network.guess(fitted, *mocks.data))
    error = ((guess - mocks.u[:, :-1]) ** 2).mean(axis=0)
    # three bands tell dust; the prior itself has an error of 1
    assert error.mean() < 0.95 and error.min() < 0.7


def test_variance_is_that_of_noise_and_model(network, three_bands):
    expected = three_bands.noise.floor**2 + (np.log(10.0) * np.asarray(network.tables.scatter_dex)) ** 2
    given = network.init(0)
    before = np.asarray(given["newton"]["relative2"][...])
    changed = with_variance(network, three_bands, given)
    np.testing.assert_allclose(changed["newton"]["relative2"][...], expected, rtol=1e-5)
    np.testing.assert_array_equal(given["newton"]["relative2"][...], before)
    assert np.all(before != expected)


def test_everything_else_is_left_alone(network, fitted):
    fresh = network.init(0)
    for part in ("encoder", "flow"):
        for one, two in zip(jax.tree.leaves(fitted[part]), jax.tree.leaves(fresh[part]), strict=True):
            np.testing.assert_array_equal(one, two)
    assert jax.tree.structure(fitted) == jax.tree.structure(fresh)
