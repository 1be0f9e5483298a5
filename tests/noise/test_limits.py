import jax
import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.noise import UpperLimits

KEY = jax.random.key(3)
N, BAND = 4000, 7
RNG = np.random.default_rng(2)
SKY = (10.0 ** RNG.uniform(-4, -2, (N, BAND))).astype(np.float32)
FLUX = (SKY * RNG.normal(2.0, 4.0, (N, BAND))).astype(np.float32)
VALID = RNG.random((N, BAND)) < 0.8


def censored(limits):
    return [np.asarray(a) for a in limits.censor(KEY, FLUX, SKY, VALID)]


def test_what_is_below_k_sigma_becomes_the_limit_and_nothing_else_changes():
    limits = UpperLimits()
    flux, upper = censored(limits)
    k = np.asarray(limits.thresholds(KEY, N, BAND))
    np.testing.assert_array_equal(upper, VALID & (FLUX < k * SKY) & (k > 0))
    np.testing.assert_allclose(flux[upper], (k * SKY)[upper], rtol=1e-6)
    np.testing.assert_array_equal(flux[~upper], FLUX[~upper])
    assert limits.covers(flux, SKY)[upper].all() and upper.any()


def test_shares_and_range_of_k():
    k = np.asarray(UpperLimits().thresholds(KEY, N, BAND))
    some = k[:, 0] > 0
    assert some.mean() == pytest.approx(0.25, abs=0.03)
    assert np.all((k > 0).all(axis=1) == some)
    assert k[some].min() >= 1.0 and k[some].max() <= 5.0
    common = np.ptp(k[some], axis=1) == 0
    assert common.mean() == pytest.approx(0.6, abs=0.06)
    # uniform from 1 to 5
    assert k[some].mean() == pytest.approx(3.0, abs=0.1)


def test_none_when_none_are_asked_for():
    flux, upper = censored(UpperLimits(p_common=0.0, p_each=0.0))
    assert not upper.any()
    np.testing.assert_array_equal(flux, FLUX)


def test_limits_outside_the_range_are_not_covered():
    assert not UpperLimits().covers(np.array([0.5, 7.0]), np.ones(2)).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p_common": -0.1}, "sum to at most 1"),
        ({"p_common": 0.7, "p_each": 0.5}, "sum to at most 1"),
        ({"k": (0.0, 3.0)}, "give 0 < low <= high"),
        ({"k": (5.0, 1.0)}, "give 0 < low <= high"),
    ],
)
def test_senseless_limits_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        UpperLimits(**options)
