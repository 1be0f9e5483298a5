"""Priors, and the bijection between parameters and standard normal coordinates.

The flow works in u, where the prior is a unit normal: theta = ppf(Phi(u)). No draw can leave the
prior, none is rejected, and the age of the Universe is respected at every redshift.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri

from ..arrays import plain
from ..errors import UserError
from .marginals import Beta, StudentT, Uniform

# Beyond 5 sigma Phi(u) is 1 in float32; draws there are moved to the edge of the prior.
_U_MAX = 5.0


@jax.tree_util.register_static
@dataclass(frozen=True, eq=False)
class Prior:
    """Independent priors of named parameters; a pytree without leaves, equal to another of the same content.

    Parameters
    ----------
    marginals : mapping of str to Uniform, Beta or StudentT
        In the order of the ``Param`` axis.
    z : tuple of float
        Range of redshifts, uniform, that a network trained under this prior knows.
    """

    marginals: Mapping[str, Uniform | Beta | StudentT]
    z: tuple[float, float] = (0.001, 7.5)

    def __post_init__(self):
        if not isinstance(self.marginals, Mapping):
            raise UserError(
                f"marginals of type {type(self.marginals).__name__}: give a mapping of names to distributions"
            )
        object.__setattr__(self, "marginals", MappingProxyType(dict(self.marginals)))
        for name, marginal in self.marginals.items():
            if not (hasattr(marginal, "ppf") and hasattr(marginal, "cdf")):
                raise UserError(
                    f"prior of {name} is of type {type(marginal).__name__}: give a Uniform, Beta or StudentT"
                )
        low, high = self.z
        if not 0.0 < low < high <= 12.0:
            raise UserError(f"redshift range {self.z}: give 0 < low < high <= 12")

    def __eq__(self, other):
        return isinstance(other, Prior) and self._content == other._content

    def __hash__(self):
        return hash(self._content)

    @property
    def _content(self):
        return tuple(self.marginals.items()), tuple(self.z)

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in order."""
        return tuple(self.marginals)

    def as_theta(self, theta, ndim: int | None = None):
        """What a user gives as parameters as an array of jax; traced arrays pass.

        Parameters
        ----------
        theta : array (..., Param)
        ndim : int, optional
            The number of axes that it must have.

        Raises
        ------
        UserError
            For another shape, naming the parameters, and for what is no array of numbers.
        """
        theta, n = jnp.asarray(plain(theta, "theta")), len(self.names)
        if theta.ndim < 1 or theta.shape[-1] != n or ndim not in (None, theta.ndim):
            expected = {None: f"(..., {n})", 1: f"({n},)"}.get(ndim, f"(objects, {n})")
            raise UserError(
                f"theta has shape {theta.shape}: expected {expected}, {', '.join(self.names)}; give these"
            )
        return theta

    def from_normal(self, u, universe_gyr):
        """Parameters theta (..., Param) from normal coordinates u (..., Param), or the first few of each."""
        return _from_normal(self, u, universe_gyr)

    def value(self, name, u, universe_gyr=None):
        """Values (...) of one parameter from normal coordinates u (..., Param), or the first few of each.

        ``universe_gyr`` matters for parameters in units of the age of the Universe alone.
        """
        v = ndtr(jnp.clip(u[..., self.names.index(name)], -_U_MAX, _U_MAX))
        return self.marginals[name].ppf(v, universe_gyr)

    def to_normal(self, theta, universe_gyr):
        """Normal coordinates u (..., Param) of parameters theta (..., Param)."""
        return _to_normal(self, theta, universe_gyr)

    def sample(self, key, z, universe_gyr):
        """Draw theta (len(z), Param) for given redshifts z (Object,)."""
        u = jax.random.normal(key, (*jnp.shape(z), len(self.marginals)))
        return self.from_normal(u, universe_gyr)

    def contains(self, theta, universe_gyr):
        """Whether theta (..., Param) lies inside the prior, edges included, to float32 round-off."""
        columns = [p.cdf(theta[..., i], universe_gyr) for i, p in enumerate(self.marginals.values())]
        v = jnp.stack(columns, axis=-1)
        return jnp.all((v >= -1e-6) & (v <= 1.0 + 1e-6), axis=-1)

    def check(self, theta, z, universe_gyr):
        """Refuse parameters and redshifts outside the prior.

        Parameters
        ----------
        theta : array (..., Param)
        z, universe_gyr : array (...)
            Redshifts, and the age of the Universe there [Gyr].

        Raises
        ------
        UserError
            Naming each parameter that is outside, or NaN, of the first object that has one.
        """
        theta, z = np.asarray(plain(theta, "theta")), np.asarray(plain(z, "redshift"))
        n = len(self.names)
        if theta.ndim < 1 or theta.shape[-1] != n:
            raise UserError(f"theta has shape {theta.shape}, expected (..., {n}): {', '.join(self.names)}")
        low, high = self.z
        # written so that NaN is outside; the ends are float64, redshifts may be float32
        wrong = ~((z >= low * (1 - 1e-6)) & (z <= high * (1 + 1e-6)))
        if wrong.any():
            worst = float(z[wrong].ravel()[0])
            raise UserError(f"redshift {worst:g} is outside the model's range {low:g}-{high:g}: correct it")
        columns = [m.cdf(theta[..., i], universe_gyr) for i, m in enumerate(self.marginals.values())]
        v = np.stack(np.broadcast_arrays(*columns), axis=-1).reshape(-1, n)
        bad = ~((v >= -1e-6) & (v <= 1.0 + 1e-6))
        if bad.any():
            row = int(np.flatnonzero(bad.any(axis=1))[0])
            at = np.broadcast_to(z, theta.shape[:-1]).ravel()[row]
            values = theta.reshape(-1, n)[row]
            named = [f"{self.names[i]} = {values[i]:g}" for i in np.flatnonzero(bad[row])]
            raise UserError(f"theta outside the prior at z = {at:g}: bring {', '.join(named)} inside")


# Each is one program where nothing else is compiled around it.
@partial(jax.jit, inline=True)
def _from_normal(prior, u, universe_gyr):
    v = ndtr(jnp.clip(u, -_U_MAX, _U_MAX))
    marginals = list(prior.marginals.values())[: u.shape[-1]]
    columns = [p.ppf(v[..., i], universe_gyr) for i, p in enumerate(marginals)]
    return jnp.stack(columns, axis=-1)


@partial(jax.jit, inline=True)
def _to_normal(prior, theta, universe_gyr):
    columns = [p.cdf(theta[..., i], universe_gyr) for i, p in enumerate(prior.marginals.values())]
    return jnp.clip(ndtri(jnp.clip(jnp.stack(columns, axis=-1), 1e-9, 1.0)), -_U_MAX, _U_MAX)
