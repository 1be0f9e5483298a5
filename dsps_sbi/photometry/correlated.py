"""Totals of pixels whose noise correlates, as that of drizzled and PSF-matched images does."""

import numpy as np
from astropy.table import QTable

from ..constants import PERCENTILES
from ..io.cube import PixelCube
from ..io.summary import KINDS, NOISE, TRUSTED


def with_noise(totals: QTable, cube: PixelCube, names, maps, trusted) -> tuple[QTable, dict]:
    """Totals with the errors that the noise of an image makes of them.

    The errors of pixels are those of their posteriors, and correlate as the noise does: what the noise and
    what the prior leaves open are not told apart, so that errors of totals are rather too large than too
    small where the prior decides. The width of the total of independent errors is multiplied, its median
    stays.

    Parameters
    ----------
    totals : QTable
        Of :meth:`~dsps_sbi.io.TotalAccumulator.table`.
    cube : PixelCube
        With :attr:`~dsps_sbi.PixelCube.noise`; else totals stay as they are.
    names : sequence of str
        Quantities of the maps.
    maps : ndarray (Quantity, 3, Pixel)
        16th, 50th and 84th percentiles of the pixels; NaN where not fitted.
    trusted : bool array (Pixel,)

    Returns
    -------
    totals : QTable
        With columns ``noise_16`` ... ``trusted_noise_84``.
    meta : dict
        For headers: by which factor errors of totals are larger.
    """
    if cube.noise is None or not len(totals):
        return totals, {}
    totals, meta, fitted = totals.copy(), {}, np.isfinite(maps[:, 1]).all(axis=0)
    weight = _information(cube, fitted)
    for start, part in (("", fitted), (TRUSTED, fitted & trusted)):
        ratios = []
        for total in totals:
            low, _, high = maps[list(names).index(str(total["quantity"]))]
            widths = np.where(part, 0.5 * (10.0 ** high.astype(float) - 10.0 ** low.astype(float)), 0.0)
            ratio2 = cube.noise.sum_ratio(widths.reshape(cube.shape)) ** 2
            ratios.append(float(np.sqrt(weight @ ratio2)) if part.any() else np.nan)
        independent = [np.asarray(totals[f"{start}{KINDS[0]}_{p}"], float) for p in PERCENTILES]
        middle = independent[PERCENTILES.index(50)]
        for p, values in zip(PERCENTILES, independent, strict=True):
            totals[f"{start}{NOISE}_{p}"] = middle + np.array(ratios) * (values - middle)
        if not start:
            meta = {
                f"noise_ratio_{row['quantity']}": round(r, 4) for row, r in zip(totals, ratios, strict=True)
            }
    return totals, meta | {"noise": cube.noise.source}


def _information(cube, fitted) -> np.ndarray:
    """Share (Band,) of each band in the squared signal-to-noise ratio of the fitted pixels."""
    use = cube.valid & ~cube.upper & fitted[:, None]
    ratio = np.where(use, cube.flux_ujy / np.where(use, cube.sigma_ujy, 1.0), 0.0).astype(float)
    found = (ratio**2).sum(axis=0)
    return found / found.sum()
