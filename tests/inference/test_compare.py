"""Evidences compared: errors that hold, preferences that need more than noise, masses over both."""

import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.inference.compare import UNDECIDED, Totals, compared, comparison_columns
from dsps_sbi.inference.engine import evidence_error
from dsps_sbi.inference.importance import WeightedDraws

LABELS = ("tau", "sticks")


def test_the_error_of_an_evidence_is_its_scatter():
    rng = np.random.default_rng(3)
    log_weight = jnp.asarray(0.8 * rng.standard_normal((400, 500)), jnp.float32)
    weighted = WeightedDraws.of(jnp.zeros((400, 500, 1)), log_weight)
    error = evidence_error(weighted.ess, 500)
    assert np.std(weighted.log_evidence) == pytest.approx(np.mean(error), rel=0.12)
    np.testing.assert_allclose(np.mean(weighted.log_evidence), 0.32, atol=0.01)
    assert evidence_error([0.0, 500.0], 500).tolist() == [np.inf, 0.0]


def columns(n=4, **more):
    values = {"log_evidence": np.zeros(n), "log_evidence_error": np.full(n, 0.1), "pareto_k": np.zeros(n)}
    values |= {
        "log_mass": np.full(n, 10.0),
        "log_mass_p16": np.full(n, 9.9),
        "log_mass_p84": np.full(n, 10.1),
    }
    values |= {"n_bands": np.full(n, 9.0), "n_left_out": np.zeros(n)}
    return values | {name: np.array(value, float) for name, value in more.items()}


def test_rows():
    one = columns(log_evidence=[5.0, -5.0, 1.2, np.nan])
    two = columns(log_mass=[10.2] * 4, log_mass_p16=[10.1] * 4, log_mass_p84=[10.3] * 4)
    rows = compared(list("abcd"), one, two, LABELS)
    assert set(comparison_columns(LABELS)) == set(rows[0])
    assert [row["prefers"] for row in rows] == ["tau", "sticks", UNDECIDED, ""]
    assert rows[0]["log_bayes"] == 5.0 and rows[0]["log_bayes_error"] == pytest.approx(0.02**0.5)
    assert rows[3]["log_bayes"] is None and rows[3]["note"] == "not compared: no evidence of one of them"
    # both masses, by their probabilities
    p = 1.0 / (1.0 + np.exp(-1.2))
    assert rows[2]["p_a"] == pytest.approx(p)
    assert rows[2]["log_mass_mean"] == pytest.approx(10.0 * p + 10.2 * (1.0 - p))
    assert rows[2]["log_mass_sd"] == pytest.approx(np.sqrt(0.01 + 0.04 * p * (1 - p)))


def test_what_is_not_compared():
    one, two = columns(log_evidence=[9.0] * 4), columns(n_left_out=[1, 0, 0, 0], pareto_k=[0, 0.9, np.nan, 0])
    rows = compared(list("abcd"), one, two, LABELS)
    assert rows[0]["note"] == "not compared: 9 and 8 bands are used" and rows[0]["log_bayes"] is None
    assert [row["prefers"] for row in rows] == ["", UNDECIDED, UNDECIDED, "tau"]
    assert rows[1]["note"].startswith("weights of one of them are not reliable")


def test_totals():
    totals = Totals(LABELS)
    for first in (0, 2):
        one = columns(2, log_evidence=[5.0, -1.0 + first])
        totals.add(compared(["a", "b"], one, columns(2, log_mass=[9.8, 9.9]), LABELS))
    assert totals.n == totals.n_compared == 4 and totals.log_bayes == pytest.approx(10.0)
    assert totals.prefers == {"tau": 2, UNDECIDED: 2}
    assert totals.mass_offset[0] == pytest.approx(0.15) and totals.meta()["n_prefer_b"] == 0
    lines = totals.lines()
    assert lines[0] == "4 of 4 galaxies have evidences under both: A tau, B sticks"
    assert "2 prefer A, 0 prefer B, 2 are undecided" in lines[1]
    assert Totals(LABELS).lines() == ["0 of 0 galaxies have evidences under both: A tau, B sticks"]
