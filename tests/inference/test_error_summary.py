"""The summary of many objects' misfits, and scales that are given or fitted."""

import numpy as np
import pytest
from scipy import stats

from dsps_sbi.errors import UserError
from dsps_sbi.inference.error_summary import ErrorScale, ErrorSummary, checked_scale, fit_scale, note_on


def columns(rng, n, scale=1.0, dof=10):
    """Columns of n objects whose true errors are ``scale`` times the stated ones."""
    chi2 = scale**2 * stats.chi2.rvs(dof, size=n, random_state=rng)
    found = np.sqrt(chi2 / stats.chi2.median(dof))
    return {"ppc_p": stats.chi2.sf(chi2, dof), "error_scale": found, "error_dof": np.full(n, float(dof))}


def test_summary_of_right_and_of_wrong_errors():
    rng = np.random.default_rng(1)
    right = ErrorSummary.of(columns(rng, 400))
    assert right.n == right.n_independent == 400 and right.known
    assert right.median == pytest.approx(0.5, abs=0.06) and sum(right.histogram) == pytest.approx(1.0)
    assert right.scale_low < 1.0 < right.scale_high
    assert 0.005 < right.scale_high - right.scale_low < 0.06
    small = ErrorSummary.of(columns(rng, 400, scale=0.5))
    assert small.scale == pytest.approx(0.5, rel=0.05) and small.high > 0.5 and small.median > 0.95
    assert small.words().startswith("errors: median p 0.99, 0 % below 0.025, ")
    assert small.words().endswith("0.49 +- 0.007 times as large they would be as seen")
    assert small.meta()["error_scale_seen"] == small.scale and len(small.meta()["p_histogram"].split()) == 10


def test_those_that_are_told_more_of_count_for_more():
    values = {"ppc_p": np.full(40, 0.5), "error_scale": np.r_[np.full(20, 0.5), np.full(20, 2.0)]}
    values["error_dof"] = np.r_[np.full(20, 10.0), np.full(20, 0.5)]
    assert ErrorSummary.of(values).scale == pytest.approx(0.5)


def test_alike_neighbours_are_not_independent():
    rng = np.random.default_rng(2)
    shape = (24, 30)
    alone = columns(rng, shape[0] * shape[1])
    alike = {name: np.kron(values[:80].reshape(8, 10), np.ones((3, 3))) for name, values in alone.items()}
    alone, alike = ErrorSummary.of(alone, shape), ErrorSummary.of(alike, shape)
    assert alone.n_independent > 500 and alike.n == 720 and 20 < alike.n_independent < 200
    width = [one.scale_high - one.scale_low for one in (alone, alike)]
    assert width[1] > 1.5 * width[0]


def test_fewer_than_ten_objects_have_none():
    few = ErrorSummary.of(columns(np.random.default_rng(3), 9))
    assert not few.known and few.words() == "errors: 9 objects with a p-value, 10 are needed for a summary"
    assert set(few.meta()) == {"errors"}
    nothing = {name: np.full(30, np.nan) for name in ("ppc_p", "error_scale", "error_dof")}
    assert ErrorSummary.of(nothing).words() == "" and ErrorSummary.of(nothing).meta() == {}


def test_what_is_odd_about_errors_is_said():
    assert note_on(np.ones((6, 2)), np.full(6, 2)).startswith("all errors are 1 uJy: equal errors")
    assert note_on(np.ones((1, 2)), np.full(1, 2)) == ""
    assert "one band" in note_on(np.arange(1.0, 13.0)[:, None], np.ones(12))
    noted = ErrorSummary.of(columns(np.random.default_rng(3), 20), note="all errors are 1 uJy")
    assert noted.words().endswith("; all errors are 1 uJy")


@pytest.mark.parametrize("given", [0.0, -1.0, np.nan, np.inf, "much", True, [1.0, 2.0]])
def test_scales_that_are_none(given):
    with pytest.raises(UserError, match="error scale .*: give a number above 0, or 'fit'"):
        checked_scale(given)


def test_scales_that_are_given():
    assert checked_scale("fit") is None and checked_scale(np.float32(0.5)) == ErrorScale(0.5)
    assert checked_scale("2") == ErrorScale(2.0)
    assert ErrorScale(0.5).meta() == {"error_scale": 0.5, "error_scale_from": "given"}


def test_a_scale_is_fitted():
    def summary_at(scale):
        return ErrorSummary.of(columns(np.random.default_rng(4), 300, scale=0.35 / scale))

    found = fit_scale(summary_at, "a.fits")
    assert found.fitted and found.value == pytest.approx(0.35, rel=0.06)
    assert found.low < found.value < found.high and found.meta()["error_scale_from"] == "fit"


def test_scales_that_cannot_be_fitted():
    few = ErrorSummary.of(columns(np.random.default_rng(3), 9))
    with pytest.raises(UserError, match=r"a.fits: the scale of the errors cannot be fitted \(errors: 9 "):
        fit_scale(lambda scale: few, "a.fits")
    none = columns(np.random.default_rng(3), 20)
    none["error_scale"] = np.zeros(20)
    with pytest.raises(UserError, match="the model's own error alone is more than what is seen"):
        fit_scale(lambda scale: ErrorSummary.of(none), "a.fits")
    none["error_scale"] = np.full(20, 0.5)
    with pytest.raises(UserError, match="does not settle"):
        fit_scale(lambda scale: ErrorSummary.of(none), "a.fits")
    with pytest.raises(UserError, match="no object has a p-value"):
        fit_scale(lambda scale: ErrorSummary(0), "a.fits")
