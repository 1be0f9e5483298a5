import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammainc, gammaincinv

from dsps_sbi.kernels import delayed_tau as kernel

TAU = (10.0 ** np.linspace(-2, 2, 25)).astype(np.float32)
DURATION = np.r_[1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 0.7, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 13.0, 13.7]
DURATION = DURATION.astype(np.float32)
AGE = np.r_[0.0, np.geomspace(1e-4, 13.0, 40), 1e3].astype(np.float32)
PAIRS = np.stack([g.ravel() for g in np.meshgrid(DURATION, TAU, indexing="ij")])
TRIPLES = np.stack([g.ravel() for g in np.meshgrid(AGE, DURATION, TAU, indexing="ij")])


def younger_by_quadrature(age, duration, tau):
    """Float64: the SFR integrated by 80-point Gauss-Legendre, over the closed form of the whole."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    end = np.maximum(duration - age, 0.0) / tau
    # what lies more than 60 e-folding times later adds less than exp(-60) of this piece
    half = 0.5 * np.minimum(np.minimum(age, duration) / tau, 60.0)
    s = end[..., None] + half[..., None] * (nodes + 1.0)
    return half * np.sum(weights * s * np.exp(-s), axis=-1) / gammainc(2, duration / tau)


def test_the_reference_is_the_integral_of_the_star_formation_rate():
    for age, duration, tau in [(0.1, 13.0, 0.7), (3e-3, 0.02, 50.0), (5.0, 9.0, 100.0), (0.01, 1.0, 0.05)]:
        formed = [
            quad(lambda t, tau=tau: t * np.exp(-t / tau), low, duration, epsabs=0, epsrel=1e-11)[0]
            for low in (duration - age, 0.0)
        ]
        assert younger_by_quadrature(age, duration, tau) == pytest.approx(formed[0] / formed[1], rel=1e-8)


def test_fraction_younger_over_the_whole_prior():
    got = np.asarray(jax.jit(kernel.fraction_younger)(*TRIPLES))
    assert got.dtype == np.float32
    age, duration, tau = TRIPLES.astype(float)
    expected = younger_by_quadrature(age, duration, tau)
    # float32 rounding of an exponent x costs x ulp: it shows where tau is far below the duration
    allowed = np.where(expected > 1e-30, (1e-5 + 6e-8 * duration / tau) * expected, 1e-30)
    assert np.all(np.abs(got - expected) <= allowed)
    assert got.min() >= 0.0 and got.max() <= 1.0


def test_fraction_younger_ends_at_nothing_and_everything():
    duration, tau = PAIRS
    assert np.all(kernel.fraction_younger(jnp.zeros(duration.shape), duration, tau) == 0.0)
    np.testing.assert_allclose(kernel.fraction_younger(duration, duration, tau), 1.0, rtol=2e-6)


def test_formed_fraction_is_the_incomplete_gamma_function():
    x = np.geomspace(1e-7, 2e3, 400).astype(np.float32)
    np.testing.assert_allclose(kernel.formed_fraction(x), gammainc(2, x.astype(float)), rtol=2e-6)


def test_phi2_on_both_sides_of_zero():
    x = np.linspace(-1.0, 1.0, 201)
    x = x[np.abs(x) > 0.05].astype(np.float32).astype(float)
    expected = (np.expm1(x) - x) / x**2
    np.testing.assert_allclose(kernel.phi2(jnp.asarray(x, jnp.float32)), expected, rtol=5e-7)
    assert kernel.phi2(jnp.zeros(1))[0] == 0.5


def test_mean_age_over_the_whole_prior():
    duration, tau = PAIRS.astype(float)
    x = duration / tau
    # the mean of t is tau Gamma(3) P(3, x) / (Gamma(2) P(2, x))
    expected = duration - 2.0 * tau * gammainc(3, x) / gammainc(2, x)
    np.testing.assert_allclose(kernel.mean_age(*PAIRS), expected, rtol=1e-5)


@pytest.mark.parametrize("fraction", [1e-3, 0.1, 0.5, 0.84, 0.99])
def test_time_of_fraction_over_the_whole_prior(fraction):
    duration, tau = PAIRS.astype(float)
    expected = tau * gammaincinv(2, fraction * gammainc(2, duration / tau))
    got = kernel.time_of_fraction(np.float32(fraction), *PAIRS)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_gradients_are_finite_everywhere():
    of_younger = jax.jit(jax.vmap(jax.grad(kernel.fraction_younger, argnums=(0, 1, 2))))(*TRIPLES)
    of_mean = jax.jit(jax.vmap(jax.grad(kernel.mean_age, argnums=(0, 1))))(*PAIRS)
    half = jax.grad(lambda d, t: kernel.time_of_fraction(jnp.float32(0.5), d, t), argnums=(0, 1))
    of_time = jax.jit(jax.vmap(half))(*PAIRS)
    for gradient in (*of_younger, *of_mean, *of_time):
        assert np.all(np.isfinite(gradient))


def test_gradient_with_age_is_the_star_formation_rate():
    age, duration, tau = np.array(
        [[0.01, 0.3, 2.0, 7.0, 1e-3], [13.0, 1.0, 9.0, 8.0, 0.01], [5.0, 0.1, 1.0, 80.0, 3.0]]
    )
    got = jax.vmap(jax.grad(kernel.fraction_younger))(
        *(jnp.asarray(v, jnp.float32) for v in (age, duration, tau))
    )
    since = (duration - age) / tau
    np.testing.assert_allclose(got, since * np.exp(-since) / tau / gammainc(2, duration / tau), rtol=1e-5)


def test_gradients_keep_the_digits_of_float32_for_short_histories():
    """Against central differences of the quadrature, per e-fold of tau and of the duration.

    Shares of the mass hardly depend on tau where the duration is far below it: rounding of the
    powers of tau above and below the line must not show.
    """
    chosen = TRIPLES[:, (TRIPLES[0] < 0.99 * TRIPLES[1]) & (TRIPLES[1] <= TRIPLES[2])]
    by_duration, by_tau = jax.jit(jax.vmap(jax.grad(kernel.fraction_younger, (1, 2))))(*chosen)
    age, duration, tau = chosen.astype(float)
    h = 1e-4

    def slope(function):
        return (function(1.0 + h) - function(1.0 - h)) / (2 * h)

    expected = slope(lambda f: younger_by_quadrature(age, duration, tau * f))
    np.testing.assert_allclose(np.asarray(by_tau, float) * tau, expected, rtol=1e-5, atol=5e-7)
    expected = slope(lambda f: younger_by_quadrature(age, duration * f, tau))
    np.testing.assert_allclose(np.asarray(by_duration, float) * duration, expected, rtol=1e-5, atol=1e-6)
