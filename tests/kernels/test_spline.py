import distrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.kernels import spline

BOUND = 5.0
K = 8


def params_of(scale, n=40, seed=0):
    return jnp.asarray(scale * np.random.default_rng(seed).normal(size=(n, 3 * K - 1)), jnp.float32)


@pytest.fixture(scope="module")
def x():
    inside = np.random.default_rng(3).uniform(-BOUND, BOUND, (40, 50))
    return jnp.asarray(inside, jnp.float32)


def test_against_distrax(x):
    with jax.enable_x64(True):
        x = np.asarray(x, np.float64)
        params = np.asarray(params_of(1.5), np.float64)[:, None]
        # distrax: widths, heights and K + 1 slopes, of which "identity" ignores the outer two
        slopes = np.pad(params[..., 2 * K :], ((0, 0), (0, 0), (1, 1)))
        other = distrax.RationalQuadraticSpline(
            jnp.asarray(np.concatenate([params[..., : 2 * K], slopes], axis=-1)),
            -BOUND,
            BOUND,
            boundary_slopes="identity",
            min_bin_size=spline.MIN_BIN * 2 * BOUND,
            min_knot_slope=spline.MIN_SLOPE,
        )
        ours = jax.jit(lambda v: (*spline.forward(v, params, BOUND), *spline.inverse(v, params, BOUND)))(x)
        theirs = jax.jit(lambda v: (*other.forward_and_log_det(v), *other.inverse_and_log_det(v)))(x)
        for got, expected in zip(ours, theirs, strict=True):
            assert got.dtype == jnp.float64
            np.testing.assert_allclose(got, expected, atol=1e-7)


def test_log_det_is_the_log_of_the_derivative(x):
    params = params_of(1.0)[:, None]
    for function in (spline.forward, spline.inverse):
        slope = jax.grad(lambda v, function=function: function(v, params, BOUND)[0].sum())(x)
        np.testing.assert_allclose(function(x, params, BOUND)[1], np.log(slope), atol=2e-3)


def test_inverse_undoes_forward(x):
    params = params_of(1.0)[:, None]
    y, log_det = spline.forward(x, params, BOUND)
    back, minus = spline.inverse(y, params, BOUND)
    # float32's rounding of y, seen through a slope that may be as small as 1e-3
    slope = np.exp(np.asarray(log_det))
    assert np.max(np.abs(back - x) * np.minimum(slope, 1.0)) < 3e-6
    np.testing.assert_allclose(minus, -log_det, atol=2e-3)
    assert np.abs(y - x).max() > 0.5


def test_is_the_identity_at_zero_parameters(x):
    zero = jnp.zeros((40, 1, 3 * K - 1))
    for function in (spline.forward, spline.inverse):
        y, log_det = function(x, zero, BOUND)
        np.testing.assert_allclose(y, x, atol=3e-6)
        np.testing.assert_allclose(log_det, 0.0, atol=3e-6)


def test_is_the_identity_outside_and_continuous_at_the_bound():
    params = params_of(2.0, n=1)[0]
    out = jnp.array([-1e6, -7.0, -BOUND, BOUND, 5.5, 1e6])
    for function in (spline.forward, spline.inverse):
        y, log_det = function(out, params, BOUND)
        np.testing.assert_array_equal(y, out)
        np.testing.assert_array_equal(log_det, 0.0)
        edge, log_det = function(jnp.array([-BOUND + 1e-4, BOUND - 1e-4]), params, BOUND)
        np.testing.assert_allclose(edge, [-BOUND, BOUND], atol=2e-4)
        np.testing.assert_allclose(log_det, 0.0, atol=0.1)


def test_is_monotone():
    grid = jnp.linspace(-BOUND, BOUND, 2001)
    for params in params_of(3.0, n=5, seed=1):
        assert np.all(np.diff(spline.forward(grid, params, BOUND)[0]) >= -1e-6)
        assert np.all(np.diff(spline.inverse(grid, params, BOUND)[0]) >= -1e-6)


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
def test_values_and_gradients_are_finite_at_knots_and_extremes(scale):
    params = params_of(scale, n=6, seed=4)
    xk, yk, _ = spline.knots(params, BOUND)
    extremes = jnp.broadcast_to(jnp.array([-1e30, -BOUND, BOUND, 1e30, 0.0]), (6, 5))
    for function, knots in ((spline.forward, xk), (spline.inverse, yk)):
        points = jnp.concatenate([knots, extremes], axis=-1)

        def total(v, p, function=function):
            y, log_det = function(v, p[:, None], BOUND)
            return jnp.sum(jnp.where(jnp.abs(v) < 1e3, y, 0.0) + log_det)

        value, gradients = jax.jit(jax.value_and_grad(total, argnums=(0, 1)))(points, params)
        assert np.isfinite(value) and all(np.all(np.isfinite(g)) for g in gradients)


def test_knots_rise_from_bound_to_bound():
    xk, yk, slope = spline.knots(params_of(5.0), BOUND)
    for knots in (xk, yk):
        assert np.all(np.diff(knots) > 0)
        np.testing.assert_array_equal(knots[..., [0, -1]], [[-BOUND, BOUND]] * 40)
    assert np.all(slope[..., [0, -1]] == 1.0) and np.asarray(slope).min() >= spline.MIN_SLOPE
