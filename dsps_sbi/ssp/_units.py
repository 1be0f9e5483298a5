"""Numbers of an SSP grid that can only be in other units than they should be."""

import numpy as np

from dsps_sbi.errors import UserError

# No grid of stellar populations ends bluer than this (Angstrom): one that does is in nm or micron
_REDDEST_AA = 1000.0
# Far beyond the age of the Universe (Gyr), and below ages in yr or Myr
_OLDEST_GYR = 300.0
# Far above the most metal-rich models; below [M/H] that was taken for log10 Z
_RICHEST = 1.3
# Light per mass formed in 912 Angstrom to 2.5 micron (L_sun / M_sun): old SSPs have 0.1, young ones 1000.
# Other units (L_sun / Hz, erg / s) are ten decades off.
_LIGHT = (1e-4, 1e6)
_OPTICAL_AA = (912.0, 25_000.0)
# Steps of wavelength in that range by more than this factor are a gap
_STEP = 2.0


def refuse_wrong_units(grid, label: str) -> None:
    """Raise `UserError` where axes can only be in other units, or wavelengths leave a gap."""
    wave, age, met = grid.wave_aa, grid.age_gyr, grid.metallicity
    if wave[-1] < _REDDEST_AA:
        raise UserError(f"{label}: wave_aa ends at {wave[-1]:g}: give Angstrom, not nm or micron")
    if age[-1] > _OLDEST_GYR:
        raise UserError(f"{label}: age_gyr reaches {age[-1]:g}: give Gyr, not yr or Myr")
    if met[-1] > _RICHEST:
        raise UserError(
            f"{label}: metallicity reaches {met[-1]:g}: give [M/H] = log10(Z / Z_sun), and check which Z_sun"
        )
    if len(met) > 1 and met[0] > 0.0 and met[-1] < 0.1:
        raise UserError(
            f"{label}: metallicity goes from {met[0]:g} to {met[-1]:g}, which look like mass fractions Z: "
            "give [M/H] = log10(Z / Z_sun)"
        )
    low, high = _OPTICAL_AA
    step = np.where((wave[1:] > low) & (wave[:-1] < high), wave[1:] / wave[:-1], 1.0)
    if step.size and step.max() > _STEP:
        i = int(np.argmax(step))
        raise UserError(
            f"{label}: no wavelength between {wave[i]:g} and {wave[i + 1]:g} Angstrom: fill the gap, or cut "
            "the grid there"
        )


def refuse_wrong_light(grid, label: str) -> None:
    """Raise `UserError` where the light of all SSPs is far from that of any stars of their mass."""
    inside = (grid.wave_aa >= _OPTICAL_AA[0]) & (grid.wave_aa <= _OPTICAL_AA[1])
    if inside.sum() < 2:
        return
    width = np.gradient(grid.wave_aa[inside]).astype(np.float32)
    # the brightest: old or cut-off SSPs may well be dark
    light = max(float(np.max(plane[:, inside] @ width)) for plane in grid.flux)
    # a narrow range holds a part of the light only
    least = _LIGHT[0] * min(1.0, width.sum() / 5000.0)
    if light > 0.0 and not least <= light <= _LIGHT[1]:
        raise UserError(
            f"{label}: the brightest SSP has {light:.2g} L_sun per M_sun between {_OPTICAL_AA[0]:g} and "
            f"{_OPTICAL_AA[1]:g} Angstrom: give flux in L_sun / Angstrom per M_sun formed"
        )
