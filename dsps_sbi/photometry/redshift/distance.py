"""Nearby galaxies whose distance is known better than their redshift tells it."""

from dataclasses import replace

import numpy as np

from ...arrays import plain
from ...errors import UserError
from ...io.catalogue import Catalogue

# Beyond this redshift distances follow the expansion
FARTHEST_Z = 0.1
_STEPS = 4096


def at_distance(catalogue: Catalogue, distance_mpc, cosmology, limits: tuple[float, float]):
    """A catalogue of galaxies at known luminosity distances.

    Their redshifts are those of the cosmology at these distances. Where that is below all that the posterior
    knows, the galaxy is put at the lowest redshift, and its fluxes and errors are those that it would have
    there: all fluxes scale with one over distance squared, and errors of the model are relative ones.

    Parameters
    ----------
    catalogue : Catalogue
        Its redshifts are not read.
    distance_mpc : float or array (Object,)
        [Mpc, or a Quantity]
    cosmology : Cosmology
    limits : (float, float)
        Redshifts that the posterior knows.

    Returns
    -------
    Catalogue

    Raises
    ------
    UserError
        For distances that are not positive, or beyond redshift 0.1, where a redshift says more.
    """
    from astropy import units as u

    n = len(catalogue)
    distance = plain(distance_mpc, "distance_mpc", u.Mpc, dtype=float)
    if distance.shape not in ((), (n,)):
        raise UserError(
            f"distance_mpc has shape {distance.shape}: expected one, or one for each of {n} galaxies"
        )
    distance = np.broadcast_to(distance, n)
    z = np.geomspace(1e-6, FARTHEST_Z, _STEPS)
    known = np.asarray(cosmology.distance_mpc(z.astype(np.float32)), float)
    wrong = np.flatnonzero(~((distance > 0.0) & (distance <= known[-1])))
    if wrong.size:
        i = wrong[0]
        raise UserError(
            f"distance {distance[i]:g} Mpc of {catalogue.names[i]} ({wrong.size} in all): expected one above "
            f"0, up to {known[-1]:.0f} Mpc, redshift {FARTHEST_Z:g}; give the redshift of galaxies beyond"
        )
    redshift = np.exp(np.interp(np.log(distance), np.log(known), np.log(z)))
    placed = np.maximum(redshift, limits[0])
    at_place = np.exp(np.interp(np.log(placed), np.log(z), np.log(known)))
    # where redshift and distance belong together nothing changes
    near = redshift < limits[0]
    factor = np.where(near, (distance / at_place) ** 2 * (1.0 + placed) / (1.0 + redshift), 1.0)
    factor = factor[:, None].astype(np.float32)
    return replace(
        catalogue,
        flux_ujy=catalogue.flux_ujy * factor,
        sigma_ujy=catalogue.sigma_ujy * factor,
        redshift=np.float32(placed),
    )
