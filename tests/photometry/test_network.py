import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.cosmology import Cosmology
from dsps_sbi.photometry.network import PhotometryArchitecture, PhotometryNetwork
from dsps_sbi.photometry.prior import photometry_prior
from dsps_sbi.sfh import DelayedTau

ARCH = PhotometryArchitecture(
    width=16, n_blocks=1, n_context=12, flow_width=12, n_layers=4, n_bins=4, guess_width=0
)
N, DRAWS, BAND = 9, 6, 5
NETWORK = PhotometryNetwork(ARCH, BAND, photometry_prior(), DelayedTau(), Cosmology.from_astropy())


def perturbed(scale):
    """Random changes to fresh weights, whose flow would be the identity."""
    rng = np.random.default_rng(1)
    fresh = jax.tree.map(np.asarray, jax.jit(lambda: NETWORK.init(0))())
    return jax.tree.map(lambda w: w + scale * rng.normal(size=w.shape).astype(np.float32), fresh)


def double(leaf):
    leaf = np.asarray(leaf)
    return leaf if leaf.dtype == bool else leaf.astype(np.float64)


@pytest.fixture(scope="module")
def weights():
    return perturbed(0.2)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    flux = 10.0 ** rng.uniform(-4, 1, (N, BAND))
    sky = 10.0 ** rng.uniform(-4, -2, (N, BAND))
    valid = rng.random((N, BAND)) < 0.6
    valid[:, 0] = True
    upper = valid & (rng.random((N, BAND)) < 0.2)
    z = np.linspace(0.1, 7.0, N, dtype=np.float32)
    return flux.astype(np.float32), sky.astype(np.float32), valid, upper, z


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(5).normal(size=(N, DRAWS, 5)).astype(np.float32)


@jax.jit
def draws(weights, data, noise):
    return NETWORK.draw(weights, NETWORK.condition(weights, *data), noise)


@jax.jit
def log_prob(weights, data, u):
    return NETWORK.log_prob(weights, NETWORK.condition(weights, *data), u)


@jax.jit
def loss_and_gradient(weights, data, u):
    return jax.value_and_grad(lambda w: -jnp.mean(NETWORK.log_prob(w, NETWORK.condition(w, *data), u)))(
        weights
    )


@jax.jit
def inside(u, z):
    universe = NETWORK.cosmology.age(z)[:, None]
    return jnp.all(NETWORK.prior.contains(NETWORK.prior.from_normal(u, universe), universe))


def test_draws_lie_in_the_prior(weights, data, noise):
    u, log_q = draws(weights, data, noise)
    assert u.shape == (N, DRAWS, 5) and log_q.shape == (N, DRAWS)
    assert inside(u, data[4])
    wild = jax.tree.map(lambda w: np.float32(30.0) * w, weights)
    u, log_q = draws(wild, data, 5.0 * noise)
    assert np.all(np.isfinite(u)) and inside(u, data[4])


def test_log_prob_of_draws_is_their_log_q(data, noise):
    gentle = perturbed(0.1)
    u, log_q = draws(gentle, data, noise)
    got = np.stack([log_prob(gentle, data, u[:, k]) for k in range(DRAWS)], axis=1)
    assert np.ptp(log_q) > 1.0 and np.abs(u - noise).max() > 0.1
    np.testing.assert_allclose(got, log_q, atol=1e-3)


def test_log_prob_is_exact_in_float64(weights, data, noise):
    # strong layers squeeze more than float32 can undo: the algebra itself is checked here
    with jax.enable_x64(True):
        weights, data, noise = jax.tree.map(double, (weights, data, noise[:, :1]))
        u, log_q = draws(weights, data, noise)
        assert log_q.dtype == jnp.float64 and np.abs(u - noise).max() > 1.0
        np.testing.assert_allclose(log_prob(weights, data, u[:, 0]), log_q[:, 0], atol=1e-5)


def test_same_input_same_output_and_order_of_objects_does_not_matter(weights, data, noise):
    u, log_q = draws(weights, data, noise)
    again, _ = draws(weights, data, noise)
    np.testing.assert_array_equal(again, u)
    order = np.random.default_rng(0).permutation(N)
    other, log_other = draws(weights, tuple(d[order] for d in data), noise[order])
    np.testing.assert_allclose(other, u[order], atol=1e-5)
    np.testing.assert_allclose(log_other, log_q[order], atol=1e-4)


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf, 1e38, 0.0])
def test_masked_values_do_not_matter(weights, data, noise, junk):
    flux, sky, valid, upper, z = data
    dirty = (*(np.where(valid, a, np.float32(junk)) for a in (flux, sky)), valid, upper, z)
    for clean, other in zip(draws(weights, data, noise), draws(weights, dirty, noise), strict=True):
        assert np.all(np.isfinite(clean))
        np.testing.assert_array_equal(other, clean)
    loss, gradient = loss_and_gradient(weights, data, noise[:, 0])
    dirty_loss, dirty_gradient = loss_and_gradient(weights, dirty, noise[:, 0])
    assert loss == dirty_loss
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(dirty_gradient), strict=True):
        np.testing.assert_array_equal(a, b)


CASES = {
    "zeros": (0.0, "as is"),
    "negative": (-1.0, "as is"),
    "very negative": (-1e8, "as is"),
    "huge": (1e30, "as is"),
    "tiny": (1e-30, "as is"),
    "one band": (1e-2, "one"),
    "no band": (1e-2, "none"),
}


@pytest.mark.parametrize("case", CASES)
def test_gradient_is_finite_for_any_data(weights, data, case):
    value, which = CASES[case]
    valid = {"as is": data[2], "one": np.eye(N, BAND, -2, bool), "none": np.zeros((N, BAND), bool)}[which]
    strange = (np.full((N, BAND), value, np.float32), data[1], valid, valid & data[3], data[4])
    u = np.random.default_rng(6).normal(size=(N, 5)).astype(np.float32)
    u[:2] = [[4.9], [-4.9]]
    loss, gradient = loss_and_gradient(weights, strange, u)
    assert np.isfinite(loss)
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(gradient))
    assert max(np.abs(g).max() for g in jax.tree.leaves(gradient)) > 0.0


def test_mass_follows_the_brightness(data, noise):
    flux, sky, valid, upper, z = data
    fresh = jax.jit(lambda: NETWORK.init(0))()
    universe = NETWORK.cosmology.age(z)[:, None]
    dim, bright = (
        NETWORK.prior.from_normal(draws(fresh, (f * flux, f * sky, valid, upper, z), 0 * noise)[0], universe)[
            :, 0, 4
        ]
        for f in (1.0, 100.0)
    )
    # a fresh network knows the mass from the luminosity alone: 100 times the flux is two dex
    ok = (dim > 4.1) & (bright < 11.9)
    assert ok.sum() >= 3
    np.testing.assert_allclose((bright - dim)[ok], 2.0, atol=1e-3)


def test_shape_alone_is_the_marginal(data, noise):
    gentle = perturbed(0.1)
    condition = jax.jit(NETWORK.condition)(gentle, *data)
    u, log_q = jax.jit(NETWORK.draw_shape)(gentle, condition, noise[:, :1, :4])
    got = jax.jit(NETWORK.log_prob_shape)(gentle, condition, u[:, 0])
    np.testing.assert_allclose(got, log_q[:, 0], atol=1e-3)
    # the whole density, integrated over the mass
    grid = np.sinh(np.linspace(-5.0, 5.0, 4001)).astype(np.float32)
    at = jax.jit(lambda m: NETWORK.log_prob(gentle, condition, jnp.c_[u[:, 0], jnp.full(N, m)]))
    density = np.exp(np.asarray(jax.lax.map(at, jnp.asarray(grid))).astype(float))
    np.testing.assert_allclose(np.trapezoid(density, grid, axis=0), np.exp(got), rtol=0.01)


def test_architecture_as_options():
    assert PhotometryArchitecture(**ARCH.as_dict()) == ARCH


def test_seeds_decide_the_weights():
    init = jax.jit(NETWORK.init, static_argnums=0)
    one, same, other = (jax.tree.leaves(init(seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
