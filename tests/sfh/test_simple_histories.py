import jax
import jax.numpy as jnp
import numpy as np

from dsps_sbi.sfh import (
    Burst,
    Constant,
    age_edges,
    formation_time_by_bisection,
    mass_weights,
    mean_age_by_quadrature,
)

AGES = np.geomspace(1e-3, 10.0, 9)


def test_a_burst_is_one_ssp():
    for k, age in enumerate(AGES):
        weights = mass_weights(Burst(), jnp.array([age], jnp.float32), age_edges(AGES), 13.0)
        np.testing.assert_array_equal(weights, np.eye(9)[k])


def test_a_burst_is_never_older_than_the_universe_nor_unborn():
    assert Burst().mean_age(jnp.array([9.0]), 3.0) == 3.0
    weights = mass_weights(Burst(), jnp.array([0.0]), age_edges(AGES), 3.0)
    np.testing.assert_array_equal(weights, np.eye(9)[0])


def test_constant_weights_are_bin_widths():
    weights = mass_weights(Constant(), jnp.array([1.0]), age_edges(AGES), 5.0)
    expected = np.diff(np.minimum(age_edges(AGES), 4.0)) / 4.0
    np.testing.assert_allclose(weights, expected, atol=1e-6)


class Halves:
    """Half of the mass in the first third of cosmic time, half in the last: known times and slopes."""

    names = ("share",)

    def fraction_younger(self, params, age_gyr, universe_gyr):
        x = 3.0 * age_gyr / universe_gyr
        share = params[..., 0]
        return share * jnp.clip(x, 0.0, 1.0) + (1.0 - share) * jnp.clip(x - 2.0, 0.0, 1.0)


def test_generic_helpers_on_a_history_with_a_gap():
    params = jnp.array([0.6])
    assert np.isclose(mean_age_by_quadrature(Halves(), params, 9.0), 0.6 * 1.5 + 0.4 * 7.5, rtol=1e-4)
    time = jax.jit(lambda p, f, t: formation_time_by_bisection(Halves(), p, f, t))
    np.testing.assert_allclose(time(params, jnp.array([0.2, 0.7]), 9.0), [1.5, 7.5], rtol=1e-5)
    # t(f) = T - T (1 - f) / (3 share), by share, fraction and age of the Universe
    slopes = jax.grad(lambda p, f, t: time(p, f, t)[()], (0, 1, 2))(params, 0.7, 9.0)
    np.testing.assert_allclose(slopes[0], [9 * 0.3 / 3 / 0.6**2], rtol=1e-4)
    np.testing.assert_allclose(slopes[1:], [9 / 3 / 0.6, 1 - 0.3 / 3 / 0.6], rtol=1e-4)
    # on the plateau the slope is capped
    assert np.isfinite(jax.grad(lambda f: time(params, f, 9.0))(0.4))
