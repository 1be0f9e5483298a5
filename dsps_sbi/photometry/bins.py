"""Pixels joined to bins of a wanted signal-to-noise ratio, by the scheme of Cappellari & Copin (2003).

The scheme is that of MNRAS 342, 345: bins are grown from the brightest pixel on (their section 5.1), then all
pixels go to the nearest of the centroids of the bins that reached the wanted ratio, so that bins are the
cells of a Voronoi tessellation. A last iteration of centroids, weighted as in Diehl & Statler (2006, MNRAS
368, 497), is not made: bins then scatter somewhat more about the wanted ratio.
"""

import numpy as np
from scipy.spatial import cKDTree

from ..errors import UserError
from ..io.catalogue import Catalogue

# Largest excess of a bin's radius over that of a circle of its area: their equation 5
_ROUNDNESS = 0.3
# A bin is full at this share of the wanted ratio
_FULL = 0.8


def bin_pixels(signal, noise, target: float, snr_min: float = 1.0) -> np.ndarray:
    """Bins (ny, nx) of an image, numbered from 0, -1 where there is none.

    Parameters
    ----------
    signal, noise : array (ny, nx)
        In one unit; pixels where one of them is not finite, or the noise is not positive, are in no bin.
    target : float
        Signal-to-noise ratio that bins shall have; noise of pixels is independent.
    snr_min : float
        Pixels below this ratio are in no bin: they would add noise to their bins.

    Raises
    ------
    UserError
        For a target that is not positive, or that no pixels together reach.
    """
    signal, noise = np.asarray(signal, float), np.asarray(noise, float)
    if not target > 0.0:
        raise UserError(f"S/N of {target:g} was asked for: expected a number above 0; mend it")
    good = np.isfinite(signal) & np.isfinite(noise) & (noise > 0.0)
    good[good] = signal[good] > snr_min * noise[good]
    places = np.argwhere(good)
    s, n2 = signal[good], noise[good] ** 2
    bins = _grown(places, s, n2, target) if len(s) else np.zeros(0, int)
    full = np.unique(bins[bins >= 0])
    if not len(full):
        best = s.sum() / np.sqrt(n2.sum()) if len(s) else 0.0
        raise UserError(
            f"S/N of {target:g} was asked for, the {len(s)} pixels above S/N {snr_min:g} reach {best:.3g} "
            "together and make no bin: ask for less"
        )
    middles = np.array([places[bins == k].mean(axis=0) for k in full])
    _, nearest = cKDTree(middles).query(places)
    # numbers without gaps
    _, numbers = np.unique(nearest, return_inverse=True)
    out = np.full(signal.shape, -1, int)
    out[good] = numbers
    return out


def _grown(places, signal, noise2, target) -> np.ndarray:
    """Bins (Pixel,) that reached the wanted ratio, by accretion; -1 for pixels of none."""
    n = len(places)
    tree = cKDTree(places)
    neighbours = [[j for j in found if j != i] for i, found in enumerate(tree.query_ball_point(places, 1.5))]
    bins, free = np.full(n, -1), np.ones(n, bool)
    brightest = list(np.argsort(-signal / np.sqrt(noise2), kind="stable"))
    done = np.zeros(2)
    n_done = number = 0
    while free.any():
        if n_done:
            # the free pixel nearest to the middle of all that is binned
            rest = np.flatnonzero(free)
            start = rest[np.argmin(((places[rest] - done / n_done) ** 2).sum(axis=1))]
        else:
            start = brightest[0]
        members, s, v = [start], signal[start], noise2[start]
        free[start] = False
        total = places[start].astype(float)
        edge = {j for j in neighbours[start] if free[j]}
        ratio = s / np.sqrt(v)
        while ratio < target and edge:
            middle = total / len(members)
            candidates = np.array(sorted(edge))
            distance2 = ((places[candidates] - middle) ** 2).sum(axis=1)
            best = candidates[np.argmin(distance2)]
            new_middle = (total + places[best]) / (len(members) + 1)
            radius = np.sqrt(((places[[*members, best]] - new_middle) ** 2).sum(axis=1).max())
            excess = radius * np.sqrt(np.pi / (len(members) + 1)) - 1.0
            new = (s + signal[best]) / np.sqrt(v + noise2[best])
            # a step that makes it worse: too long a bin, or one farther from the wanted ratio
            if excess > _ROUNDNESS or (abs(new - target) > abs(ratio - target) and ratio > _FULL * target):
                break
            members.append(best)
            free[best] = False
            s, v, ratio = s + signal[best], v + noise2[best], new
            total += places[best]
            edge.discard(best)
            edge |= {j for j in neighbours[best] if free[j]}
        if ratio >= _FULL * target:
            bins[members] = number
            number += 1
        done += total
        n_done += len(members)
    return bins


def binned(cube, snr_bands, target: float, snr_min: float = 1.0) -> tuple[Catalogue, np.ndarray]:
    """Bins of an image as galaxies of a catalogue, to be fitted by ``post.infer``.

    Parameters
    ----------
    cube : PixelCube
        With a redshift.
    snr_bands : bool array (Band,)
        Of the cube's bands, those whose sum the ratio is taken in.
    target, snr_min : float
        As for :func:`bin_pixels`.

    Returns
    -------
    catalogue : Catalogue
        Fluxes are sums, errors sums in quadrature, errors of pixels being independent; or, for an image whose
        noise is known, as the noise of neighbours correlates. A band that is missing in a pixel is missing in
        its bin.
    bins : int ndarray (ny, nx)
        Row of the catalogue of each pixel, -1 for those in no bin.

    Raises
    ------
    UserError
        As :func:`bin_pixels`, or without a band to take the ratio in.
    """
    use = np.asarray(snr_bands, bool)
    if not use.any():
        raise UserError("no band is named to take the S/N in: name at least one of the image's")
    seen = cube.valid & ~cube.upper & ~cube.mask[:, None]
    whole = seen[:, use].all(axis=1)
    signal = np.where(whole, cube.flux_ujy[:, use].sum(axis=1), np.nan)
    noise = np.where(whole, np.sqrt((cube.sigma_ujy[:, use].astype(float) ** 2).sum(axis=1)), np.nan)
    bins = bin_pixels(signal.reshape(cube.shape), noise.reshape(cube.shape), target, snr_min)
    flat, n = bins.ravel(), bins.max() + 1
    inside = flat >= 0
    flux, variance = np.zeros((n, len(cube.filters))), np.zeros((n, len(cube.filters)))
    np.add.at(flux, flat[inside], np.where(seen, cube.flux_ujy, np.nan)[inside])
    np.add.at(variance, flat[inside], np.where(seen, cube.sigma_ujy.astype(float) ** 2, np.nan)[inside])
    if cube.noise is not None:
        # bins were grown as if noise were independent, and fall short of the wanted ratio
        for k in range(n):
            variance[k] = np.where(
                np.isnan(variance[k]), np.nan, cube.sum_error(np.flatnonzero(flat == k)) ** 2
            )
    filters = cube.filters if cube.curves is None else cube.curves
    z = np.full(n, cube.redshift)
    names = [f"bin{k}" for k in range(n)]
    return Catalogue(flux, np.sqrt(variance), filters, z, names=names, source=cube.source), bins
