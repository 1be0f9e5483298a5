import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BarycentricInterpolator

from dsps_sbi.kernels import chebyshev


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_polynomials_are_those_of_scipy(n):
    x = np.linspace(-1.0, 1.0, 41)
    got = chebyshev.lagrange(jnp.asarray(x, jnp.float32), n)
    for k, row in enumerate(got):
        np.testing.assert_allclose(
            row, BarycentricInterpolator(chebyshev.nodes(n), np.eye(n)[k])(x), atol=2e-6
        )
    np.testing.assert_allclose(got.sum(axis=0), 1.0, atol=1e-6)
    np.testing.assert_allclose(chebyshev.lagrange(jnp.array([-7.0, 3.0]), n), got[:, [0, -1]], atol=1e-6)


def test_one_node_takes_the_band_whole():
    np.testing.assert_array_equal(chebyshev.lagrange(jnp.linspace(-1.0, 1.0, 5), 1), np.ones((1, 5)))
