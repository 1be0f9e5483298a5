"""What a galaxy model refuses: parts that do not fit together, and values that it does not stand for."""

import jax.numpy as jnp
import numpy as np

from ..arrays import plain
from ..errors import UserError
from ..instruments.coverage import USABLE

# Spectra hardly change before the first stars explode: an SSP of this age [Gyr] serves all younger stars
_YOUNG_ENOUGH_GYR = 3e-3
# Largest share of the formed mass that may be younger than the youngest SSP where that is older
_YOUNG_SHARE = 0.01


def check_ages(ssp, z, universe_gyr):
    """Refuse an SSP grid that ends before the age of the Universe at the prior's lowest redshift z."""
    oldest = ssp.age_gyr[-1]
    # the last SSP stands for ages up to half a step, in logarithm, beyond its own
    if float(universe_gyr) > oldest**1.5 * ssp.age_gyr[-2:][0] ** -0.5:
        raise UserError(
            f"SSP grid {ssp.name} ends at {oldest:g} Gyr, at z = {z:g} the Universe is "
            f"{float(universe_gyr):.3g} Gyr old: use a grid with older SSPs, "
            "or begin the prior at a higher redshift"
        )


def check_gas(ssp, log_u):
    """Refuse an SSP grid without nebular tables, or a log U (None: all of them) that these do not hold."""
    if ssp.nebular is None:
        raise UserError(f"SSP grid {ssp.name} has no nebular tables: pass log_u=None or another grid")
    low, high = ssp.nebular.log_u[[0, -1]]
    if log_u is None:
        return
    if isinstance(log_u, str) or not low <= log_u <= high:
        raise UserError(f"log U is {log_u!r}: give {low:g} to {high:g}, 'free', or None for no gas")


def check_share(value, name):
    """Refuse what is no share, a number from 0 to 1."""
    if isinstance(value, bool) or not np.isreal(value) or not 0.0 <= value <= 1.0:
        raise UserError(f"{name} is {value!r}: expected a share; give a number from 0 to 1")


def check_values(model, theta, z):
    """Refuse parameters and redshifts that a model does not stand for.

    Parameters
    ----------
    model : GalaxyModel
    theta : array (..., Param)
    z : array (...)

    Raises
    ------
    UserError
    """
    theta, z = plain(theta, "theta", dtype=np.float32), plain(z, "redshift", dtype=np.float32)
    universe = model.cosmology.age(z)
    model.prior.check(theta, z, universe)
    youngest = float(model.ssp.age_gyr[0])
    if youngest > _YOUNG_ENOUGH_GYR:
        params = jnp.asarray(theta[..., : len(model.sfh.names)])
        universe = jnp.broadcast_to(universe, theta.shape[:-1])
        worst = float(jnp.max(model.sfh.fraction_younger(params, jnp.float32(youngest), universe)))
        if worst > _YOUNG_SHARE:
            raise UserError(
                f"{100.0 * worst:.2g} % of the stars are younger than the youngest SSP of {model.ssp.name} "
                f"({1e3 * youngest:g} Myr): use a grid with younger ones, such as bc03-miles"
            )
    blind = np.ravel(jnp.max(model.coverage(z), axis=-1) < 1.0 - USABLE)
    if blind.any():
        raise UserError(
            f"no band lies within the wavelengths of SSP grid {model.ssp.name} at z = "
            f"{np.ravel(z)[blind][0]:g}: use other bands or another grid"
        )
