"""Ages between those of a grid."""

from dataclasses import replace

import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import NebularGrid, SSPGrid, finer_ages


@pytest.fixture(scope="module")
def grid():
    """Light that is linear in the logarithm of the age."""
    wave, age, met = np.linspace(4000.0, 5000.0, 30), np.array([0.5, 1.0, 4.0, 12.0]), np.array([-1.0, 0.0])
    flux = (10.0 - np.log(age))[None, :, None] * (wave / 5000.0) * 1e-5 * (1.0 + 0.1 * met)[:, None, None]
    mass = np.broadcast_to(0.9 - 0.05 * np.log(age), (2, 4))
    return SSPGrid("logs", wave, age, met, flux, living_fraction=mass, surviving_fraction=mass, fwhm_aa=2.5)


def test_what_is_linear_in_the_logarithm_comes_out(grid):
    fine = finer_ages(grid, 0.25, 0.1)
    assert set(grid.age_gyr) <= set(fine.age_gyr) and np.diff(fine.age_gyr).max() <= 0.25 + 1e-9
    assert np.diff(np.log10(fine.age_gyr)).max() <= 0.1 + 1e-9
    light = (10.0 - np.log(fine.age_gyr))[None, :, None] * (grid.wave_aa / 5000.0) * 1e-5
    np.testing.assert_allclose(fine.flux, light * np.array([0.9, 1.0])[:, None, None], rtol=1e-5)
    np.testing.assert_allclose(fine.surviving_fraction[1], 0.9 - 0.05 * np.log(fine.age_gyr), rtol=1e-12)
    assert fine.fwhm_aa == 2.5 and fine.sha != grid.sha
    np.testing.assert_array_equal(finer_ages(grid, 100.0, 100.0).flux, grid.flux)


def test_what_makes_no_grid_is_refused(grid):
    with pytest.raises(UserError, match=r"steps of 0.0 Gyr and 0.05 dex: give two numbers above 0"):
        finer_ages(grid, 0.0)
    with pytest.raises(UserError, match="ages between 0.5 and 1 Gyr: give larger ones"):
        finer_ages(grid, 1e-6)
    gas = NebularGrid.__new__(NebularGrid)
    with_gas = replace(grid)
    object.__setattr__(with_gas, "nebular", gas)
    with pytest.raises(UserError, match="SSP grid logs has gas: give one of stars alone"):
        finer_ages(with_gas)
