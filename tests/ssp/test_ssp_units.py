"""Grids in other units, or with a gap in wavelength, are refused by name with the remedy."""

from dataclasses import replace

import numpy as np
import pytest

from dsps_sbi.errors import UserError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: {"wave_aa": g.wave_aa / 1e4},
            "'toy-0': wave_aa ends at 10: give Angstrom, not nm or micron",
        ),
        (lambda g: {"age_gyr": g.age_gyr * 1e9}, "age_gyr reaches 1.4e[+]10: give Gyr, not yr or Myr"),
        (lambda g: {"metallicity": 0.02 * 10.0**g.metallicity / 2.0}, "look like mass fractions Z: give"),
        (lambda g: {"metallicity": g.metallicity + 1.7}, "metallicity reaches 2.4: give .* which Z_sun"),
        (
            lambda g: {"flux": g.flux * 3.8e33},
            r"the brightest SSP has 2\.\de\+36 L_sun per M_sun between 912",
        ),
        (lambda g: {"flux": g.flux / 1e11}, "give flux in L_sun / Angstrom per M_sun formed"),
    ],
)
def test_other_units(toy, change, message):
    with pytest.raises(UserError, match=message):
        replace(toy, nebular=None, **change(toy))


def test_a_gap_in_wavelength(toy):
    keep = (toy.wave_aa < 3000.0) | (toy.wave_aa > 8000.0)
    with pytest.raises(
        UserError, match=r"no wavelength between 29\d\d(\.\d)? and 80\d\d.* fill the gap, or cut"
    ):
        replace(toy, wave_aa=toy.wave_aa[keep], flux=toy.flux[..., keep], nebular=None)


def test_narrow_old_and_dark_grids_pass(toy):
    narrow = (toy.wave_aa > 5000.0) & (toy.wave_aa < 5100.0)
    fields = {"wave_aa": toy.wave_aa[narrow], "nebular": None, "living_fraction": None}
    fields |= {"age_gyr": toy.age_gyr[-3:], "surviving_fraction": None}
    replace(toy, flux=toy.flux[:, -3:, narrow], **fields)
    replace(toy, flux=np.zeros_like(toy.flux[:, -3:, narrow]), **fields)
