import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.kernels.csp import composite, composite_by_age, metallicity_weights

NODES = np.array([-2.3, -1.7, -0.7, 0.0, 0.4], np.float32)


def test_metallicity_weights_are_exact_at_the_nodes():
    np.testing.assert_array_equal(metallicity_weights(jnp.asarray(NODES), jnp.asarray(NODES)), np.eye(5))


def test_metallicity_weights_interpolate_linearly():
    x = np.linspace(-2.3, 0.4, 61, dtype=np.float32)
    weights = np.asarray(metallicity_weights(jnp.asarray(x), jnp.asarray(NODES)))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert weights.min() >= 0.0 and (weights > 0).sum(axis=1).max() == 2
    np.testing.assert_allclose(weights @ NODES, x, atol=1e-6)
    values = np.random.default_rng(0).normal(size=5)
    np.testing.assert_allclose(weights @ values, np.interp(x, NODES, values), atol=2e-6)


@pytest.mark.parametrize("x, column", [(-9.0, 0), (5.0, 4)])
def test_metallicity_weights_hold_the_edge_outside(x, column):
    np.testing.assert_array_equal(metallicity_weights(jnp.float32(x), jnp.asarray(NODES)), np.eye(5)[column])


def test_metallicity_weights_have_the_gradient_of_the_bin():
    jacobian = jax.jacfwd(metallicity_weights)(jnp.float32(-0.2), jnp.asarray(NODES))
    np.testing.assert_allclose(jacobian, [0, 0, -1 / 0.7, 1 / 0.7, 0], rtol=1e-5)


@pytest.fixture(scope="module")
def galaxies():
    rng = np.random.default_rng(1)
    ages, mets = rng.dirichlet(np.ones(7), 6), rng.dirichlet(np.ones(5), 6)
    return [a.astype(np.float32) for a in (ages, mets, rng.random((5, 7, 11)))]


def test_composite_against_loops(galaxies):
    ages, mets, grid = galaxies
    expected = np.zeros((6, 11))
    for b in range(6):
        for m in range(5):
            for a in range(7):
                expected[b] += float(mets[b, m]) * float(ages[b, a]) * grid[m, a].astype(float)
    np.testing.assert_allclose(composite(ages, mets, grid), expected, rtol=1e-5)
    np.testing.assert_allclose(composite(ages[3], mets[3], grid), expected[3], rtol=1e-5)


def test_ages_first_is_the_same_sum(galaxies):
    ages, mets, grid = galaxies
    swapped = composite_by_age(jnp.asarray(ages), jnp.asarray(mets), jnp.asarray(grid.swapaxes(0, 1)))
    np.testing.assert_allclose(swapped, composite(ages, mets, grid), rtol=1e-5)
