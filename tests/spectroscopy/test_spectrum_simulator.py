import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.spectroscopy.simulator import SpectrumSimulator
from dsps_sbi.training.trainer import TrainConfig


@pytest.fixture(scope="module")
def simulator(dirichlet_model):
    return SpectrumSimulator(dirichlet_model)


@pytest.fixture(scope="module")
def mocks(simulator):
    pool = simulator.table_pool(jax.random.key(0), 16)
    return jax.jit(lambda: simulator.draw(jax.random.key(1), pool, 400, 1))()


def test_mocks_follow_the_likelihoods_own_model(simulator, mocks):
    """Residuals from the truth are those that the likelihood expects, polynomial and all."""
    view = simulator.view
    view = dataclasses.replace(view, universe_gyr=simulator.model.cosmology.age(mocks.z)[:, None])
    template, data = simulator.model.predict_fast(mocks.theta, view), mocks.data
    share = simulator.model.error_share(mocks.theta)[:, None]
    sigma = np.asarray(simulator.model.continuum.sigma)
    spread = jnp.sqrt(
        mocks.data.sigma**2 + template**2 * (share**2 + sigma**2 * jnp.sum(view.basis**2, axis=1))
    )
    score = np.asarray((data.flux - template) / spread)[np.asarray(data.valid)]
    assert np.isfinite(np.asarray(data.flux)).all() and np.isfinite(np.asarray(data.sigma)).all()
    # the polynomial is common to a spectrum: some 4 numbers of each of 400
    assert abs(score.mean()) < 0.1 and abs(score.std() - 1.0) < 0.1


def test_errors_cover_the_range_and_know_nothing_of_the_galaxy(simulator, mocks):
    share = np.asarray(simulator.sample_sigma(jax.random.key(2), 2000))
    snr = np.median(1.0 / share, axis=1)
    assert snr.min() < 6 and snr.max() > 800 and abs(np.median(np.log(snr)) - np.log(np.sqrt(5000))) < 0.15
    amplitude = np.log(np.asarray(mocks.data.sigma)).mean(axis=1) - np.asarray(mocks.theta)[:, -1] * np.log(
        10
    )
    for i in range(mocks.u.shape[1] - 1):
        # M/L apart, which sets the amplitude
        ratio = np.log(
            np.median(np.asarray(mocks.data.flux) / np.asarray(mocks.data.sigma), axis=1).clip(0.1)
        )
        assert abs(np.corrcoef(np.asarray(mocks.u)[:, i], ratio)[0, 1]) < 0.2, i
    assert np.isfinite(amplitude).all()


def test_masks(simulator, mocks):
    valid = np.asarray(simulator.sample_masks(jax.random.key(3), 2000))
    covered = valid.mean(axis=1)
    assert 0.45 < (covered == 1.0).mean() < 0.55 and 0.25 < covered.min() < 0.4
    ends = valid[:, [0, -1]]
    # of those that are not whole
    assert np.all(np.abs((~ends).mean(axis=0) - 0.5) < 0.06)
    assert not np.asarray(mocks.data.valid)[:, ~np.asarray(simulator.view.valid)].any()


def test_redshifts_are_uniform_in_age(simulator):
    z = np.asarray(simulator.table_pool(jax.random.key(4), 1000))
    low, high = simulator.model.prior.z
    assert low <= z.min() < 0.01 and 0.98 < z.max() <= high
    age = np.sort(np.asarray(simulator.model.cosmology.age(z)))
    np.testing.assert_allclose(age, np.linspace(age[0], age[-1], 1000), atol=0.03)


def test_batches_of_a_training(simulator):
    pool = simulator.table_pool(jax.random.key(5), 4)
    some = simulator.training_batch(jax.random.key(6), pool, TrainConfig(batch=7, n_z=2, n_per_z=4))
    assert some.data.flux.shape[0] == 7 and len(some.data) == 4
    own, model = simulator.identity(), simulator.model
    assert own != SpectrumSimulator(model, snr=(5.0, 50.0)).identity()
    # a checkpoint of one preset must not go on under another
    narrower = ds.spectrum_prior(metallicity=(-1.0, 0.4), sigma_v=(0.0, 300.0))
    nearer = ds.spectrum_prior(metallicity=(-1.0, 0.4), z=(0.0001, 0.5))
    broader = dataclasses.replace(model.spectrograph, lsf=ds.LSF("fwhm_aa", 5.0))
    for change in ({"prior": narrower}, {"prior": nearer}, {"spectrograph": broader}):
        assert own != SpectrumSimulator(dataclasses.replace(model, **change)).identity(), change


@pytest.mark.parametrize(
    "options, message",
    [
        ({"snr": (0.0, 5.0)}, "ratios from 0 to 5: give 0 < low <= high"),
        ({"p_whole": 1.5}, "p_whole of mock spectra is 1.5: give a share"),
        ({"shortest": -0.1}, "shortest of mock spectra is -0.1: give a share"),
    ],
)
def test_what_is_refused(dirichlet_model, options, message):
    with pytest.raises(UserError, match=message):
        SpectrumSimulator(dirichlet_model, **options)
