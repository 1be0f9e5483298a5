"""In which ways spectra of stellar populations differ: what a model may lack, in a few directions."""

import numpy as np
from numpy.polynomial.legendre import legvander

# Weaker ones, as a share of the strongest, are rounding
_WEAKEST = 1e-4


def population_modes(model, n: int = 10) -> np.ndarray:
    """The mixtures of a model's SSPs that differ most, apart from their continua.

    Principal components of all SSPs over their mean, each of the same brightness, without what the polynomial
    can do. A history or a mixture of metallicities that the model does not have differs along these from one
    that it has.

    Parameters
    ----------
    model : SpectrumModel
    n : int
        How many; fewer where there are fewer SSPs than that.

    Returns
    -------
    float32 ndarray (n, Grid)
        lambda L_lambda, of arbitrary scale: for :meth:`~dsps_sbi.spectroscopy.model.SpectrumModel.seen`.
    """
    alike, vectors, size, _ = _strongest(model, n)
    return ((vectors / size).T @ alike).astype(np.float32)


def _strongest(model, n):
    """SSPs (SSP, Grid) of one brightness, and the n strongest components of their ratios to the mean."""
    light = np.asarray(model.light, np.float64).reshape(-1, model.light.shape[-1])
    alike = light / light.mean(axis=1, keepdims=True)
    lines = alike / alike.mean(axis=0)
    x = np.linspace(-1.0, 1.0, light.shape[1])
    smooth = np.linalg.qr(legvander(x, model.continuum.degree))[0]
    lines = lines - (lines @ smooth) @ smooth.T
    vectors, size, ratios = np.linalg.svd(lines, full_matrices=False)
    n = min(n, int((size > _WEAKEST * size[0]).sum()))
    return alike, vectors[:, :n], size[:n], ratios[:n]
