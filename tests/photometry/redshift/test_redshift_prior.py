"""What is known of redshifts: normalised densities, cells that are drawn from, summaries."""

import numpy as np
import pytest

from dsps_sbi.photometry.redshift.cells import N_CELL, Cells
from dsps_sbi.photometry.redshift.prior import redshift_prior
from dsps_sbi.photometry.redshift.sample import beyond, ladders
from dsps_sbi.photometry.redshift.summary import redshift_columns

LIMITS = (0.001, 7.5)
GRID = np.array([0.0, 1.0, 2.0, 4.0])
DENSITY = np.array([[0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
PRIORS = {
    "unknown": {"z_range": (0, 6.0)},
    "normal": {"z": [0.02, 3.0], "z_err": [0.05, 0.3]},
    "table": {"p_z": (GRID, DENSITY)},
}


@pytest.mark.parametrize("kind", PRIORS)
def test_densities_are_normalised_within_their_support(kind):
    prior = redshift_prior(LIMITS, 2, **PRIORS[kind])
    low, high = prior.support()
    assert (low >= LIMITS[0]).all() and (high <= LIMITS[1]).all() and len(prior.rows([1])) == 1
    z = np.linspace(low, high, 20_001, axis=1)
    density = np.exp(prior.log_density(z))
    np.testing.assert_allclose(np.trapezoid(density, z, axis=1), 1.0, atol=2e-3)
    outside = np.exp(prior.log_density(np.stack([low - 1e-3, high + 1e-3], axis=1)))
    assert (outside < 1e-6).all() and prior.words()


def test_a_ladder_is_as_long_as_the_range():
    assert ladders(redshift_prior(LIMITS, 1, z_range=(0.1, 7.0))) == [2]
    assert ladders(redshift_prior(LIMITS, 1, z=1.0, z_err=0.05)) == [1]


def test_draws_of_cells_have_the_density_that_is_told():
    cells = Cells(redshift_prior(LIMITS, 1, p_z=(GRID, DENSITY[0])))
    rng = np.random.default_rng(0)
    x = [cells.draw(cells.even, rng.uniform(size=64))]
    # a peak of evidence that is narrower than the step of the ladder
    peak = np.log1p(1.2345)
    for _ in range(3):
        seen = np.concatenate(x)
        share = cells.next_share(seen, -0.5 * ((seen - peak) / 0.004) ** 2)
        assert share.shape == (N_CELL,) and share.sum() == pytest.approx(1.0)
        x.append(cells.draw(share, rng.uniform(size=64)))
    assert np.median(np.abs(x[-1] - peak)) < 0.004
    # weighted by prior over density all of them are draws of the prior: its mean is 1
    x = np.concatenate(x)
    weight = np.exp(cells.log_weight(x))
    assert weight.mean() == pytest.approx(1.0, abs=0.05)
    assert np.average(np.expm1(x), weights=weight) == pytest.approx(1.0, abs=0.05)


def test_evidence_of_bands_that_are_not_modelled_is_that_of_their_neighbours():
    flux, sigma = np.array([[1.0, 2.0, 2.2]]), np.array([[0.1, 0.1, 0.1]])
    present, upper = np.ones((1, 3), bool), np.zeros((1, 3), bool)
    modelled = np.array([[[True] * 3, [True, True, False], [False] * 3]])
    found = beyond(flux, sigma, present, upper, modelled, np.array([4e3, 8e3, 4e4]))
    spread = np.hypot(2.0, 0.1)
    assert found[0, 0] == 0.0
    expected = -0.5 * (0.2 / spread) ** 2 - np.log(spread * np.sqrt(2.0 * np.pi))
    assert found[0, 1] == pytest.approx(expected) and np.isfinite(found[0, 2])
    assert beyond(flux, sigma, ~present, upper, modelled, np.array([4e3, 8e3, 4e4])).tolist() == [[0.0] * 3]


def test_peaks_and_odds():
    rng = np.random.default_rng(1)
    two = np.concatenate([rng.normal(0.5, 0.02, 3000), rng.normal(3.0, 0.05, 2000)])
    one = rng.normal(1.0, 0.001, 5000)
    wide = rng.uniform(0.1, 2.0, 5000)
    columns = redshift_columns(np.stack([two, one, wide]), np.full((3, 5000), 1 / 5000))
    np.testing.assert_allclose(columns["z_best"][:2], [0.5, 1.0], atol=0.02)
    np.testing.assert_allclose(columns["z_odds"][:2], [0.6, 1.0], atol=0.01)
    assert columns["z_peaks"][:2].tolist() == [2.0, 1.0] and 0.0 < columns["z_odds"][2] < 0.6
