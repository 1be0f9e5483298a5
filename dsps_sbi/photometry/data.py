"""What an observer has of objects in bands, as the network and the likelihood take it."""

from typing import NamedTuple

import jax


class PhotometryData(NamedTuple):
    """Photometry of some objects; a pytree.

    Parameters
    ----------
    flux : array (Object, Band)
        Flux densities, or upper limits [uJy]; 0 where not ``valid``.
    sigma : array (Object, Band)
        Reported standard deviations of the sky [uJy]; 1 where not ``valid``.
    valid : bool array (Object, Band)
        Bands that are there.
    upper : bool array (Object, Band)
        Those of them whose flux is an upper limit, of flux / sigma standard deviations.
    z : array (Object,)
        Redshifts.
    """

    flux: jax.Array
    sigma: jax.Array
    valid: jax.Array
    upper: jax.Array
    z: jax.Array
