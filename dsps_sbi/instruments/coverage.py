"""Which bands lie within the wavelengths of the stellar populations at a redshift.

The rule: of each filter the share of lambda T that lies outside counts, that of the photons of a source
of flat f_lambda. Up to 0.1 % outside (tails of curves that end in noise) a band is complete. Up to 1 % it is
usable, and flagged: the part inside stands for the whole, an error of 1 % even if the part outside had
twice, or none, of the mean flux. Beyond that the model does not know the flux: the band is missing.

Posteriors for any filters also leave out bands whose pivot is beyond 3 micron at rest, where dust shines.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

# Largest share of a filter outside the SSPs' wavelengths for a band to be complete, and to be usable
COMPLETE = 1e-3
USABLE = 1e-2
# Light beyond this is of dust as much as of stars, and is not modelled: the feature of aromatic molecules at
# 3.3 micron is the first (Tielens 2008, ARA&A 46, 289) [Angstrom at rest]
DUST_AA = 3e4
# Redshifts at which ranges are looked for
_N_Z = 4096


def is_starlight(pivot_aa, z):
    """Whether bands (..., Band) of pivots (Band,) [Angstrom] see light of stars at redshifts z (...)."""
    return jnp.asarray(pivot_aa) <= DUST_AA * (1.0 + jnp.asarray(z)[..., None])


@jax.jit
def covered_share(curves, low_aa, high_aa, z):
    """Share of each filter within rest-frame wavelengths seen at redshift z.

    Parameters
    ----------
    curves : tuple of array (Band, n)
        Wavelengths, density, running integral: :attr:`~dsps_sbi.instruments.filters.FilterSet.curves`.
    low_aa, high_aa : float
        Ends of the SSPs' pixels [Angstrom].
    z : array (...)

    Returns
    -------
    array (..., Band)
        0 to 1.
    """
    z = jnp.asarray(z, jnp.float32)
    ends = [jnp.asarray(end, jnp.float32) * (1.0 + z) for end in (low_aa, high_aa)]
    curve_aa, _, cum = curves

    def inside(curve_aa, cum):
        return jnp.interp(ends[1], curve_aa, cum) - jnp.interp(ends[0], curve_aa, cum)

    return jax.vmap(inside, out_axes=-1)(curve_aa, cum)


def always_complete(running, low_aa, high_aa, z_range) -> bool:
    """Whether every filter is complete at all redshifts of a range.

    Parameters
    ----------
    running : sequence of (wavelengths, density, running integral)
        :attr:`~dsps_sbi.instruments.filters.FilterSet.running`.
    low_aa, high_aa : float
        Ends of the SSPs' pixels [Angstrom].
    z_range : (float, float)
    """
    # most is lost in the blue at the highest redshift, in the red at the lowest
    low, high = np.array([low_aa, high_aa]) * (1.0 + np.array(z_range[::-1]))
    inside = [np.diff(np.interp([low, high], curve_aa, cum)) for curve_aa, _, cum in running]
    return bool(np.min(inside) >= 1.0 - COMPLETE)


def redshift_ranges(share, z_range) -> dict[str, list]:
    """Redshifts at which each band is complete, and usable, for a bundle that has no SSPs with it.

    Parameters
    ----------
    share : callable
        From redshifts (n,) to shares (n, Band).
    z_range : tuple of float

    Returns
    -------
    dict
        ``complete`` and ``usable``: for each band [lowest, highest] redshift, or [] where there is none.
    """
    z = np.linspace(*z_range, _N_Z)
    inside = np.asarray(share(z))
    out = {}
    for name, outside in (("complete", COMPLETE), ("usable", USABLE)):
        hits = [np.flatnonzero(column >= 1.0 - outside) for column in inside.T]
        out[name] = [[float(z[i[0]]), float(z[i[-1]])] if i.size else [] for i in hits]
    return out


def covered_bands(ranges: Mapping | None, n_band: int, z) -> tuple[np.ndarray, np.ndarray]:
    """Bands that are complete, and those that are usable, at given redshifts.

    Parameters
    ----------
    ranges : mapping or None
        Of :func:`redshift_ranges`; None where nothing is known, and all bands count as complete.
    n_band : int
    z : array (...)

    Returns
    -------
    complete, usable : bool ndarray (..., Band)
    """
    z = np.asarray(z, float)[..., None]
    if ranges is None:
        everything = np.ones((*z.shape[:-1], n_band), bool)
        return everything, everything
    # the ends were written as float64, redshifts may come as float32
    slack = 1e-6
    out = []
    for name in ("complete", "usable"):
        ends = np.array([pair or [np.inf, -np.inf] for pair in ranges[name]])
        out.append((z >= ends[:, 0] - slack) & (z <= ends[:, 1] + slack))
    return out[0], out[1]
