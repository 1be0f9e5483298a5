"""Light of stars of each range of ages in few mixtures of ages: as a :class:`WaveBasis`, faster.

A galaxy is tried thousands of times. Ages must not be merged, for bursts are narrower than any bin. Within a
range of ages few mixtures of populations stand for all.
"""

from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from ...components import pytree
from ...kernels.csp import metallicity_weights
from ...kernels.full_precision import materialised, matmul
from ...kernels.low_rank import leading_factors
from ..wave_basis import WaveBasis


@pytree(arrays=("edges_gyr", "metallicity", "log_u", "layers"), static=("ranges",))
@dataclass(frozen=True, eq=False)
class MixedLight:
    """How much of each function of a :class:`WaveBasis` a galaxy's stars have; a pytree.

    Parameters
    ----------
    edges_gyr : array (Age + 1,)
    metallicity : array (Met,)
    log_u : array (LogU,) or None
    layers : tuple
        Of stars, and of gas: for each range of ages with such light a pair of arrays, what each age has of J
        mixtures (Age', J), and what these have of the functions (J * Column, K').
    ranges : tuple of tuple of (int, int)
        Of stars, and of gas: first and last age bin of each range.
    """

    edges_gyr: jax.Array
    metallicity: jax.Array
    log_u: jax.Array | None
    layers: tuple
    ranges: tuple

    @classmethod
    def of(cls, basis: WaveBasis, n_mixture: tuple[int, int]) -> "MixedLight":
        """From a basis that has every age by itself.

        Parameters
        ----------
        basis : WaveBasis
        n_mixture : (int, int)
            Mixtures of each range of ages, of stars and of gas.
        """
        # an error counts by what it makes of the spectrum
        scale = np.maximum(np.abs(basis.curves).max(axis=0), 1e-30)
        weight = np.sqrt(np.mean((basis.curves / scale) ** 2, axis=1))
        # functions that the light has no use for
        weight = np.maximum(weight, 1e-9 * weight.max())
        ends = np.cumsum((0, *basis.ranks))
        layers, ranges = [], []
        for i, (n_age, n) in enumerate(zip(basis.n_age, n_mixture, strict=False)):
            size = weight[ends[i] : ends[i + 1]]
            light = np.asarray(basis.basis[i], float).reshape(n_age, -1, len(size)) * size
            bins = [min(end, n_age) for end in (0, *basis.parts, n_age)]
            ranges.append(tuple(pairwise(bins)))
            parts = []
            for first, last in pairwise(bins):
                if last > first:
                    mixed, new = _mixtures(light[first:last].reshape(last - first, -1), n)
                    new = new.reshape(-1, len(size)) / size
                    parts.append((jnp.asarray(mixed, jnp.float32), jnp.asarray(new, jnp.float32)))
            layers.append(tuple(parts))
        return cls(basis.edges_gyr, basis.metallicity, basis.log_u, tuple(layers), tuple(ranges))

    def parts_of(self, sfh, theta, universe):
        """How much of each function stars of each range of ages have (..., Part, K); traceable.

        Parameters
        ----------
        sfh : StarFormationHistory
        theta : array (Object, Param - 1)
            All but the mass.
        universe : array (Object,)
            Age of the Universe [Gyr].
        """
        n = len(sfh.names)
        younger = jax.vmap(sfh.fraction_younger, (0, None, 0))(theta[:, :n], self.edges_gyr, universe)
        ages = jnp.diff(materialised(younger))
        mets = materialised(metallicity_weights(theta[:, n], self.metallicity))
        columns = [mets, mets]
        if self.log_u is not None:
            log_u = materialised(metallicity_weights(theta[:, -1], self.log_u))
            columns[1] = (log_u[:, :, None] * mets[:, None]).reshape(len(theta), -1)
        out = []
        for parts, bins, column in zip(self.layers, self.ranges, columns, strict=False):
            found, k = iter(parts), parts[0][1].shape[-1]
            rows = [
                self._of_range(next(found), ages[:, a:b], column) if b > a else jnp.zeros((len(theta), k))
                for a, b in bins
            ]
            out.append(jnp.stack(rows, axis=1))
        return jnp.concatenate(out, axis=-1)

    @staticmethod
    def _of_range(pair, ages, column):
        mixed, light = pair
        both = matmul(ages, mixed)[:, :, None] * column[:, None]
        return matmul(both.reshape(len(ages), -1), light)


def _mixtures(light, n):
    """Mixtures (Age, n) of ages, and light (n, ...) of each, that stand for light (Age, ...)."""
    size = np.maximum(np.sqrt(np.mean(light**2, axis=1, keepdims=True)), 1e-30)
    if n >= len(light):
        return np.eye(len(light)), light
    left, right = leading_factors(light / size, n)
    return left * size, right
