"""Composite stellar populations: SSPs weighted by mass formed per age and metallicity."""

import jax.numpy as jnp
import numpy as np

from .full_precision import einsum, matmul


def metallicity_weights(metallicity, nodes):
    """Weights of linear interpolation in [M/H]; beyond the grid its edge holds.

    Parameters
    ----------
    metallicity : array (...)
    nodes : array (Met,)

    Returns
    -------
    array (..., Met)
        Non-negative, at most two differ from zero, sum 1.
    """
    x = jnp.clip(metallicity, nodes[0], nodes[-1])
    index = jnp.clip(jnp.searchsorted(nodes, x, side="right") - 1, 0, len(nodes) - 2)
    part = (x - nodes[index]) / (nodes[index + 1] - nodes[index])
    columns = jnp.arange(len(nodes))
    low = jnp.where(columns == index[..., None], 1.0 - part[..., None], 0.0)
    return low + jnp.where(columns == index[..., None] + 1, part[..., None], 0.0)


# Gauss-Legendre nodes within an age bin: exact where its metallicities lie between two nodes
_WITHIN = np.array([0.5 - 0.5 / np.sqrt(3.0), 0.5 + 0.5 / np.sqrt(3.0)], np.float32)


def enriched_weights(younger, metallicity, rise, nodes):
    """Shares of the mass by metallicity and age, [M/H] being linear in the share of the mass formed.

    Parameters
    ----------
    younger : array (..., Age + 1)
        Share of the formed mass younger than the edges of the age bins.
    metallicity : array (...)
        [M/H] when half of the mass existed: its mean over the mass, where the grid holds all of it.
    rise : array (...)
        [M/H] of the last stars less that of the first.
    nodes : array (Met,)
        Beyond the grid its edge holds.

    Returns
    -------
    array (..., Met, Age)
        Sums to 1.
    """
    share = jnp.diff(younger)
    at = younger[..., :-1, None] + share[..., None] * _WITHIN
    line = metallicity[..., None, None] + rise[..., None, None] * (0.5 - at)
    weights = 0.5 * metallicity_weights(line, nodes).sum(axis=-2)
    return jnp.moveaxis(share[..., None] * weights, -1, -2)


def mean_of_line(metallicity, rise, low, high):
    """Mean over the mass (...) of the [M/H] of :func:`enriched_weights`, on a grid from low to high."""

    def integral(x):
        # of clip(x, low, high), from low on
        inside = jnp.clip(x, low, high)
        return (
            0.5 * (inside**2 - low**2) + low * jnp.minimum(x - low, 0.0) + high * jnp.maximum(x - high, 0.0)
        )

    # a rise that is none would divide by zero
    rise = jnp.where(jnp.abs(rise) < 1e-2, 1e-2, rise)
    return (integral(metallicity + 0.5 * rise) - integral(metallicity - 0.5 * rise)) / rise


def outer(first, second):
    """Products (..., n * m) of two sets of weights (..., n) and (..., m), the second one fast."""
    joint = first[..., :, None] * second[..., None, :]
    return joint.reshape(*joint.shape[:-2], -1)


def composite(age_weights, met_weights, grid):
    """Sum of SSPs for one metallicity per galaxy.

    Parameters
    ----------
    age_weights : array (..., Age)
        Share of the formed mass per age.
    met_weights : array (..., Met)
    grid : array (Met, Age, n)
        Anything that adds linearly: spectra, band fluxes, surviving fractions.

    Returns
    -------
    array (..., n)
    """
    # one product with the grid as it lies in memory: no transposed copy of what may be 100 MB
    return matmul(outer(met_weights, age_weights), grid.reshape(-1, grid.shape[-1]))


def composite_joint(joint_weights, grid):
    """Sum of SSPs for a metallicity that may differ from age to age.

    With the outer product of age and metallicity weights it equals :func:`composite`.

    Parameters
    ----------
    joint_weights : array (..., Age, Met)
        Share of the formed mass per age and metallicity; sums to 1.
    grid : array (Met, Age, n)

    Returns
    -------
    array (..., n)
    """
    return einsum("...am,man->...n", joint_weights, grid)


def composite_by_age(age_weights, met_weights, grid):
    """As :func:`composite`, contracting ages first: one large matrix product for a whole batch.

    Parameters
    ----------
    age_weights : array (Object, Age)
    met_weights : array (Object, Met)
    grid : array (Age, Met, n)

    Returns
    -------
    array (Object, n)
    """
    n_age, n_met, n = grid.shape
    per_met = matmul(age_weights, grid.reshape(n_age, n_met * n)).reshape(-1, n_met, n)
    return einsum("bm,bmn->bn", met_weights, per_met)
