from dataclasses import replace

import numpy as np
import pytest

from dsps_sbi.constants import L_SUN_ERG_S
from dsps_sbi.errors import UserError
from dsps_sbi.ssp import with_nebular

HC_ERG_AA = 1.98644586e-8


def constant_star_formation(grid, per_ssp):
    """Integral over ages of a quantity per mass formed, at 1 M_sun / yr: the youngest SSP held to age 0."""
    age_yr = np.r_[0.0, grid.age_gyr * 1e9]
    return np.trapezoid(np.r_[per_ssp[:1], per_ssp], age_yr)


def h_alpha(grid):
    return grid.nebular.line_names.index("H 1 6562.80A")


def ionising_photons(grid, met):
    """Per second and M_sun formed, for each age."""
    blue = grid.wave_aa < 912
    wave = grid.wave_aa[blue]
    return np.trapezoid(grid.flux[met][:, blue] * wave, wave, axis=1) * L_SUN_ERG_S / HC_ERG_AA


def test_grid_points_are_reproduced(toy):
    neb = toy.nebular
    flux, lines = with_nebular(replace(toy, nebular=replace(neb, age_gyr=toy.age_gyr[:6])), neb.log_u[1])
    assert flux.dtype == lines.dtype == np.float32
    np.testing.assert_allclose(lines[:, :6], neb.line_lum[:, 1], rtol=1e-6)
    assert not lines[:, 6:].any()
    red = toy.wave_aa >= 912
    np.testing.assert_allclose(flux[:, :6, red], (toy.flux[:, :6] + neb.continuum[:, 1])[..., red], rtol=1e-6)
    np.testing.assert_allclose(flux[:, :6, ~red], neb.continuum[:, 1][..., ~red], rtol=1e-6)
    np.testing.assert_array_equal(flux[:, 6:], toy.flux[:, 6:])


def test_linear_in_log_age_and_log_u(toy):
    neb = toy.nebular
    middle = np.sqrt(neb.age_gyr[2] * neb.age_gyr[3])
    ages = np.r_[middle, np.geomspace(1, 10, 23)]
    _, lines = with_nebular(replace(toy, age_gyr=ages), 0.25 * neb.log_u[0] + 0.75 * neb.log_u[1])
    pair = neb.line_lum[:, :, 2:4].mean(axis=2)
    np.testing.assert_allclose(lines[:, 0], 0.25 * pair[:, 0] + 0.75 * pair[:, 1], rtol=1e-5)


def test_younger_ssps_take_the_first_age_and_rounded_last_age_counts(toy):
    neb = toy.nebular
    ages = np.r_[1e-5, neb.age_gyr[-1] * 1.00001, neb.age_gyr[-1] * 1.01, np.geomspace(1, 10, 21)]
    _, lines = with_nebular(replace(toy, age_gyr=ages), -4)
    np.testing.assert_allclose(lines[:, 0], neb.line_lum[:, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(lines[:, 1], neb.line_lum[:, 0, -1], rtol=1e-6)
    assert not lines[:, 2:].any()


def test_refusals(toy):
    with pytest.raises(UserError, match="log U is -5.0, expected -4 to -1"):
        with_nebular(toy, -5.0)
    with pytest.raises(UserError, match="log U is nan, expected -4 to -1"):
        with_nebular(toy, float("nan"))
    with pytest.raises(UserError, match="'toy-0' holds no nebular emission"):
        with_nebular(replace(toy, nebular=None), -2.0)
    with pytest.raises(UserError, match="line_names has 1 names, expected 6"):
        replace(toy.nebular, line_names=("Ha",))
    with pytest.raises(UserError, match=r"line_lum .* expected \(5, 2, 6, 6\)"):
        replace(toy.nebular, log_u=[-4, -3])
    with pytest.raises(UserError, match="nebular continuum is negative"):
        replace(toy.nebular, continuum=-toy.nebular.continuum)


def test_h_alpha_of_constant_star_formation(real_grid):
    """Kennicutt & Evans (2012): log L(Ha) = 41.27 erg/s at 1 M_sun/yr, solar, Kroupa IMF.

    That number comes from other stellar models (Starburst99); BC03 stars emit 1.4 times more
    ionising photons, while their ultraviolet light agrees (43.35) to 0.02 dex.
    """
    _, lines = with_nebular(real_grid, -2.5)
    sun = int(np.argmin(abs(real_grid.metallicity)))
    luminosity = constant_star_formation(real_grid, lines[sun, :, h_alpha(real_grid)]) * L_SUN_ERG_S
    assert abs(np.log10(luminosity) - 41.27) < 0.2


def test_h_alpha_is_case_b_of_the_stars_ionising_photons(real_grid):
    """Osterbrock & Ferland (2006): 1.37e-12 erg of H-alpha for each ionising photon at 10^4 K."""
    _, lines = with_nebular(real_grid, -3.0)
    for met in range(5):
        photons = np.where(real_grid.age_gyr < 0.0252, ionising_photons(real_grid, met), 0.0)
        expected = constant_star_formation(real_grid, photons) * 1.37e-12
        found = constant_star_formation(real_grid, lines[met, :, h_alpha(real_grid)]) * L_SUN_ERG_S
        assert found / expected == pytest.approx(1.0, abs=0.1)


def test_absorbed_light_comes_out_again(real_grid):
    flux, lines = with_nebular(real_grid, -2.5)
    age = int(np.argmin(abs(real_grid.age_gyr - 1e-3)))
    for met in range(1, 5):
        before = np.trapezoid(real_grid.flux[met, age], real_grid.wave_aa)
        after = np.trapezoid(flux[met, age], real_grid.wave_aa) + lines[met, age].sum()
        assert after / before == pytest.approx(1.0, abs=0.03)


def test_toy_h_alpha_is_realistic(toy):
    _, lines = with_nebular(toy, -2.5)
    luminosity = constant_star_formation(toy, lines[3, :, h_alpha(toy)]) * L_SUN_ERG_S
    assert abs(np.log10(luminosity) - 41.27) < 0.3
