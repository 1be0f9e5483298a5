import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from dsps_sbi.kernels.losvd import broaden, cell_transfer

N = 600
X = np.arange(N)


def spectrum(x):
    """A continuum and lines resolved like those of a library: sigma of 1.2 points and more."""
    lines = [(100.3, 1.2, -0.6), (130.7, 1.6, 0.8), (300.0, 3.0, -0.5), (307.0, 1.3, -0.4), (480.2, 8.0, 0.6)]
    ripple = 0.1 * np.sin(2 * np.pi * 3 * x / N)
    return 1.0 + ripple + sum(a * np.exp(-0.5 * ((x - c) / s) ** 2) for c, s, a in lines)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 0.8, 2.5, 12.0])
def test_against_convolution_by_quadrature(sigma):
    """Integral of the continuous curve in float64; Gaussians narrower than a point included."""
    got = np.asarray(broaden(jnp.asarray(spectrum(X), jnp.float32), jnp.float32(sigma**2)))
    for i in (95, 100, 101, 131, 304, 307, 470):
        kernel = lambda t, i=i: spectrum(i - sigma * t) * np.exp(-0.5 * t * t) / np.sqrt(2 * np.pi)  # noqa: E731
        expected = quad(kernel, -8, 8, epsabs=1e-9, limit=200)[0]
        assert got[i] == pytest.approx(expected, abs=1e-4)


def test_nothing_moves_without_dispersion_and_no_light_is_lost():
    flux = jnp.asarray(spectrum(X), jnp.float32)
    np.testing.assert_allclose(broaden(flux, jnp.float32(0.0)), flux, atol=1e-6)
    batch = broaden(jnp.stack([flux, 2 * flux]), jnp.array([4.0, 100.0]))
    np.testing.assert_allclose(batch.sum(axis=1), np.array([1, 2]) * float(flux.sum()), rtol=1e-6)


def test_widths_add_in_quadrature():
    flux = jnp.asarray(spectrum(X), jnp.float32)
    twice = broaden(broaden(flux, jnp.float32(3.0)), jnp.float32(1.5))
    np.testing.assert_allclose(twice, broaden(flux, jnp.float32(4.5)), atol=2e-6)


def test_the_width_of_a_cell_is_taken_out():
    """Steps as wide as a point, through the points of the result, have means equal to the curve."""
    result = np.asarray(broaden(jnp.asarray(spectrum(X), jnp.float32), jnp.float32(1.0), as_cells=True))
    plain = np.asarray(broaden(jnp.asarray(spectrum(X), jnp.float32), jnp.float32(1.0)))
    fine = np.repeat(result, 64)
    box = np.ones(64) / 64
    smooth = np.convolve(np.r_[fine[-64:], fine, fine[:64]], box, mode="same")[64:-64]
    # the second box stands for a pixel of one cell; undone here in Fourier space
    twice = np.fft.irfft(np.fft.rfft(smooth.reshape(N, 64).mean(axis=1)) / cell_transfer(N) ** 2, N)
    np.testing.assert_allclose(twice, plain, atol=5e-3)


def test_gradient_is_that_of_differences_and_finite_at_zero():
    flux = jnp.asarray(spectrum(X), jnp.float32)

    def depth(sigma):
        return broaden(flux, sigma**2)[300]

    step = 0.02
    for sigma in (0.5, 3.0):
        slope = (float(depth(sigma + step)) - float(depth(sigma - step))) / (2 * step)
        assert float(jax.grad(depth)(jnp.float32(sigma))) == pytest.approx(slope, rel=1e-2, abs=1e-4)
    assert float(jax.grad(depth)(jnp.float32(0.0))) == 0.0
