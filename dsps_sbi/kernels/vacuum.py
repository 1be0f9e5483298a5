"""Wavelengths in air and in vacuum; plain arithmetic, so that float64 arrays of numpy keep their digits."""

# From here on, wavelengths "in air" are in air; below, by convention, in vacuum [Angstrom]
AIR_FROM_AA = 2000.0


def refractive_index(vacuum_aa):
    """Index of standard air (15 C, 101325 Pa, 450 ppm CO2) at wavelengths in vacuum.

    Ciddor (1996, Appl. Opt. 35, 1566, eq. 1), the formula that SDSS uses; made for 2300-16900
    Angstrom.

    Parameters
    ----------
    vacuum_aa : array (...)
        [Angstrom].
    """
    s2 = (1e4 / vacuum_aa) ** 2
    return 1.0 + 5.792105e-2 / (238.0185 - s2) + 1.67917e-3 / (57.362 - s2)


def vacuum_to_air(vacuum_aa):
    """Wavelength in air of a wavelength in vacuum, both [Angstrom], 2000 Angstrom and above."""
    return vacuum_aa / refractive_index(vacuum_aa)


def air_to_vacuum(air_aa):
    """Wavelength in vacuum of a wavelength in air, both [Angstrom], 2000 Angstrom and above.

    The index is needed at the wavelength that is sought: three rounds leave nothing to mend.
    """
    vacuum_aa = air_aa
    for _ in range(3):
        vacuum_aa = air_aa * refractive_index(vacuum_aa)
    return vacuum_aa
