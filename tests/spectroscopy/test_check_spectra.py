"""The check verb on posteriors of spectra: the right one passes, slightly wrong ones do not."""

import importlib
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.calibration.draws import refined_draws
from dsps_sbi.errors import UserError
from dsps_sbi.inference.importance import importance_sample
from dsps_sbi.inference.trust import Method
from dsps_sbi.spectroscopy.held_out import draw_mocks, snr_slices

module = importlib.import_module("dsps_sbi.calibration.check")
N = 4000
WIDTH = np.array([0.9, 0.8, 0.5, 0.3, 0.7, 0.01])


def drawn(truth, stretch=1.0, shift=0.0):
    """Draws about a datum that lies a WIDTH off the truth, under a flat prior: exact by symmetry."""

    def raw(post, data, n_draws, key):
        rng = np.random.default_rng(5)
        u = truth()
        assert len(u) == len(data.z)
        for rows in np.array_split(np.arange(len(u)), 30):
            datum = u[rows] + WIDTH * rng.standard_normal((len(rows), 6))
            noise = shift + stretch * rng.standard_normal((len(rows), n_draws, 6))
            u_drawn = datum[:, None] + WIDTH * noise
            none = {"ess": np.full(len(rows), np.nan), "method": Method.FLOW, "trusted": False}
            yield rows, SimpleNamespace(u=u_drawn, **none)

    return raw


@pytest.fixture
def calibration(monkeypatch, untrained, tau_model):
    seen, real = [], type(untrained).held_out

    def held_out(*args):
        seen.append(real(*args))
        return seen[-1]

    def run(**error):
        monkeypatch.setattr(type(untrained), "held_out", held_out)
        monkeypatch.setattr(module, "raw_draws", drawn(lambda: seen[-1].u, **error))
        return ds.check(untrained, tau_model, n=N, n_draws=150)

    return run


def test_the_exact_posterior_passes(calibration):
    got = calibration()
    assert got.passed, str(got)
    # the S/N of training, cut where the check has its edges
    assert [s.label for s in got.scores] == ["S/N 10-30", "S/N 30-100", "S/N 100-200"]
    assert got.metrics["snr_30_100.metallicity.coverage68"] == pytest.approx(0.6827, abs=0.03)


@pytest.mark.parametrize("error", [{"stretch": 1.1}, {"stretch": 0.9}, {"shift": 0.15}])
def test_wrong_widths_and_places_do_not(calibration, error):
    assert not calibration(**error).passed


def test_draws_of_the_network_are_compared_with_their_own_truths(untrained, tau_model):
    """An untrained network draws what it draws: its mass alone follows the data, and is far too sure."""
    got = ds.check(untrained, tau_model, n=300, n_draws=120)
    names = [line.split(" of ")[1].split()[0] for line in got.failures if "ranks of" in line]
    assert "log_mass_formed" in names


@pytest.mark.optimized
def test_refined_draws_are_those_of_users(untrained, likelihood, tau_model):
    """Each mock by itself, repaired: never worse than weighed, of the numbers of its place."""
    simulator = next(iter(snr_slices(untrained.simulator(tau_model)).values()))
    assert simulator.snr == (10.0, 30.0)
    mocks, key = draw_mocks(simulator, jax.random.key(1), 2), jax.random.key(2)
    chunks = list(refined_draws(likelihood, mocks.data, 500, key))
    assert [rows.tolist() for rows, _ in chunks] == [[0], [1]]
    for rows, posteriors in chunks:
        assert posteriors.u.shape == (1, 500, 6) and np.isfinite(posteriors.u).all()
        data = jax.tree.map(lambda a, rows=rows: np.asarray(a)[rows], mocks.data)
        view = likelihood.observed_mock(*(a[0] for a in data))
        weighed = importance_sample(likelihood, data, view, np.uint32(rows), key, n_draws=500)[1]
        # of 500 draws of a network that nobody trained few count
        assert weighed.ess[0] < 100.0 < posteriors.ess[0] and posteriors.trusted[0]
        assert np.isfinite(posteriors.log_evidence[0])


def test_what_is_refused(untrained, tau_model):
    with pytest.raises(UserError, match="20 mocks per slice, 0 refined: give at least 100"):
        ds.check(untrained, tau_model, n=20)
    with pytest.raises(UserError, match="30 draws per mock"):
        ds.check(untrained, tau_model, n=200, n_draws=30)
