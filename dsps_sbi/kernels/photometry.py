r"""Band fluxes from rest-frame spectra, with the filter integrated exactly.

A photon-counting filter T measures
:math:`f_\nu = \int F_\lambda \lambda T\,d\lambda \,/\, (c \int T\,d\lambda/\lambda)`.
The filter enters through its running integral :math:`P(\lambda)=\int^\lambda \lambda' T d\lambda'`: a
spectrum that is constant over each of its own pixels contributes :math:`P` at the pixel's right
edge less :math:`P` at its left edge, whatever the sampling of either (no resampling, no loss).
"""

import jax.numpy as jnp
import numpy as np

from ..constants import C_AA_S, L_SUN_ERG_S, MPC_CM, UJY_CGS


def pixel_edges(wave_aa):
    """Edges of the pixels around sample wavelengths: midpoints, outermost ones mirrored.

    Parameters
    ----------
    wave_aa : ndarray (Wave,)

    Returns
    -------
    ndarray (Wave + 1,)
    """
    mid = 0.5 * (wave_aa[1:] + wave_aa[:-1])
    return np.concatenate([2 * wave_aa[:1] - mid[:1], mid, 2 * wave_aa[-1:] - mid[-1:]])


def pixel_weights(edges_aa, z, curve_aa, curve_cum):
    """Weights that turn a rest-frame spectrum into the photon integral of one filter.

    Parameters
    ----------
    edges_aa : array (Wave + 1,)
        Rest-frame pixel edges [Angstrom].
    z : scalar
        Redshift.
    curve_aa, curve_cum : array (n,)
        Observed wavelengths and the running integral P of lambda T, normalised to end at 1.

    Returns
    -------
    array (Wave,)
        Their sum is the share of the filter within the spectrum.
    """
    share = jnp.interp(edges_aa * (1.0 + z), curve_aa, curve_cum)
    return share[1:] - share[:-1]


def line_weights(line_aa, z, curve_aa, curve_density):
    """Weights that turn line luminosities into the photon integral of one filter.

    The same normalisation as :func:`pixel_weights`: lambda T at the line over the integral of
    lambda T, times (1+z) because a line's luminosity is already integrated over rest wavelength.

    Parameters
    ----------
    line_aa : array (Line,)
        Rest wavelengths [Angstrom].
    curve_density : array (n,)
        lambda T over its integral [1/Angstrom].

    Returns
    -------
    array (Line,)
        [1/Angstrom] in the rest frame.
    """
    density = jnp.interp(line_aa * (1.0 + z), curve_aa, curve_density, left=0.0, right=0.0)
    return density * (1.0 + z)


def flux_scale_ujy(z, distance_mpc, pivot_aa):
    r"""Factor from a filter's mean L_lambda [Lsun/A] to f_nu [uJy].

    :math:`f_\nu = L_\lambda \lambda_p^2 / (c\, 4\pi d_L^2 (1+z))` with the pivot wavelength
    :math:`\lambda_p^2 = \int\lambda T d\lambda / \int T d\lambda/\lambda` in the observed frame
    (for a flat L_nu this is the familiar :math:`(1+z) L_\nu / 4\pi d_L^2`).

    Parameters
    ----------
    z : scalar
    distance_mpc : scalar
        Luminosity distance [Mpc].
    pivot_aa : array (Band,)
        Observed-frame pivot wavelengths [Angstrom].
    """
    # in logarithms: 4 pi d_L^2 in cm^2 overflows float32
    log_area = jnp.log10(4.0 * jnp.pi) + 2.0 * (jnp.log10(distance_mpc) + jnp.log10(MPC_CM))
    log_unit = jnp.log10(L_SUN_ERG_S) - jnp.log10(C_AA_S) - jnp.log10(UJY_CGS)
    return pivot_aa**2 * 10.0 ** (log_unit - log_area) / (1.0 + z)
