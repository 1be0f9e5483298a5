"""Fluxes of galaxies in bands of any filters, and their derivatives, from few functions of wavelength.

All that does not depend on the filters comes first: how much of each function a galaxy has. Galaxies of one
survey and redshift share what its bands see of the functions, so that their fluxes are one product of
matrices. Derivatives are written out: only ages depend on the history, and only columns on metallicity and
log U.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ...kernels.csp import metallicity_weights
from ...kernels.full_precision import matmul
from ..wave_basis import WaveBasis

# A screen of one magnitude in natural logarithm
_LN_MAG = 0.921034037


# A barrier: else the compiler would do all that goes in again for every number that comes of it
_once = jax.lax.optimization_barrier


class Bands(NamedTuple):
    """What the bands of one survey see at one redshift; a pytree whose leaves may carry an axis ``Survey``.

    Parameters
    ----------
    pieces : array (Sub * Band, K)
        Of each function of a :class:`~dsps_sbi.photometry.wave_basis.WaveBasis`.
    screen : array (Sub, Band)
        A(lambda) / A_V.
    pivot_aa : array (Band,)
        Pivot wavelengths, observed [Angstrom]; 1e4 where there is no band.
    width : array (Band,)
        Widths of the filters in ln wavelength, see :attr:`~dsps_sbi.instruments.filters.FilterSet.log_width`.
    """

    pieces: jax.Array
    screen: jax.Array
    pivot_aa: jax.Array
    width: jax.Array


def _columns(basis: WaveBasis, mets, log_u):
    """Weights (Column,) of the columns of stars, and of gas."""
    gas = mets if log_u is None else (log_u[:, None] * mets).ravel()
    return (mets, gas)[: len(basis.basis)]


def parts_of(basis: WaveBasis, sfh, theta, universe):
    """How much of each function stars of each range of ages have; traceable.

    Parameters
    ----------
    basis : WaveBasis
    sfh : StarFormationHistory
    theta : array (Param - 1,)
        Of one galaxy, all but the mass.
    universe : array ()
        Age of the Universe [Gyr].

    Returns
    -------
    array (Part, K)
        The youngest stars first.
    """
    n = len(sfh.names)
    younger = _once(sfh.fraction_younger(theta[:n], basis.edges_gyr, universe))
    log_u = None if basis.log_u is None else metallicity_weights(theta[-1], basis.log_u)
    columns = _columns(basis, metallicity_weights(theta[n], basis.metallicity), log_u)
    return _by_range(basis, *_once((jnp.diff(younger), columns)))


def _by_range(basis, ages, columns):
    return jnp.concatenate([basis.by_range(i, ages, column) for i, column in enumerate(columns)], axis=-1)


def parts_and_slopes(basis: WaveBasis, sfh, theta, rate, universe):
    """As :func:`parts_of`, and derivatives of the sum over ranges of ages.

    Parameters
    ----------
    rate : array (Param - 1,)
        Derivative of each parameter with respect to its own normal coordinate.

    Returns
    -------
    parts : array (Part, K)
    slopes : array (Param - 2, K)
        Along the normal coordinate of each parameter but A_V, in their order.
    """
    n = len(sfh.names)

    def younger(params):
        return sfh.fraction_younger(params, basis.edges_gyr, universe)

    # one after the other: mapped over tangents they would be the inner, short loops
    along = [jax.jvp(younger, (theta[:n],), (jnp.zeros(n).at[i].set(1.0),)) for i in range(n)]
    curves = _once([along[0][0], *(slope for _, slope in along)])
    ages, moved = jnp.diff(curves[0]), [rate[i] * jnp.diff(curves[i + 1]) for i in range(n)]

    def with_slope(value, rate, nodes):
        return jax.jvp(lambda x: metallicity_weights(x, nodes), (value,), (rate,))

    mets, d_mets = with_slope(theta[n], rate[n], basis.metallicity)
    log_u, d_log_u = (None, None) if basis.log_u is None else with_slope(theta[-1], rate[-1], basis.log_u)
    columns, of_mets = _columns(basis, mets, log_u), _columns(basis, d_mets, log_u)
    rows = jnp.stack([*moved, ages])
    weights = [jnp.stack([*[column] * n, slope]) for column, slope in zip(columns, of_mets, strict=True)]
    if log_u is not None:
        # stars do not depend on it
        rows = jnp.concatenate([rows, ages[None]])
        of_gas = _columns(basis, mets, d_log_u)[1]
        weights = [jnp.pad(weights[0], ((0, 1), (0, 0))), jnp.concatenate([weights[1], of_gas[None]])]
    ages, columns, rows, weights = _once((ages, columns, rows, weights))
    slopes = [
        basis.light(i, rows[:, :k], w) for i, (k, w) in enumerate(zip(basis.n_age, weights, strict=True))
    ]
    return _once((_by_range(basis, ages, columns), jnp.concatenate(slopes, axis=-1)))


def behind_screen(rows, bands: Bands, av, slope=False):
    """Fluxes (n, Band) of rows (n, K) of functions through one survey's bands behind a screen A_V ().

    With ``slope``, also the derivatives (n, Band) with respect to A_V.
    """
    pieces = matmul(rows, bands.pieces.T).reshape(len(rows), *bands.screen.shape)
    seen = pieces * jnp.exp(-_LN_MAG * av * bands.screen)
    flux = jnp.sum(seen, axis=1)
    return (flux, jnp.sum(seen * (-_LN_MAG * bands.screen), axis=1)) if slope else flux
