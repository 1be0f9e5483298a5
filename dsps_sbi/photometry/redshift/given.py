"""What is said of the redshifts of a catalogue's galaxies: exact, at a distance, or with a prior."""

import numpy as np

from ...errors import UserError
from ...io import PixelCube
from .distance import at_distance
from .prior import RedshiftPrior, redshift_prior


def with_redshifts(data, network, exact: bool, *, z_err, z_range, p_z, keep_p_z, distance_mpc):
    """A catalogue at its redshifts, and the prior of those that are not exact.

    Parameters
    ----------
    data : Catalogue or PixelCube
    network : FlowNetwork
        Its prior has the range of redshifts.
    exact : bool
        Whether the redshifts are.
    z_err, z_range, p_z, keep_p_z, distance_mpc
        As for :meth:`dsps_sbi.UniversalPosterior.infer`; of all rows of a table, those that it rejects among
        them.

    Returns
    -------
    data : Catalogue or PixelCube
    prior : RedshiftPrior or None
        None for exact redshifts.

    Raises
    ------
    UserError
        For an image, and see :func:`.prior.redshift_prior` and :func:`.distance.at_distance`.
    """
    limits = network.prior.z
    if isinstance(data, PixelCube) and not (exact and distance_mpc is None):
        raise UserError(
            "an image with a redshift that is not exact, or a distance: its pixels share one redshift; give "
            "that, such as what infer finds with z_range= for the fluxes of the whole galaxy"
        )
    if distance_mpc is not None:
        return at_distance(data, _of_rows(distance_mpc, data), network.cosmology, limits), None
    if exact:
        return data, None
    density = None if p_z is None else (p_z[0], _of_rows(p_z[1], data, least=2))
    said = {"z_err": _of_rows(z_err, data), "z_range": z_range, "p_z": density, "keep_p_z": keep_p_z}
    centre = data.redshift if z_err is not None else None
    prior: RedshiftPrior = redshift_prior(limits, len(data), z=centre, **said)
    return data, prior


def _of_rows(values, data, least: int = 1):
    """Values of the rows of a table, of at least so many dimensions, without the rows that are rejected."""
    if values is None or np.ndim(values) < least or not getattr(data, "rejected", ()):
        return values
    return np.asanyarray(values)[data.ids]
