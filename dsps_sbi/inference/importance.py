"""Importance sampling with an exact likelihood, whatever the data: the network proposes, the model decides.

The flow proposes everything but the mass; the mass is integrated out and drawn exactly. A draw's weight is
p(x | shape) p(shape) / q(shape | x). The flow's noise is quasi-random (:mod:`.quasi_random`), and so is the
share at which the mass is drawn, its last coordinate: fewer draws then give percentiles of the same error.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jax.scipy.stats import norm

from ..kernels.psis import effective_draws, pareto_smooth, systematic_resample
from .exported import exported
from .misfit import Misfit, tail_probability
from .quasi_random import sobol_normals

# Branches of an object's key: the flow's noise is the key itself
_RESAMPLE = 1


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["u", "log_weight", "pareto_k", "ess", "log_evidence"],
    meta_fields=[],
)
@dataclass(frozen=True)
class WeightedDraws:
    """Draws and their weights.

    Parameters
    ----------
    u : array (Object, Draw, Param)
        Normal coordinates, mass included.
    log_weight : array (Object, Draw)
        Pareto-smoothed; the evidence is the mean of their exponentials.
    pareto_k, ess, log_evidence : array (Object,)
        Shape of the tail of the weights, effective number of draws, and log of the density of the
        data [1/uJy per band with a flux].
    """

    u: jax.Array
    log_weight: jax.Array
    pareto_k: jax.Array
    ess: jax.Array
    log_evidence: jax.Array

    @classmethod
    def of(cls, u, log_weight) -> "WeightedDraws":
        """Smooth raw weights and say what they are worth."""
        log_weight, k = pareto_smooth(log_weight)
        log_evidence = jax.scipy.special.logsumexp(log_weight, axis=1) - jnp.log(log_weight.shape[1])
        return cls(u, log_weight, k, effective_draws(log_weight), log_evidence)


def object_keys(key, ids):
    """One key for each object, whatever its place in the batch."""
    return jax.vmap(partial(jax.random.fold_in, key))(ids)


def branch(keys, i):
    """Branch i of each object's key (Object,)."""
    return jax.vmap(lambda key: jax.random.fold_in(key, i))(keys)


class Likelihood(ABC):
    """The exact likelihood of one kind of data, beside the posterior whose network proposes; a pytree.

    ``data`` is what the network takes, ``view`` what else the likelihood needs of the objects' redshift: the
    band table of photometry, the pixels of a spectrum.

    Attributes
    ----------
    post : Posterior
    model : GalaxyModel or SpectrumModel
    finds_modes : bool
        Whether :meth:`precision_root` is there, and with it the search of :mod:`dsps_sbi.inference.modes`.
    adapts : bool
        Whether objects whose draws are not good enough get more, see :mod:`dsps_sbi.inference.engine`.
    n_misfit : int
        Draws, or some more, that a misfit is averaged over: it changes little from one to the next.
    """

    finds_modes: ClassVar[bool] = False
    adapts: ClassVar[bool] = False
    n_misfit: ClassVar[int] = 512

    @abstractmethod
    def shape_evidence(self, u, data, view, light=None):
        """Evidence of shapes, the mass integrated out, and what the mass of each is known by.

        Parameters
        ----------
        u : array (Object, Draw, Param - 1)
        data : NamedTuple
        view : pytree
        light : array or None
            Of :meth:`light`, where that is known.

        Returns
        -------
        log_evidence : array (Object, Draw)
        first, second : array (Object, Draw, ...)
            For :meth:`with_mass`.
        """

    @abstractmethod
    def with_mass(self, u, share, first, second):
        """Shapes and masses (Object, Draw, Param), the mass at cumulative probability ``share``."""

    def light(self, u, view):
        """What :meth:`shape_evidence` and :meth:`misfit` both take of shapes u (Object, Draw, Param - 1).

        Returns
        -------
        array (Object, Draw, ...) or None
            None where nothing is worth keeping.
        """
        return None

    @abstractmethod
    def misfit(self, u, data, view, light=None) -> Misfit:
        """Misfit (Object,) of the data over equally weighted draws u (Object, Draw, Param).

        See :mod:`dsps_sbi.inference.misfit`. ``light`` of the draws spares its computation.
        """

    def n_proposed(self, n_draws: int) -> int:
        """How many draws of the network make n_draws equally weighted ones: by default as many."""
        return n_draws

    def ppc_p(self, u, data, view):
        """Predictive p-value (Object,) of the data, see :mod:`dsps_sbi.inference.misfit`."""
        return tail_probability(_misfit(self, u, data, view))

    @abstractmethod
    def views(self, data):
        """Objects that share a view, for data in the network's own bands or pixels.

        Yields
        ------
        rows : ndarray of int (n,)
        view : pytree
        """

    def view_of(self, view, data):
        """The view of a batch of objects that :meth:`views` put together: by default the one that they share.

        Where objects have views of their own, it is made here, of leaves with an axis ``Object``.
        """
        return view

    def part_of(self, view, rows):
        """That of some of the objects of a batch, of what :meth:`view_of` gave."""
        return view

    @property
    def own_views(self) -> bool:
        """Whether objects have views of their own, with an axis ``Object``."""
        return type(self).part_of is not Likelihood.part_of

    @property
    def proposal(self):
        """Network, weights and names of the parameters: what compiled code takes of :attr:`post`."""
        return self.post

    def precision_root(self, u, mass, view):
        """Lower root (n, n) of the posterior's precision at one object's shape u (n,).

        Parameters
        ----------
        u : array (n,)
        mass : array ()
            The first of the two arrays of :meth:`shape_evidence`.
        view : pytree
        """
        raise NotImplementedError(f"{type(self).__name__} has no curvature")

    @property
    def n_shape(self) -> int:
        """Number of parameters besides the mass."""
        return len(self.proposal.names) - 1

    def log_target(self, u, data, view):
        """Log of evidence times prior (Object, Draw) of shapes u (Object, Draw, Param - 1)."""
        return self.shape_evidence(u, data, view)[0] + norm.logpdf(u).sum(axis=-1)


def base_noise(key, ids, n_draws, n_dim):
    """Quasi-random noise of the flow (Object, n_draws, n_dim), standard normal, of each object's own."""
    return sobol_normals(object_keys(key, ids), n_draws, n_dim)


def _order(n_draws):
    """An order of draws in which any part of them is fair: every second point of Sobol's lies in one half."""
    return np.random.default_rng(n_draws).permutation(n_draws)


def propose(likelihood: Likelihood, data, view, ids, key, n_draws):
    """Draws of the flow, how much each counts, and their light; traceable.

    The random numbers are those of draws without weights: the same shapes are proposed.

    Returns
    -------
    weighted : WeightedDraws
    light : array (Object, Draw, ...) or None
        Of :meth:`Likelihood.light`.
    """
    noise = base_noise(key, ids, n_draws, likelihood.n_shape + 1)
    u, log_weight, light = weigh(likelihood, data, view, noise)
    return WeightedDraws.of(u, log_weight), light


def weigh(likelihood: Likelihood, data, view, noise):
    """Draws of the flow from its noise (Object, Draw, Param), log weights and light; traceable.

    The last coordinate of the noise sets the mass.
    """
    network, weights = likelihood.proposal.network, likelihood.proposal.weights
    u, log_q = network.draw_shape(weights, network.condition(weights, *data), noise[..., :-1])
    light = likelihood.light(u, view)
    evidence, *mass = likelihood.shape_evidence(u, data, view, light)
    log_weight = evidence + norm.logpdf(u).sum(axis=-1) - log_q
    return likelihood.with_mass(u, ndtr(noise[..., -1]), *mass), log_weight, light


def resample(weighted: WeightedDraws, ids, key, n_draws):
    """Which draws count, equally (Object, n_draws), by systematic resampling."""
    keys = branch(object_keys(key, ids), _RESAMPLE)
    shift = jax.vmap(jax.random.uniform)(keys)
    return systematic_resample(shift, weighted.log_weight, n_draws)[:, _order(n_draws)]


def judged(likelihood: Likelihood, weighted: WeightedDraws, data, view, ids, key, n_draws, light=None):
    """What :func:`importance_sample` returns, of draws that are weighed already; traceable."""
    index = resample(weighted, ids, key, n_draws)

    def chosen(values, index):
        return jnp.take_along_axis(values, index.reshape(*index.shape, *[1] * (values.ndim - 2)), axis=1)

    some = _some(likelihood, index)
    light = None if light is None else chosen(light, some)
    misfit = likelihood.misfit(chosen(weighted.u, some), data, view, light)
    return chosen(weighted.u, index), weighted, misfit


def _some(likelihood, drawn):
    """As many of the draws (Object, Draw, ...) as a misfit takes."""
    return drawn[:, :: max(1, drawn.shape[1] // likelihood.n_misfit)]


def like_judged(*_, **__):
    """A pytree of the structure that :func:`judged` returns, for :func:`~.exported.exported`."""
    return 0, WeightedDraws(0, 0, 0, 0, 0), Misfit(*[0] * 6)


@exported(like_judged)
@partial(jax.jit, static_argnames="n_draws")
def importance_sample(likelihood: Likelihood, data, view, ids, key, n_draws):
    """Draws of the network weighed with the exact likelihood; compiled.

    Parameters
    ----------
    likelihood : Likelihood
    data : NamedTuple
        What the network takes, as jax arrays.
    view : pytree
        What else the likelihood needs.
    ids : array of uint32 (Object,)
    key : key
    n_draws : int
        :meth:`Likelihood.n_proposed` says how many draws of the network they are made of.

    Returns
    -------
    u : array (Object, Draw, Param)
        Equally weighted.
    weighted : WeightedDraws
        What they were resampled from.
    misfit : Misfit
    """
    weighted, light = propose(likelihood, data, view, ids, key, likelihood.n_proposed(n_draws))
    return judged(likelihood, weighted, data, view, ids, key, n_draws, light)


@jax.jit
def _misfit(likelihood, u, data, view):
    return likelihood.misfit(_some(likelihood, u), data, view)


@exported(lambda *_, n_draws: 0)
@partial(jax.jit, static_argnames="n_draws")
def network_draws(network, weights, data, ids, key, n_draws):
    """Draws u (Object, Draw, Param) of the network in normal coordinates; compiled."""
    noise = base_noise(key, ids, n_draws, len(network.prior.names))
    return network.draw(weights, network.condition(weights, *data), noise[:, _order(n_draws)])[0]
