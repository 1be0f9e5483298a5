import math

import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.io.units import factor_to_ujy


@pytest.mark.parametrize(
    "unit, factor",
    [
        ("uJy", 1),
        ("µJy ", 1),
        ("microJy", 1),
        ("ujy", 1),
        ("nJy", 1e-3),
        ("NJY", 1e-3),
        ("mJy", 1e3),
        ("MJy", 1e12),
        ("Jy", 1e6),
        ("10.0*nanoJansky", 1e-2),
        ("uJy/pix", 1),
        ("erg/s/cm2/Hz", 1e29),
        ("erg s-1 cm-2 Hz-1", 1e29),
        ("W m-2 Hz-1", 1e32),
    ],
)
def test_flux_densities(unit, factor):
    assert factor_to_ujy(unit) == pytest.approx(factor, rel=1e-12)


def test_surface_brightness_needs_the_area_of_a_pixel():
    area = (0.03 / 206264.80624709636) ** 2
    assert factor_to_ujy("MJy/sr", pixel_area_sr=area) == pytest.approx(1e12 * area, rel=1e-12)
    assert factor_to_ujy("nJy/arcsec2", pixel_area_sr=area) == pytest.approx(1e-3 * 0.03**2, rel=1e-12)
    with pytest.raises(UserError, match="a.fits is in MJy / sr: expected a WCS or PIXAR_SR"):
        factor_to_ujy("MJy/sr", where="a.fits")


@pytest.mark.parametrize("unit", ["electron/s", "ELECTRONS/S", "counts/s"])
def test_hst_electron_rates(unit):
    # AB zero point of ACS F814W, from the same two cards by the handbook's formula.
    photflam, photplam = 7.0486e-20, 8045.0
    zero_point = -2.5 * math.log10(photflam) - 5 * math.log10(photplam) - 2.408
    expected = 10 ** (0.4 * (23.9 - zero_point))
    assert factor_to_ujy(unit, photflam=photflam, photplam=photplam) == pytest.approx(expected, rel=1e-3)
    with pytest.raises(UserError, match="expected PHOTFLAM and PHOTPLAM"):
        factor_to_ujy(unit)


def test_flux_per_wavelength_needs_the_pivot():
    expected = 1e-20 * 8045.0**2 / 2.99792458e18 * 1e29
    assert factor_to_ujy("1e-20 erg/s/cm2/AA", photplam=8045.0) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(UserError, match="is not a flux density"):
        factor_to_ujy("erg/s/cm2/AA")


@pytest.mark.parametrize(
    "unit, message",
    [
        (None, "has no unit: expected BUNIT"),
        (" ", "has no unit: expected BUNIT"),
        ("spam", "'spam', which cannot be read"),
        ("mjy", "'mjy', which cannot be read"),
        ("mJy/beam", "is not a flux density"),
        ("electron", "is not a flux density"),
        ("mag(AB)", "is not linear in flux"),
    ],
)
def test_other_units_are_refused(unit, message):
    with pytest.raises(UserError, match=message):
        factor_to_ujy(unit)
