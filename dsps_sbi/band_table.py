"""SSPs integrated through every band at one redshift: the fast path of the forward model."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from .kernels.csp import composite_by_age, metallicity_weights
from .sfh import mass_weights


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["z", "universe_gyr", "flux", "screen", "edges_gyr", "metallicity"],
    meta_fields=["n_sub"],
)
@dataclass(frozen=True)
class BandTable:
    """Band fluxes of SSPs at fixed redshift(s); a pytree whose leaves may carry a leading z axis.

    Parameters
    ----------
    z : array ()
    universe_gyr : array ()
        Age of the Universe at z [Gyr].
    flux : array (Age, Met, Sub * Band)
        uJy per solar mass formed, IGM included, dust not; Sub is the slow axis.
    screen : array (Sub * Band,)
        A(lambda) / A_V at the centre of each piece of each band.
    edges_gyr : array (Age + 1,)
    metallicity : array (Met,)
    n_sub : int
    """

    z: jax.Array
    universe_gyr: jax.Array
    flux: jax.Array
    screen: jax.Array
    edges_gyr: jax.Array
    metallicity: jax.Array
    n_sub: int


def fast_fluxes(table: BandTable, sfh, sfh_params, metallicity, av):
    """Fluxes of many galaxies at the table's redshift, per solar mass formed.

    Parameters
    ----------
    table : BandTable
        One redshift.
    sfh : StarFormationHistory
    sfh_params : array (Object, n)
    metallicity, av : array (Object,)

    Returns
    -------
    array (Object, Band)
        uJy per solar mass formed.
    """
    ages = jax.vmap(lambda p: mass_weights(sfh, p, table.edges_gyr, table.universe_gyr))(sfh_params)
    pieces = composite_by_age(ages, metallicity_weights(metallicity, table.metallicity), table.flux)
    dimmed = pieces * 10.0 ** (-0.4 * av[:, None] * table.screen)
    return dimmed.reshape(len(av), table.n_sub, -1).sum(axis=1)
