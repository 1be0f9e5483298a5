"""In which ways spectra of stellar populations differ: what a model may lack, in a few directions."""

import numpy as np
from numpy.polynomial.legendre import legvander

# Weaker ones, as a share of the strongest, are rounding
_WEAKEST = 1e-4
# Velocity dispersions of the stars that misfit is of [km/s]
_MISFIT_KM_S = (40.0, 120.0, 250.0)


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


def misfit_light(model, n: int = 10, n_kept: int = 40) -> np.ndarray:
    """Misfit along populations: a mean SSP, and that times shares of the flux that differ as populations do.

    The ratios of the ``n`` strongest components to the mean, each of the same root mean square, as stars of
    some velocity dispersions have them, and the same times the first two Legendre polynomials of wavelength:
    how much of the light is other stars' changes along the spectrum. Of these the strongest principal
    components are kept, as strong as they are, of a root mean square of 1 together. The ratios have no
    continuum, which is the polynomial's.

    Returns
    -------
    float32 ndarray (n_kept + 1, Grid)
        lambda L_lambda, of arbitrary scale.
    """
    alike, _, _, ratios = _strongest(model, n)
    mean, step = alike.mean(axis=0), model._log_grids[0].step_km_s
    ratios = np.concatenate(
        [_moving(mean * ratios, s / step) / _moving(mean, s / step) for s in _MISFIT_KM_S]
    )
    ratios = ratios / np.sqrt(np.mean(ratios**2, axis=1, keepdims=True))
    along = legvander(np.linspace(-1.0, 1.0, len(mean)), 2).T
    _, size, shares = np.linalg.svd(np.concatenate([ratios * one for one in along]), full_matrices=False)
    n_kept = min(n_kept, int((size > _WEAKEST * size[0]).sum()))
    size, shares = size[:n_kept], shares[:n_kept]
    shares = shares * (size / np.sqrt(np.sum(size**2)) * np.sqrt(len(mean)))[:, None]
    mean = _moving(mean, _MISFIT_KM_S[1] / step)
    return (mean * np.concatenate([np.ones((1, len(mean))), shares])).astype(np.float32)


def _moving(light, cells):
    """Light (..., Grid), periodic, of a Gaussian distribution of velocities of this width in cells."""
    frequency = np.fft.rfftfreq(light.shape[-1])
    damped = np.exp(-2.0 * (np.pi * cells * frequency) ** 2)
    return np.fft.irfft(np.fft.rfft(light) * damped, light.shape[-1])


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
