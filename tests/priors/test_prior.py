import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, norm

from dsps_sbi.cosmology import Cosmology
from dsps_sbi.errors import UserError
from dsps_sbi.photometry.prior import photometry_prior
from dsps_sbi.priors import Prior, Uniform

PRIOR = photometry_prior()
N = 4000
KEY = jax.random.key(2)


@pytest.fixture(scope="module")
def universe():
    z = jax.random.uniform(jax.random.key(3), (N,), minval=PRIOR.z[0], maxval=PRIOR.z[1])
    return Cosmology.from_astropy().age(z)


def test_the_prior_of_the_first_paper():
    assert PRIOR.names == ("log_tau", "t_start", "metallicity", "av", "log_mass_formed")
    ranges = [(m.low, m.high, m.of_age) for m in PRIOR.marginals.values()]
    assert ranges == [(-2, 2, False), (0, 1, True), (-2.27, 0.4, False), (0, 4, False), (4, 12, False)]
    assert PRIOR.z == (0.001, 7.5)


def test_samples_are_uniform_and_independent(universe):
    theta = np.asarray(PRIOR.sample(KEY, jnp.zeros(N), universe), float)
    share = theta[:, 1] / np.asarray(universe, float)
    columns = np.stack([theta[:, 0], share, *theta[:, 2:].T])
    for column, p in zip(columns, PRIOR.marginals.values(), strict=True):
        assert kstest(column, "uniform", (p.low, p.high - p.low)).pvalue > 1e-3
    off_diagonal = np.corrcoef(columns)[~np.eye(5, dtype=bool)]
    assert np.abs(off_diagonal).max() < 4 / np.sqrt(N)
    # nobody is born before the Big Bang or after the observation
    assert theta[:, 1].min() >= 0.0 and np.all(theta[:, 1] <= np.asarray(universe) * (1 + 1e-6))
    assert np.all(PRIOR.contains(jnp.asarray(theta, jnp.float32), universe))


def test_from_normal_is_the_inverse_cumulative():
    u = np.array([-4.0, -1.0, 0.0, 0.3, 2.0])
    expected = norm.cdf(u) * [4, 6.0, 2.67, 4, 8] + [-2, 0, -2.27, 0, 4]
    np.testing.assert_allclose(PRIOR.from_normal(jnp.asarray(u, jnp.float32), 6.0), expected, rtol=1e-5)


def test_round_trip(universe):
    u = jnp.clip(jax.random.normal(KEY, (N, 5)), -3.5, 3.5)
    back = PRIOR.to_normal(PRIOR.from_normal(u, universe), universe)
    # float32 of log mass near 12 costs 1e-7 of the range: 1e-3 at 3.5 sigma
    np.testing.assert_allclose(back, u, atol=2e-3)
    theta = PRIOR.from_normal(u, universe)
    again = PRIOR.from_normal(PRIOR.to_normal(theta, universe), universe)
    np.testing.assert_allclose(again, theta, rtol=2e-6, atol=2e-5)


def test_the_first_few_parameters_alone(universe):
    u = jax.random.normal(KEY, (N, 5))
    np.testing.assert_array_equal(
        PRIOR.from_normal(u[:, :4], universe), PRIOR.from_normal(u, universe)[:, :4]
    )


def test_extreme_coordinates_stay_inside_and_finite():
    u = jnp.array([[-1e30] * 5, [-6.0] * 5, [6.0] * 5, [1e30] * 5])
    theta = PRIOR.from_normal(u, 3.0)
    assert np.all(PRIOR.contains(theta, 3.0))
    back = PRIOR.to_normal(theta, 3.0)
    assert np.all(np.isfinite(back)) and np.all(np.sign(back) == np.sign(u))
    edges = jnp.array([[-2.0, 0.0, -2.27, 0.0, 4.0], [2.0, 3.0, 0.4, 4.0, 12.0]])
    assert np.all(np.isfinite(PRIOR.to_normal(edges, 3.0))) and np.all(PRIOR.contains(edges, 3.0))


@pytest.mark.parametrize(
    "i, value", [(0, -2.01), (1, -0.01), (1, 3.01), (2, 0.41), (3, 4.01), (4, 3.9), (4, np.nan)]
)
def test_contains_refuses_what_is_outside(i, value):
    inside = jnp.array([0.0, 1.0, 0.0, 1.0, 8.0])
    assert PRIOR.contains(inside, 3.0)
    assert not PRIOR.contains(inside.at[i].set(value), 3.0)


@pytest.mark.parametrize(
    "args, match",
    [
        ((1.0, 1.0), "finite low < high"),
        ((2.0, 1.0), "finite low < high"),
        ((0.0, np.inf), "finite low < high"),
        ((np.nan, 1.0), "finite low < high"),
        ((0.0, 1.1, True), "age of the Universe"),
        ((-0.1, 0.5, True), "age of the Universe"),
    ],
)
def test_unusable_marginals(args, match):
    with pytest.raises(UserError, match=match):
        Uniform(*args)


@pytest.mark.parametrize("z", [(0.0, 1.0), (2.0, 1.0), (0.1, 12.1), (np.nan, 1.0)])
def test_unusable_redshifts(z):
    with pytest.raises(UserError, match="redshift range"):
        Prior({"av": Uniform(0.0, 1.0)}, z=z)


def test_marginals_cannot_be_changed():
    with pytest.raises(TypeError):
        PRIOR.marginals["av"] = Uniform(0.0, 1.0)
