"""Rebinning of spectra with smoothing: shares of old pixels in new ones."""

import numpy as np
from scipy.special import ndtr

# A Gaussian is followed this many sigma out; one narrower than this share of a pixel is none
_REACH, _NARROW = 5.0, 1e-3


def gaussian_shares(
    edges: np.ndarray, targets: np.ndarray, sigma: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of source pixels in target pixels, after a Gaussian: exact for flux that is constant in a pixel.

    Parameters
    ----------
    edges : ndarray (Source + 1,)
    targets : ndarray (Target + 1,)
    sigma : ndarray (Target,)
        In the unit of the edges.

    Returns
    -------
    shares : ndarray (Target, Window)
        Of unit sum, less what lies beyond the source pixels.
    first : int ndarray (Target,)
        Source pixel of the first share.
    """
    left, right = targets[:-1], targets[1:]
    low = np.searchsorted(edges, left - _REACH * sigma, side="right") - 1
    high = np.searchsorted(edges, right + _REACH * sigma, side="left")
    low = np.clip(low, 0, len(edges) - 2)
    n = int(np.max(np.clip(high, 1, len(edges) - 1) - low))
    at = np.minimum(low[:, None] + np.arange(n + 1), len(edges) - 1)
    # twice integrated Gaussian: how much of what lies below x ends up below 0
    s = np.where(sigma > _NARROW * (right - left), sigma, 0.0)[:, None]

    def ramp(x):
        y = x / np.maximum(s, 1e-12)
        smooth = s * (y * ndtr(y) + np.exp(-0.5 * y * y) / np.sqrt(2.0 * np.pi))
        return np.where(s > 0.0, smooth, np.maximum(x, 0.0))

    below = ramp(right[:, None] - edges[at]) - ramp(left[:, None] - edges[at])
    return (below[:, :-1] - below[:, 1:]) / (right - left)[:, None], low
