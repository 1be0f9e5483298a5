"""Mocks of one survey, for checks of a posterior for any filters."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp

from ...components import pytree
from ...instruments.coverage import USABLE, covered_share
from ..data import PhotometryData
from ..simulator import PhotometryMocks, PhotometrySimulator


@pytree(arrays=("model", "noise", "masks", "snr_bands", "ends_aa"), static=("limits",))
@dataclass(frozen=True, eq=False)
class SurveySimulator(PhotometrySimulator):
    """As its base class; bands beyond the wavelengths that the network knows are missing; a pytree.

    Parameters
    ----------
    ends_aa : array (2,)
        Of the wavelengths at rest [Angstrom].
    """

    ends_aa: jax.Array = None

    def observe(self, key, u, theta, z, flux) -> PhotometryMocks:
        """See the base class."""
        mocks = super().observe(key, u, theta, z, flux)
        flux, sigma, valid, upper, z = mocks.data
        valid &= covered_share(self.model.filters.curves, *self.ends_aa, z) >= 1.0 - USABLE
        flux, sigma = jnp.where(valid, flux, 0.0), jnp.where(valid, sigma, 1.0)
        return replace(mocks, data=PhotometryData(flux, sigma, valid, upper & valid, z))
