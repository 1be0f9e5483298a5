import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.kernels.likelihood import mean_snr

KEY = jax.random.key(7)
N_POOL, N_Z, N_PER_Z = 6, 5, 40


@pytest.fixture(scope="module")
def pool(toy_simulator):
    return toy_simulator.table_pool(jax.random.key(1), N_POOL)


@pytest.fixture(scope="module")
def draw(toy_simulator):
    return lambda key, pool: toy_simulator.mocks(key, pool, N_Z, N_PER_Z)


@pytest.fixture(scope="module")
def mocks(draw, pool):
    return draw(KEY, pool)


def test_pool_is_stratified_within_the_prior(toy_simulator, pool):
    low, high = toy_simulator.model.prior.z
    cell = np.floor((np.asarray(pool.z, float) - low) / (high - low) * N_POOL)
    np.testing.assert_array_equal(cell, np.arange(N_POOL))
    other = toy_simulator.table_pool(jax.random.key(2), N_POOL)
    assert np.all(np.asarray(other.z) != np.asarray(pool.z))
    # a leaf of the pool is the table at that redshift
    one = toy_simulator.model.band_table(float(pool.z[2]), trim=False)
    for leaf, whole in zip(jax.tree.leaves(one), jax.tree.leaves(pool), strict=True):
        np.testing.assert_allclose(whole[2], leaf, rtol=1e-6)


def test_shapes_and_finiteness(mocks):
    n = N_Z * N_PER_Z
    assert mocks.u.shape == mocks.theta.shape == (n, 5) and mocks.z.shape == (n,)
    assert mocks.data.flux.shape == mocks.data.sigma.shape == mocks.data.valid.shape == (n, 19)
    assert mocks.data.valid.dtype == bool
    for leaf in jax.tree.leaves(mocks):
        assert np.all(np.isfinite(leaf))
    assert np.all(np.asarray(mocks.data.sigma) > 0)


def test_redshifts_come_from_the_pool_and_are_shared(mocks, pool):
    z = np.asarray(mocks.z).reshape(N_Z, N_PER_Z)
    assert np.all(np.ptp(z, axis=1) == 0) and np.all(np.isin(z, pool.z))


def test_parameters_belong_to_the_coordinates(toy_simulator, mocks):
    universe = toy_simulator.model.cosmology.age(mocks.z)
    prior = toy_simulator.model.prior
    np.testing.assert_allclose(prior.from_normal(mocks.u, universe), mocks.theta, rtol=1e-5, atol=1e-5)
    assert np.all(prior.contains(mocks.theta, universe))


def test_data_are_the_model_plus_its_noise(toy_simulator, mocks):
    noiseless = jax.jit(toy_simulator.noiseless)
    f = []
    for u, z in zip(mocks.u.reshape(N_Z, N_PER_Z, 5), np.asarray(mocks.z)[::N_PER_Z], strict=True):
        f.append(noiseless(u, toy_simulator.model.band_table(z))[0])
    f, s = np.concatenate(f).astype(float), np.asarray(mocks.data.sigma, float)
    pull = (np.asarray(mocks.data.flux, float) - f) / np.hypot(s, toy_simulator.noise.floor * f)
    # objects without limits: some 2800 unit normals
    pull = pull[~np.asarray(mocks.data.upper).any(axis=1)]
    assert abs(pull.mean()) < 0.08 and pull.std() == pytest.approx(1.0, abs=0.06)


def test_sky_and_masks_do_not_know_the_galaxy(toy_simulator, mocks, draw, pool):
    # the same key with another flux gives the same sky and masks
    brighter = toy_simulator.observe(KEY, mocks.u, mocks.theta, mocks.z, 1e6 * mocks.data.flux)
    same = toy_simulator.observe(KEY, mocks.u, mocks.theta, mocks.z, mocks.data.flux)
    np.testing.assert_array_equal(brighter.data.sigma, same.data.sigma)
    np.testing.assert_array_equal(brighter.data.valid, same.data.valid)
    many = [draw(jax.random.key(k), pool) for k in range(10)]
    log_sky = np.concatenate([np.log10(m.data.sigma[:, 0]) for m in many])
    theta = np.concatenate([np.c_[m.theta, m.z] for m in many])
    n_bands = np.concatenate([m.data.valid.sum(axis=1) for m in many])
    for i in range(6):
        assert abs(np.corrcoef(theta[:, i], log_sky)[0, 1]) < 4 / np.sqrt(len(log_sky))
        assert abs(np.corrcoef(theta[:, i], n_bands)[0, 1]) < 4 / np.sqrt(len(log_sky))


def test_keys_decide_everything(draw, pool, mocks):
    for one, two, other in zip(
        *(jax.tree.leaves(m) for m in (mocks, draw(KEY, pool), draw(jax.random.key(8), pool))), strict=True
    ):
        np.testing.assert_array_equal(one, two)
        assert np.any(np.asarray(one) != np.asarray(other))


def test_detected_are_chosen_by_their_data_alone(toy_simulator, pool):
    def run(p_faint, snr_min, n_keep):
        return toy_simulator.detected(KEY, pool, N_Z, N_PER_Z, n_keep, snr_min, p_faint)

    everything = run(1.0, 1.0, N_Z * N_PER_Z)
    named = jnp.asarray(toy_simulator.snr_bands)
    assert named.sum() == 3
    d = everything.data
    snr = np.asarray(mean_snr(d.flux, d.sigma, d.valid, named, d.upper))
    np.testing.assert_allclose(snr, toy_simulator.snr(everything), rtol=1e-6)
    cut = float(np.median(snr))
    n = int((snr > cut).sum())
    kept = run(0.0, cut, n)
    # the bright ones, in order, with all that belongs to them
    for leaf, whole in zip(jax.tree.leaves(kept), jax.tree.leaves(everything), strict=True):
        np.testing.assert_array_equal(leaf, np.asarray(whole)[snr > cut])
    # a share of the faint ones when asked for
    mixed = toy_simulator.snr(run(0.3, cut, n))
    assert 0.05 * n < (np.asarray(mixed) <= cut).sum() < 0.5 * n
