import numpy as np
import pytest

from dsps_sbi.inference.trust import (
    FEWEST_EFFECTIVE,
    TEXT,
    Informed,
    Method,
    Trust,
    chains_converged,
    informed,
    verdict,
    weights_reliable,
)

GOOD = {
    "method": Method.IS,
    "ess": 150.0,
    "pareto_k": 0.3,
    "r_hat": np.nan,
    "ppc_p": 0.4,
    "typicality": 0.5,
    "in_range": True,
}


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, Trust.TRUSTED),
        ({"typicality": np.nan}, Trust.TRUSTED),
        ({"typicality": 0.004}, Trust.UNTRUSTED),
        # both tails: a model that does not fit, and errors that are too large
        ({"ppc_p": 0.002}, Trust.UNTRUSTED),
        ({"ppc_p": 0.003}, Trust.TRUSTED),
        ({"ppc_p": 0.997}, Trust.TRUSTED),
        ({"ppc_p": 0.998}, Trust.UNTRUSTED),
        ({"ppc_p": np.nan}, Trust.UNTRUSTED),
        ({"ess": 99.0}, Trust.UNTRUSTED),
        ({"pareto_k": 0.71}, Trust.UNTRUSTED),
        ({"pareto_k": np.inf}, Trust.UNTRUSTED),
        ({"in_range": False}, Trust.UNTRUSTED),
        ({"method": Method.HMC, "r_hat": 1.01, "pareto_k": np.nan}, Trust.TRUSTED),
        ({"method": Method.HMC, "r_hat": 1.06, "pareto_k": np.nan}, Trust.UNTRUSTED),
        ({"method": Method.HMC, "r_hat": 1.01, "ess": 90.0}, Trust.UNTRUSTED),
        ({"method": Method.FAILED}, Trust.UNTRUSTED),
        ({"method": Method.FLOW, "ess": np.nan, "pareto_k": np.nan, "ppc_p": np.nan}, Trust.UNCHECKED),
        # never trusted without a likelihood, whatever else is good
        ({"method": Method.FLOW}, Trust.UNCHECKED),
        ({"method": Method.NONE}, Trust.NONE),
    ],
)
def test_the_rule(changes, expected):
    arrays = {name: np.array([value]) for name, value in (GOOD | changes).items()}
    assert verdict(**arrays)[0] == expected


def test_parts_of_the_rule_take_nan_for_no():
    assert weights_reliable(FEWEST_EFFECTIVE, 0.7)
    assert not weights_reliable(np.nan, 0.1) and not weights_reliable(200.0, np.nan)
    assert chains_converged(200.0, 1.04)
    assert not chains_converged(200.0, np.nan) and not chains_converged(np.nan, 1.0)


def test_every_code_has_a_text():
    assert all(set(TEXT[codes]) == set(codes) for codes in (Informed, Method, Trust))


def test_whether_the_data_tell_the_mass():
    assert informed([0.02, 0.1, 0.11, 1.0, np.nan]).tolist() == [
        Informed.YES,
        Informed.YES,
        Informed.NO,
        Informed.NO,
        Informed.NONE,
    ]
