import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

from dsps_sbi.kernels import monotone_cubic as cubic

RNG = np.random.default_rng(4)
WIDTH = RNG.dirichlet(np.ones(5), 40)
RISE = RNG.dirichlet(np.ones(5), 40)


def pieces(ends=(0.0, 0.0)):
    secant = RISE / WIDTH
    inner = cubic.inner_slopes(jnp.asarray(WIDTH), jnp.asarray(secant))
    d0, d1 = (np.minimum(e, 3.0 * secant[:, [k]]) for e, k in zip(ends, (0, -1), strict=True))
    start = np.cumsum(WIDTH, axis=1) - WIDTH
    return start, WIDTH, secant, np.concatenate([d0, inner, d1], axis=1)


def test_inner_slopes_are_those_of_pchip():
    slopes = pieces()[3]
    for width, rise, slope in zip(WIDTH, RISE, slopes, strict=True):
        x, y = (np.concatenate([[0.0], np.cumsum(a)]) for a in (width, rise))
        np.testing.assert_allclose(slope[1:-1], PchipInterpolator(x, y).derivative()(x)[1:-1], rtol=1e-5)


def test_rise_within_a_piece_is_the_hermite_polynomial():
    t = np.linspace(0.0, 1.0, 33)
    for secant, *slopes in ((1.0, 0.0, 3.0), (0.2, 0.5, 0.1), (-2.0, 0.0, -1.0)):
        expected = CubicHermiteSpline([0.0, 1.0], [0.0, secant], slopes)(t)
        rise = cubic.rise(jnp.asarray(t, jnp.float32), secant, *slopes)
        np.testing.assert_allclose(rise, expected, rtol=1e-6, atol=1e-6)


def test_curve_goes_through_its_points_and_never_falls():
    for ends in ((0.0, 0.0), (np.inf, 0.3), (1.0, np.inf)):
        start, width, secant, slope = (jnp.asarray(a, jnp.float32)[:, None] for a in pieces(ends))
        x = np.concatenate([np.cumsum(WIDTH, axis=1), np.tile(np.linspace(0, 1, 2001), (40, 1))], axis=1)
        y = np.asarray(cubic.evaluate(jnp.asarray(x, jnp.float32), start, width, secant, slope))
        np.testing.assert_allclose(y[:, :5], np.cumsum(RISE, axis=1), atol=3e-5)
        assert np.diff(y[:, 5:], axis=1).min() > -3e-7


def test_integral_against_a_sum():
    start, width, secant, slope = (jnp.asarray(a, jnp.float32) for a in pieces((2.0, 1.0)))
    x = jnp.asarray((np.arange(20000) + 0.5) / 20000, jnp.float32)
    y = cubic.evaluate(x, start[:, None], width[:, None], secant[:, None], slope[:, None])
    expected = np.asarray(y, float).mean(axis=1)
    np.testing.assert_allclose(cubic.integral(width, secant, slope), expected, atol=1e-6)


def test_small_values_keep_their_relative_accuracy():
    start, width, secant, slope = (jnp.asarray(a, jnp.float32) for a in pieces((1e-6, 0.0)))
    x = 1e-7 * width[:, 0]
    y = np.asarray(cubic.evaluate(x, start, width, secant, slope), float)
    t, w, s, d = 1e-7, WIDTH[:, 0], (RISE / WIDTH)[:, 0], np.asarray(slope, float)
    exact = w * (d[:, 0] * t * (1 - t) ** 2 + s * t**2 * (3 - 2 * t) - d[:, 1] * t**2 * (1 - t))
    np.testing.assert_allclose(y, exact, rtol=1e-4)
