"""Dust attenuation curves A(lambda)/A_V as pure functions of the rest wavelength."""

import jax.numpy as jnp

CALZETTI_RV = 4.05
# Where A(lambda) / A_V is 1 in the laws below [Angstrom]
V_AA = 5500.0


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


def bump_profile(wave_aa, width_aa=350.0):
    """Drude profile of the 2175 Angstrom bump, 1 at its centre.

    Noll et al. (2009, A&A 507, 1793), as written in Kriek & Conroy (2013, ApJ 775, L16, eq. 2).

    Parameters
    ----------
    wave_aa : array (Wave,)
        Rest wavelength [Angstrom].
    width_aa : float
        Full width at half maximum [Angstrom].
    """
    # in units of the centre: fourth powers of Angstrom leave few digits in float32
    x, w = wave_aa / 2175.0, width_aa / 2175.0
    return (x * w) ** 2 / ((x * x - 1.0) ** 2 + (x * w) ** 2)


def power_law(wave_aa, slope):
    """(lambda / 5500 Angstrom)^slope, held below 912 Angstrom.

    Parameters
    ----------
    wave_aa : array (Wave,)
        Rest wavelength [Angstrom].
    slope : array (...)
        Broadcast against ``wave_aa``.
    """
    return jnp.exp(slope * jnp.log(jnp.maximum(wave_aa, 912.0) / V_AA))


def noll(wave_aa, slope, bump):
    """Calzetti's law with a bump, both tilted, after Noll et al. (2009, A&A 507, 1793).

    As written in Kriek & Conroy (2013, ApJ 775, L16, eq. 1):
    A / A_V = (k + D) / 4.05 (lambda / 5500)^slope, k and D the Calzetti law and the bump's profile
    times its strength.

    Parameters
    ----------
    wave_aa : array (Wave,)
        Rest wavelength [Angstrom].
    slope, bump : array (...)
        Tilt (0: none, < 0: steeper) and strength E_b of the bump, broadcast against ``wave_aa``.

    Returns
    -------
    array (..., Wave)
        Not exactly 1 at V where there is a bump (1.004 for E_b = 3).
    """
    return (calzetti(wave_aa) + bump * bump_profile(wave_aa) / CALZETTI_RV) * power_law(wave_aa, slope)


def salim(wave_aa, slope, bump):
    """Tilted Calzetti law plus an untilted bump, after Salim et al. (2018, ApJ 859, 11).

    k = k_C (lambda / 5500)^slope R_V / 4.05 + D with R_V = 4.05 / (5.05 (4400 / 5500)^slope - 4.05),
    so that B - V reddening keeps its definition; A / A_V = k / R_V.

    Parameters
    ----------
    wave_aa : array (Wave,)
        Rest wavelength [Angstrom].
    slope, bump : array (...)
        As for :func:`noll`, slope < 0.98.

    Returns
    -------
    array (..., Wave)
    """
    inverse_rv = ((CALZETTI_RV + 1.0) * 0.8**slope - CALZETTI_RV) / CALZETTI_RV
    return calzetti(wave_aa) * power_law(wave_aa, slope) + bump * bump_profile(wave_aa) * inverse_rv
