import jax
import jax.numpy as jnp
import numpy as np

from dsps_sbi.kernels.levenberg import by_slopes, descend


def of_residual(residual):
    """What ``descend`` takes, for the squares of a residual and a unit normal prior."""

    def at(u):
        r, slope = residual(u), jax.jacfwd(residual)(u)
        return slope.T @ slope + jnp.eye(len(u)), -slope.T @ r - u, r @ r + u @ u, r

    return at


def test_a_quadratic_is_solved():
    a = np.array([[30.0, 4.0], [1.0, 12.0], [5.0, -3.0]], np.float32)
    b = np.array([10.0, -8.0, 3.0], np.float32)
    found, here = descend(of_residual(lambda u: a @ u - b), jnp.array([2.0, 2.0]), 8)
    expected = np.linalg.solve(a.T @ a + np.eye(2), a.T @ b)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(here[3], a @ expected - b, atol=1e-3)


def test_slopes_and_hessian_lead_the_same_way():
    def residual(u):
        return jnp.array([3.0 * (u[1] - u[0] ** 2), 2.0 * (1.0 - u[0]), u[0] * u[1]])

    def at(u):
        rows = jnp.concatenate([jax.jacfwd(residual)(u), jnp.eye(2)])
        left = -jnp.concatenate([residual(u), u])
        return rows, left, left @ left, residual(u)

    start = jnp.array([-1.0, 2.0])
    for n_steps in (1, 2, 5, 30):
        one, here = descend(at, start, n_steps, by_slopes)
        other, there = descend(of_residual(residual), start, n_steps)
        np.testing.assert_allclose(one, other, atol=1e-4)
        np.testing.assert_allclose(here[2], there[2], rtol=1e-4)


def test_a_curved_valley_is_followed_and_never_left():
    def residual(u):
        return jnp.array([30.0 * (u[1] - u[0] ** 2), 3.0 * (1.0 - u[0])])

    at, start = of_residual(residual), jnp.array([-1.5, 2.0])
    values = [float(descend(at, start, n)[1][2]) for n in (0, 3, 6, 12, 60)]
    assert np.all(np.diff(values) <= 0)
    x, y = np.meshgrid(np.linspace(0.3, 1.2, 400), np.linspace(0.1, 1.4, 400))
    best = np.min(900 * (y - x**2) ** 2 + 9 * (1 - x) ** 2 + x**2 + y**2)
    assert values[-1] < best + 0.01


def test_nuisances_are_not_moved_but_counted():
    """A nuisance at its best leaves less curvature for the rest: the step is the longer one."""

    def at(u):
        hessian = jnp.array([[2.0, 1.0], [1.0, 1.0]])
        return hessian, jnp.array([1.0, 0.0]) * (3.0 - u[0]), (u[0] - 3.0) ** 2, u

    assert float(descend(at, jnp.array([2.5]), 1)[0][0]) > 2.5 + 0.5 * 0.9
    # no step is longer than 1, no coordinate beyond 4
    assert float(descend(at, jnp.array([0.0]), 1)[0][0]) == 1.0
    far = of_residual(lambda u: 100.0 * (u - 9.0))
    assert float(descend(far, jnp.array([0.0]), 20)[0][0]) == 4.0


def test_nothing_finite_leads_nowhere():
    start = jnp.array([0.3])
    found, _ = descend(lambda u: (jnp.eye(1) * jnp.nan, u * jnp.nan, jnp.nan, u), start, 3)
    np.testing.assert_array_equal(found, start)
