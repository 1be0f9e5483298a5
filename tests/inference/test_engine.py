import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy.stats import norm

from dsps_sbi.inference import engine as module
from dsps_sbi.inference.engine import Engine, padded
from dsps_sbi.inference.importance import WeightedDraws
from dsps_sbi.inference.misfit import Misfit
from dsps_sbi.inference.trust import Method

N_DRAWS = 8


def weighed(ess):
    n = len(ess)
    own = {"pareto_k": np.full(n, 0.2), "ess": np.array(ess), "log_evidence": np.zeros(n)}
    return WeightedDraws(u=np.zeros((n, N_DRAWS, 3)), log_weight=np.zeros((n, N_DRAWS)), **own)


class Repairs:
    """Posteriors whose effective draws are those of a list, one for each turn; it notes who was asked."""

    def __init__(self, *ess, score=0.0, adds_up=False):
        self.ess, self.asked, self.adds_up = iter(ess), [], adds_up
        self.misfit = Misfit(*(np.full(1, value) for value in (2.0, 2.0, 2.0, 2.0, score, 0.0)))

    def _turn(self, kind):
        self.asked.append(kind)
        return np.zeros((1, N_DRAWS, 3)), weighed([next(self.ess)]), self.misfit

    def by_weights(self, likelihood, data, view, ids, key, n_draws, before, iteration):
        return self._turn(f"weights {iteration}")

    def by_modes(self, likelihood, data, view, ids, key, n_draws, before, iteration):
        return self._turn(f"modes {iteration}")

    def together(self, likelihood, data, view, ids, key, n_draws, found, most):
        """As many effective draws as all together have, unless a single one would do."""
        ess = sum(one.ess[0] for one in found)
        return np.zeros((1, N_DRAWS, 3)), weighed([ess if self.adds_up else found[-1].ess[0]]), self.misfit

    def by_chains(self, likelihood, data, view, ids, key, n_draws, before):
        self.asked.append("chains")
        return np.ones((1, N_DRAWS, 3)), np.full(1, 1.0), np.full(1, 500.0), self.misfit


@pytest.fixture
def repaired(monkeypatch):
    """What an engine makes of one object of so many effective draws, with these repairs."""

    def repaired(repairs, ess, finds_modes=True):
        for name in ("by_weights", "by_modes", "by_chains", "together"):
            monkeypatch.setattr(module, name, getattr(repairs, name))
        likelihood = SimpleNamespace(finds_modes=finds_modes, part_of=lambda view, rows: view)
        return _repaired(Engine(SimpleNamespace(), likelihood, refine=True), ess)

    return repaired


def _repaired(engine, ess):
    own = {"u": np.zeros((1, N_DRAWS, 3)), "method": np.full(1, Method.IS, np.int8), "ppc_p": np.full(1, 0.5)}
    own |= {"ess": np.array([ess]), "pareto_k": np.full(1, 0.2), "log_evidence": np.zeros(1)}
    own |= {"log_evidence_error": np.zeros(1)}
    own |= {name: np.full(1, np.nan) for name in ("r_hat", "error_scale", "error_dof")}
    arguments = (np.zeros((1, 4)),), None, np.zeros(1, np.uint32), jax.random.key(0), N_DRAWS
    engine._repair(own, arguments, weighed([ess]))
    return own


@pytest.mark.parametrize(
    ("finds_modes", "before", "turns", "asked"),
    [
        # few draws to adapt to; again when turns lose what they had
        (True, 3.0, (50.0, 5.0, 200.0), ["modes 0", "weights 1", "modes 2"]),
        # not again where that was of no use, or adapting gains
        (True, 3.0, (8.0, 9.0, 10.0, 200.0), ["modes 0", "weights 1", "weights 2", "weights 3"]),
        (True, 3.0, (8.0, 7.0, 8.0, 200.0), ["modes 0", "weights 1", "modes 2", "weights 3"]),
        (True, 60.0, (150.0,), ["weights 0"]),
        (False, 3.0, (5.0, 200.0), ["weights 0", "weights 1"]),
        (True, 200.0, (), []),
    ],
)
def test_what_repairs(repaired, finds_modes, before, turns, asked):
    repairs = Repairs(*turns)
    own = repaired(repairs, before, finds_modes)
    assert repairs.asked == asked
    assert own["ess"] == (turns[-1] if turns else before) and own["method"] == Method.IS


def test_iterations_add_up(repaired):
    repairs = Repairs(8.0, 40.0, 50.0, 60.0, adds_up=True)
    own = repaired(repairs, 3.0)
    # what was searched is no part of them
    assert repairs.asked == ["modes 0", "weights 1", "weights 2", "weights 3"]
    assert own["ess"] == 150.0 and own["method"] == Method.IS


@pytest.mark.parametrize(("finds_modes", "turns"), [(False, 4), (True, 8)])
def test_chains_come_last(repaired, finds_modes, turns):
    repairs = Repairs(*[50.0] * turns)
    own = repaired(repairs, 60.0, finds_modes)
    assert repairs.asked == [f"weights {i}" for i in range(turns)] + ["chains"]
    assert own["method"] == Method.HMC and own["ess"] == 500.0 and (own["u"] == 1.0).all()
    assert own["r_hat"] == 1.0 and np.isnan(own["pareto_k"]) and own["ppc_p"] == pytest.approx(0.5)


def test_no_chains_where_the_model_does_not_fit(repaired):
    repairs = Repairs(*[50.0] * 4, score=4.0)
    own = repaired(repairs, 60.0, finds_modes=False)
    assert repairs.asked == [f"weights {i}" for i in range(4)] and own["method"] == Method.FAILED
    assert own["ppc_p"] == pytest.approx(norm.sf(4.0)) and own["ess"] == 50.0 and np.isnan(own["r_hat"])


def test_batches_have_few_sizes():
    sizes = [padded(n) for n in range(1, 1025)]
    assert sorted(set(sizes)) == [1, 4, 16, 64, 256, 1024]
    assert all(size >= n for n, size in enumerate(sizes, 1)) and padded(4) == 4 and padded(5) == 16


@pytest.mark.parametrize(("backend", "size"), [("cpu", 1), ("gpu", 16)])
def test_what_fails_at_first_gets_more_until_it_passes(monkeypatch, backend, size):
    # by object and iteration
    ess = {
        1: (120.0,),
        3: (50.0, 130.0),
        4: (9.0,) * 6,
        5: (60.0, 55.0),
        6: (20.0, 30.0, 101.0),
    }
    asked = []

    def drawn(ids, effective, value):
        draws, misfit = weighed(effective), Misfit(*np.full((6, len(ids)), 0.5))
        draws.u[:] = value[:, None, None]
        return np.ones((len(ids), N_DRAWS, 3)), draws, misfit

    def by_one_iteration(likelihood, data, view, ids, key, n_draws, start, i):
        # from the last draws of the objects themselves
        assert len(ids) == size and n_draws == N_DRAWS
        np.testing.assert_array_equal(start.u[:, 0, 0], ids + 10 * i)
        asked.append((i, sorted({*ids.tolist()})))
        return drawn(ids, [ess[j][i] for j in ids], ids + 10.0 * (i + 1))

    def together(likelihood, data, view, ids, key, n_draws, found, most):
        assert most == 6 and 2 <= len(found) <= most
        for i, one in enumerate(found):
            np.testing.assert_array_equal(one.u[:, 0, 0], ids + 10 * (i + 1))
        return drawn(ids, np.sum([one.ess for one in found], axis=0), ids + 100.0)

    monkeypatch.setattr(module, "by_one_iteration", by_one_iteration)
    monkeypatch.setattr(module, "together", together)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    first = np.array([500.0, 99.0, 100.0, 10.0, 9.0, 60.0, 20.0])
    columns = {"ess": first.copy(), "pareto_k": np.full(7, 0.2), "u": np.zeros((7, N_DRAWS, 3))}
    numbers = ("log_evidence", "log_evidence_error", "ppc_p", "error_scale", "error_dof")
    columns |= {name: np.zeros(7) for name in numbers}
    likelihood = SimpleNamespace(part_of=lambda view, rows: view)
    batch = (np.zeros((7, 4)),), None, np.arange(7, dtype=np.uint32), jax.random.key(0), N_DRAWS
    before = weighed(first)
    before.u[:] = np.arange(7.0)[:, None, None]
    Engine(SimpleNamespace(), likelihood)._draw_more(columns, batch, before, np.arange(7))
    # those that pass are left alone; one passes by the draws of two iterations
    alone = [[1], [3], [3], *[[4]] * 6, [5], [5], [6], [6], [6]]
    groups = [[1, 3, 4, 5, 6], [3, 4, 5, 6], [4, 6], [4], [4], [4]]
    assert [ids for _, ids in asked] == (alone if size == 1 else groups)
    np.testing.assert_array_equal(columns["ess"], [500.0, 120.0, 100.0, 130.0, 54.0, 115.0, 101.0])
    np.testing.assert_array_equal(columns["u"][:, 0, 0], [0, 1, 0, 1, 1, 1, 1])


@pytest.mark.parametrize(
    ("evidence", "score", "iterations"),
    # the model does not fit, once the draws are where the posterior is; it does
    [((1.0, 30.0, 30.5, 31.0), 5.0, 3), ((0.5, 30.0), 5.0, 1), ((0.1, 0.2, 0.3, 0.4, 0.5, 0.6), 1.0, 6)],
)
def test_no_more_where_no_draws_help(monkeypatch, evidence, score, iterations):
    asked = []

    def found(effective, at):
        values = (2.0, 2.0, 2.0, 2.0, score, 0.0)
        draws = dataclasses.replace(weighed([effective]), log_evidence=np.array([at]))
        return np.ones((1, N_DRAWS, 3)), draws, Misfit(*(np.full(1, value) for value in values))

    def by_one_iteration(likelihood, data, view, ids, key, n_draws, start, i):
        asked.append(i)
        return found(9.0, evidence[i])

    monkeypatch.setattr(module, "by_one_iteration", by_one_iteration)
    monkeypatch.setattr(module, "together", lambda *_: found(18.0, evidence[asked[-1]]))
    columns = {"ess": np.full(2, 9.0), "pareto_k": np.full(2, 0.2), "u": np.zeros((2, N_DRAWS, 3))}
    numbers = ("log_evidence", "log_evidence_error", "ppc_p", "error_scale", "error_dof")
    columns |= {name: np.full(2, -0.5) for name in numbers}
    batch = (np.zeros((2, 4)),), None, np.arange(2, dtype=np.uint32), jax.random.key(0), N_DRAWS
    engine = Engine(SimpleNamespace(), SimpleNamespace(part_of=lambda view, rows: view))
    # the other one can be trusted in no case
    engine._draw_more(columns, batch, weighed([9.0, 9.0]), np.array([1]))
    assert asked == list(range(iterations)) and columns["ppc_p"][0] == -0.5


def test_effective_draws_and_errors_of_quasi_random_ones():
    columns = {name: np.zeros(1) for name in ("ess", "pareto_k", "log_evidence", "log_evidence_error")}
    columns |= {name: np.zeros(1) for name in ("ppc_p", "error_scale", "error_dof")}
    misfit = Misfit(*(np.full(1, value) for value in (2.0, 2.0, 2.0, 2.0, 0.0, 0.0)))
    module._put(columns, slice(None), weighed([4.0]), misfit, worth=3.0)
    assert columns["ess"] == 12.0
    # of 8 draws that are worth 24
    assert columns["log_evidence_error"] == pytest.approx(np.sqrt(1 / 12 - 1 / 24))
