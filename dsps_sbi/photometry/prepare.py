"""Photometry that a user gives, as network and likelihood take it: checked, in uJy, absent bands masked."""

import numpy as np
from astropy import units as u

from ..arrays import flags, flux_pair, plain
from ..errors import UserError
from ..io.stand_ins import refuse_limits, refuse_stand_ins
from .band_floors import widened
from .data import PhotometryData


def check_redshifts(post, z) -> None:
    """Refuse redshifts of which the network has not seen one.

    Parameters
    ----------
    post : PhotometryPosterior
    z : array (Object,)

    Raises
    ------
    UserError
        Naming the rows.
    """
    low, high = post.network.prior.z
    # the ends are float64, redshifts may be float32; NaN is outside
    wrong = np.flatnonzero(~((z >= low * (1 - 1e-6)) & (z <= high * (1 + 1e-6))))
    if wrong.size:
        more = f" and {wrong.size - 3} more" if wrong.size > 3 else ""
        rows = f" of row {', '.join(map(str, wrong[:3]))}{more}, counted from 0," if len(z) > 1 else ""
        raise UserError(
            f"redshift {float(z[wrong[0]]):g}{rows} is outside the bundle's range {low:g}-{high:g}: correct "
            "it or train another"
        )


def prepare(post, flux_ujy, sigma_ujy, z, valid=None, upper=None) -> PhotometryData:
    """What the network takes.

    Parameters
    ----------
    post : PhotometryPosterior
    flux_ujy, sigma_ujy : array (Object, Band)
        In the order of its filters [uJy, or a Quantity]; not finite or masked, or an error that is not
        positive, means missing. So does an error that stands for a missing one, such as 9.9e9: see
        :meth:`dsps_sbi.noise.DepthNoise.says_nothing`.
    z : float or array (Object,) or None
        None where it is not known: a band counts whatever the redshift.
    valid : bool array (Object, Band) or None
    upper : bool array (Object, Band) or None

    Raises
    ------
    UserError
        If shapes do not fit, there is no object, a unit is no flux density, a flux stands for a missing
        value, a limit has no error (:mod:`dsps_sbi.io.stand_ins`), or the network does not know a redshift;
        rows are named.
    """
    flux, sigma = flux_pair(flux_ujy, sigma_ujy, ("flux_ujy", "sigma_ujy"), u.uJy)
    if flux.shape != sigma.shape or flux.ndim != 2 or flux.shape[1] != len(post.filters):
        raise UserError(
            f"fluxes {flux.shape} and errors {sigma.shape}: give two arrays (objects, {len(post.filters)}), "
            "see align()"
        )
    if not len(flux):
        raise UserError(f"fluxes {flux.shape} hold no object: expected at least one; give some")
    present = np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0)
    for name, given in (("valid", valid), ("upper", upper)):
        if given is not None and np.shape(given) not in ((), flux.shape):
            raise UserError(
                f"{name} has shape {np.shape(given)}: expected {flux.shape}, as the fluxes; mend it"
            )
    given = np.broadcast_to(True if valid is None else flags(valid, "valid", masked=False), flux.shape)
    upper = np.zeros_like(present) if upper is None else flags(upper, "upper", masked=False)
    refuse_limits(
        np.where(given, flux, np.nan),
        sigma,
        upper,
        lambda i, j: f"row {i} in {post.filters[j]}",
        where="photometry",
    )
    valid = present & given
    z = None if z is None else _redshifts(post, z, len(flux))
    valid = valid if z is None else valid & post.coverage(z)[1]
    refuse_stand_ins(
        np.where(valid, flux, np.nan), sigma, lambda i, j: f"row {i} in {post.filters[j]}", where="photometry"
    )
    valid = valid & ~post.noise.says_nothing(flux, sigma, valid)
    flux, upper = np.where(valid, flux, 0.0), upper & valid
    sigma = np.where(valid, widened(post, flux, sigma, upper), 1.0)
    return PhotometryData(flux, sigma, valid, upper, z)


def _redshifts(post, z, n):
    z = plain(z, "redshift", dtype=np.float32)
    if z.shape not in ((), (n,)):
        raise UserError(
            f"redshift has shape {z.shape}: expected one, or one for each of {n} objects; mend it"
        )
    check_redshifts(post, np.atleast_1d(z))
    return np.broadcast_to(z, n)
