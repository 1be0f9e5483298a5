"""Bundles of one filter set and of any, seen through a survey: what several benchmarks share."""

from dataclasses import replace

import jax
import numpy as np

import dsps_sbi as ds
from dsps_sbi.inference.engine import Posteriors
from dsps_sbi.photometry.catalogue import posteriors_of
from dsps_sbi.photometry.data import PhotometryData
from dsps_sbi.photometry.universal.posterior import UniversalPosterior

# Samples of a curve among those of equal shapes
_SAMPLES = 401


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
    costly = ("light", "gas", "rest_aa", "pixel_edges_aa")
    new.__dict__.update({name: model.__dict__[name] for name in costly if name in model.__dict__})
    return new


def resampled(filters):
    """The same curves, all with as many samples."""
    waves = [np.linspace(wave[0], wave[-1], _SAMPLES) for wave in filters.wave_aa]
    trans = [np.interp(w, *curve) for w, *curve in zip(waves, filters.wave_aa, filters.trans, strict=True)]
    return ds.FilterSet(filters.names, tuple(waves), tuple(trans))


def filled_up(filters, n_band):
    """Curves of n_band bands whose names are the same whatever the survey: compiled once for all surveys.

    What is more than the survey has repeats its first band; data of it are missing, see :func:`with_bands`.

    Parameters
    ----------
    filters : FilterSet
        Of equally many samples, see :func:`resampled`.
    n_band : int
    """
    more = n_band - len(filters.names)
    names = tuple(f"band_{i}" for i in range(n_band))
    waves, trans = (curves + curves[:1] * more for curves in (filters.wave_aa, filters.trans))
    return ds.FilterSet(names, waves, trans)


def with_bands(data, n_band):
    """Photometry with bands (Object, n_band), of which those that are more than it has are missing."""
    more = [(0, 0), (0, n_band - data.flux.shape[1])]
    flux, sigma, valid, upper = (np.asarray(a) for a in data[:4])
    sigma = np.pad(sigma, more, constant_values=1.0)
    return PhotometryData(np.pad(flux, more), sigma, np.pad(valid, more), np.pad(upper, more), data.z)


def one_by_one(post, likelihood, data, n_draws, seed):
    """Refined answers, objects of one redshift one after the other: programs of one size are compiled."""
    z = np.asarray(data.z)
    earlier = np.array([np.sum(z[:i] == value) for i, value in enumerate(z)])
    parts, order = [], []
    for turn in range(earlier.max() + 1):
        rows = np.flatnonzero(earlier == turn)
        some = {"n_draws": n_draws, "seed": seed, "ids": rows, "refine": True}
        parts.append(posteriors_of(post, likelihood, rows_of(data, rows), **some))
        order.append(rows)
    return Posteriors.joined(parts).rows(np.argsort(np.concatenate(order)))


def draws_of(post, u, z, names, size=50):
    """Quantities (Quantity, Object, Draw) in batches of one size."""
    parts = []
    for first in range(0, len(u), size):
        rows = np.resize(np.arange(first, min(first + size, len(u))), size)
        part = np.asarray(post.derived_draws(u[rows], z[rows], names), float)
        parts.append(part[:, : min(size, len(u) - first)])
    return np.concatenate(parts, axis=1)


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
