import math

import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.kernels import chebyshev, screen


@pytest.mark.parametrize("n, r, a", [(3, 0.3, 3.0), (4, 0.6, 3.0), (5, 0.6, 3.7)])
def test_screen_within_the_bound_of_the_remainder(n, r, a):
    k = 2.0 + r * np.linspace(-0.5, 0.5, 201)
    through = np.exp(-a * (2.0 + 0.5 * r * chebyshev.nodes(n))) @ np.asarray(
        chebyshev.lagrange(jnp.asarray((k - 2.0) / (0.5 * r)), n), float
    )
    error = np.abs(through - np.exp(-a * k)).max() / np.exp(-2.0 * a)
    bound = 2.0 * (a * r / 4.0) ** n / math.factorial(n)
    assert 0.3 * bound < error < 1.6 * bound  # the screen's own growth is at most exp(a r / 2)


def test_range_leaves_out_the_wings():
    wave = jnp.linspace(0.0, 10.0, 1001)
    top_hat = jnp.where((wave > 2.0) & (wave < 6.0), 1.0, 1e-5)
    weights = jnp.stack([top_hat, jnp.zeros(1001), jnp.where(wave == wave[300], 1e-30, 0.0)])
    middle, half = screen.range_of(wave, weights, 1001)
    np.testing.assert_allclose(middle, [4.0, 0.0, 3.0], atol=0.02)
    np.testing.assert_allclose(half, [2.0, 0.01, 0.01], atol=0.02)


def test_range_reaches_lines_that_matter():
    wave = jnp.concatenate([jnp.linspace(0.0, 10.0, 1001), jnp.array([1.0, 9.0])])
    band = jnp.where((wave > 2.0) & (wave < 6.0), 1.0, 0.0)[:1001]
    lines = jnp.array([1e-4, 1e-1])  # times 100 Angstrom, over a sum of 400
    middle, half = screen.range_of(wave, jnp.concatenate([band, lines])[None], 1001)
    np.testing.assert_allclose([middle[0] - half[0], middle[0] + half[0]], [2.0, 9.0], atol=0.02)
