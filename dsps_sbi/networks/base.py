"""A network that gives posteriors, whatever it looks at: an encoder's context and a flow."""

from abc import ABC, abstractmethod
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from .flow import MassGuide

# Graphs of layers and shapes of their weights by what they depend on: walking through a network takes longer
# than a call
_GRAPHS: dict = {}
# Lookback times [Gyr] of the star formation that sets mass-to-light ratios
_LOOKBACKS_GYR = (0.01, 0.1, 1.0)


class _OneKey:
    """In the place of ``nnx.Rngs`` where only shapes are asked for: counting keys takes long."""

    def __init__(self):
        self._key = jax.random.key(0)

    def params(self):
        """The same key for all."""
        return self._key


def n_flow_features(n_shape: int) -> int:
    """Number of features that :meth:`FlowNetwork.shape_features` makes of n_shape coordinates."""
    return 2 * n_shape + len(_LOOKBACKS_GYR) + 2


class FlowNetwork(ABC):
    """The flow's side of a network; weights are a separate pytree, passed to every method.

    Attributes
    ----------
    prior : Prior
        Its last parameter is ``log_mass_formed``.
    sfh : StarFormationHistory
    log_mass_to_light : float or array ()
        Median over the prior of log10 of the mass formed per amplitude.
    """

    @abstractmethod
    def layers(self, rngs: nnx.Rngs) -> nnx.Module:
        """Fresh layers, the flow as ``flow`` among them."""

    @property
    @abstractmethod
    def structure(self):
        """What the layers' structure depends on, hashable."""

    @abstractmethod
    def condition(self, weights, *data):
        """Everything that depends on the data alone, computed once per object.

        Returns
        -------
        condition : pytree of (Object, ...) arrays
            Hoisted context, log10 luminosity, age of the Universe.
        """

    def init(self, seed: int):
        """Fresh weights: an nnx state."""
        return nnx.split(self.layers(nnx.Rngs(seed)))[1]

    @property
    def weight_shapes(self):
        """What :meth:`init` returns, with shapes in place of arrays; no weights are made."""
        return self._split()[1]

    def _split(self):
        key = type(self), self.structure
        if key not in _GRAPHS:
            _GRAPHS[key] = nnx.split(nnx.eval_shape(lambda: self.layers(_OneKey())))
        return _GRAPHS[key]

    def _merge(self, weights):
        return nnx.merge(self._split()[0], weights)

    def shape_features(self, universe_gyr, u):
        """What sets mass-to-light ratios, from shape coordinates u (..., n_shape)."""
        theta = self.prior.from_normal(u, universe_gyr)
        params = theta[..., : len(self.sfh.names)]
        young = [self.sfh.fraction_younger(params, jnp.float32(t), universe_gyr) for t in _LOOKBACKS_GYR]
        age = self.sfh.mean_age(params, universe_gyr)
        columns = [jnp.log10(jnp.maximum(f, 1e-6)) / 2.0 for f in young]
        columns += [jnp.log10(jnp.maximum(age, 1e-4)), young[-1]]
        centred = 2.0 * jax.scipy.special.ndtr(u) - 1.0
        return jnp.concatenate([u, centred, jnp.stack(columns, axis=-1)], axis=-1)

    def _flow(self, weights, condition):
        hoisted, log_lum, universe = condition
        mass = self.prior.marginals["log_mass_formed"]
        guide = MassGuide(
            log_lum + self.log_mass_to_light, partial(self.shape_features, universe), mass.low, mass.high
        )
        return self._merge(weights).flow, hoisted, guide

    def log_prob(self, weights, condition, u):
        """Log density q(u | data) (Object,) of normal coordinates u (Object, Param)."""
        flow, hoisted, guide = self._flow(weights, condition)
        return flow.distribution(hoisted, guide).log_prob(u)

    def draw(self, weights, condition, noise):
        """Draws and their log q, from standard normal noise.

        Parameters
        ----------
        condition : pytree
        noise : array (Object, Draw, Param)

        Returns
        -------
        u : array (Object, Draw, Param)
        log_q : array (Object, Draw)
        """
        return self._push(weights, condition, noise, slice(None))

    def draw_shape(self, weights, condition, noise):
        """As :meth:`draw` for everything but the mass: noise and u are (Object, Draw, Param - 1).

        The mass is the flow's last layer, so that log q is the exact marginal density.
        """
        return self._push(weights, condition, noise, slice(-1))

    def log_prob_shape(self, weights, condition, u):
        """Marginal log q (Object,) of the shape coordinates u (Object, Param - 1)."""
        flow, hoisted, guide = self._flow(weights, condition)
        log_q = jnp.zeros(u.shape[:-1])
        for layer in flow.bijectors(hoisted, guide)[-2::-1]:
            u, log_det = layer.inverse_and_log_det(u)
            log_q = log_q + log_det
        return log_q + jnp.sum(jax.scipy.stats.norm.logpdf(u), axis=-1)

    def _push(self, weights, condition, noise, which):
        per_draw = jax.tree.map(lambda a: a[:, None], condition)
        flow, hoisted, guide = self._flow(weights, per_draw)
        log_q = jnp.sum(jax.scipy.stats.norm.logpdf(noise), axis=-1)
        u = noise
        for layer in flow.bijectors(hoisted, guide)[which]:
            u, log_det = layer.forward_and_log_det(u)
            log_q = log_q - log_det
        return u, log_q
