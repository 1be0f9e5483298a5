"""What every result says, whatever the data: percentiles, words for the verdict."""

import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.inference.quality import Columns
from dsps_sbi.inference.result import Result, percentiles
from dsps_sbi.inference.trust import Trust


class Draws(Result):
    """Draws of two quantities."""

    names = ("av", "t50")
    meta = {}  # noqa: RUF012

    def __init__(self, values, trust=()):
        self.values, self.columns = values, Columns({"trust": np.asarray(trust, np.int16)})

    def draws(self, name):
        return self.values[self.names.index(self._known(name))]

    def table(self):
        raise NotImplementedError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 7, 100])
@pytest.mark.parametrize("q", [(16, 50, 84), (0.0, 2.5, 97.5, 100.0), (50,), (84, 16)])
def test_percentiles_are_those_of_numpy(n, q, dtype):
    draws = np.random.default_rng(n).normal(size=(4, 3, n)).astype(dtype)
    # ties, and what is not a number
    draws[0, 0] = 1.5
    draws[1, 2, n // 2] = np.nan
    got = percentiles(draws, q)
    assert got.shape == (len(q), 4, 3) and got.dtype == dtype
    np.testing.assert_allclose(got, np.percentile(draws, q, axis=-1), rtol=1e-6, atol=1e-6)
    assert np.isnan(got).sum() == len(q) and np.isnan(got[:, 1, 2]).all()


def test_percentiles_of_whole_numbers():
    np.testing.assert_array_equal(percentiles(np.arange(11)[None], (10, 55))[:, 0], [1.0, 5.5])


def test_the_draws_given_are_left_as_they_are():
    draws = np.random.default_rng(0).normal(size=(2, 50))
    before = draws.copy()
    percentiles(draws)
    np.testing.assert_array_equal(draws, before)


def test_percentiles_of_a_quantity():
    values = np.random.default_rng(1).normal(size=(2, 5, 30))
    result = Draws(values)
    np.testing.assert_allclose(result.percentiles("t50"), np.percentile(values[1], (16, 50, 84), axis=1))
    np.testing.assert_allclose(result.percentiles("av", (5,)), np.percentile(values[0], (5,), axis=1))
    with pytest.raises(UserError, match="no quantity mass: choose from av, t50"):
        result.percentiles("mass")


def test_trust_in_words():
    codes = [Trust.UNTRUSTED, Trust.NONE, Trust.TRUSTED, Trust.UNCHECKED]
    assert Draws(np.zeros((2, 4, 3)), codes).trust.tolist() == ["untrusted", "none", "trusted", "unchecked"]
    # images too are a row of objects
    assert Draws(np.zeros((2, 4, 3)), np.reshape(codes, (2, 2))).trust.tolist()[1] == "none"
