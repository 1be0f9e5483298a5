import numpy as np
import pytest

from dsps_sbi.constants import L_SUN_ERG_S
from dsps_sbi.ssp import toy_grid


def test_axes_and_positivity(toy):
    assert toy.flux.shape == (5, 24, 600)
    assert (toy.flux > 0).all()
    assert toy.wave_aa[0] == pytest.approx(91.0) and toy.wave_aa[-1] == pytest.approx(1e5)


def test_seed(toy):
    assert toy_grid(0).sha == toy.sha != toy_grid(1).sha


def test_light_per_mass(toy):
    luminosity = np.trapezoid(toy.flux, toy.wave_aa, axis=-1)
    assert (np.diff(luminosity, axis=1) < 0).all()
    old = int(np.argmin(abs(toy.age_gyr - 10)))
    assert 500 < luminosity[3, 0] < 2000 and 0.1 < luminosity[3, old] < 1.0


def test_ultraviolet_light_of_constant_star_formation(toy):
    """Kennicutt & Evans (2012): log nu L_nu = 43.35 erg/s at 1 M_sun/yr."""
    band = (toy.wave_aa > 1400) & (toy.wave_aa < 1700)
    per_ssp = toy.flux[3][:, band].mean(axis=1) * 1550.0
    age_yr = np.linspace(0.0, 1e8, 20001)
    light = np.trapezoid(np.interp(age_yr, toy.age_gyr * 1e9, per_ssp), age_yr)
    assert np.log10(light * L_SUN_ERG_S) == pytest.approx(43.35, abs=0.3)


def test_old_and_metal_rich_is_red_with_a_break(toy):
    at = [int(np.searchsorted(toy.wave_aa, w)) for w in (3850.0, 4050.0, 8000.0)]
    blue, green, red = (toy.flux[..., i] for i in at)
    assert (np.diff(red / green, axis=1)[:, 12:] > 0).all()
    assert (np.diff(green / blue, axis=0)[:, -4:] > 0).all() and (green / blue)[3, -1] > 1.3


def test_mass_loss(toy):
    assert (np.diff(toy.living_fraction, axis=1) < 0).all()
    assert (np.diff(toy.surviving_fraction, axis=1) < 0).all()
    assert (toy.surviving_fraction > toy.living_fraction).all()
