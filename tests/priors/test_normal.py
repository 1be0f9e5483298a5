import numpy as np
import pytest
from scipy.stats import truncnorm

from dsps_sbi.errors import UserError
from dsps_sbi.priors import Normal


def test_it_is_that_of_scipy():
    prior, expected = Normal(10.0, 30.0), truncnorm(-4.0, 4.0, 10.0, 30.0)
    v = np.linspace(0.01, 0.99, 99)
    np.testing.assert_allclose(prior.ppf(v, None), expected.ppf(v), atol=0.01)
    value = np.linspace(-100.0, 120.0, 50)
    np.testing.assert_allclose(prior.cdf(value, None), expected.cdf(value), atol=2e-6)
    assert (prior.low, prior.high) == (-110.0, 130.0)
    np.testing.assert_allclose(prior.ppf(np.array([0.0, 1.0]), None), [prior.low, prior.high], atol=0.01)
    assert float(prior.cdf(140.0, None)) > 1.0 and float(prior.cdf(-120.0, None)) < 0.0


def test_priors_that_are_none():
    with pytest.raises(UserError, match=r"normal prior of mean 0.0 and sigma -1.0: give a finite mean and"):
        Normal(0.0, -1.0)
    with pytest.raises(UserError, match=r"normal prior cut at 9.0 sigma: give 1 to 5"):
        Normal(0.0, 1.0, 9.0)
