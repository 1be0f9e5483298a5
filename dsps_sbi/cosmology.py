"""Distances and ages as smooth tables of any astropy cosmology, differentiable in redshift."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from astropy import units as u
from astropy.cosmology import FLRW, FlatLambdaCDM

from .errors import UserError

# ln(1+z) spacing of 6e-4: linear interpolation of ln(distance / ln(1+z)) is then good to 1e-7
_N_NODES = 4096
_LN1Z_MAX = float(np.log1p(12.0))
# Redshifts of the nodes, exact in float32: what is left over from a node is then exact as well
_NODES = np.expm1(np.linspace(0.0, _LN1Z_MAX, _N_NODES)).astype(np.float32)
_STEPS = np.diff(np.log1p(_NODES.astype(float)))


@dataclass(frozen=True, eq=False)
class Cosmology:
    """Luminosity distance and age of the Universe against redshift, 0 < z <= 12.

    Parameters
    ----------
    name : str
        What is written into headers.
    ln_ratio : ndarray (4096,)
        ln(d_L [Mpc] / ln(1+z)) on a uniform grid of ln(1+z).
    age_gyr : ndarray (4096,)
        Age of the Universe [Gyr] on the same grid.
    """

    name: str
    ln_ratio: np.ndarray
    age_gyr: np.ndarray

    @classmethod
    def from_astropy(cls, cosmology: FLRW | None = None) -> "Cosmology":
        """Tabulate an astropy cosmology; by default flat, H0 = 70 km/s/Mpc, Om0 = 0.3.

        Raises
        ------
        UserError
            If it is not an astropy FLRW cosmology.
        """
        cosmology = FlatLambdaCDM(H0=70.0, Om0=0.3) if cosmology is None else cosmology
        if not isinstance(cosmology, FLRW):
            raise UserError(
                f"cosmology is a {type(cosmology).__name__}, expected an astropy FLRW cosmology: "
                "pass for example astropy.cosmology.Planck18"
            )
        z = _NODES.astype(float)
        z[0] = 1e-6  # the ratio's limit at z = 0 is c / H0
        ln1z = np.log1p(z)
        distance = cosmology.luminosity_distance(z).to_value(u.Mpc)
        age = cosmology.age(z).to_value(u.Gyr)
        name = f"{type(cosmology).__name__}(H0={cosmology.H0.value:g}, Om0={cosmology.Om0:g})"
        return cls(name, np.log(distance / ln1z), np.ascontiguousarray(age))

    def _at(self, table, z):
        position = jnp.log1p(z) * ((_N_NODES - 1) / _LN1Z_MAX)
        index = jnp.clip(jnp.floor(position).astype(int), 0, _N_NODES - 2)
        # the fraction of position would be good to 2e-4 of a step only in float32
        node = jnp.asarray(_NODES)[index]
        part = jnp.log1p((z - node) / (1.0 + node)) / jnp.asarray(_STEPS)[index]
        table, rise = jnp.asarray(table), jnp.asarray(np.diff(table))
        return table[index] + rise[index] * part

    def distance_mpc(self, z):
        """Luminosity distance [Mpc] at redshift z."""
        return jnp.exp(self._at(self.ln_ratio, z)) * jnp.log1p(z)

    def age(self, z):
        """Age of the Universe [Gyr] at redshift z."""
        return self._at(self.age_gyr, z)
