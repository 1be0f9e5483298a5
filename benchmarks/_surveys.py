"""Bundles of one filter set and of any, seen through a survey: what several benchmarks share."""

from dataclasses import replace

import jax
import numpy as np

from dsps_sbi.photometry.universal.posterior import _COSTLY, UniversalPosterior


def through(post, filters, floor=None):
    """The posterior of a survey's filters, or the bundle itself if it is of given ones.

    Parameters
    ----------
    post : PhotometryPosterior or UniversalPosterior
    filters : FilterSet or sequence of str
    floor : float, optional
        Of a bundle for any filters; others have one.
    """
    if not isinstance(post, UniversalPosterior):
        return post
    return post.for_filters(filters) if floor is None else post.for_filters(filters, floor)


def with_error(model, error):
    """The same model with another error of its SSPs, whose light is not made again."""
    new = replace(model, error=error)
    new.__dict__.update({name: model.__dict__[name] for name in _COSTLY if name in model.__dict__})
    return new


def rows_of(tree, rows):
    """Some of the objects."""
    return jax.tree.map(lambda a: np.asarray(a)[rows], tree)


def bright_mocks(simulator, snr_min, n_z, n_per_z, seed, z_range=None):
    """Mocks of n_z stratified redshifts above a cut in observed S/N, n_per_z each where there are that many.

    Parameters
    ----------
    simulator : PhotometrySimulator
    snr_min : float
        As the simulator counts it.
    n_z, n_per_z : int
    seed : int
    z_range : tuple of float, optional
        Within that of the prior.

    Returns
    -------
    PhotometryMocks
        Of ndarrays; those of one redshift one after the other.
    """
    low, high = simulator.model.prior.z if z_range is None else z_range
    rng = np.random.default_rng(seed)
    mocks = []
    for i, z in enumerate(low + (np.arange(n_z) + rng.random(n_z)) / n_z * (high - low)):
        table = jax.tree.map(lambda leaf: leaf[None], simulator.model.band_table(np.float32(z), trim=False))
        key = jax.random.fold_in(jax.random.key(seed + 1), i)
        some = simulator.mocks(key, table, 1, 16 * n_per_z)
        mocks.append(rows_of(some, np.flatnonzero(np.asarray(simulator.snr(some)) > snr_min)[:n_per_z]))
    return jax.tree.map(lambda *parts: np.concatenate(parts), *mocks)
