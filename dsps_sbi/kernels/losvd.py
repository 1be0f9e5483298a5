r"""Stars that move: spectra on a log-wavelength grid, broadened by a Gaussian in Fourier space.

A velocity v shifts a spectrum by v / c in ln(lambda), so that velocities broaden it by the same
number of steps of the grid everywhere. The Gaussian enters by its analytic Fourier transform
(Cappellari 2017, MNRAS 466, 798, sect. 2.2): it is right however small it is against a step, where
a sampled Gaussian is not.
"""

import jax.numpy as jnp
import numpy as np


def transfer(n, variance):
    r"""Fourier transform of a Gaussian on n points: :math:`\exp(-\omega^2\sigma^2/2)`.

    Parameters
    ----------
    n : int
    variance : array (...)
        In steps of the grid, squared. Its own argument rather than sigma: the gradient at zero
        is then finite.

    Returns
    -------
    array (..., n // 2 + 1)
        At the frequencies of a real transform.
    """
    half_omega2 = jnp.asarray(0.5 * (2.0 * np.pi * np.fft.rfftfreq(n)) ** 2, jnp.float32)
    return jnp.exp(-half_omega2 * jnp.asarray(variance)[..., None])


def cell_transfer(n):
    """Fourier transform (n // 2 + 1,) of a cell of the grid: what drawing samples as steps does to a curve.

    Between 1 and 2 / pi: it can be divided by.
    """
    return np.sinc(np.fft.rfftfreq(n)).astype(np.float32)


def broaden(spectrum, variance, as_cells=False, shift=None):
    """Convolve spectra with Gaussians, and shift them; the grid is taken as periodic, so pad it.

    Parameters
    ----------
    spectrum : array (..., Grid)
        On a uniform grid of ln(lambda).
    variance : array (...)
        Of the Gaussian, in steps of the grid, squared: (sigma_v / c / step)^2.
    as_cells : bool
        Prepare the result for being read as constant within each cell, as pixels do that
        integrate over it (:func:`dsps_sbi.kernels.lsf.pixel_weights`): the cell's own width is
        taken out.
    shift : array (...), optional
        Mean velocity, in steps of the grid: positive to longer wavelengths. Exact for fractions of a step.

    Returns
    -------
    array (..., Grid)
    """
    n = spectrum.shape[-1]
    factor = transfer(n, variance)
    if as_cells:
        factor = factor / cell_transfer(n)
    if shift is not None:
        omega = (2.0 * np.pi * np.fft.rfftfreq(n)).astype(np.float32)
        factor = factor * jnp.exp(-1j * omega * jnp.asarray(shift)[..., None])
    return jnp.fft.irfft(jnp.fft.rfft(spectrum) * factor, n)
