"""Draws for mocks: everybody gets its own. Weights and chains are proven with the likelihoods."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from dsps_sbi.calibration import draws as module
from dsps_sbi.calibration.draws import raw_draws, refined_draws
from dsps_sbi.photometry.data import PhotometryData

KEY = jax.random.key(4)
N, N_DRAWS = 23, 40
REDSHIFTS = np.float32([0.5, 1.5, 2.5, 3.5])


def answer(data, ids, n_draws):
    """Draws that say whose they are."""
    return np.repeat(np.stack([data.flux[:, 0], ids, data.z], axis=1)[:, None], n_draws, axis=1)


@pytest.fixture
def data(monkeypatch):
    """Objects that are numbered, at three redshifts of four."""
    monkeypatch.setattr(module, "BATCH_DRAWS", 5 * N_DRAWS)
    flux = 100 + np.arange(N, dtype=np.float32)[:, None]
    return PhotometryData(flux, flux, flux > 0, flux < 0, REDSHIFTS[np.arange(N) % 3])


@pytest.fixture
def engines(monkeypatch):
    """Engines that were made; they take batches of few sizes alone, as what is compiled does."""
    made = []

    class Engine:
        def __init__(self, post, likelihood=None, refine=False):
            made.append((post, likelihood, refine))

        def start(self, data, view, ids, key, n_draws):
            assert key is KEY and len(ids) in (4, 5) and ids.dtype == np.uint32
            assert all(len(a) == len(ids) for a in data)
            assert view is None or np.all(data.z == view)
            return answer(data, ids, n_draws)

        def finish(self, started, n):
            return SimpleNamespace(u=started[:n])

    monkeypatch.setattr(module, "Engine", Engine)
    return made


def gather(drawn):
    u, sizes = np.full((N, N_DRAWS, 3), np.nan), []
    for rows, posteriors in drawn:
        assert np.isnan(u[rows]).all()
        u[rows] = posteriors.u
        sizes.append(len(rows))
    return u, sizes


def test_every_object_gets_its_own_draws(data, engines):
    u, sizes = gather(raw_draws("post", data, N_DRAWS, KEY))
    np.testing.assert_array_equal(u, answer(data, np.arange(N), N_DRAWS))
    assert sizes == [5, 5, 5, 5, 3] and engines == [("post", None, False)]


def test_refined_answers_come_from_the_view_of_their_redshift(data, engines):
    def views(data):
        for z in REDSHIFTS[:3]:
            yield np.flatnonzero(data.z == z), z

    likelihood = SimpleNamespace(post="post", views=views)
    u, sizes = gather(refined_draws(likelihood, data, N_DRAWS, KEY))
    np.testing.assert_array_equal(u, answer(data, np.arange(N), N_DRAWS))
    # one engine serves all
    assert engines == [("post", likelihood, True)] and sum(sizes) == N and len(sizes) == 6
