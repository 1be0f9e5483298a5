"""Histograms of the probability integral transform, flat when calibrated."""

import numpy as np


def pit_histogram(pit, n_bins: int = 20):
    """Density of each parameter's PIT, 1 everywhere if calibrated; U-shaped if too narrow.

    Parameters
    ----------
    pit : array (Object, Param)
    n_bins : int

    Returns
    -------
    density : ndarray (Param, n_bins)
    sd : float
        Standard deviation of the density in one bin if calibrated.
    """
    pit = np.asarray(pit)
    counts = np.stack([np.histogram(column, n_bins, (0.0, 1.0))[0] for column in pit.T])
    return counts * n_bins / len(pit), float(np.sqrt((n_bins - 1) / len(pit)))
