import jax
import jax.numpy as jnp
import numpy as np

from dsps_sbi.kernels.qr import least_squares, qr, solve_upper


def tall(seed, m=20, n=6, condition=1.0):
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.normal(size=(m, n)))[0]
    right = np.linalg.qr(rng.normal(size=(n, n)))[0]
    return (left * np.geomspace(condition, 1.0, n)) @ right, rng.normal(size=m)


def test_factors_are_those_of_numpy():
    a, b = tall(0)
    upper, turned = jax.jit(qr)(jnp.float32(a), jnp.float32(b))
    q, r = np.linalg.qr(a)
    sign = np.sign(np.diag(r))
    np.testing.assert_allclose(upper, sign[:, None] * r, atol=2e-6)
    np.testing.assert_allclose(turned, sign * (q.T @ b), atol=2e-6)
    assert np.all(np.tril(np.asarray(upper), -1) == 0.0)


def test_weak_directions_survive_beside_strong_ones():
    """Where normal equations in single precision have lost them."""
    a, b = tall(1, condition=3e4)
    expected = np.linalg.lstsq(a, b, rcond=None)[0]
    got = jax.jit(least_squares)(jnp.float32(a), jnp.float32(b))
    a32, b32 = np.float32(a), np.float32(b)
    normal = np.linalg.solve(a32.T @ a32, a32.T @ b32)
    error, lost = (np.linalg.norm(x - expected) / np.linalg.norm(expected) for x in (got, normal))
    assert error < 0.01 and lost > 0.1


def test_solutions_of_triangles_many_at_a_time():
    rng = np.random.default_rng(2)
    upper = np.triu(rng.normal(size=(5, 7, 7))) + 4.0 * np.eye(7)
    right = rng.normal(size=(5, 7, 3))
    got = jax.vmap(solve_upper)(jnp.float32(upper), jnp.float32(right))
    np.testing.assert_allclose(got, np.linalg.solve(upper, right), atol=1e-5)
