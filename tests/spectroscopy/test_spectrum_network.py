import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.spectroscopy.compressed import find_subspace
from dsps_sbi.spectroscopy.network import SpectrumArchitecture, SpectrumNetwork
from dsps_sbi.spectroscopy.simulator import SpectrumSimulator
from dsps_sbi.training.initial_guess import fit_guess
from dsps_sbi.training.trainer import TrainConfig, Trainer

ARCH = SpectrumArchitecture(
    conv_width=4, n_latent=4, width=32, n_blocks=1, n_context=24, flow_width=24, n_layers=2, n_bins=4,
    guess_width=48, n_component=16, n_light=12, n_node=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def simulator(burst_model):
    return SpectrumSimulator(burst_model)


@pytest.fixture(scope="module")
def network(simulator):
    model, view = simulator.model, simulator.view
    sizes = {"n_component": ARCH.n_component, "n_light": ARCH.n_light, "n_node": ARCH.n_node}
    subspace = find_subspace(model, view, n_draw=400, **sizes)
    basis = view.basis, model.continuum.sigma
    return SpectrumNetwork(ARCH, model.prior, model.sfh, model.cosmology, subspace, *basis)


@pytest.fixture(scope="module")
def pool(simulator):
    return simulator.table_pool(jax.random.key(0), 16)


@pytest.fixture(scope="module")
def mocks(simulator, pool):
    return jax.jit(lambda: simulator.draw(jax.random.key(1), pool, 200, 1))()


@pytest.fixture(scope="module")
def guessed(network, simulator):
    return fit_guess(network, simulator, network.init(0), seed=4, steps=150, n_z=96, n_per_z=1, n_pool=16)


@pytest.fixture(scope="module")
def compiled(network):
    return jax.jit(network.condition)


@pytest.mark.optimized
def test_steps_go_where_the_data_say(network, simulator, mocks, guessed):
    """From a rough guess to peaks as far from the truth as their own errors say."""
    inputs, _, seen, _, universe = jax.jit(network._features)(network.subspace, *mocks.data)
    start = network.guess(guessed, *mocks.data)
    features = jax.jit(network._at_peak)(network.subspace, jnp.clip(start, -3.0, 3.0), seen, universe)
    n, k = start.shape[1], ARCH.n_component
    peak = np.asarray(features[:, k + n : k + 2 * n])
    sigma = np.exp(2.0 * np.asarray(features[:, k + 4 * n : k + 5 * n]))
    good = np.asarray(mocks.data.flux / mocks.data.sigma).mean(axis=1) > 30
    # a burst fills one age of the grid: its own age has no slope
    for name in ("metallicity", "sigma_v"):
        i = simulator.model.names.index(name)
        pull = (peak - np.asarray(mocks.u)[:, :-1])[good, i] / sigma[good, i]
        rough = (np.asarray(start) - np.asarray(mocks.u)[:, :-1])[good, i]
        better = np.abs(peak[good, i] - np.asarray(mocks.u)[good, i])
        assert np.median(np.abs(pull)) < 2.0, name
        assert np.median(better) < 0.5 * np.median(np.abs(rough)), name
    assert np.isfinite(np.asarray(inputs)).all() and np.isfinite(np.asarray(features)).all()


@pytest.mark.optimized
def test_slopes_are_those_of_the_components(network, mocks):
    """Against automatic differentiation of the whole."""
    u, universe = mocks.u[:20, :-1], network.cosmology.age(mocks.z[:20])
    expected = jax.jit(jax.vmap(jax.jacfwd(lambda u, t: network.unit(u, t, network.subspace))))(u, universe)
    light, slopes = jax.jit(jax.vmap(lambda u, t: network.unit_slopes(u, t, network.subspace)))(u, universe)
    unit = jax.vmap(lambda u, t: network.unit(u, t, network.subspace))(u, universe)
    # slopes are differences of components: what single precision leaves of those is their error
    rounding = 5e-7 * np.abs(np.asarray(unit)).max(axis=1)[:, None, None]
    off = np.abs(np.asarray(jnp.swapaxes(slopes, 1, 2) - expected))
    assert (off <= 1e-5 * np.abs(np.asarray(expected)) + rounding).all()
    np.testing.assert_allclose(light, unit, atol=1e-5 * float(jnp.abs(unit).max()))


def test_no_noise_is_no_surprise(network, guessed, mocks):
    """Errors that are too large look like errors that are right, not like what training never showed."""
    flux, sigma, valid, z = (np.asarray(a) for a in mocks.data)
    template = (
        jax.vmap(lambda u, t: network.unit(u, t, network.subspace))(
            mocks.u[:, :-1], network.cosmology.age(mocks.z)
        )
        @ network.subspace.components
    )
    template = np.asarray(template)
    sigma = 0.02 * np.abs(template).mean(axis=1, keepdims=True) * np.ones_like(template)
    noisy = template + sigma * np.random.default_rng(0).standard_normal(template.shape)
    run = jax.jit(lambda f, s: network._features(network.subspace, f, s, valid, z)[0])
    clean, usual = (np.asarray(run(f, sigma)) for f in (template, noisy))
    chi2 = 2 * ARCH.n_component + 1
    several = valid.sum(axis=1) > 100
    assert np.all(clean[several, chi2] > usual[several, chi2].min() - 0.2)


def test_training_learns(network, simulator, guessed, mocks):
    config = TrainConfig(
        steps=150, batch=32, n_z=1, n_per_z=32, pool=16, learning_rate=1e-2, warmup=10, ema=0.95
    )
    trainer = Trainer(network, simulator, config, start=guessed)
    before = float(jax.jit(trainer.loss)(guessed, mocks))
    trained = trainer.run(progress=False)
    after = float(jax.jit(trainer.loss)(trained.weights, mocks))
    # the prior's own entropy is 1.42 nat per parameter: mass, age, metallicity and dispersion are found
    assert after < before - 1.0 and trained.skipped == 0


def test_what_is_ready_stays_as_it_is(network, simulator, guessed):
    """First guess and subspace are among the weights, but the flow's training leaves them alone."""
    config = TrainConfig(steps=3, batch=32, n_z=1, n_per_z=32, pool=16, warmup=1)
    trained = Trainer(network, simulator, config, start=guessed).run(progress=False).weights
    for part in ("newton", "subspace"):
        for one, two in zip(jax.tree.leaves(trained[part]), jax.tree.leaves(guessed[part]), strict=True):
            np.testing.assert_array_equal(one, two)
    kernels = [w["encoder"]["first"]["kernel"].get_value() for w in (trained, guessed)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.0
    np.testing.assert_array_equal(trained["subspace"]["components"].get_value(), network.subspace.components)


def test_amplitude_and_mask_are_seen_as_such(compiled, mocks, guessed):
    """Brighter by a factor: the same context, and only the mass moves."""
    flux, sigma, valid, z = mocks.data
    condition = compiled
    one = condition(guessed, flux, sigma, valid, z)
    # a power of two: float32 rounds the same
    two = condition(guessed, 128.0 * flux, 128.0 * sigma, valid, z)
    np.testing.assert_allclose(two[1] - one[1], np.log10(128.0), atol=1e-4)
    for a, b in zip(one[0], two[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    # what is not valid does not count, whatever it is
    junk = jnp.where(valid, flux, jnp.nan), jnp.where(valid, sigma, -1.0)
    three = condition(guessed, *junk, valid, z)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(three), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_nothing_valid_is_finite(compiled, mocks, guessed):
    flux, sigma, valid, z = mocks.data
    out = compiled(guessed, flux, sigma, jnp.zeros_like(valid), z)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(out))
