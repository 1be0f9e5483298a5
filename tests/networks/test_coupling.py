import distrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dsps_sbi.networks.coupling import Conditioner, Coupling

N, DIM, BINS, MOVED, KEPT = 16, 5, 6, (0, 3), (1, 4)


def layer(scale, guide=None):
    """Coupling whose weights are perturbed at random: nothing about it is the identity."""
    rngs = nnx.Rngs(0)
    conditioner = Conditioner(len(KEPT), 7, 16, len(MOVED) * (3 * BINS + 1), rngs=rngs)
    graph, weights = nnx.split(conditioner)
    rng = np.random.default_rng(1)
    noisy = jax.tree.map(
        lambda w: jnp.asarray(np.asarray(w) + scale * rng.normal(size=w.shape), float), weights
    )
    conditioner = nnx.merge(graph, noisy)
    context = jnp.asarray(rng.normal(size=(N, 7)), float)
    return Coupling(MOVED, KEPT, conditioner, conditioner.hoist(context), BINS, guide)


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(3), (N, DIM)) * 1.5


def test_is_a_distrax_bijector_of_vectors():
    bijector = layer(0.3)
    assert isinstance(bijector, distrax.Bijector)
    assert bijector.event_ndims_in == bijector.event_ndims_out == 1


def test_moves_what_it_should_given_what_it_keeps(x):
    bijector = layer(0.3)
    y = jax.jit(bijector.forward)(x)
    untouched = [i for i in range(DIM) if i not in MOVED]
    np.testing.assert_array_equal(y[:, untouched], x[:, untouched])
    assert np.all(np.abs(y - x)[:, MOVED] > 1e-6)
    # dimension 2 is neither moved nor read; dimension 1 is read
    move = jax.jit(lambda v: bijector.forward(v)[:, MOVED])
    np.testing.assert_array_equal(move(x.at[:, 2].add(1.0)), move(x))
    assert np.all(np.any(move(x.at[:, 1].add(1.0)) != move(x), axis=1))


def test_inverse_and_log_determinants(x):
    bijector = layer(0.15)
    y, log_det = jax.jit(bijector.forward_and_log_det)(x)
    back, minus = jax.jit(bijector.inverse_and_log_det)(y)
    np.testing.assert_allclose(back, x, atol=2e-4)
    np.testing.assert_allclose(minus, -log_det, atol=2e-3)
    assert np.abs(log_det).max() > 0.1


def test_inverse_is_exact_in_float64(x):
    # strong layers squeeze some stretches 1e4 times, which float32 cannot undo
    with jax.enable_x64(True):
        bijector = layer(0.3)
        x = np.asarray(x, np.float64)
        y, log_det = jax.jit(bijector.forward_and_log_det)(x)
        back, minus = jax.jit(bijector.inverse_and_log_det)(y)
        assert back.dtype == jnp.float64
        np.testing.assert_allclose(back, x, atol=1e-8)
        np.testing.assert_allclose(minus, -log_det, atol=1e-8)


def test_log_det_is_that_of_the_jacobian(x):
    bijector = layer(0.3)
    jacobian = jax.jit(jax.jacfwd(bijector.forward))(x)
    blocks = np.stack([jacobian[i, :, i] for i in range(N)]).astype(float)
    np.testing.assert_allclose(
        jax.jit(bijector.forward_log_det_jacobian)(x), np.linalg.slogdet(blocks)[1], atol=2e-3
    )
    # objects do not see each other
    assert np.all(np.asarray(jacobian)[0, :, 1:] == 0.0)


def test_extreme_weights_and_inputs_stay_finite(x):
    bijector = layer(30.0)
    both = jax.jit(lambda v: (bijector.forward_and_log_det(v), bijector.inverse_and_log_det(v)))
    for points in (x, 1e4 * x, jnp.zeros((N, DIM))):
        assert all(np.all(np.isfinite(out)) for out in jax.tree.leaves(both(points)))


def test_starts_as_the_identity():
    conditioner = Conditioner(2, 7, 16, 2 * (3 * BINS + 1), rngs=nnx.Rngs(0))
    bijector = Coupling(MOVED, KEPT, conditioner, conditioner.hoist(jnp.ones((N, 7))), BINS)
    x = jax.random.normal(jax.random.key(4), (N, DIM))
    y, log_det = jax.jit(bijector.forward_and_log_det)(x)
    np.testing.assert_allclose(y, x, atol=5e-6)
    np.testing.assert_allclose(log_det, 0.0, atol=1e-5)
