"""What is told of a redshift beside its percentiles: the best one, how sure it is, how many there are."""

import numpy as np

# Redshifts within this share of 1 + z of the best one count as that one
NEAR = 0.1
# Probability of the redshifts whose separate ranges are counted, and the least of one that counts
_HELD, _LEAST = 0.95, 0.05
# Cells of ln(1+z), widest kernel, and the kernel in units of the width of the posterior
_N_CELL, _WIDEST, _KERNEL = 2048, 0.01, 0.5


def redshift_columns(z, weights) -> dict[str, np.ndarray]:
    """Columns (Object,) of redshifts.

    Parameters
    ----------
    z, weights : ndarray (Object, n)
        Redshifts, and what each counts.

    Returns
    -------
    dict
        ``z_best``, the maximum of the smoothed density; ``z_odds``, the probability that z is within 0.1
        (1 + z) of that; ``z_peaks``, the number of separate ranges of redshift that together hold 95 % of the
        probability, those with less than 5 % left out.
    """
    best, odds, peaks = zip(*(_of_one(*row) for row in zip(z, weights, strict=True)), strict=True)
    return {
        "z_best": np.array(best, np.float32),
        "z_odds": np.array(odds, np.float32),
        "z_peaks": np.array(peaks, np.float32),
    }


def density_of(z, weights):
    """Density of ln(1+z), smoothed: middles of cells (n,), and the share of each (n,)."""
    # imported where it is used: few runs need it, all would wait for it
    from scipy.ndimage import gaussian_filter1d

    x = np.log1p(np.asarray(z, float))
    order = np.argsort(x)
    cumulative = np.cumsum(weights[order])
    quartiles = x[order][np.searchsorted(cumulative, np.array([0.25, 0.75]) * cumulative[-1])]
    kernel = min(_WIDEST, _KERNEL * max(quartiles[1] - quartiles[0], 1e-5) / 1.35)
    low, high = x.min() - 3.0 * kernel, x.max() + 3.0 * kernel
    # fine enough for the kernel where that is narrow and the redshifts are not
    n = int(np.clip((high - low) / (0.3 * kernel), _N_CELL, 64 * _N_CELL))
    share, edges = np.histogram(x, bins=n, range=(low, high), weights=weights)
    share = gaussian_filter1d(share, kernel / (edges[1] - edges[0]), mode="constant")
    return 0.5 * (edges[1:] + edges[:-1]), share / share.sum()


def _of_one(z, weights):
    if not np.isfinite(weights).all():
        return np.nan, np.nan, np.nan
    x, share = density_of(z, weights)
    # per unit redshift
    best = float(np.expm1(x[np.argmax(share * np.exp(-x))]))
    odds = float(np.sum(weights[np.abs(z - best) <= NEAR * (1.0 + best)]))
    order = np.sort(share)[::-1]
    level = order[np.searchsorted(np.cumsum(order), _HELD)]
    inside = np.concatenate([[False], share >= level, [False]])
    turns = np.flatnonzero(np.diff(inside))
    held = np.array([share[a:b].sum() for a, b in turns.reshape(-1, 2)])
    return best, odds, float(np.sum(held >= _LEAST))
