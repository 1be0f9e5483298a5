from functools import partial

import distrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import norm

from dsps_sbi.networks import MassGuide, PosteriorFlow
from dsps_sbi.networks.flow import LOG_SCALE_START, alternating_splits

N = 7


def shape_features(scale, u):
    return jnp.concatenate([scale[..., None] * u, jnp.sin(u)], axis=-1)


@pytest.fixture(scope="module")
def flow():
    """Flow with perturbed weights, the hoisted contexts of seven objects, and their guide."""
    graph, weights = nnx.split(PosteriorFlow(4, 6, 12, 4, 5, 8, rngs=nnx.Rngs(0)))
    rng = np.random.default_rng(1)
    noisy = jax.tree.map(
        lambda w: jnp.asarray(np.asarray(w) + 0.15 * rng.normal(size=w.shape), float), weights
    )
    made = nnx.merge(graph, noisy)
    hoisted = made.hoist(jnp.asarray(rng.normal(size=(N, 6)), float))
    guide = MassGuide(jnp.linspace(5.5, 10.5, N), partial(shape_features, jnp.linspace(0.5, 1, N)), 4.0, 12.0)
    return made, hoisted, guide


@pytest.mark.parametrize("n_dim", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("n_layers", [3, 4, 6, 8, 12])
def test_every_dimension_is_moved_by_a_third_of_the_layers(n_dim, n_layers):
    splits = alternating_splits(n_dim, n_layers)
    assert len(splits) == n_layers
    moved = np.array([[i in split for i in range(n_dim)] for split in splits])
    assert np.all(moved.sum(axis=0) >= n_layers / 3)
    assert np.all(moved.any(axis=1)) and not np.any(moved.all(axis=1))
    # each half is followed by its complement
    np.testing.assert_array_equal(moved[1::2], ~moved[: len(moved) // 2 * 2 : 2])


@pytest.mark.parametrize("n_dim", [2, 3, 4, 5, 6, 8, 10])
def test_every_pair_is_separated(n_dim):
    # each pair of layers can at best double the number of groups told apart
    splits = alternating_splits(n_dim, 6 if n_dim <= 6 else 8)
    for i in range(n_dim):
        for j in range(i):
            assert any((i in s) != (j in s) for s in splits)


def test_layout_of_trained_networks_stays():
    assert alternating_splits(4, 8) == [(0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2), (0, 1), (2, 3)]


def test_distribution_is_a_distrax_one_with_a_batch(flow):
    made, hoisted, guide = flow
    distribution = made.distribution(hoisted, guide)
    assert isinstance(distribution, distrax.Transformed)
    assert distribution.batch_shape == (N,) and distribution.event_shape == (5,)
    base = distribution.distribution
    assert isinstance(base, distrax.MultivariateNormalDiag) and base.batch_shape == (N,)
    np.testing.assert_array_equal(base.mean(), 0.0)
    np.testing.assert_array_equal(base.stddev(), 1.0)


def test_log_prob_is_the_change_of_variables(flow):
    made, hoisted, guide = flow
    noise = jax.random.normal(jax.random.key(4), (N, 5))

    def forward(x):
        for layer in made.bijectors(hoisted, guide):
            x = layer.forward(x)
        return x

    u = jax.jit(forward)(noise)
    jacobian = np.asarray(jax.jit(jax.jacfwd(forward))(noise), float)
    log_det = [np.linalg.slogdet(jacobian[i, :, i])[1] for i in range(N)]
    expected = norm.logpdf(np.asarray(noise, float)).sum(axis=1) - log_det
    got = jax.jit(lambda v: made.distribution(hoisted, guide).log_prob(v))(u)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=5e-3)
    assert np.abs(u - noise).max() > 0.1


def test_mass_sits_where_the_luminosity_says(flow):
    guide = flow[2]
    centre, log_scale = guide.place(jnp.zeros((N, 1)), jnp.zeros((N, 1)))
    mass = np.linspace(5.5, 10.5, N)
    np.testing.assert_allclose(4 + 8 * norm.cdf(np.asarray(centre)[:, 0]), mass, atol=1e-5)
    # a step of the scale in u is a step of exp(LOG_SCALE_START) dex
    dex = np.exp(np.asarray(log_scale)[:, 0]) * 8 * norm.pdf(np.asarray(centre)[:, 0])
    np.testing.assert_allclose(dex, np.exp(LOG_SCALE_START), rtol=1e-4)
    moved, _ = guide.place(jnp.full((N, 1), 0.5), jnp.zeros((N, 1)))
    np.testing.assert_allclose(4 + 8 * norm.cdf(np.asarray(moved)[:, 0]), mass + 0.5, atol=1e-5)


@pytest.mark.parametrize("luminosity", [-np.inf, -50.0, 4.0, 12.0, 60.0, np.inf])
def test_mass_guide_is_finite_at_any_luminosity(luminosity):
    guide = MassGuide(jnp.array([luminosity]), None, 4.0, 12.0)
    centre, log_scale = guide.place(jnp.zeros((1, 1)), jnp.zeros((1, 1)))
    assert np.all(np.isfinite(centre)) and np.all(np.isfinite(log_scale))
