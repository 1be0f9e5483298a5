"""Errors of images and catalogues, scaled before inference: by a number, or by what the misfits say."""

from dataclasses import replace

import jax
import numpy as np
from astropy.table import Table

from ..errors import UserError
from ..inference.error_summary import COLUMNS, ErrorScale, ErrorSummary, checked_scale, fit_scale
from ..io.catalogue import Catalogue
from ..io.cube import PixelCube
from .catalogue import posteriors_of, read_table
from .flags import PixelFlag
from .images import mean_snrs, pixel_flags

# Objects that a scale is fitted to
_MOST = 300


def scaled(post, data, likelihood, error_scale, *, snr_min=5.0, n_draws=500, seed=0):
    """Data with scaled errors, and the scale.

    A fitted one is that at which the median of the predictive p-values is a half, found in a few steps from
    up to 300 objects, evenly spaced; of images, of the pixels that would be fitted with the errors as
    stated.

    Parameters
    ----------
    post : PhotometryPosterior
    data : PixelCube, Catalogue or table
    likelihood : PhotometryLikelihood or None
    error_scale : float or "fit" or None
        None leaves the errors as they are.
    snr_min, n_draws, seed
        Of inference.

    Returns
    -------
    data : PixelCube or Catalogue
    error_scale : ErrorScale or None

    Raises
    ------
    UserError
        For a scale that is no number above 0, or that cannot be fitted.
    """
    if error_scale is None:
        return data, None
    scale = checked_scale(error_scale)
    if isinstance(data, Table) or hasattr(data, "iloc"):
        data = read_table(post, data)
    if not isinstance(data, PixelCube | Catalogue):
        # inference says so
        return data, scale
    if scale is None:
        scale = _fitted(post, data, likelihood, snr_min, n_draws, seed)
    return replace(data, sigma_ujy=data.sigma_ujy * np.float32(scale.value)), scale


def _fitted(post, data, likelihood, snr_min, n_draws, seed) -> ErrorScale:
    if data.redshift is None or (isinstance(data, Catalogue) and np.isnan(data.redshift).all()):
        raise UserError(
            "error_scale 'fit' of galaxies without redshifts: give a number, such as the one that galaxies "
            "with redshifts tell"
        )
    columns = post.align(data.filters, data.flux_ujy, data.sigma_ujy, data.valid, data.upper)
    present, upper = (column == 1.0 for column in columns[2:])
    prepared = post.prepared(*columns[:2], data.redshift, present, upper)
    ids = np.arange(len(prepared.z))
    if isinstance(data, PixelCube):
        left_out = PixelFlag.MASKED | PixelFlag.LOW_SNR | PixelFlag.FEW_BANDS
        flags = pixel_flags(post, data, prepared, mean_snrs(prepared, post.snr_bands), snr_min)
        ids = ids[(flags & int(left_out)) == 0]
        if not len(ids):
            # inference says so
            return ErrorScale(1.0)
    rows = ids[np.unique(np.linspace(0, len(ids) - 1, min(len(ids), _MOST)).astype(int))]
    some = jax.tree.map(lambda a: np.asarray(a)[rows], prepared)

    def summary_at(scale):
        sigma = np.where(some.valid, some.sigma * np.float32(scale), 1.0)
        found = posteriors_of(
            post, likelihood, some._replace(sigma=sigma), n_draws=n_draws, seed=seed, ids=rows
        )
        return ErrorSummary.of({name: getattr(found, name) for name in COLUMNS})

    return fit_scale(summary_at, data.source or "data")
