"""Grids with more ages: what lies between two SSPs, by interpolation."""

from dataclasses import replace

import numpy as np

from dsps_sbi.errors import UserError
from dsps_sbi.ssp.grid import SSPGrid


def finer_ages(grid: SSPGrid, step_gyr: float = 0.1, step_dex: float = 0.05) -> SSPGrid:
    """A grid whose ages are no farther apart than wanted: linear in the logarithm of the age in between.

    Models give each star the SSP of the nearest age. With ages in steps of 0.1 dex, all stars of 11.2 to 14.1
    Gyr are alike, and nothing tells their histories apart. Between SSPs, light changes smoothly with age;
    interpolation adds no knowledge of stars, it takes away the steps.

    Parameters
    ----------
    grid : SSPGrid
        Without gas.
    step_gyr, step_dex : float
        The largest step: whichever is the smaller one at an age.

    Returns
    -------
    SSPGrid
        With all SSPs of the grid, and more between them.

    Raises
    ------
    UserError
        For steps that are none, so small that there would be thousands of ages, or a grid with gas.
    """
    if not (0.0 < step_gyr < np.inf and 0.0 < step_dex < np.inf):
        raise UserError(f"steps of {step_gyr} Gyr and {step_dex} dex: give two numbers above 0")
    if grid.nebular is not None:
        raise UserError(f"SSP grid {grid.name} has gas: give one of stars alone")
    ages = [grid.age_gyr[:1]]
    for low, high in zip(grid.age_gyr[:-1], grid.age_gyr[1:], strict=True):
        n = max(np.ceil((high - low) / step_gyr), np.ceil(np.log10(high / low) / step_dex), 1.0)
        if not n < 5000:
            raise UserError(
                f"steps of {step_gyr} Gyr and {step_dex} dex make {n:.0f} ages between {low:g} and {high:g} "
                "Gyr: give larger ones"
            )
        # as even in Gyr as the logarithm allows: old SSPs are far apart, young ones near
        even = low + (high - low) * np.arange(1, int(n) + 1) / n
        ages.append(np.r_[even[:-1], high])
    ages = np.concatenate(ages)
    place = np.interp(np.log(ages), np.log(grid.age_gyr), np.arange(grid.age_gyr.size))
    left = np.minimum(place.astype(int), grid.age_gyr.size - 2)
    part = place - left

    def between(table):
        shape = (-1, *[1] * (table.ndim - 2))
        share = part.reshape(shape)
        return (1.0 - share) * table[:, left] + share * table[:, left + 1]

    tables = {"flux": between(grid.flux).astype(np.float32)}
    for name in ("living_fraction", "surviving_fraction"):
        table = getattr(grid, name)
        if table is not None:
            tables[name] = between(table)
    return replace(grid, name=f"{grid.name}, {ages.size} ages", age_gyr=ages, **tables)
