"""Pixels of a spectrograph at one redshift."""

from dataclasses import dataclass
from functools import partial

import jax


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "z",
        "universe_gyr",
        "start",
        "weights",
        "scale",
        "borrowed",
        "basis",
        "nodes",
        "covered",
        "sharp",
        "valid",
    ],
    meta_fields=[],
)
@dataclass(frozen=True)
class SpectrumView:
    """Pixels at one redshift; a pytree whose leaves may carry a leading axis of redshifts.

    Parameters
    ----------
    z : array ()
    universe_gyr : array ()
        Age of the Universe at z [Gyr].
    start : int array (Pixel,)
    weights : array (Pixel, Window)
        First grid cell and weights of each pixel: LSF and rebinning in one.
    scale : array (Pixel,)
        From lambda L_lambda [L_sun] to observed flux [1e-17 erg/s/cm2/Angstrom].
    borrowed : array ()
        Variance of the stars' velocities that the pixels' weights hold, in grid steps squared.
    basis : array (Pixel, Term)
        Terms of the continuum polynomial, then those of the misfit along populations, if there are any.
    nodes : tuple or None
        Of the correlated misfit, see :func:`~dsps_sbi.kernels.between_nodes.place_between`; None where the
        model has none.
    covered, sharp, valid : bool array (Pixel,)
        Whether the SSPs reach all that the pixel sees; whether it is not masked but sharper than
        the SSPs and the slowest stars together; whether it counts in a likelihood.
    """

    z: jax.Array
    universe_gyr: jax.Array
    start: jax.Array
    weights: jax.Array
    scale: jax.Array
    borrowed: jax.Array
    basis: jax.Array
    nodes: tuple | None
    covered: jax.Array
    sharp: jax.Array
    valid: jax.Array
