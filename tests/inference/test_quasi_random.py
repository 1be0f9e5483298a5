import jax
import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from dsps_sbi.inference.importance import object_keys
from dsps_sbi.inference.quasi_random import direction_numbers, sobol_normals, sobol_points

KEYS = object_keys(jax.random.key(5), np.arange(400, dtype=np.uint32))
N, DIM = 64, 5


@pytest.fixture(scope="module")
def points():
    """Those of 400 objects (Object, N, DIM)."""
    return np.asarray(jax.jit(lambda keys: sobol_points(keys, N, DIM))(KEYS), float)


def test_the_points_are_those_of_scipy():
    numbers, which = direction_numbers(6, DIM), np.arange(64)
    digits = (which[:, None] >> np.arange(6) & 1)[..., None]
    ours = np.bitwise_xor.reduce(digits * numbers, axis=1)
    theirs = qmc.Sobol(DIM, bits=32, scramble=False).random(64) * 2.0**32
    np.testing.assert_array_equal(ours[which ^ which >> 1], theirs)


def test_they_stay_a_net(points):
    # each of n equal intervals of every coordinate has one of the first n points
    for n in (16, N):
        intervals = np.sort(np.floor(points[:, :n] * n), axis=1)
        assert (intervals == np.arange(n)[:, None]).all()
    # as even as scipy's own scrambled points, far more than independent ones
    ours = np.mean([qmc.discrepancy(one) for one in points[:50]])
    theirs = np.mean([qmc.discrepancy(qmc.Sobol(DIM, seed=i).random(N)) for i in range(50)])
    assert ours == pytest.approx(theirs, rel=0.1)
    independent = np.random.default_rng(0).random((50, N, DIM))
    assert ours < 0.2 * np.mean([qmc.discrepancy(one) for one in independent])


def test_each_point_is_uniform_over_objects(points):
    assert points.min() > 0.0 and points.max() < 1.0
    p = [stats.kstest(points[:, i, j], "uniform").pvalue for i in (0, 1, 37) for j in range(DIM)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    # pairs of points of one object, and the same point of neighbours, do not hang together
    cells = np.floor(4 * points[:, [0, 1, 37]]).astype(int)
    for one, other in ((cells[:, 0, 0], cells[:, 2, 1]), (cells[:-1, 1, 2], cells[1:, 1, 2])):
        assert stats.chi2_contingency(stats.contingency.crosstab(one, other).count).pvalue > 1e-3


def test_means_have_no_bias_and_small_errors(points):
    # with singular derivatives, of all coordinates, and a product whose mean is 1
    mean = np.prod(1.5 * np.sqrt(points), axis=-1).mean(axis=1)
    error = mean.std() / np.sqrt(len(mean))
    assert abs(mean.mean() - 1.0) < 4.0 * error
    independent = np.sqrt(((1.5**2 / 2.0) ** DIM - 1.0) / N)
    assert mean.std() < 0.35 * independent


def test_numbers_are_normal_and_of_the_object_alone():
    normal = np.asarray(sobol_normals(KEYS[:50], N, DIM), float)
    whole = np.asarray(sobol_points(KEYS[:50], N, DIM), float)
    np.testing.assert_allclose(stats.norm.cdf(normal), whole, atol=2e-6)
    np.testing.assert_allclose(stats.norm.sf(normal), 1.0 - whole, atol=2e-6)
    # neither the batch nor the number of points matters
    np.testing.assert_array_equal(sobol_normals(KEYS[17:18], N, DIM)[0], np.float32(normal[17]))
    np.testing.assert_array_equal(sobol_normals(KEYS[:2], 5, DIM), np.float32(normal[:2, :5]))
