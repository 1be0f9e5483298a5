"""What an observer has of spectra, as the network takes it."""

from typing import NamedTuple

import jax


class SpectrumData(NamedTuple):
    """Spectra of some objects in the network's pixels, at rest and at 10 pc; a pytree.

    Parameters
    ----------
    flux, sigma : array (Object, Pixel)
        Flux densities and their reported errors [1e-17 erg/s/cm2/Angstrom]; any value where not ``valid``.
    valid : bool array (Object, Pixel)
        Pixels that are there.
    z : array (Object,)
        Redshifts, which set the age of the Universe.
    """

    flux: jax.Array
    sigma: jax.Array
    valid: jax.Array
    z: jax.Array
