"""Fluxes of fixed parameter sets, by which a model is recognised: those of a bundle beside a model's own."""

import numpy as np

from ..errors import UserError

# Largest relative difference of a flux that still is the same model
TOLERANCE = 1e-3
# Fluxes below this share of the galaxy's brightest are numerical dust
_DUST = 1e-6


def stored(meta) -> dict:
    """The reference of a bundle's provenance.

    Raises
    ------
    UserError
        If it holds none.
    """
    reference = meta.get("reference")
    if reference is None:
        raise UserError(f"bundle {meta.get('name', 'unnamed')} holds no reference fluxes: train it again")
    return reference


def refuse_difference(expected, got, describe) -> float:
    """Compare fluxes (Galaxy, Band); NaN in both is the same, in one of them it is not.

    Parameters
    ----------
    expected, got : ndarray (Galaxy, Band)
    describe : callable
        Galaxy, band and the percentage by which they differ most to a message.

    Returns
    -------
    float
        The largest relative difference.

    Raises
    ------
    UserError
        If it is more than 0.1 %.
    """
    scale = np.fmax(expected, _DUST * np.nanmax(expected, axis=1, keepdims=True))
    difference = np.abs(got - expected) / scale
    difference = np.where(np.isnan(got) & np.isnan(expected), 0.0, np.nan_to_num(difference, nan=np.inf))
    worst = np.unravel_index(np.argmax(difference), difference.shape)
    if not difference[worst] <= TOLERANCE:
        raise UserError(describe(*worst, f"{100 * difference[worst]:.2g} %"))
    return float(difference[worst])
