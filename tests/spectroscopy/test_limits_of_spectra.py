"""Limits of spectra: dispersions beyond the prior, and those of the galaxy's own below all others."""

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
    # three draws that are all the same, as weights of a few draws give: no limit, but where they are
    u[:, :, i] = u[:, :1, i]
    few = dataclasses.replace(posteriors, u=u.astype(np.float32), ess=np.full(3, 1.2))
    edge, limit = _limits(untrained, few, theta)
    assert edge[:2, i].tolist() == [1, 0] and np.isnan(limit).all() and not edge[:, others].any()


def test_columns_and_table(found):
    table = found.table()
    for name in found.post.names:
        edge, limit = found.columns[f"edge_{name}"], found.columns[f"limit_{name}"]
        # those with fewer than 20 effective draws have no limits
        known = ~(found.columns["ess"] < 20.0)
        assert np.array_equal((edge != 0) & known, np.isfinite(limit))
        for row, one, value in zip(table["at_edge"], edge, limit, strict=True):
            told = f"{'>' if one > 0 else '<'} {value:.3g}"
            told = (
                told if np.isfinite(value) else f"at the {'upper' if one > 0 else 'lower'} edge of the prior"
            )
            assert (f"{name} {told}" in row.split(", ")) == (one != 0)
