"""Exact posteriors without a network: draws of the prior, weighed and repaired.

Where no network was trained for a model, the prior proposes in its place. Few of its draws count; mode
search, population Monte Carlo and chains (:mod:`dsps_sbi.inference.repair`) find the posterior from them.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from ..components import pytree
from ..inference.engine import Engine, Posteriors
from ..inference.importance import importance_sample
from ..priors import Prior
from .data import SpectrumData
from .likelihood import SpectrumLikelihood
from .model import SpectrumModel
from .posterior import SpectrumPosterior


@pytree(arrays=(), static=("prior", "sfh"))
@dataclass(frozen=True, eq=False)
class PriorProposal:
    """What repair proposes from beside its kernels, in the place of a network: the prior itself.

    Parameters
    ----------
    prior : Prior
    sfh : StarFormationHistory
    """

    prior: Prior
    sfh: object

    def condition(self, weights, *data):
        """Nothing depends on the data."""
        return ()

    def draw_shape(self, weights, condition, noise):
        """Draws (Object, Draw, Param - 1) and their log density."""
        return noise, norm.logpdf(noise).sum(axis=-1)

    def log_prob_shape(self, weights, condition, u):
        """Log density (Object, Draw) of u (Object, Draw, Param - 1)."""
        return norm.logpdf(u).sum(axis=-1)


@pytree(arrays=("network", "weights"), aside=("like_training",))
@dataclass(frozen=True, eq=False)
class PriorPosterior:
    """A prior as weighing and repair need a posterior.

    Parameters
    ----------
    network : PriorProposal
    weights : tuple
    like_training : bool
        Whether the spectrum is like those that a network was trained on, if one has a part in it.
    """

    network: PriorProposal
    weights: tuple = ()
    like_training: bool = True
    typicality = None

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters."""
        return self.network.prior.names

    def in_range(self, data) -> np.ndarray:
        """See :meth:`~dsps_sbi.SpectrumPosterior.in_range`."""
        return np.array([self.like_training])

    theta = SpectrumPosterior.theta


@pytree(arrays=("post", "model", "modes"))
@dataclass(frozen=True, eq=False)
class PriorLikelihood(SpectrumLikelihood):
    """The exact likelihood of spectra under a model that no network was trained on; a pytree."""

    @classmethod
    def of(cls, model: SpectrumModel) -> "PriorLikelihood":
        """Of a model, with its prior as the proposal."""
        return cls(PriorPosterior(PriorProposal(model.prior, model.sfh)), model)

    def infer(self, data: SpectrumData, view, number: int, key, n_draws: int = 1000) -> Posteriors:
        """The repaired posterior of one spectrum.

        Parameters
        ----------
        data : SpectrumData
            Of one object.
        view : Observed
        number : int
            Random numbers depend on it.
        key : key
        n_draws : int
        """
        ids = jnp.asarray([number], jnp.uint32)
        data = jax.tree.map(jnp.asarray, data)
        found = importance_sample(self, data, view, ids, key, n_draws=n_draws)
        started = (data, view, ids, key, n_draws), *found, None
        return Engine(self.post, self, True).finish(started, 1)
