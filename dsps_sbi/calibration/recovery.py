"""How well draws recover the truth: scores of point estimates, and coverage."""

import numpy as np


def recovery(draws, truth) -> dict[str, float]:
    """Scores of one quantity over many objects.

    Parameters
    ----------
    draws : ndarray (Object, Draw)
    truth : ndarray (Object,)

    Returns
    -------
    dict
        ``r2``, ``rmse``, ``nmad`` and ``bias`` of the posterior median; ``coverage68`` and
        ``coverage95``: share of objects whose truth lies in the central interval of that
        probability, ranks of the truth among the draws with ties broken evenly; ``truth_sd``:
        sample standard deviation of the truth, the scale of r2.
    """
    draws, truth = np.asarray(draws, float), np.asarray(truth, float)
    error = np.median(draws, axis=1) - truth
    rank = rank_statistic(draws, truth)
    return {
        "r2": float(1.0 - np.mean(error**2) / np.var(truth)),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "nmad": float(1.4826 * np.median(np.abs(error - np.median(error)))),
        "bias": float(np.median(error)),
        "coverage68": float(np.mean(np.abs(rank - 0.5) < 0.6827 / 2)),
        "coverage95": float(np.mean(np.abs(rank - 0.5) < 0.9545 / 2)),
        "truth_sd": float(np.std(truth, ddof=1)),
    }


def rank_statistic(draws, truth):
    """Share of draws (Object, Draw) below the truth (Object,), uniform when calibrated.

    Draws equal to the truth (floored quantities) count half; the half draw of offset makes the
    ranks of n draws the centres of n + 1 equal cells.
    """
    draws, truth = np.asarray(draws), np.asarray(truth)[:, None]
    below = (draws < truth).sum(axis=1) + 0.5 * (draws == truth).sum(axis=1)
    return (below + 0.5) / (draws.shape[1] + 1)
