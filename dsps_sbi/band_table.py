"""SSPs integrated through every band at one redshift: the fast path of the forward model."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from .dust import DustLaw, birth_age, free_names
from .kernels.csp import composite_by_age, metallicity_weights, outer
from .sfh import mass_weights


@partial(jax.tree_util.register_dataclass, data_fields=["flux", "screen"], meta_fields=["of_log_u"])
@dataclass(frozen=True)
class Layer:
    """One kind of light in pieces of the bands: continuum, or lines.

    Parameters
    ----------
    flux : array (Age', Met', Sub * Band)
        uJy per solar mass formed, IGM included, dust not; Sub is the slow axis. Age' are the first
        ages of the SSPs, as many as have such light; Met' is Met, or LogU * Met.
    screen : array (Sub * Band,)
        A(lambda) / A_V where the light of each piece comes from; for laws that are evaluated for
        each galaxy, the rest wavelength there [Angstrom].
    of_log_u : bool
        Whether it is what each log U adds.
    """

    flux: jax.Array
    screen: jax.Array
    of_log_u: bool = False


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["z", "universe_gyr", "layers", "edges_gyr", "metallicity"],
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
    layers : tuple of Layer
        Continuum and lines apart: in one piece, lines would pull the continuum's screen about.
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
    layers: tuple[Layer, ...]
    edges_gyr: jax.Array
    metallicity: jax.Array
    n_sub: int
    dust: DustLaw | None = None
    n_young: int = 0


def fast_fluxes(table: BandTable, sfh, sfh_params, metallicity, av, log_u=None):
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
    log_u : array (Object, LogU) or None
        Interpolation weights of the free ionisation parameter.

    Returns
    -------
    array (Object, Band)
        uJy per solar mass formed.
    """

    def weights(edges_gyr):
        return jax.vmap(lambda p: mass_weights(sfh, p, edges_gyr, table.universe_gyr))(sfh_params)

    ages = weights(table.edges_gyr)
    mets = metallicity_weights(metallicity, table.metallicity)
    total = 0.0
    for layer in table.layers:
        columns = outer(log_u, mets) if layer.of_log_u else mets
        if table.dust is None:
            pieces = _mix(layer, ages, columns) * 10.0 ** (-0.4 * av[:, None] * layer.screen)
        else:
            pieces = _through_dust(table, layer, weights, ages, columns, av)
        total = total + pieces.reshape(len(ages), table.n_sub, -1).sum(axis=1)
    return total


def _mix(layer, ages, columns, first=0):
    """Pieces (Object, Sub * Band) of the light of the age bins ``first``, ``first + 1``..."""
    flux = layer.flux[first : first + ages.shape[1]]
    return composite_by_age(ages[:, : len(flux)], columns, flux)


def _through_dust(table, layer, weights, ages, columns, av):
    """Attenuated pieces (Object, Sub * Band) for laws with free parameters or two screens."""
    law = table.dust
    av, own = (av[:, :1], av[:, 1:]) if free_names(law) else (av[:, None], None)
    screen = 10.0 ** (-0.4 * av * law(layer.screen, own))
    n = table.n_young
    if n == 0:
        return _mix(layer, ages, columns) * screen
    # the bin in which birth clouds end is young in part: both sums have it
    young = weights(jnp.minimum(table.edges_gyr[: n + 1], birth_age(law)))
    old = jnp.concatenate([ages[:, n - 1 : n] - young[:, n - 1 :], ages[:, n:]], axis=1)
    cloud = 10.0 ** (-0.4 * av * law.birth(layer.screen, own))
    return (_mix(layer, young, columns) * cloud + _mix(layer, old, columns, n - 1)) * screen
