"""What is said of redshifts, of galaxies or of an image: exact, at a distance, or with a prior."""

from dataclasses import replace

import numpy as np

from ...errors import UserError
from ...io import Catalogue, PixelCube
from .distance import at_distance
from .prior import RedshiftPrior, redshift_prior


def with_redshifts(data, network, exact: bool, *, z_err, z_range, p_z, keep_p_z, distance_mpc):
    """A catalogue or image at its redshifts, and the prior of those that are not exact.

    Parameters
    ----------
    data : Catalogue or PixelCube
    network : FlowNetwork
        Its prior has the range of redshifts.
    exact : bool
        Whether the redshifts are.
    z_err, z_range, p_z, keep_p_z, distance_mpc
        As for :meth:`dsps_sbi.UniversalPosterior.infer`; of all rows of a table, those that it rejects among
        them. An image has one redshift.

    Returns
    -------
    data : Catalogue or PixelCube
    prior : RedshiftPrior or None
        None for exact redshifts.

    Raises
    ------
    UserError
        See :func:`.prior.redshift_prior` and :func:`.distance.at_distance`.
    """
    limits = network.prior.z
    if isinstance(data, PixelCube):
        if distance_mpc is not None:
            return _image_at_distance(data, distance_mpc, network.cosmology, limits), None
        said = {"z_err": z_err, "z_range": z_range, "p_z": p_z, "keep_p_z": keep_p_z}
        return data, None if exact else redshift_prior_of_image(data, limits, **said)
    if distance_mpc is not None:
        return at_distance(data, _of_rows(distance_mpc, data), network.cosmology, limits), None
    if exact:
        return data, None
    density = None if p_z is None else (p_z[0], _of_rows(p_z[1], data, least=2))
    said = {"z_err": _of_rows(z_err, data), "z_range": z_range, "p_z": density, "keep_p_z": keep_p_z}
    centre = data.redshift if z_err is not None else None
    prior: RedshiftPrior = redshift_prior(limits, len(data), z=centre, **said)
    return data, prior


def redshift_prior_of_image(cube: PixelCube, limits, *, z_err=None, z_range=None, p_z=None, keep_p_z=False):
    """The prior of an image's redshift: that of one galaxy, see :func:`.prior.redshift_prior`.

    Raises
    ------
    UserError
        As that function, and for an error of a redshift that the image does not have.
    """
    if z_err is not None and cube.redshift is None:
        raise UserError(
            f"z_err was given, and {cube.source or 'the image'} has no redshift: give that too, or z_range="
        )
    centre = None if z_err is None else cube.redshift
    return redshift_prior(limits, 1, z=centre, z_err=z_err, z_range=z_range, p_z=p_z, keep_p_z=keep_p_z)


def _image_at_distance(cube: PixelCube, distance_mpc, cosmology, limits) -> PixelCube:
    if np.size(getattr(distance_mpc, "value", distance_mpc)) != 1:
        raise UserError("distances of several galaxies for an image: its pixels share one; give that")
    # what becomes of a flux of one
    one = Catalogue(np.ones((1, 1)), np.ones((1, 1)), ["sdss_g0"])
    placed = at_distance(one, np.ravel(distance_mpc)[0], cosmology, limits)
    factor = placed.flux_ujy[0, 0]
    return replace(
        cube,
        flux_ujy=cube.flux_ujy * factor,
        sigma_ujy=cube.sigma_ujy * factor,
        redshift=float(placed.redshift[0]),
    )


def _of_rows(values, data, least: int = 1):
    """Values of the rows of a table, of at least so many dimensions, without the rows that are rejected."""
    if values is None or np.ndim(values) < least or not getattr(data, "rejected", ()):
        return values
    return np.asanyarray(values)[data.ids]
