"""A galaxy fitted twice: pixel by pixel, summed afterwards, and its summed light at once.

Bright young stars outshine old ones: the fit of the sum may miss mass that pixels show. Both are told.
"""

import dataclasses
import warnings

import numpy as np
from astropy.table import Table

from ..constants import PERCENTILES
from ..errors import UserError
from ..inference.derived import describe
from ..inference.table import table_of
from ..io.summary import stated_kind
from .image_redshift import summed

SIDE_BY_SIDE = "integrated.ecsv"
_ENDINGS = ("_p16", "", "_p84")


def side_by_side(post, cube, result, **options) -> Table:
    """Totals of the pixels of an image beside the fit of their summed light.

    The light is summed over the fitted pixels that have all of the bands that most of them have. Errors of
    pixels are taken as independent in both, or as the noise of the image correlates where that is known.

    Parameters
    ----------
    post : PhotometryPosterior or UniversalPosterior
    cube : PixelCube
    result : ImageResult
        Of the cube; where the redshift was inferred, the sum is fitted at its median.
    **options
        Of ``post.infer``: ``model``, ``weigh``, ``refine``, ``n_draws``, ``seed``, ``floor``.

    Returns
    -------
    Table
        A row for each total: ``quantity``, ``pixels`` and ``integrated`` with percentiles [dex],
        ``difference`` (integrated less pixels), ``error`` of the difference, ``n_pixels`` of the first and
        ``n_summed`` of the second; the trust of the integrated fit in the metadata.

    Raises
    ------
    UserError
        If fewer than three bands can be summed, or there are no totals.
    """
    if not len(result.totals):
        raise UserError("the image has no totals: fit it with --quantities log_mass, or with all")
    light, n_summed = summed(cube, np.flatnonzero(result.fitted))
    light = dataclasses.replace(light, redshift=np.array([result.meta["redshift"]]))
    names = tuple(str(name) for name in result.totals["quantity"])
    with warnings.catch_warnings():
        # the mass of all of a galaxy may be beyond what a pixel can have: the trust tells
        warnings.simplefilter("ignore", UserWarning)
        whole = post.infer(light, quantities=names, **options)
    rows, kind = [], stated_kind(result.totals)
    for total in result.totals:
        name = str(total["quantity"])
        pixels = [float(total[f"{kind}_{p}"]) for p in PERCENTILES]
        at_once = [float(value) for value in whole.percentiles(name)[:, 0]]
        row = {"quantity": name, "n_pixels": int(total["n_pixels"]), "n_summed": int(n_summed)}
        for word, values in (("pixels", pixels), ("integrated", at_once)):
            row |= {word + end: value for end, value in zip(_ENDINGS, values, strict=True)}
        widths = [(values[2] - values[0]) / 2 for values in (pixels, at_once)]
        rows.append(row | {"difference": at_once[1] - pixels[1], "error": float(np.hypot(*widths))})
    columns = {"quantity": ("", "; ".join(f"{name}: {describe(name)[1]}" for name in names))}
    for word, text in (
        ("pixels", "sum of the fits of the pixels"),
        ("integrated", "fit of the summed light"),
    ):
        for percentile, end in zip(PERCENTILES, _ENDINGS, strict=True):
            which = "median" if percentile == 50 else f"{percentile}th percentile"
            columns[word + end] = "dex", f"{text} ({which})"
    columns |= {
        "difference": ("dex", "integrated less pixels, of the medians"),
        "error": ("dex", "standard deviation of the difference, errors of both independent"),
        "n_pixels": ("", "pixels that are summed after the fit"),
        "n_summed": ("", "pixels whose light is summed before the fit"),
    }
    quality = {"integrated_trust": str(whole.trust[0]), "integrated_ess": float(whole.columns["ess"][0])}
    return table_of(rows, columns, dict(result.meta) | {k: v for k, v in quality.items() if v == v})
