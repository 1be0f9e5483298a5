"""Simulation-based calibration: where the truth ranks among draws, and whether that is uniform.

Talts et al. (2018, arXiv:1804.06788): if the truth was drawn from the prior and the draws come from
its posterior, the truth is one more draw, and its rank among them is uniform.

Of n quasi-random draws (:mod:`dsps_sbi.inference.quasi_random`) the share below the truth is closer to its
cumulative probability than that of independent ones. Were they perfectly even, the first and the last of
the n + 1 ranks would have half of the probability of the others: the cumulative distribution of the ranks
is off by at most 1 / (2 n + 2), a tenth of what a check of 2000 mocks sees with 200 draws.
"""

import numpy as np


def randomised_pit(draws, truth, uniform):
    """Probability integral transform of the truth, exactly uniform when draws and truth are exchangeable.

    Among n draws the truth falls into one of n + 1 cells; the place within its cell, and among draws
    equal to it, is random.

    Parameters
    ----------
    draws : array (Object, Draw, ...)
    truth : array (Object, ...)
    uniform : array (Object, ...)
        Random numbers between 0 and 1.

    Returns
    -------
    ndarray (Object, ...)
    """
    draws, truth = np.asarray(draws), np.asarray(truth)[:, None]
    below, equal = (draws < truth).sum(axis=1), (draws == truth).sum(axis=1)
    return (below + uniform * (equal + 1.0)) / (draws.shape[1] + 1.0)


def uniformity(pit):
    """Kolmogorov-Smirnov test of each column against the uniform distribution.

    Parameters
    ----------
    pit : array (Object, Param)

    Returns
    -------
    distance, p_value : ndarray (Param,)
        Largest distance of the cumulative distributions, and its two-sided p-value.
    """
    # half a second to import, and only a check needs it
    from scipy import stats

    results = [stats.ks_1samp(column, stats.uniform.cdf) for column in np.asarray(pit, float).T]
    return np.array([r.statistic for r in results]), np.array([r.pvalue for r in results])


def holm(p_values):
    """p-values corrected for their number (Holm 1979, Scand. J. Statist. 6, 65).

    Rejecting where the corrected value is below alpha keeps the chance of any false rejection below
    alpha, however the tests depend on each other.

    Parameters
    ----------
    p_values : array (...)

    Returns
    -------
    ndarray (...)
    """
    p = np.asarray(p_values, float)
    flat = p.ravel()
    order = np.argsort(flat)
    stepped = np.maximum.accumulate(flat[order] * np.arange(flat.size, 0, -1))
    corrected = np.empty_like(flat)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.reshape(p.shape)
