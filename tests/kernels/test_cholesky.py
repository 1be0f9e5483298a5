import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import cho_factor, cho_solve

from dsps_sbi.kernels import cholesky as positive


def matrices(n, batch=(7,), condition=1e3, seed=0):
    rng = np.random.default_rng(seed)
    vectors = np.linalg.qr(rng.normal(size=(*batch, n, n)))[0]
    values = np.geomspace(1.0, condition, n)
    return (vectors * values) @ np.swapaxes(vectors, -1, -2)


@pytest.mark.parametrize("n, batch", [(0, (2,)), (1, (3,)), (4, ()), (9, (5,)), (9, (2, 3)), (48, (3,))])
def test_against_numpy(n, batch):
    a = matrices(n, batch)
    b = np.random.default_rng(1).normal(size=(*batch, n, 3))
    single = jnp.asarray(a, jnp.float32)
    factor = positive.cholesky(single)
    np.testing.assert_allclose(factor, np.linalg.cholesky(a), atol=2e-3)
    assert np.all(np.triu(np.asarray(factor), 1) == 0.0)
    x = np.asarray(positive.solve(single, jnp.asarray(b, jnp.float32)))
    np.testing.assert_allclose(x, np.linalg.solve(a, b), atol=3e-4)
    np.testing.assert_allclose(positive.inverse(single), np.linalg.inv(a), atol=3e-4)


def test_triangular_systems_both_ways():
    factor = np.linalg.cholesky(matrices(6))
    b = np.random.default_rng(2).normal(size=(7, 6, 2))
    for transposed in (False, True):
        expected = np.linalg.solve(np.swapaxes(factor, -1, -2) if transposed else factor, b)
        got = positive.solve_lower(jnp.asarray(factor, jnp.float32), jnp.asarray(b, jnp.float32), transposed)
        np.testing.assert_allclose(got, expected, atol=1e-3)


def test_no_worse_than_lapack_where_it_is_hard():
    """Matrices of condition 1e6: float32 has six digits, and both lose them."""
    # so many that the ratio of two medians is known to a few per cent, whatever the processor's rounding
    n = 2000
    a = matrices(12, (n,), condition=1e6)
    truth = np.random.default_rng(3).normal(size=(n, 12, 1))
    b = jnp.asarray(a @ truth, jnp.float32)
    ours = np.abs(positive.solve(jnp.asarray(a, jnp.float32), b) - truth).max(axis=(1, 2))
    pairs = zip(a.astype(np.float32), np.asarray(b), strict=True)
    lapack = np.stack([cho_solve(cho_factor(one, lower=True), right) for one, right in pairs])
    assert np.median(ours) < 1.15 * np.median(np.abs(lapack - truth).max(axis=(1, 2)))


def test_gradients():
    a, b = jnp.asarray(matrices(5, ()), jnp.float32), jnp.arange(5.0)[:, None]

    def value(t, solve, root):
        matrix = a + t * jnp.eye(5) * 10.0
        return jnp.sum(jnp.sin(solve(matrix, b))) + jnp.sum(jnp.log(jnp.diagonal(root(matrix))))

    ours = lambda t: value(t, positive.solve, positive.cholesky)  # noqa: E731
    theirs = lambda t: value(t, jnp.linalg.solve, jnp.linalg.cholesky)  # noqa: E731
    for grad in (jax.grad, jax.jacfwd):
        np.testing.assert_allclose(grad(ours)(0.3), grad(theirs)(0.3), rtol=1e-3)
    np.testing.assert_allclose(jax.grad(jax.grad(ours))(0.3), jax.grad(jax.grad(theirs))(0.3), rtol=3e-3)


def test_rounding_makes_no_nan():
    singular = jnp.ones((4, 6, 6), jnp.float32)
    assert np.isfinite(positive.cholesky(singular)).all()


_TWO_AT_ONCE = """
import jax, jax.numpy as jnp
from dsps_sbi.kernels import cholesky as positive
a = jnp.eye(16) + 0.01 * jax.random.normal(jax.random.key(0), (4, 512, 16, 16))
a = jnp.einsum("xbij,xbkj->xbik", a, a)
run = jax.jit(lambda a: [positive.cholesky(a[i]).sum() + positive.inverse(a[i]).sum() for i in range(4)])
for _ in range(20):
    jax.block_until_ready(run(a))
print("done")
"""


def test_independent_factorisations_do_not_wait_for_each_other():
    out = subprocess.run([sys.executable, "-c", _TWO_AT_ONCE], capture_output=True, text=True, timeout=120)
    assert out.stdout.strip() == "done", out.stderr
