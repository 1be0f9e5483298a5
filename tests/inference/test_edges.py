"""What is told as a measurement, as a limit, and not at all."""

import numpy as np
import pytest
from scipy import stats

from dsps_sbi.inference.edges import converged, edges, edges_of_normal, limit_text, limits, told


def draws(peak, width, n=400, objects=200):
    """Of a Gaussian cut off at 0 and 1, (Object, Draw)."""
    ends = (0.0 - peak) / width, (1.0 - peak) / width
    size = (objects, n)
    return stats.truncnorm.rvs(*ends, loc=peak, scale=width, size=size, random_state=np.random.default_rng(1))


@pytest.mark.parametrize(
    ("peak", "width", "share"),
    [
        # piled up: the peak at the edge, beyond it, far beyond it
        (1.0, 0.1, (0.97, 1.0)),
        (1.05, 0.05, (0.99, 1.0)),
        (2.0, 0.1, (0.99, 1.0)),
        (1.0, 0.002, (0.97, 1.0)),
        # ordinary: two and more widths inside, however close to the edge that is
        (0.8, 0.1, (0.0, 0.01)),
        (0.996, 0.002, (0.0, 0.01)),
        (0.5, 0.1, (0.0, 0.0)),
        # the data say nothing
        (0.5, 50.0, (0.0, 0.0)),
    ],
)
def test_the_rule(peak, width, share):
    v = draws(peak, width)
    low, high = share
    assert low <= np.mean(edges(v) == 1) <= high and not (edges(v) == -1).any()
    # the lower edge mirrors the upper one
    np.testing.assert_array_equal(edges(1.0 - v), -edges(v))


def test_all_draws_at_the_edge():
    assert edges(np.ones((1, 5))).tolist() == [1] and edges(np.zeros((1, 5))).tolist() == [-1]


def test_limits_of_objects():
    v = np.stack(
        [draws(1.0, 0.1, objects=3), draws(0.5, 0.1, objects=3), draws(0.0, 0.1, objects=3)], axis=-1
    )
    u = stats.norm.ppf(v)
    edge = edges_of_normal(u)
    assert edge.tolist() == [[1, 0, -1]] * 3
    values = 10.0 * v
    found, limit = limits(values, edge, np.array([200.0, 19.0, np.nan]))
    # 19 effective draws have not converged; unweighted ones are taken as they are
    assert found.tolist() == [[1, 0, -1], [0, 0, 0], [1, 0, -1]]
    assert np.isnan(limit[1]).all() and np.isnan(limit[:, 1]).all()
    assert np.mean(values[0, :, 0] > limit[0, 0]) == pytest.approx(0.95, abs=0.005)
    assert np.mean(values[0, :, 2] < limit[0, 2]) == pytest.approx(0.95, abs=0.005)


def test_words():
    assert told(0.2123, 0.1, 0.3, 150.0) == "0.212 +- 0.1"
    assert told(0.22, 0.219, 0.22, 150.0, limit_text(1, 0.1534)) == "> 0.153 (95 %)"
    assert told(0.02, 0.01, 0.03, np.nan, limit_text(-1, 0.0412)) == "< 0.0412 (95 %)"
    assert told(0.859, 0.859, 0.859, 3.0) == "0.859 (not converged)"
    at_edge = "0.859 (not converged, at the upper edge of the prior)"
    assert told(0.859, 0.859, 0.859, 3.0, limit_text(1, np.nan)) == at_edge
    assert converged([19.9, 20.0, np.nan]).tolist() == [False, True, True]
