"""Limits of spectra: dispersions beyond the prior, and galaxies whose own lies below all that it has."""

import dataclasses

import numpy as np
from scipy import stats

from dsps_sbi.spectroscopy.infer import _limits

N = 500


def cut(peak, width, low, high):
    ends = (low - peak) / width, (high - peak) / width
    return stats.truncnorm.rvs(*ends, loc=peak, scale=width, size=N, random_state=np.random.default_rng(2))


def test_dispersions_beyond_either_end_of_the_prior(untrained, found):
    """A galaxy of 550 km/s (the prior ends before), one of 200, and one below what the instrument adds."""
    names, marginal = untrained.names, untrained.network.prior.marginals["sigma_v"]
    low, high = marginal.low, marginal.high
    assert low < 100.0 and 300.0 < high < 550.0
    i, rng = names.index("sigma_v"), np.random.default_rng(1)
    theta = np.full((3, N, len(names)), 0.5)
    theta[:, :, i] = cut(550.0, 8.0, low, high), cut(200.0, 8.0, low, high), cut(low, 15.0, low, high)
    u = rng.normal(size=theta.shape)
    # the network sees the dispersion of the pixels, with 150 km/s of the instrument's in the last spectrum
    seen = theta[:, :, i].copy()
    seen[2] = np.hypot(seen[2], 150.0)
    u[:, :, i] = stats.norm.ppf(np.clip((seen - low) / (high - low), 1e-7, 1.0 - 1e-7))
    ess = np.full(3, 150.0)
    posteriors = dataclasses.replace(found.posteriors, u=u.astype(np.float32), ess=ess)
    edge, limit = _limits(untrained, posteriors, theta)
    assert edge[:, i].tolist() == [1, 0, -1]
    assert high - 5.0 < limit[0, i] < high and np.isnan(limit[1, i]) and low < limit[2, i] < low + 40.0
    assert (theta[0, :, i] > limit[0, i]).mean() > 0.94
    # what the prior says is no limit
    others = [j for j in range(len(names)) if j != i]
    assert not edge[:, others].any() and np.isnan(limit[:, others]).all()


def test_columns_and_table(found):
    table = found.table()
    for name in found.post.names:
        edge, limit = found.columns[f"edge_{name}"], found.columns[f"limit_{name}"]
        assert np.array_equal(edge != 0, np.isfinite(limit))
        for row, one, value in zip(table["at_edge"], edge, limit, strict=True):
            assert (f"{name} {'>' if one > 0 else '<'} {value:.3g}" in row.split(", ")) == (one != 0)
    # those with fewer than 20 effective draws have none
    assert all(not row for row, ess in zip(table["at_edge"], found.columns["ess"], strict=True) if ess < 20.0)
