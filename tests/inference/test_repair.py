from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.inference.importance import Likelihood, WeightedDraws
from dsps_sbi.inference.misfit import Misfit
from dsps_sbi.inference.repair import together

N, MOST = 400, 4


class Known(Likelihood):
    """What is needed to judge draws that are weighed already."""

    post = SimpleNamespace()
    model = None

    def shape_evidence(self, u, data, view, light=None):
        raise NotImplementedError

    def with_mass(self, u, share, first, second):
        raise NotImplementedError

    def views(self, data):
        raise NotImplementedError

    def misfit(self, u, data, view, light=None):
        return Misfit(*[jnp.mean(u, axis=(1, 2))] * 6)


jax.tree_util.register_pytree_node(Known, lambda known: ((), None), lambda _, __: Known())


def sample(seed, centre, sigma):
    """Draws (1, N, 1) about a centre, weighed for a unit normal of evidence 2."""
    u = centre + sigma * np.random.default_rng(seed).standard_normal((1, N, 1))
    log_weight = np.log(2.0 * sigma) - 0.5 * u[..., 0] ** 2 + 0.5 * ((u[..., 0] - centre) / sigma) ** 2
    return WeightedDraws.of(jnp.asarray(u, jnp.float32), jnp.asarray(log_weight, jnp.float32))


@pytest.fixture(scope="module")
def taken():
    def taken(*found):
        ids, key = np.zeros(1, np.uint32), jax.random.key(3)
        return together(Known(), None, None, ids, key, 1000, found, MOST)

    return taken


def test_iterations_add_up_to_one_sample(taken):
    found = [sample(1, 0.6, 1.2), sample(2, -0.5, 1.1), sample(3, 0.0, 1.5)]
    u, weighted, _ = taken(*found)
    assert weighted.u.shape == (1, MOST * N, 1) and u.shape == (1, 1000, 1)
    each = np.array([float(one.ess[0]) for one in found])
    assert float(weighted.ess[0]) == pytest.approx(9.0 / np.sum(1.0 / each), rel=0.1)
    # the places that nothing fills have no part in the evidence
    assert float(weighted.log_evidence[0]) == pytest.approx(np.log(2.0), abs=4.0 / np.sqrt(each.sum()))
    assert float(u.mean()) == pytest.approx(0.0, abs=0.15) and float(u.std()) == pytest.approx(1.0, abs=0.1)


def test_first_iterations_that_have_not_converged_do_not_count(taken):
    far, good = sample(4, 1.5, 0.3), sample(5, 0.0, 1.2)
    assert float(far.ess[0]) < 20.0 < float(good.ess[0])
    bad, known = (float(one.log_evidence[0]) for one in (far, good))
    first, later = taken(far, good)[1], taken(good, far)[1]
    assert float(first.ess[0]) == pytest.approx(float(good.ess[0]), rel=0.05)
    assert float(first.log_evidence[0]) == pytest.approx(known, abs=1e-3)
    # later ones do, however bad: they may have found what the first one missed
    assert bad < known - 0.5 and bad < float(later.log_evidence[0]) < known - 0.2
    assert float(taken(far, far)[1].ess[0]) > 0.0
