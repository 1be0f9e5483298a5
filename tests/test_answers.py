from types import SimpleNamespace

import jax
import numpy as np
import pytest

from dsps_sbi.answers import Answerer
from dsps_sbi.trust import Method
from dsps_sbi.weighing import Weighed

N_DRAWS = 8


def weighed(ess):
    n = len(ess)
    own = {"pareto_k": np.full(n, 0.2), "ess": np.array(ess), "log_evidence": np.zeros(n)}
    return Weighed(u=np.zeros((n, N_DRAWS, 3)), log_weight=np.zeros((n, N_DRAWS)), **own)


class Refiner:
    """Answers whose effective draws are those of a list, one for each turn; it notes who was asked."""

    def __init__(self, *ess):
        self.ess, self.asked = iter(ess), []

    def _turn(self, kind):
        self.asked.append(kind)
        return np.zeros((1, N_DRAWS, 3)), weighed([next(self.ess)]), np.full(1, 0.5)

    def by_weights(self, data, table, ids, key, n_draws, before, turn):
        return self._turn(f"weights {turn}")

    def by_peaks(self, data, table, ids, key, n_draws, before):
        return self._turn("peaks")

    def by_chains(self, data, table, ids, key, n_draws, before):
        self.asked.append("chains")
        return np.ones((1, N_DRAWS, 3)), np.full(1, 1.0), np.full(1, 500.0), np.full(1, 0.5)


def repaired(refiner, ess, climbs=True):
    answerer = Answerer(SimpleNamespace(), SimpleNamespace(climbs=climbs, refiner=refiner), refine=True)
    own = {"u": np.zeros((1, N_DRAWS, 3)), "method": np.full(1, Method.IS, np.int8), "ppc_p": np.full(1, 0.5)}
    own |= {"ess": np.array([ess]), "pareto_k": np.full(1, 0.2), "log_evidence": np.zeros(1)}
    own["r_hat"] = np.full(1, np.nan)
    arguments = (np.zeros((1, 4)),), None, np.zeros(1, np.uint32), jax.random.key(0), N_DRAWS
    answerer._repair(own, arguments, weighed([ess]))
    return own


@pytest.mark.parametrize(
    ("climbs", "before", "turns", "asked"),
    [
        # few draws to adapt to; again when turns lose what they had
        (True, 3.0, (50.0, 5.0, 200.0), ["peaks", "weights 1", "peaks"]),
        (True, 60.0, (150.0,), ["weights 0"]),
        (False, 3.0, (5.0, 200.0), ["weights 0", "weights 1"]),
        (True, 200.0, (), []),
    ],
)
def test_what_repairs(climbs, before, turns, asked):
    refiner = Refiner(*turns)
    own = repaired(refiner, before, climbs)
    assert refiner.asked == asked
    assert own["ess"] == (turns[-1] if turns else before) and own["method"] == Method.IS


@pytest.mark.parametrize(("climbs", "turns"), [(False, 4), (True, 8)])
def test_chains_come_last(climbs, turns):
    refiner = Refiner(*[50.0] * turns)
    own = repaired(refiner, 60.0, climbs)
    assert refiner.asked == [f"weights {i}" for i in range(turns)] + ["chains"]
    assert own["method"] == Method.HMC and own["ess"] == 500.0 and (own["u"] == 1.0).all()
