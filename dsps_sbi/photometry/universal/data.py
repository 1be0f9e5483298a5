"""What an observer has of objects in bands of any filters."""

from typing import NamedTuple

import jax

from .light import Bands


class UniversalData(NamedTuple):
    """Photometry of objects, survey by survey; a pytree.

    The galaxies of a survey at one redshift come one after the other, equally many of each survey: as many
    as there are objects for each entry of ``bands``.

    Parameters
    ----------
    flux, sigma : array (Object, Band)
        Flux densities or upper limits, and standard deviations of the sky [uJy]; 0 and 1 where not ``valid``.
    valid, upper : bool array (Object, Band)
        Bands that are there, and those of them whose flux is an upper limit of flux / sigma deviations.
    z : array (Object,)
        Redshifts, the same for all galaxies of a survey.
    floor : array (Object,)
        Relative error of the model's fluxes, of each band's own.
    bands : Bands
        Leaves with an axis ``Survey``.
    """

    flux: jax.Array
    sigma: jax.Array
    valid: jax.Array
    upper: jax.Array
    z: jax.Array
    floor: jax.Array
    bands: Bands
