"""What a spectrum model refuses: parts that do not fit together."""

import numpy as np

from ..dust import birth_age, free_names
from ..errors import UserError

# What ``model_error`` is set to where it is a parameter of each spectrum
FREE = "free"
# Parameters that a model has if its prior has them, in order
OPTIONAL = ("metallicity_rise", "velocity", "log_error_scale", "log_misfit")


def check_parts(model):
    """Refuse grids, dust, priors and options that do not fit together.

    Parameters
    ----------
    model : SpectrumModel

    Raises
    ------
    UserError
    """
    _check_grids(model)
    if model.dust is not None and birth_age(model.dust) is not None:
        raise UserError("this dust law has two screens: give a spectrum model one with a single screen")
    if model.sharper not in ("refuse", "mask"):
        raise UserError(f"sharper is {model.sharper!r}: give 'refuse' or 'mask'")
    if model.model_error != FREE and not (np.isreal(model.model_error) and 0.0 <= model.model_error < 1.0):
        raise UserError(
            f"model_error is {model.model_error!r}: give a share of the flux from 0 to 1, or 'free'"
        )
    alpha = ("alpha_fe",) if len(model.grids) > 1 else ()
    dust = () if model.dust is None else ("av", *free_names(model.dust))
    error = ("log_model_error",) if model.model_error == FREE else ()
    optional = {name: (name,) if name in model.prior.names else () for name in OPTIONAL}
    rise, velocity, *sizes = optional.values()
    first = *model.sfh.names, "metallicity", *rise, *alpha, *dust, "sigma_v", *velocity
    expected = (*first, *error, *sum(sizes, ()), "log_mass_formed")
    if model.prior.names != expected:
        given = ", ".join(model.prior.names)
        raise UserError(f"prior of {given}; this model needs one of {', '.join(expected)}")
    low, high = model.sigma_v_km_s
    if not 0.0 <= low < high <= 2000.0:
        raise UserError(f"prior of sigma_v from {low:g} to {high:g} km/s: give 0 <= low < high <= 2000")


def _check_grids(model):
    first = next(iter(model.grids.values()))
    for alpha, grid in model.grids.items():
        if grid.fwhm_aa is None:
            raise UserError(
                f"SSP grid {grid.name} does not say its resolution: set it with "
                "dataclasses.replace(grid, fwhm_aa=...)"
            )
        for axis in ("wave_aa", "age_gyr", "metallicity"):
            if not np.array_equal(getattr(grid, axis), getattr(first, axis)):
                raise UserError(
                    f"the SSP grids have other {axis} at [alpha/Fe] {alpha:+g}: give grids that differ "
                    "in nothing else"
                )
    if list(model.grids) != sorted(model.grids):
        raise UserError("the SSP grids are not in the order of [alpha/Fe]: sort them")
