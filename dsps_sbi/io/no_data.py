"""Pixels of spectra that hold numbers and no data. The one place with the rule.

- **Stand-ins**: a flux of exactly -99, -999, -9999... in the unit of the file that no measurement can be, see
  :mod:`dsps_sbi.io.stand_ins`.
- **Gaps**: a flux of exactly 0 in three or more neighbouring pixels, whatever their errors say: between the
  chips of a detector, beyond its ends, and where a pipeline found nothing to use. Noise never gives exactly 0
  three times in a row. Zeros of one or two pixels count as measured.

Images and catalogues refuse stand-ins. A spectrum has many pixels and can do without some: these are left
out, and the notes say how many.
"""

import numpy as np

from .stand_ins import STAND_INS, stand_ins

# Neighbouring pixels of exactly 0 that are a gap
SHORTEST_GAP = 3


def gaps(flux) -> np.ndarray:
    """Where (Pixel, ...) fluxes are part of a run of zeros along the first axis."""
    zero = np.asarray(flux) == 0.0
    out = np.zeros(zero.shape, bool)
    if len(zero) < SHORTEST_GAP or not zero.any():
        return out
    middle = zero[:-2] & zero[1:-1] & zero[2:]
    for part in (out[:-2], out[1:-1], out[2:]):
        part |= middle
    return out


def no_data(flux, sigma, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Stand-ins and gaps (Pixel, ...).

    Parameters
    ----------
    flux, sigma : array (Pixel, ...)
        Of one unit.
    factor : float
        From the unit of the file to that of the arrays.
    """
    return stand_ins(flux, sigma, factor), gaps(flux)


def typical(flux, use) -> float:
    """Median absolute flux of pixels (Pixel,) that are used and are no stand-ins; NaN of none."""
    size = np.abs(np.asarray(flux, float)[use])
    size = size[~np.isclose(size[:, None], STAND_INS, rtol=1e-6, atol=0.0).any(axis=1)]
    return float(np.median(size)) if size.size else np.nan


def told(flux, stand_in, gap) -> list[str]:
    """Notes on pixels (Pixel,) that are left out."""
    out = []
    if stand_in.any():
        numbers = ", ".join(f"{value:.6g}" for value in np.unique(flux[stand_in])[:3])
        out.append(f"{stand_in.sum()} pixels of {numbers} are no data")
    if gap.any():
        out.append(f"{gap.sum()} pixels in runs of exact zeros are no data")
    return out
