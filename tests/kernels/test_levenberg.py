import jax
import jax.numpy as jnp
import numpy as np

from dsps_sbi.kernels.levenberg import along_curves, levenberg_marquardt


def of_residual(residual):
    """What ``levenberg_marquardt`` takes, for the squares of a residual and a unit normal prior."""

    def at(u):
        r, slope = residual(u), jax.jacfwd(residual)(u)
        return slope.T @ slope + jnp.eye(len(u)), -slope.T @ r - u, r @ r + u @ u, r

    return at


def test_a_quadratic_is_solved():
    a = np.array([[30.0, 4.0], [1.0, 12.0], [5.0, -3.0]], np.float32)
    b = np.array([10.0, -8.0, 3.0], np.float32)
    found, here = levenberg_marquardt(of_residual(lambda u: a @ u - b), jnp.array([2.0, 2.0]), 8)
    expected = np.linalg.solve(a.T @ a + np.eye(2), a.T @ b)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(here[3], a @ expected - b, atol=1e-3)


def of_slopes(residual):
    """As :func:`of_residual`, slopes instead of their products; and the second derivative along a step."""

    def at(u):
        rows = jnp.concatenate([jax.jacfwd(residual)(u), jnp.eye(len(u))])
        left = -jnp.concatenate([residual(u), u])
        return rows, left, left @ left, residual(u)

    def bend(u, move, here):
        second = jax.jvp(lambda u: jax.jvp(residual, (u,), (move,))[1], (u,), (move,))[1]
        return jnp.pad(second, (0, len(u)))

    return at, bend


def bent(u):
    return jnp.array([3.0 * (u[1] - u[0] ** 2), 2.0 * (1.0 - u[0]), u[0] * u[1]])


def test_slopes_lead_where_the_hessian_does():
    start = jnp.array([-1.0, 2.0])
    at, _ = of_slopes(bent)
    # without curvature it is the same step
    straight = along_curves(lambda u, move, here: jnp.zeros(len(here[1])))
    for n_steps in (1, 2, 5):
        one, here = levenberg_marquardt(at, start, n_steps, straight)
        other, there = levenberg_marquardt(of_residual(bent), start, n_steps)
        np.testing.assert_allclose(one, other, atol=1e-4)
        np.testing.assert_allclose(here[2], there[2], rtol=1e-4)


def test_curves_lead_to_the_same_place_in_fewer_steps():
    def valley(u):
        return jnp.array([100.0 * (u[1] - u[0] ** 2), 1.0 - u[0]])

    start = jnp.array([-1.5, 2.0])
    at, bend = of_slopes(valley)
    end = levenberg_marquardt(of_residual(valley), start, 400)
    few, many = (levenberg_marquardt(at, start, n, along_curves(bend)) for n in (15, 400))
    np.testing.assert_allclose(many[0], end[0], atol=2e-3)
    badness = float(end[1][2])
    straight = levenberg_marquardt(of_residual(valley), start, 15)
    assert float(few[1][2]) - badness < 0.4 * (float(straight[1][2]) - badness)


def test_a_curved_valley_is_followed_and_never_left():
    def residual(u):
        return jnp.array([30.0 * (u[1] - u[0] ** 2), 3.0 * (1.0 - u[0])])

    at, start = of_residual(residual), jnp.array([-1.5, 2.0])
    values = [float(levenberg_marquardt(at, start, n)[1][2]) for n in (0, 3, 6, 12, 60)]
    assert np.all(np.diff(values) <= 0)
    x, y = np.meshgrid(np.linspace(0.3, 1.2, 400), np.linspace(0.1, 1.4, 400))
    best = np.min(900 * (y - x**2) ** 2 + 9 * (1 - x) ** 2 + x**2 + y**2)
    assert values[-1] < best + 0.01


def test_nuisances_are_not_moved_but_counted():
    """A nuisance at its best leaves less curvature for the rest: the step is the longer one."""

    def at(u):
        hessian = jnp.array([[2.0, 1.0], [1.0, 1.0]])
        return hessian, jnp.array([1.0, 0.0]) * (3.0 - u[0]), (u[0] - 3.0) ** 2, u

    assert float(levenberg_marquardt(at, jnp.array([2.5]), 1)[0][0]) > 2.5 + 0.5 * 0.9
    # no step is longer than 1, no coordinate beyond 4
    assert float(levenberg_marquardt(at, jnp.array([0.0]), 1)[0][0]) == 1.0
    far = of_residual(lambda u: 100.0 * (u - 9.0))
    assert float(levenberg_marquardt(far, jnp.array([0.0]), 20)[0][0]) == 4.0


def test_nothing_finite_leads_nowhere():
    start = jnp.array([0.3])
    found, _ = levenberg_marquardt(lambda u: (jnp.eye(1) * jnp.nan, u * jnp.nan, jnp.nan, u), start, 3)
    np.testing.assert_array_equal(found, start)
