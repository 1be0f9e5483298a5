"""Do central intervals hold the truth as often as they say?"""

import numpy as np

# One and two standard deviations of a Gaussian
LEVELS = {"coverage68": 0.6827, "coverage95": 0.9545}


def coverage(pit, level: float):
    """Share of truths inside the central interval of a given probability.

    Parameters
    ----------
    pit : array (Object, Param)
        From :func:`dsps_sbi.calibration.sbc.randomised_pit`.
    level : float
        Probability of the interval.

    Returns
    -------
    ndarray (Param,)
    """
    return np.mean(np.abs(np.asarray(pit) - 0.5) < 0.5 * level, axis=0)


def excess(covered, level: float, n: int):
    """By how much coverage is off beyond what chance does: max(0, |c - level| - 3 binomial sd).

    Parameters
    ----------
    covered : array (...)
        From :func:`coverage`.
    level : float
    n : int
        Number of objects.

    Returns
    -------
    ndarray (...)
    """
    deviation = np.abs(np.asarray(covered, float) - level)
    return np.maximum(deviation - 3.0 * np.sqrt(level * (1.0 - level) / n), 0.0)
