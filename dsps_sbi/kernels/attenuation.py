"""Dust attenuation curves A(lambda)/A_V as pure functions of the rest wavelength."""

import jax.numpy as jnp

CALZETTI_RV = 4.05


def calzetti(wave_aa):
    """Attenuation relative to the V band after Calzetti et al. (2000, ApJ 533, 682, eq. 4).

    The curve is defined for 0.12-2.2 micron. Blueward its polynomial is continued down to 912 A and
    held there; redward the formula is continued until it crosses zero (3.1 micron) and is zero
    beyond, so that it is never negative.

    Parameters
    ----------
    wave_aa : array (Wave,)
        Rest wavelength [Angstrom].

    Returns
    -------
    array (Wave,)
        A(lambda) / A_V >= 0.
    """
    x = 1e4 / jnp.maximum(wave_aa, 912.0)
    blue = 2.659 * (-2.156 + 1.509 * x - 0.198 * x**2 + 0.011 * x**3) + CALZETTI_RV
    red = 2.659 * (-1.857 + 1.040 * x) + CALZETTI_RV
    return jnp.maximum(jnp.where(wave_aa < 6300.0, blue, red), 0.0) / CALZETTI_RV
