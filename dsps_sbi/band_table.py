"""SSPs integrated through every band at one redshift: the fast path of the forward model."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from .dust import DustLaw, birth_age, free_names
from .kernels.csp import composite_by_age, metallicity_weights
from .sfh import mass_weights


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["z", "universe_gyr", "flux", "screen", "edges_gyr", "metallicity"],
    meta_fields=["n_sub", "dust", "n_young"],
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
        A(lambda) / A_V at the centre of each piece of each band; where ``dust`` is given, the rest
        wavelength there [Angstrom].
    edges_gyr : array (Age + 1,)
    metallicity : array (Met,)
    n_sub : int
    dust : DustLaw or None
        Law with free parameters or two screens, to be evaluated for each galaxy.
    n_young : int
        Age bins that begin before the age of its birth clouds.
    """

    z: jax.Array
    universe_gyr: jax.Array
    flux: jax.Array
    screen: jax.Array
    edges_gyr: jax.Array
    metallicity: jax.Array
    n_sub: int
    dust: DustLaw | None = None
    n_young: int = 0


def fast_fluxes(table: BandTable, sfh, sfh_params, metallicity, av):
    """Fluxes of many galaxies at the table's redshift, per solar mass formed.

    Parameters
    ----------
    table : BandTable
        One redshift.
    sfh : StarFormationHistory
    sfh_params : array (Object, n)
    metallicity : array (Object,)
    av : array (Object,)
        Or (Object, 1 + n) with the n free parameters of the dust law.

    Returns
    -------
    array (Object, Band)
        uJy per solar mass formed.
    """
    def weights(edges_gyr):
        return jax.vmap(lambda p: mass_weights(sfh, p, edges_gyr, table.universe_gyr))(sfh_params)

    ages = weights(table.edges_gyr)
    mets = metallicity_weights(metallicity, table.metallicity)
    if table.dust is None:
        pieces = composite_by_age(ages, mets, table.flux)
        dimmed = pieces * 10.0 ** (-0.4 * av[:, None] * table.screen)
    else:
        dimmed = _through_dust(table, weights, ages, mets, av)
    return dimmed.reshape(len(av), table.n_sub, -1).sum(axis=1)


def _through_dust(table, weights, ages, mets, av):
    """Attenuated pieces (Object, Sub * Band) for laws with free parameters or two screens."""
    law = table.dust
    av, own = (av[:, :1], av[:, 1:]) if free_names(law) else (av[:, None], None)
    screen = 10.0 ** (-0.4 * av * law(table.screen, own))
    n = table.n_young
    if n == 0:
        return composite_by_age(ages, mets, table.flux) * screen
    # the bin in which birth clouds end is young in part: both sums have it
    young = weights(jnp.minimum(table.edges_gyr[: n + 1], birth_age(law)))
    old = jnp.concatenate([ages[:, n - 1 : n] - young[:, n - 1 :], ages[:, n:]], axis=1)
    cloud = 10.0 ** (-0.4 * av * law.birth(table.screen, own))
    near = composite_by_age(young, mets, table.flux[:n]) * cloud
    return (near + composite_by_age(old, mets, table.flux[n - 1 :])) * screen
