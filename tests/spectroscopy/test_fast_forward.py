"""Stars aged passively: against single SSPs, closed forms, and measurements of the same spectra."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

import dsps_sbi as ds
from dsps_sbi.cli.clocks import forward
from dsps_sbi.errors import UserError
from dsps_sbi.sfh import Burst
from dsps_sbi.spectroscopy.fast_forward import Beside, Descendant, age_forward, fast_forward
from dsps_sbi.ssp import SSPGrid

UNIVERSE = ds.Cosmology.from_astropy()
BETWEEN = float(UNIVERSE.age(0.0)) - float(UNIVERSE.age(3.2))


@pytest.fixture(scope="module")
def aged(line_grid):
    """Bursts that are 13 and 12.5 Gyr old today, of [M/H] 0 and -0.5."""
    grid = replace(line_grid, surviving_fraction=np.tile([0.9, 0.8, 0.7, 0.6], (3, 1)))
    bursts = np.array([[13.0 - BETWEEN], [12.5 - BETWEEN]])
    return age_forward(Burst(), bursts, np.array([0.0, -0.5]), 3.2, 0.0, grid), grid


def test_a_burst_becomes_an_old_ssp(aged):
    descendant, grid = aged
    np.testing.assert_allclose(descendant.light[0], grid.flux[1, 3], rtol=1e-5)
    # between SSPs, linear in [M/H] and in the logarithm of the age
    part = np.log(12.5 / 6.0) / np.log(13.0 / 6.0)
    middle = 0.5 * (grid.flux[0] + grid.flux[1])
    np.testing.assert_allclose(descendant.light[1], (1 - part) * middle[2] + part * middle[3], rtol=2e-3)
    np.testing.assert_allclose(descendant.age_gyr, [13.0, 12.5], rtol=1e-4)
    np.testing.assert_allclose(descendant.surviving, [0.6, 0.7 - 0.1 * part], atol=1e-3)
    assert descendant.years_gyr == pytest.approx(BETWEEN)


def test_grids_by_alpha(line_grid):
    grids = {0.0: line_grid, 0.4: replace(line_grid, flux=2.0 * line_grid.flux)}
    bursts, alpha = np.full((2, 1), 13.0 - BETWEEN), np.array([0.0, 0.3])
    found = age_forward(Burst(), bursts, np.zeros(2), 3.2, 0.0, grids, alpha_fe=alpha)
    np.testing.assert_allclose(found.light, np.outer([1.0, 1.75], line_grid.flux[1, 3]), rtol=1e-5)
    assert found.surviving is None


def test_indices_are_those_of_the_spectrum(aged):
    descendant, grid = aged
    one = np.ones_like(grid.wave_aa)
    lsf = ds.LSF("fwhm_aa", 2.5)
    light = 1e5 * grid.flux[1, 3].astype(float)
    spectrum = ds.Spectrum(grid.wave_aa, light, one, "air", 0.0, lsf=lsf, absolute=False)
    for system in ("LIS-8.4", None):
        expected = ds.line_indices(spectrum, system=system)
        found = descendant.indices(system=system)
        assert set(found) == set(expected.names) and "Mgb" in found
        np.testing.assert_allclose([found[n][0] for n in expected.names], expected.values, atol=2e-4)
    with pytest.raises(UserError, match="has fwhm_aa 2.5: choose a broader system than 2.0"):
        descendant.indices(system="2.0")
    with pytest.raises(UserError, match="NaD"):
        descendant.indices(["NaD"])


def flat(shape):
    wave = np.linspace(3500.0, 7500.0, 4001)
    grid = SSPGrid("flat", wave, [1.0, 14.0], [0.0], np.ones((1, 2, wave.size)) * shape(wave), fwhm_aa=2.5)
    light = np.tile(shape(wave), (3, 1))
    return Descendant(
        3.2, 0.0, 11.5, wave, light, np.full(3, 12.0), None, replace(grid, wave_medium="vacuum")
    )


def test_magnitudes_of_a_flat_spectrum():
    """L_nu = 1e-4 L_sun / Hz: the same magnitude in every filter."""
    l_nu = 1e-15
    found = flat(lambda wave: l_nu * 2.99792458e18 / wave**2)
    watt = l_nu * 3.828e33 / (4.0 * np.pi * (10.0 * 3.0856775814913673e18) ** 2)
    np.testing.assert_allclose(found.magnitude("sdss_g0"), -2.5 * np.log10(watt) - 48.6, atol=1e-3)
    np.testing.assert_allclose(found.colour("sdss_g0", "sdss_r0"), 0.0, atol=1e-3)
    from sedpy.observate import Filter

    sun = Filter("sdss_r0").solar_ab_mag
    # Willmer (2018, ApJS 236, 47) has 4.65
    assert sun == pytest.approx(4.65, abs=0.03)
    light = 10.0 ** (-0.4 * (found.magnitude("sdss_r0") - sun))
    np.testing.assert_allclose(found.mass_to_light("sdss_r0"), 1.0 / light, rtol=1e-6)
    table = found.table(["Mgb"])
    assert list(table["quantity"])[0] == "mass_weighted_age" and "Mgb" in table["quantity"]
    with pytest.raises(UserError, match="filter sdss_u0 is at .* the SSPs of flat reach 3500-7500: choose"):
        found.magnitude("sdss_u0")


def test_beside_itself_and_beside_another(aged):
    descendant, grid = aged
    same = replace(descendant, light=np.repeat(descendant.light[:1], 3, axis=0))
    lsf, sigma = ds.LSF("fwhm_aa", 2.5), np.full(grid.wave_aa.size, 0.002)
    spectra = [grid.flux[1, 3], grid.flux[0, 1]]
    old, young = (
        ds.Spectrum(grid.wave_aa, f / f.mean(), sigma, "air", 0.0, lsf=lsf, absolute=False) for f in spectra
    )
    itself = same.beside(old, system="LIS-8.4")
    assert itself.p_value()[1] > 0.99 and np.abs(itself.table()["sigmas"]).max() < 0.1
    other = same.beside(young, system="LIS-8.4")
    assert other.p_value()[1] < 1e-6
    assert other.p_value({"Angstrom": 100.0, "mag": 100.0})[1] > 0.5
    table = other.table()
    assert table.meta["p_value"] == other.p_value()[1] and set(table["unit"]) <= {"Angstrom", "mag"}


def test_the_p_value_is_uniform_for_the_same_stars():
    """Descendant and observation scatter about one truth, with correlated errors."""
    rng, names = np.random.default_rng(4), ("Mgb", "Fe5270", "Hbeta")
    root = np.array([[0.2, 0.0, 0.0], [0.1, 0.2, 0.0], [0.0, -0.1, 0.15]])
    values = []
    for _ in range(400):
        centre = root @ rng.standard_normal(3)
        draws = centre + rng.standard_normal((300, 3)) @ root.T
        observed = 0.3 * rng.standard_normal(3) + 0.1 * rng.standard_normal(3)
        values.append(Beside(names, draws, observed, 0.09 * np.eye(3), "one").p_value({"Angstrom": 0.1})[1])
    low, middle, high = np.mean(np.array(values)[:, None] < [0.16, 0.5, 0.84], axis=0)
    assert abs(low - 0.16) < 0.08 and abs(middle - 0.5) < 0.1 and abs(high - 0.84) < 0.08


def test_the_command_writes_and_tells_it(aged, tmp_path):
    """On SSPs of the optical, made flat, so that colours are known."""
    descendant = flat(lambda wave: 1e-15 * 2.99792458e18 / wave**2)
    wave, lsf = np.linspace(3600.0, 7400.0, 3800), ds.LSF("fwhm_aa", 3.0)
    seen = ds.Spectrum(wave, 1.0 / wave**2, 1e-3 / wave**2, "vacuum", 0.0, lsf=lsf, absolute=False)
    lines = forward(replace(descendant, label="one"), seen, 100.0, tmp_path)
    assert "at z = 0, 11.5 Gyr later: mass_weighted_age 12 Gyr, sdss_g0 - sdss_r0" in lines[0]
    assert "beside spectrum: chi2 0" in lines[1] and "p = 1" in lines[1]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"one_later.ecsv", "one_beside.ecsv", "one_later.png"}


def of_spectra(line_grid):
    post = SimpleNamespace(
        network=SimpleNamespace(sfh=Burst(), cosmology=UNIVERSE), names=("burst_age", "metallicity")
    )
    theta = np.array([[[1.0, 0.0], [13.0 - BETWEEN, 0.0]]])
    universe = np.array([float(UNIVERSE.age(3.2))])
    return SimpleNamespace(post=post, theta=theta, z=np.array([3.2]), universe_gyr=universe, spectra=(0,))


def test_of_results(line_grid):
    found = fast_forward(of_spectra(line_grid), ssp=line_grid, label="one")
    np.testing.assert_allclose(found.light[1], line_grid.flux[1, 3], rtol=1e-5)
    assert found.label == "one" and found.z == 3.2
    of_alpha = SimpleNamespace(
        sfh=Burst(), names=("burst_age", "metallicity", "alpha_fe"), z=3.2,
        theta=np.array([[13.0 - BETWEEN, 0.0, 0.2]]), universe_gyr=float(UNIVERSE.age(3.2)),
    )  # fmt: skip
    found = fast_forward(of_alpha, ssp={0.0: line_grid, 0.4: line_grid})
    np.testing.assert_allclose(found.light[0], line_grid.flux[1, 3], rtol=1e-5)


def test_what_cannot_be_aged_is_refused(line_grid, aged):
    result = of_spectra(line_grid)
    with pytest.raises(UserError, match="aged from z = 3.2 to z = 4: give a later epoch, 0 <= z <= 3.2"):
        fast_forward(result, 4.0, ssp=line_grid)
    with pytest.raises(UserError, match="no spectrum 1: there are 1, counted from 0"):
        fast_forward(result, ssp=line_grid, i=1)
    with pytest.raises(UserError, match=r"the posterior has no \[alpha/Fe\]: give one grid"):
        fast_forward(result, ssp={0.0: line_grid, 0.4: line_grid})
    with pytest.raises(UserError, match="1.97 Gyr old at z = 3.2 in the posterior, .* as cosmology="):
        fast_forward(result, ssp=line_grid, cosmology=ds.Cosmology.from_astropy(FlatLambdaCDM(50.0, 0.3)))
    young = replace(line_grid, age_gyr=line_grid.age_gyr / 10.0)
    with pytest.raises(
        UserError, match="SSP grid lines ends at 1.3 Gyr, the Universe is 13.5 Gyr old at z = 0"
    ):
        fast_forward(result, ssp=young)
    with pytest.raises(UserError, match="SSP grid lines does not say its resolution"):
        fast_forward(result, ssp=replace(line_grid, fwhm_aa=None))
