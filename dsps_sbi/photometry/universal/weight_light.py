"""Fluxes of many draws of an object through its bands, as fast as weights need them.

Of a :class:`~dsps_sbi.photometry.wave_basis.WaveBasis`: stars of each range of ages are mixtures of few ages,
differences between the edges of age bins are taken into these, and what the bands see is multiplied with the
light of the mixtures before draws are.
"""

from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from ...components import pytree
from ...kernels.full_precision import matmul
from ...kernels.low_rank import leading_factors
from ..wave_basis import WaveBasis
from .light import attenuated, materialised_weights

# Mixtures of ages of stars of each range of ages, and of all where there is one range
_N_MIXTURE, _N_OF_ALL = 28, 64
# Pixels that are put together where mixtures are looked for, and fluxes that are too faint to count, of the
# brightest
_N_PIXEL, _FAINTEST = 50, 1e-4
# Where a basis keeps it
_KEPT = "_kept_light"


@pytree(arrays=("edges_gyr", "metallicity", "log_u", "rows", "stars", "gas"))
@dataclass(frozen=True, eq=False)
class WeightLight:
    """Light of SSPs and gas as few mixtures of ages; a pytree.

    Parameters
    ----------
    edges_gyr : array (Age + 1,)
    metallicity : array (Met,)
    log_u : array (LogU,) or None
        As those of a :class:`~dsps_sbi.photometry.wave_basis.WaveBasis`.
    rows : array (Age + 1, J)
        What the mass formed until each edge adds to each mixture: those of stars of each range of ages, the
        youngest first, then those of gas of each range that has any.
    stars : tuple of array (J' * Met, K')
        What the mixtures of each range have of the functions of stars.
    gas : array (J'' * LogU * Met, K'') or None
    """

    edges_gyr: jax.Array
    metallicity: jax.Array
    log_u: jax.Array | None
    rows: jax.Array
    stars: tuple[jax.Array, ...]
    gas: jax.Array | None

    @classmethod
    def of(cls, basis: WaveBasis) -> "WeightLight":
        """Of a basis whose ages of stars stand for themselves."""
        n_age, n_met = basis.n_age[0], len(basis.metallicity)
        of_ages = np.asarray(basis.basis[0], float).reshape(n_age, -1)
        ranges = list(pairwise((0, *basis.parts, n_age)))
        n = _N_OF_ALL if len(ranges) == 1 else _N_MIXTURE
        columns, stars = [], []
        for first, last in ranges:
            mixed, light = _mixtures(of_ages[first:last], _coarse(basis), n)
            columns.append(np.pad(mixed, [(first, n_age - last), (0, 0)]))
            stars.append(jnp.asarray(light.reshape(len(light) * n_met, -1), jnp.float32))
        gas = None
        if len(basis.basis) > 1:
            n_gas, mixed = basis.n_age[1], np.asarray(basis.mixtures[1], float)
            mixed = mixed if mixed.size else np.eye(n_gas)
            gas = basis.basis[1]
            for first, last in ranges:
                last = min(last, n_gas)
                if first < last:
                    columns.append(np.pad(mixed[first:last], [(first, n_age - last), (0, 0)]))
        columns = np.pad(np.concatenate(columns, axis=1), [(1, 1), (0, 0)])
        rows = jnp.asarray(columns[:-1] - columns[1:], jnp.float32)
        return cls(basis.edges_gyr, basis.metallicity, basis.log_u, rows, tuple(stars), gas)

    @classmethod
    def kept(cls, basis: WaveBasis) -> "WeightLight":
        """As :meth:`of`, made once for a basis."""
        if _KEPT not in basis.__dict__:
            basis.__dict__[_KEPT] = cls.of(basis)
        return basis.__dict__[_KEPT]

    def parts_of(self, sfh, theta, universe):
        """How much of each function stars of each range of ages have (Draw, Part, K); traceable.

        Parameters
        ----------
        sfh : StarFormationHistory
        theta : array (Draw, Param - 1)
            All but the mass.
        universe : array (Draw,)
            Age of the Universe [Gyr].
        """
        n = len(sfh.names)
        younger = jax.vmap(sfh.fraction_younger, (0, None, 0))(theta[:, :n], self.edges_gyr, universe)
        stars, gas = self._mixed(younger, theta, n)
        stars = jnp.stack([matmul(row, light) for row, light in zip(stars, self.stars, strict=True)], axis=1)
        if not gas:
            return stars
        gas = jnp.stack([matmul(row, self.gas) for row in gas], axis=1)
        older = [(0, 0), (0, stars.shape[1] - gas.shape[1]), (0, 0)]
        return jnp.concatenate([stars, jnp.pad(gas, older)], axis=-1)

    def fluxes(self, sfh, theta, universe, pieces, screen):
        """Fluxes (Draw, Part, Band) of draws theta (Draw, Param - 1) of one object; traceable.

        Parameters
        ----------
        sfh : StarFormationHistory
        theta : array (Draw, Param - 1)
            All but the mass.
        universe : array ()
            Age of the Universe [Gyr].
        pieces : array (Sub * Band, K)
        screen : array (Sub, Band)
            As those of :class:`~dsps_sbi.photometry.universal.light.Bands`.
        """
        n, n_star = len(sfh.names), self.stars[0].shape[1]
        younger = jax.vmap(lambda t: sfh.fraction_younger(t[:n], self.edges_gyr, universe))(theta)
        stars, gas = self._mixed(younger, theta, n)
        # what bands see of the mixtures comes first: there are fewer of these than draws
        parts = [
            matmul(row, matmul(light, pieces[:, :n_star].T))
            for row, light in zip(stars, self.stars, strict=True)
        ]
        for part, row in enumerate(gas):
            parts[part] = parts[part] + matmul(matmul(row, self.gas), pieces[:, n_star:].T)
        return attenuated(jnp.stack(parts, axis=1), screen, theta[:, n + 1])

    def _mixed(self, younger, theta, n):
        """What draws have of each range of ages, mixture by mixture: of stars, and of gas if there is any.

        Lists of arrays (Draw, J * Column), from masses younger than each edge (Draw, Age + 1) and parameters,
        of which n are the history's.
        """
        n_met = len(self.metallicity)
        rows = matmul(younger, self.rows)
        mets = columns = materialised_weights(theta[:, n], self.metallicity)
        if self.log_u is not None:
            log_u = materialised_weights(theta[:, -1], self.log_u)
            columns = (log_u[:, :, None] * mets[:, None]).reshape(len(theta), -1)

        def both(first, last, columns):
            return (rows[:, first:last, None] * columns[:, None]).reshape(len(theta), -1)

        begin = np.cumsum([0, *(len(light) // n_met for light in self.stars)])
        stars = [both(first, last, mets) for first, last in pairwise(begin)]
        if self.gas is None:
            return stars, []
        n_mixed = len(self.gas) // columns.shape[1]
        firsts = range(begin[-1], rows.shape[1], n_mixed)
        return stars, [both(first, first + n_mixed, columns) for first in firsts]


def _coarse(basis):
    """Functions of stars (K', Bin) in wide pixels."""
    curves = basis.curves[: basis.ranks[0], : len(basis.pixel_edges_aa) - 1]
    n = curves.shape[1] // _N_PIXEL
    return curves[:, : n * _N_PIXEL].reshape(len(curves), n, _N_PIXEL).mean(axis=-1)


def _mixtures(light, coarse, n):
    """Mixtures (Age, n) of ages, and light (n, Met * K') of each, that stand for light (Age, Met * K').

    What counts is the relative error of spectra, at all wavelengths and ages alike.
    """
    n_age = len(light)
    if n_age <= n:
        return np.eye(n_age), light
    spectra = np.abs(light.reshape(n_age, -1, len(coarse)) @ coarse)
    relative = spectra / np.maximum(spectra.max(axis=2, keepdims=True), 1e-30)
    weight = (relative.mean(axis=(0, 1)) + _FAINTEST) ** -0.5
    spectra = ((light.reshape(n_age, -1, len(coarse)) @ coarse) * weight).reshape(n_age, -1)
    size = np.maximum(np.abs(spectra).max(axis=1, keepdims=True), 1e-30)
    mixed, _ = leading_factors(spectra / size, n)
    return mixed * size, np.linalg.lstsq(mixed, light / size, rcond=None)[0]
