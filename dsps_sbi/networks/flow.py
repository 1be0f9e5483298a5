"""The flow of the pixel posterior: coupling splines for the shape parameters, then the mass."""

from dataclasses import dataclass
from itertools import combinations

import distrax
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.scipy.special import ndtri
from jax.scipy.stats import norm

from .coupling import Conditioner, Coupling

# Natural log of the mass's width in dex before anything is learnt: about 0.2 dex
LOG_SCALE_START = -1.5


def alternating_splits(n_dim: int, n_layers: int) -> list[tuple[int, ...]]:
    """Which dimensions each layer moves: halves, each followed by its complement.

    Every dimension is moved by half of the layers. Each next half is the one that separates the
    pairs of dimensions least separated so far (random permutations can leave a pair together).
    """
    # halves of an even number come in pairs of complements: one of each is enough
    halves = [half for half in combinations(range(n_dim), n_dim // 2) if n_dim % 2 or 0 in half]
    first = np.array([[i in half for i in range(n_dim)] for half in halves])
    apart = first[:, :, None] != first[:, None, :]
    times, splits = np.zeros((n_dim, n_dim)), []
    remaining = list(range(len(halves)))
    while len(splits) < n_layers:
        remaining = remaining or list(range(len(halves)))
        best = remaining.pop(int(np.argmax([(0.1 ** times[apart[k]]).sum() for k in remaining])))
        times += apart[best]
        splits += [halves[best], tuple(i for i in range(n_dim) if i not in halves[best])]
    return splits[:n_layers]


@dataclass(frozen=True)
class MassGuide:
    """Places the mass where the object's luminosity says, so that the network learns mass to light.

    Parameters
    ----------
    log_luminosity : array (Object, 1) or broadcastable
        From :func:`dsps_sbi.networks.bands.features`.
    shape_features : callable
        Shape coordinates u (..., n) to what governs mass-to-light ratios (..., n_features).
    low, high : float
        The prior's range of log formed mass.
    """

    log_luminosity: jax.Array
    shape_features: object
    low: float
    high: float

    def features(self, kept):
        """Inputs of the conditioner from the shape coordinates."""
        return self.shape_features(kept)

    def place(self, shift, log_scale):
        """Shift and log scale in u from a raw shift [dex of M/L] and log scale [dex]."""
        span = self.high - self.low
        share = (self.log_luminosity[..., None] + shift - self.low) / span
        # stay 1e-3 of the range inside: beyond, the prior's edge does the rest
        centre = ndtri(jnp.clip(share, 1e-3, 1.0 - 1e-3))
        return centre, log_scale + LOG_SCALE_START - jnp.log(span) - norm.logpdf(centre)


class PosteriorFlow(nnx.Module):
    """q(u | context): all coordinates are unit normal under the prior; the last one is the mass.

    Parameters
    ----------
    n_shape : int
        Shape parameters (everything but the mass).
    n_context, width, n_layers, n_bins : int
    n_features : int
        Of the mass guide.
    """

    def __init__(self, n_shape, n_context, width, n_layers, n_bins, n_features, *, rngs: nnx.Rngs):
        self.n_shape = n_shape
        self.n_bins = n_bins
        self.splits = tuple(alternating_splits(n_shape, n_layers))
        n_out = 3 * n_bins + 1
        self.conditioners = nnx.List(
            [Conditioner(n_shape - len(m), n_context, width, len(m) * n_out, rngs=rngs) for m in self.splits]
        )
        self.mass = Conditioner(n_features, n_context, width, n_out, rngs=rngs)

    def hoist(self, context):
        """All projections of the context, once per object: a tuple of (Object, width)."""
        return tuple(c.hoist(context) for c in (*self.conditioners, self.mass))

    def bijectors(self, hoisted, guide):
        """The layers in the order in which they act on the base."""
        layers = []
        for moved, conditioner, bias in zip(self.splits, self.conditioners, hoisted[:-1], strict=True):
            kept = tuple(i for i in range(self.n_shape) if i not in moved)
            layers.append(Coupling(moved, kept, conditioner, bias, self.n_bins))
        kept = tuple(range(self.n_shape))
        layers.append(Coupling((self.n_shape,), kept, self.mass, hoisted[-1], self.n_bins, guide))
        return layers

    def distribution(self, hoisted, guide) -> distrax.Distribution:
        """The conditional posterior as a distrax distribution with batch shape (Object,)."""
        batch = hoisted[0].shape[:-1]
        zeros = jnp.zeros((*batch, self.n_shape + 1))
        base = distrax.MultivariateNormalDiag(zeros, jnp.ones_like(zeros))
        return distrax.Transformed(base, distrax.Chain(self.bijectors(hoisted, guide)[::-1]))
