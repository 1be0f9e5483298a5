"""SSPs integrated through every band at one redshift: the fast path of the forward model."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ..dust import DustLaw, birth_age, free_names, is_plain
from ..inference.exported import exported
from ..kernels import chebyshev
from ..kernels.csp import metallicity_weights
from ..kernels.full_precision import einsum, matmul
from ..kernels.screen import range_of
from ..sfh import mass_weights

# Ages of a trimmed table come in multiples of this: few shapes, hence few compilations
_AGES_STEP = 16


class Layer(Protocol):
    """One kind of light through the bands; ``of_log_u`` if it is what each log U adds."""

    of_log_u: bool

    def light(self, ages, columns, shape, first):
        """Light (Sub, Band, Object) of some age bins.

        Parameters
        ----------
        ages : array (Age', Object)
            Masses in the bins ``first``, ``first + 1``...; those without such light are left out. For
            one galaxy, here and below, without the axis ``Object``.
        columns : array (Met', Object)
            Weights of metallicity, or of log U and metallicity.
        shape : tuple
            (Sub, Band, Object).
        first : int
        """


@partial(jax.tree_util.register_dataclass, data_fields=["flux"], meta_fields=["of_log_u"])
@dataclass(frozen=True)
class WholeLayer:
    """Light of every SSP.

    Parameters
    ----------
    flux : array (Met' * Sub * Band, Age')
        uJy per solar mass formed, IGM included, dust not: the light times each of the Sub Lagrange
        polynomials of :mod:`dsps_sbi.kernels.chebyshev`. Age' are the first ages of the SSPs, as many as
        have such light; Met' is Met, or LogU * Met.
    of_log_u : bool
        Whether it is what each log U adds.
    """

    flux: jax.Array
    of_log_u: bool = False

    def light(self, ages, columns, shape, first):
        """See :class:`Layer`."""
        flux = self.flux[:, first : first + len(ages)]
        if flux.shape[1] == 0:
            return 0.0
        per_met = matmul(flux, ages[: flux.shape[1]]).reshape(-1, *shape)
        # term by term, so that it is compiled into one loop with what follows
        total = 0.0
        for weight, light in zip(columns, per_met, strict=True):
            total = total + weight * light
        return total


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["z", "universe_gyr", "layers", "screen", "edges_gyr", "metallicity"],
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
        Stars with gas of fixed log U, and what each log U adds where that is free.
    screen : array (Sub, Band)
        A(lambda) / A_V at the nodes of each band; for laws that are evaluated for each galaxy, the
        rest wavelengths of the nodes [Angstrom].
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
    screen: jax.Array
    edges_gyr: jax.Array
    metallicity: jax.Array
    n_sub: int
    dust: DustLaw | None = None
    n_young: int = 0

    def trimmed(self) -> "BandTable":
        """The same table (of one redshift) without most of the SSPs that are older than the Universe."""
        needed = int(np.searchsorted(np.asarray(self.edges_gyr), float(self.universe_gyr)))
        n = -(-needed // _AGES_STEP) * _AGES_STEP
        layers = tuple(replace(layer, flux=layer.flux[:, :n]) for layer in self.layers)
        return replace(self, layers=layers, edges_gyr=self.edges_gyr[: n + 1])


def _empty(model, z) -> BandTable:
    """A table of the structure that :func:`build_table` gives."""
    layers = (WholeLayer(0),) if model.gas is None else (WholeLayer(0), WholeLayer(0, True))
    arrays = dict.fromkeys(("universe_gyr", "screen", "edges_gyr", "metallicity"), 0)
    return BandTable(z, layers=layers, n_sub=model.n_screen, **arrays, **of_law(model.dust, model.edges_gyr))


@exported(_empty)
@jax.jit
def build_table(model, z) -> BandTable:
    """Band table of a model at a redshift; compiled.

    Parameters
    ----------
    model : GalaxyModel
    z : array ()
    """
    plain, n_age = is_plain(model.dust), model.n_age
    pieces, screen = screened(model.dust, model.rest_aa, model.band_weights(z), model.n_wave, model.n_screen)
    layers = [WholeLayer(_through(pieces, model.light[:, :n_age]))]
    if model.gas is not None:
        layers.append(WholeLayer(_through(pieces, model.gas), True))
    return BandTable(
        z=z,
        universe_gyr=model.cosmology.age(z),
        layers=tuple(layers),
        screen=screen,
        edges_gyr=model.edges[: n_age + 1],
        metallicity=model.nodes,
        n_sub=model.n_screen,
        dust=None if plain else model.dust,
        n_young=model.n_young,
    )


def screened(dust: DustLaw, rest_aa, weights, n_wave: int, n_sub: int):
    """Pieces of bands behind a dust screen, and where the screen is evaluated.

    Parameters
    ----------
    dust : DustLaw
    rest_aa : array (Wave + Line,)
    weights : array (Band, Wave + Line)
        Of each wavelength in each band, without dust.
    n_wave : int
        Wave.
    n_sub : int
        Nodes of each band, see :mod:`dsps_sbi.kernels.screen`.

    Returns
    -------
    pieces : array (Sub * Band, Wave + Line)
    screen : array (Sub, Band)
        As that of :class:`BandTable`.
    """
    # a plain law is exponential in its own A(lambda), the best coordinate that there is
    coordinate = dust(rest_aa) if is_plain(dust) else jnp.log(rest_aa)
    middle, half = range_of(coordinate, weights, n_wave)
    x = (coordinate - middle[:, None]) / half[:, None]
    nodes = middle + half * jnp.asarray(chebyshev.nodes(n_sub), jnp.float32)[:, None]
    pieces = (chebyshev.lagrange(x, n_sub) * weights).reshape(-1, len(rest_aa))
    return pieces, nodes if is_plain(dust) else jnp.exp(nodes)


def of_law(dust: DustLaw, edges_gyr) -> dict:
    """What a :class:`BandTable` has to know of a dust law: ``dust`` and ``n_young``."""
    birth = birth_age(dust)
    n_young = 0 if birth is None else int(np.searchsorted(np.asarray(edges_gyr), birth))
    return {"dust": None if is_plain(dust) else dust, "n_young": n_young}


def _through(pieces, light):
    """Light (Met', Age', Wave + Line) through pieces (n, Wave + Line) of bands: (Met' * n, Age')."""
    flux = einsum("kn,man->mka", pieces, light)
    return flux.reshape(-1, flux.shape[-1])


def fast_fluxes(table: BandTable, sfh, sfh_params, metallicity, av, log_u=None, parts=None):
    """Fluxes of many galaxies at the table's redshift, or of one, per solar mass formed.

    Parameters
    ----------
    table : BandTable
        One redshift.
    sfh : StarFormationHistory
    sfh_params : array (Object, n)
        Without the axis ``Object`` where it is one galaxy, as all others.
    metallicity : array (Object,)
    av : array (Object,)
        Or (Object, 1 + n) with the n free parameters of the dust law.
    log_u : array (Object, LogU) or None
        Interpolation weights of the free ionisation parameter.
    parts : tuple of int or None
        Age bins at which the light of younger and of older stars is told apart.

    Returns
    -------
    array (Object, Band)
        uJy per solar mass formed; (Object, Part, Band) with ``parts``, the youngest stars first.
    """

    # galaxies along the last axis from here on: everything but the matrix product is then a loop over
    # neighbours in memory
    def weights(edges_gyr):
        of_one = partial(mass_weights, sfh, edges_gyr=edges_gyr, universe_gyr=table.universe_gyr)
        return jax.vmap(of_one, out_axes=1)(sfh_params) if batch else of_one(sfh_params)

    batch = jnp.shape(metallicity)

    mets = metallicity_weights(metallicity, table.metallicity).T
    log_u = None if log_u is None else log_u.T
    shape = (*table.screen.shape, *batch)
    mix = partial(_mix, table.layers, mets, log_u, shape)
    ages = weights(table.edges_gyr)
    n = table.n_young
    law = table.dust
    if law is None:
        over = table.screen.reshape(*table.screen.shape, *(1 for _ in batch)) * av
    else:
        av, dust_params = (av[..., :1], av[..., 1:]) if free_names(law) else (av[..., None], None)
        rest_aa = table.screen.ravel()
        over = (av * law(rest_aa, dust_params)).T.reshape(shape)
    if n:
        # the bin in which birth clouds end is young in part: both sums have it
        young = weights(jnp.minimum(table.edges_gyr[: n + 1], birth_age(law)))
        old = jnp.concatenate([ages[n - 1 : n] - young[n - 1 :], ages[n:]])
        cloud = (av * law.birth(rest_aa, dust_params)).T.reshape(shape)

    def between(first, last):
        if n == 0:
            return _attenuated(mix(ages[first:last], first), over)
        inside = _attenuated(mix(young[first:last], first), over + cloud)
        begin = max(first, n - 1)
        return inside + _attenuated(mix(old[begin - n + 1 : max(last, begin) - n + 1], begin), over)

    if parts is None:
        return between(0, len(ages)).T
    ends = (0, *(min(end, len(ages)) for end in parts), len(ages))
    light = jnp.stack([between(*pair) for pair in pairwise(ends)])
    return jnp.moveaxis(light, -1, 0) if batch else light


def _mix(layers, mets, log_u, shape, ages, first=0):
    """Light (Sub, Band, Object) of the age bins ``first``, ``first + 1``... with masses (Age', Object)."""
    both = None if log_u is None else (log_u[:, None] * mets).reshape(-1, *shape[2:])
    light = sum(layer.light(ages, both if layer.of_log_u else mets, shape, first) for layer in layers)
    # no age bin has light of any kind: a table that ends before the ages of a part
    return jnp.broadcast_to(light, shape) if jnp.ndim(light) == 0 else light


def _attenuated(light, magnitudes):
    """Sum (Band, Object) of light (Sub, Band, Object) behind a screen of some magnitudes."""
    pieces = light * jnp.exp(-0.4 * np.log(10.0) * magnitudes)
    total = pieces[0]
    for piece in pieces[1:]:
        total = total + piece
    return total


def split_shape(theta, sfh, dust):
    """SFH parameters (..., n), [M/H] (...), and A_V (...) out of a model's parameters (..., Param).

    For a dust law with n free parameters A_V comes with these, as (..., 1 + n).
    """
    n, n_dust = len(sfh.names), len(free_names(dust))
    av = theta[..., n + 1 : n + 2 + n_dust] if n_dust else theta[..., n + 1]
    return theta[..., :n], theta[..., n], av


def shape_fluxes(table: BandTable, sfh, theta, log_u=None, parts=None):
    """As :func:`fast_fluxes`, from all parameters of a model but the mass, in their order.

    Parameters
    ----------
    table : BandTable
    sfh : StarFormationHistory
    theta : array (Object, Param - 1) or (Param - 1,)
    log_u : array (LogU,) or None
        Nodes of the free ionisation parameter.
    parts : tuple of int or None
    """
    gas = None if log_u is None else metallicity_weights(theta[..., -1], log_u)
    return fast_fluxes(table, sfh, *split_shape(theta, sfh, table.dust), gas, parts)
