"""Draws for mocks: everybody gets its own. Whether weights and chains are right is proven in test_weigh."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from dsps_sbi.checks import draws as module
from dsps_sbi.checks.draws import raw_draws, refined_draws
from dsps_sbi.simulate import Mocks

KEY = jax.random.key(4)
N, N_DRAWS = 23, 40
REDSHIFTS = np.float32([0.5, 1.5, 2.5, 3.5])


def answer(data, ids, n_draws):
    """Draws that say whose they are."""
    flux, _, _, _, z = data
    return np.repeat(np.stack([flux[:, 0], ids, z], axis=1)[:, None], n_draws, axis=1)


class Network:
    """Takes batches of one size alone, as what is compiled does."""

    def prepared(self, flux, sky, z, valid, upper):
        return flux, sky, valid, upper, z

    def draw_normal(self, data, ids, key, n_draws):
        assert key is KEY and all(len(a) == 5 for a in (*data, ids)) and ids.dtype == np.uint32
        return answer(data, ids, n_draws)


@pytest.fixture
def mocks(monkeypatch):
    """Mocks that are numbered, at three redshifts of four."""
    monkeypatch.setattr(module, "BATCH_DRAWS", 5 * N_DRAWS)
    number, z = np.arange(N, dtype=np.float32), REDSHIFTS[np.arange(N) % 3]
    flux = 100 + number[:, None]
    return Mocks(number, number, z, flux, flux, flux > 0, flux < 0)


def gather(drawn):
    u, answers = np.full((N, N_DRAWS, 3), np.nan), []
    for rows, some, more in drawn:
        assert np.isnan(u[rows]).all()
        u[rows] = some
        answers.append(more)
    return u, answers


def expected(mocks):
    number = np.arange(N)
    return answer((100 + number[:, None], None, None, None, mocks.z), number, N_DRAWS)


def test_every_object_gets_its_own_draws(mocks):
    u, answers = gather(raw_draws(Network(), mocks, N_DRAWS, KEY))
    np.testing.assert_array_equal(u, expected(mocks))
    assert answers == [None] * 5


def test_refined_answers_come_from_the_table_of_their_redshift(mocks, monkeypatch):
    post, made = Network(), []

    class Answerer:
        def __init__(self, *arguments, refine):
            made.append((*arguments, refine))

        def start(self, data, table, ids, key, n_draws):
            assert key is KEY and all(len(a) == 5 for a in (*data, ids))
            assert np.all(data[-1] == table["z"])
            return answer(data, ids, n_draws)

        def finish(self, started, n):
            return SimpleNamespace(u=started[:n])

    monkeypatch.setattr(module, "Answerer", Answerer)

    class Pool(dict):
        z = REDSHIFTS

    jax.tree_util.register_pytree_node(
        Pool, lambda p: (tuple(p.values()), tuple(p)), lambda _, v: {"z": v[0]}
    )
    weigher = SimpleNamespace(post=post)
    u, answers = gather(refined_draws(weigher, mocks, Pool(z=REDSHIFTS), N_DRAWS, KEY))
    np.testing.assert_array_equal(u, expected(mocks))
    # one answerer serves all: what is compiled is compiled once
    assert made == [(post, weigher, True)] and all(a is not None for a in answers)
    assert len(answers) == 6
