"""The check verb on posteriors of spectra: the right one passes, slightly wrong ones do not."""

import jax
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi import check_spectra as module
from dsps_sbi.errors import UserError

N = 4000
WIDTH = np.array([0.9, 0.8, 0.5, 0.3, 0.7, 0.01])


def drawn(stretch=1.0, shift=0.0):
    """Draws about a datum that lies a WIDTH off the truth, under a flat prior: exact by symmetry."""

    def raw(post, mocks, n_draws, key):
        rng = np.random.default_rng(5)
        for rows in np.array_split(np.arange(len(mocks.z)), 10):
            datum = mocks.u[rows] + WIDTH * rng.standard_normal((len(rows), 6))
            noise = shift + stretch * rng.standard_normal((len(rows), n_draws, 6))
            yield rows, datum[:, None] + WIDTH * noise, None

    return raw


@pytest.fixture
def calibration(monkeypatch, untrained, tau_model):
    def run(**error):
        monkeypatch.setattr(module, "raw", drawn(**error))
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


def test_refined_draws_are_those_of_users(untrained, weigher, tau_model):
    simulator = next(iter(module.snr_slices(tau_model, untrained).values()))
    mocks = module.draw_mocks(simulator, jax.random.key(1), 2)
    rows = list(module.refined(weigher, mocks, 200, jax.random.key(2)))
    assert [int(r[0][0]) for r in rows] == [0, 1]
    for _, u, answers in rows:
        assert u.shape == (1, 200, 6) and np.isfinite(u).all()
        assert answers.ess[0] > 1.0 and np.isfinite(answers.log_evidence[0])


def test_what_is_refused(untrained, tau_model):
    with pytest.raises(UserError, match="20 mocks per slice, 0 refined: give at least 100"):
        ds.check(untrained, tau_model, n=20)
    with pytest.raises(UserError, match="30 draws per mock"):
        ds.check(untrained, tau_model, n=200, n_draws=30)
