import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from dsps_sbi.kernels.lsf import pixel_weights, to_pixels

N = 200
weights_of = jax.jit(pixel_weights, static_argnums=3)
to_pixels = jax.jit(to_pixels)
RNG = np.random.default_rng(3)
FLUX = RNG.random(N)


def pixels(edges, sigma, reach=None):
    """Windows and weights for edges (Pixel + 1,) in cells."""
    reach = int(np.ceil(5 * np.max(sigma))) + 1 if reach is None else reach
    start = np.floor(edges[:-1]).astype(int) - reach
    n_window = 2 * reach + int(np.ceil(np.diff(edges).max())) + 2
    left, right = ((e - start).astype(np.float32) for e in (edges[:-1], edges[1:]))
    sigma = np.broadcast_to(np.asarray(sigma, np.float32), left.shape)
    return jnp.asarray(start), weights_of(left, right, sigma, n_window)


def exact_mean(a, b):
    """Mean of the steps FLUX from a to b."""
    cum = np.r_[0.0, np.cumsum(FLUX)]
    return (np.interp(b, np.arange(N + 1), cum) - np.interp(a, np.arange(N + 1), cum)) / (b - a)


@pytest.mark.parametrize("width", [0.13, 1.0, 1.9, 7.3])
def test_rebinning_is_exact_and_conserves_flux(width):
    edges = 20.0 + np.cumsum(np.r_[0.0, width * (1 + 0.2 * np.sin(np.arange(int(120 / width / 1.2))))])
    start, weights = pixels(edges, 0.0)
    got = np.asarray(to_pixels(jnp.asarray(FLUX, jnp.float32), start, weights))
    expected = [exact_mean(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-7)
    total = np.sum(got.astype(float) * np.diff(edges))
    assert total == pytest.approx(exact_mean(edges[0], edges[-1]) * (edges[-1] - edges[0]), rel=1e-6)


@pytest.mark.parametrize("sigma", [0.2, 1.0, 6.0])
def test_gaussian_and_pixel_against_quadrature(sigma):
    edges = np.array([60.3, 62.1, 63.0, 63.2, 70.0])
    start, weights = pixels(edges, sigma)
    got = np.asarray(to_pixels(jnp.asarray(FLUX, jnp.float32), start, weights))
    cells = np.arange(N + 1)
    for i in range(4):
        x = np.linspace(edges[i], edges[i + 1], 4001)
        # the convolution of steps with a Gaussian, by its distribution function
        blurred = (FLUX * np.diff(norm.cdf(cells - x[:, None], scale=sigma), axis=1)).sum(axis=1)
        mean = np.trapezoid(blurred, x) / (edges[i + 1] - edges[i])
        assert got[i] == pytest.approx(mean, rel=1e-5)


def test_each_pixel_has_its_own_width():
    sigma = np.array([0.0, 0.5, 2.0, 4.0])
    edges = np.arange(80.0, 85.0)
    start, weights = pixels(edges, sigma, reach=22)
    for i in range(4):
        _, alone = pixels(edges[i : i + 2], sigma[i], reach=22)
        np.testing.assert_allclose(weights[i], alone[0], atol=1e-7)
    offset = np.asarray(start)[:, None] + np.arange(weights.shape[1]) + 0.5 - (edges[:-1] + 0.5)[:, None]
    second = np.sum(np.asarray(weights) * offset**2, axis=1)
    # pixel and cell are boxes of width 1; an aligned pixel without an LSF is one cell
    np.testing.assert_allclose(second, sigma**2 + np.array([0, 1, 1, 1]) / 6, atol=1e-3)


def test_batches_and_gradients():
    edges = np.arange(50.0, 60.0, 0.7)
    start, _ = pixels(edges, 1.5)
    flux = jnp.asarray(np.stack([FLUX, FLUX[::-1]]), jnp.float32)
    left = jnp.asarray(edges[:-1] - np.asarray(start), jnp.float32)

    def total(sigma, flux):
        weights = pixel_weights(left, left + 0.7, jnp.full(left.shape, sigma), 22)
        return jnp.sum(to_pixels(flux, start, weights) ** 2)

    weights = weights_of(left, left + 0.7, jnp.full(left.shape, 1.5), 22)
    both = to_pixels(flux, start, weights)
    assert both.shape == (2, len(left))
    alone = to_pixels(flux[1], start, weights)
    np.testing.assert_allclose(both[1], alone, rtol=1e-6)
    total, slopes = jax.jit(total), jax.jit(jax.grad(total, argnums=(0, 1)))
    difference = float(total(1.51, flux) - total(1.49, flux)) / 0.02
    assert float(slopes(1.5, flux)[0]) == pytest.approx(difference, rel=2e-2)
    assert all(np.isfinite(slope).all() for slope in slopes(0.0, flux))
