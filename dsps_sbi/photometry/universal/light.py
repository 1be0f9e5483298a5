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
from ...kernels.full_precision import materialised, matmul
from ..wave_basis import WaveBasis

# A screen of one magnitude in natural logarithm
_LN_MAG = 0.921034037


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
    ages = _in_bins(sfh.fraction_younger(theta[:n], basis.edges_gyr, universe)[None])[0]
    mets = materialised(metallicity_weights(theta[n], basis.metallicity)[None])[0]
    log_u = None
    if basis.log_u is not None:
        log_u = materialised(metallicity_weights(theta[-1], basis.log_u)[None])[0]
    return _by_range(basis, ages, _columns(basis, mets, log_u))


def _in_bins(younger):
    """Masses (n, Age) in bins, from those younger than each edge (n, Age + 1)."""
    n = younger.shape[-1]
    return matmul(younger, jnp.eye(n, n - 1, k=-1) - jnp.eye(n, n - 1))


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
    along = [jax.jvp(younger, (theta[:n],), (jnp.zeros(n).at[i].set(rate[i]),)) for i in range(n)]
    *moved, ages = _in_bins(jnp.stack([*(slope for _, slope in along), along[0][0]]))

    def with_slope(value, rate, nodes):
        return materialised(jnp.stack(jax.jvp(lambda x: metallicity_weights(x, nodes), (value,), (rate,))))

    mets, d_mets = with_slope(theta[n], rate[n], basis.metallicity)
    log_u, d_log_u = (None, None) if basis.log_u is None else with_slope(theta[-1], rate[-1], basis.log_u)
    rows, met_rows = [*moved, ages], [*[mets] * n, d_mets]
    if log_u is None:
        columns = (jnp.stack(met_rows),) * len(basis.basis)
    else:
        # stars do not depend on it
        rows.append(ages)
        gas = [_columns(basis, m, log_u)[1] for m in met_rows] + [_columns(basis, mets, d_log_u)[1]]
        columns = jnp.stack([*met_rows, jnp.zeros_like(mets)]), jnp.stack(gas)
    rows = jnp.stack(rows)
    slopes = [basis.light(i, rows[:, :k], columns[i]) for i, k in enumerate(basis.n_age)]
    return _by_range(basis, ages, _columns(basis, mets, log_u)), jnp.concatenate(slopes, axis=-1)


def behind_screen(rows, bands: Bands, av, slope=False):
    """Fluxes (n, Band) of rows (n, K) of functions through one survey's bands behind a screen A_V ().

    With ``slope``, also the derivatives (n, Band) with respect to A_V.
    """
    pieces = matmul(rows, bands.pieces.T).reshape(len(rows), *bands.screen.shape)
    through = materialised(jnp.exp(-_LN_MAG * av * bands.screen))
    flux = jnp.sum(pieces * through, axis=1)
    if not slope:
        return flux
    return flux, jnp.sum(pieces * (through * (-_LN_MAG * bands.screen)), axis=1)


def behind_screen_of_parts(parts, bands: Bands, av):
    """Fluxes (n, Part, Band) of galaxies that share what their bands see, each behind a screen of its own.

    Parameters
    ----------
    parts : array (n, Part, K)
        Of :func:`parts_of`.
    bands : Bands
        Of one survey.
    av : array (n,)
    """
    n, n_part, _ = parts.shape
    pieces = matmul(parts.reshape(n * n_part, -1), bands.pieces.T).reshape(n, n_part, -1)
    return attenuated(pieces, bands.screen, av)


def attenuated(pieces, screen, av):
    """Fluxes (n, Part, Band) of light in pieces of bands (n, Part, Sub * Band) behind screens A_V (n,)."""
    through = materialised(jnp.exp(-_LN_MAG * av[:, None] * screen.ravel()))
    return jnp.sum((pieces * through[:, None]).reshape(*pieces.shape[:2], *screen.shape), axis=2)


def materialised_weights(values, nodes):
    """Weights (n, Node) of linear interpolation of values (n,), computed once whatever reads them."""
    return materialised(metallicity_weights(values, nodes))
