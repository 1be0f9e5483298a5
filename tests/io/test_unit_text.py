"""Units as surveys write them."""

import pytest
from astropy import units as u

from dsps_sbi.io.unit_text import read_unit

FLUX = u.erg / u.s / u.cm**2 / u.AA


@pytest.mark.parametrize(
    "text, scale",
    [
        ("1E-17 erg/cm^2/s/Ang", 1e-17),
        ("erg/s/cm2/A", 1.0),
        ("ergs/cm2/s/A", 1.0),
        ("10^-16 erg/s/cm^2/A", 1e-16),
        ("10**(-20)*erg/s/cm**2/Angstrom", 1e-20),
        ("10**(-17)erg.cm**(-2).s**(-1).angstrom**(-1)", 1e-17),
        ("10**(-19).erg.cm**(-2).s**(-1).angstrom**(-1)", 1e-19),
        ("10**-17 erg/(s cm2 Angstrom)", 1e-17),
        ("1E-17 erg/s/cm^2/Ang/spaxel", 1e-17),
        ("W m^-3", 1e-7),
        ("W/m^2/um", 0.1),
    ],
)
def test_fluxes_per_wavelength(text, scale):
    assert read_unit(text).to(FLUX) == pytest.approx(scale, rel=1e-9)


@pytest.mark.parametrize(
    "text, power, scale",
    [
        ("(10**(-20)*erg/s/cm**2/Angstrom)**2", 2, 1e-40),
        ("1/(1E-17 erg/cm^2/s/Ang)^2", -2, 1e34),
        ("(1E-17 erg/cm^2/s/Ang)^-2", -2, 1e34),
        ("10**+34 (s2 cm4 Angstrom2) / erg2", -2, 1e34),
    ],
)
def test_their_squares(text, power, scale):
    assert read_unit(text).to(FLUX**power) == pytest.approx(scale, rel=1e-9)


@pytest.mark.parametrize("text", ["Angstroms", "ANGSTROM", "Ang", "AA", "A", "angstrom"])
def test_angstrom(text):
    assert read_unit(text) == u.AA


@pytest.mark.parametrize("text, micron", [("MICRON", 1.0), ("microns", 1.0), ("um", 1.0), ("nm", 1e-3)])
def test_other_lengths(text, micron):
    assert read_unit(text).to(u.um) == pytest.approx(micron)


@pytest.mark.parametrize(
    "text, ujy",
    [("nanomaggy", 3.631), ("nanomaggies", 3.631), ("nmgy", 3.631), ("10.0*nanoJansky", 0.01), ("NJY", 1e-3)],
)
def test_fluxes_per_frequency(text, ujy):
    assert read_unit(text).to(u.uJy) == pytest.approx(ujy, rel=1e-9)


@pytest.mark.parametrize("text", ["", "junk", "mjy", "erg/s/cm2/furlong"])
def test_what_is_no_unit(text):
    with pytest.raises(ValueError, match="is no unit"):
        read_unit(text)
