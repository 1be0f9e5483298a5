"""Distances and ages as smooth tables of any astropy cosmology, differentiable in redshift."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from astropy import units as u

from .arrays import plain
from .components import pytree
from .errors import UserError

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

# ln(1+z) spacing of 6e-4: linear interpolation of ln(distance / ln(1+z)) is then good to 1e-7
_N_NODES = 4096
_LN1Z_MAX = float(np.log1p(12.0))
# Redshifts of the nodes, exact in float32: what is left over from a node is then exact as well
_NODES = np.expm1(np.linspace(0.0, _LN1Z_MAX, _N_NODES)).astype(np.float32)
_STEPS = np.diff(np.log1p(_NODES.astype(float)))


@pytree(arrays=("_table",), static=("name",), aside=("ln_ratio", "age_gyr"))
@dataclass(frozen=True, eq=False)
class Cosmology:
    """Luminosity distance and age of the Universe against redshift, 0 < z <= 12; a pytree.

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
    def from_astropy(cls, cosmology: "FLRW | None" = None) -> "Cosmology":
        """Tabulate an astropy cosmology; by default flat, H0 = 70 km/s/Mpc, Om0 = 0.3.

        Raises
        ------
        UserError
            If it is not an astropy FLRW cosmology.
        """
        # half a second that bundles, which bring their tables, do without
        from astropy.cosmology import FLRW, FlatLambdaCDM

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

    @cached_property
    def _table(self) -> jax.Array:
        """(6, 4095): nodes of redshift, steps of ln(1+z); ln ratio, age and their rises from node to node."""
        rows = [_NODES[:-1], _STEPS]
        for values in (self.ln_ratio, self.age_gyr):
            rows += [values[:-1], np.diff(values)]
        with jax.ensure_compile_time_eval():
            return jnp.asarray(np.stack(rows))

    def distance_mpc(self, z):
        """Luminosity distance [Mpc] at redshift z."""
        z = plain(z, "redshift")
        return jnp.exp(_at(self._table, 2, z)) * jnp.log1p(z)

    def age(self, z):
        """Age of the Universe [Gyr] at redshift z."""
        return _at(self._table, 4, plain(z, "redshift"))


# compiled as one: called as it is, each operation would be a program of its own
@partial(jax.jit, static_argnames="row", inline=True)
def _at(table, row, z):
    """Values of a row of :attr:`Cosmology._table` at redshift z."""
    position = jnp.log1p(z) * ((_N_NODES - 1) / _LN1Z_MAX)
    index = jnp.clip(jnp.floor(position).astype(int), 0, _N_NODES - 2)
    # the fraction of position would be good to 2e-4 of a step only in float32
    node = table[0][index]
    part = jnp.log1p((z - node) / (1.0 + node)) / table[1][index]
    return table[row][index] + table[row + 1][index] * part
