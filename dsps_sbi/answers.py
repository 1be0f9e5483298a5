"""Answers: draws, where they come from, and whether they can be trusted."""

from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
import numpy as np

from .errors import UserError
from .trust import SMALLEST_P, Method, enough, mixed, verdict
from .weigh import Weigher, weigher

# Draws per batch: intermediate arrays then stay in the processor's cache
BATCH_DRAWS = 12_800
# Turns of adapted sampling: a narrow or split posterior is found by degrees, more of it with climbs
_TURNS, _TURNS_WITH_CLIMBS = 4, 8
# With fewer effective draws there is nothing to adapt to
_LOST = 20.0


@dataclass(frozen=True, eq=False)
class Answers:
    """Posteriors of some objects.

    Parameters
    ----------
    u : ndarray (Object, Draw, Param)
        Equally weighted draws in normal coordinates.
    method, trust : ndarray of int8 (Object,)
        Of :class:`~dsps_sbi.trust.Method` and :class:`~dsps_sbi.trust.Trust`.
    ess : ndarray (Object,)
        Effective number of draws of the weights or chains; NaN where unweighted.
    pareto_k, log_evidence : ndarray (Object,)
        Of the last weights, see :class:`~dsps_sbi.weighing.Weighed`; NaN where unweighted.
    r_hat : ndarray (Object,)
        Of chains; NaN without.
    ppc_p : ndarray (Object,)
        Posterior-predictive p-value, see :meth:`dsps_sbi.weigh.Weigher.ppc_p`; NaN where unweighted.
    typicality : ndarray (Object,)
        p-value of the data under training; NaN where the bundle does not know it.
    shrinkage : ndarray (Object, Param)
        1 - posterior variance / prior variance in normal coordinates: 0 where the data say nothing.
    """

    u: np.ndarray
    method: np.ndarray
    trust: np.ndarray
    ess: np.ndarray
    pareto_k: np.ndarray
    log_evidence: np.ndarray
    r_hat: np.ndarray
    ppc_p: np.ndarray
    typicality: np.ndarray
    shrinkage: np.ndarray

    @property
    def trusted(self) -> np.ndarray:
        """Which objects (Object,) can be trusted."""
        return self.trust == 0

    @classmethod
    def joined(cls, parts) -> "Answers":
        """One after the other."""
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)})

    def rows(self, index) -> "Answers":
        """Some of the objects."""
        return Answers(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True, eq=False)
class Answerer:
    """Makes answers in batches of objects at one redshift.

    Parameters
    ----------
    post : AmortizedPosterior
    weigher : Weigher or None
        None for draws of the network as they are.
    refine : bool
        Repair what weighing leaves untrusted.

    Raises
    ------
    UserError
        If there is nothing to refine with.
    """

    post: object
    weigher: Weigher | None = None
    refine: bool = False

    def __post_init__(self):
        if self.refine and self.weigher is None:
            raise UserError(
                "refine needs the stellar populations of the bundle: run dsps-sbi fetch, or give their model"
            )

    def table(self, z, *, trim=True):
        """Band table of a redshift; None where nothing is weighed.

        Untrimmed ones have one shape: what is compiled for one redshift serves all.
        """
        return None if self.weigher is None else self.weigher.model.band_table(z, trim=trim)

    def start(self, data, table, ids, key, n_draws):
        """Begin with a batch; returns before it is done.

        Arguments as for :meth:`~dsps_sbi.weighing.BaseWeigher.answer`.
        """
        data = tuple(jnp.asarray(a) for a in data)
        ids = jnp.asarray(ids, jnp.uint32)
        if self.weigher is None:
            u, weighed, ppc_p = self.post.draw_normal(data, ids, key, n_draws), None, None
        else:
            u, weighed, ppc_p = self.weigher.answer(data, table, ids, key, n_draws)
        typical = self.post.typicality
        if typical is not None:
            proposed = u if weighed is None else weighed.u
            typical = typical.p_value(self.post, proposed, data)
        return (data, table, ids, key, n_draws), u, weighed, ppc_p, typical

    def finish(self, started, n: int) -> Answers:
        """Wait for a batch, repair its first n objects if that is wanted, and judge them."""
        arguments, u, weighed, ppc_p, typical = started
        data = _rows(arguments[0], slice(n))
        u, weighed, ppc_p, typical = _rows((u, weighed, ppc_p, typical), slice(n))
        unknown = np.full(n, np.nan, np.float32)
        own = {name: unknown.copy() for name in ("ess", "pareto_k", "log_evidence", "r_hat", "ppc_p")}
        own |= {"u": np.array(u), "method": np.full(n, Method.FLOW, np.int8)}
        if weighed is not None:
            own["method"][:] = Method.IS
            _put(own, slice(None), weighed, ppc_p=ppc_p)
            if self.refine:
                self._repair(own, arguments, weighed)
        own["typicality"] = unknown if typical is None else np.asarray(typical)
        own["shrinkage"] = 1.0 - own["u"].var(axis=1)
        names = ("method", "ess", "pareto_k", "r_hat", "ppc_p", "typicality")
        in_range = self.post.in_range(data)
        return Answers(trust=verdict(*(own[name] for name in names), in_range), **own)

    def _repair(self, own, arguments, weighed):
        """Refine the objects whose weights are not good enough, in place."""
        todo = np.flatnonzero(~enough(own["ess"], own["pareto_k"]))
        weighed, refiner = _rows(weighed, todo), self.weigher.refiner
        for turn in range(_TURNS_WITH_CLIMBS if self.weigher.climbs else _TURNS):
            if not len(todo):
                return
            some = _some(arguments, todo)
            # each turn starts from the draws of the one before
            again = *some, _filled(weighed, len(some[2]))
            if self.weigher.climbs and np.min(own["ess"][todo]) < _LOST:
                u, weighed, ppc_p = refiner.by_peaks(*again)
            else:
                u, weighed, ppc_p = refiner.by_weights(*again, turn)
            u, weighed, ppc_p = _rows((u, weighed, ppc_p), slice(len(todo)))
            own["u"][todo] = u
            _put(own, todo, weighed, ppc_p)
            left = np.flatnonzero(~enough(own["ess"][todo], own["pareto_k"][todo]))
            todo, weighed = todo[left], _rows(weighed, left)
        own["method"][todo] = Method.FAILED
        # no sampler makes a model fit: chains only where that can be what is left to repair
        fits = np.flatnonzero(own["ppc_p"][todo] > SMALLEST_P)
        todo, weighed = todo[fits], _rows(weighed, fits)
        if not len(todo):
            return
        # the chains start from the adapted draws
        some = _some(arguments, todo)
        out = refiner.by_chains(*some, _filled(weighed, len(some[2])))
        u, r_hat, ess, ppc_p = (np.asarray(a)[: len(todo)] for a in out)
        good = mixed(ess, r_hat)
        own["method"][todo[good]] = Method.HMC
        own["r_hat"][todo] = r_hat
        for name, values in {"u": u, "ess": ess, "ppc_p": ppc_p, "pareto_k": np.nan * ess}.items():
            own[name][todo[good]] = values[good]


def _rows(tree, rows):
    # in numpy: jax would compile a small program for every shape
    return jax.tree.map(lambda a: np.asarray(a)[rows], tree)


def _filled(tree, n):
    """Repeated to n rows."""
    return jax.tree.map(lambda a: a[np.resize(np.arange(len(a)), n)], tree)


def _some(arguments, todo):
    """Arguments for some objects, filled up to one of few batch sizes: few compilations."""
    data, table, ids, key, n_draws = arguments
    rows = np.resize(todo, padded(len(todo)))
    return _rows(data, rows), table, np.asarray(ids)[rows], key, n_draws


def padded(n: int) -> int:
    """The next power of four: the size of a batch of n objects, filled up."""
    return 4 ** int(np.ceil(np.log(n) / np.log(4.0) - 1e-9))


def _put(own, rows, weighed, ppc_p):
    for name in ("ess", "pareto_k", "log_evidence"):
        own[name][rows] = np.asarray(getattr(weighed, name))
    own["ppc_p"][rows] = np.asarray(ppc_p)


def weigh(
    post,
    model,
    flux_ujy,
    sky_ujy,
    z,
    *,
    n_draws=1000,
    seed=0,
    valid=None,
    upper=None,
    ids=None,
    refine=False,
) -> Answers:
    """Posteriors of objects at any redshifts, weighed with the exact likelihood.

    Parameters
    ----------
    post : AmortizedPosterior
    model : GalaxyModel, "auto" or None
        See :func:`dsps_sbi.weigh.weigher`.
    flux_ujy, sky_ujy, z, valid, upper, ids
        As for :meth:`dsps_sbi.posterior.AmortizedPosterior.sample`.
    n_draws, seed : int
    refine : bool
        Repair what weighing leaves untrusted.

    Returns
    -------
    Answers

    Raises
    ------
    UserError
        If the model is not that of the bundle, or there is none to refine with.
    """
    answerer = Answerer(post, weigher(post, model), refine)
    data = post.prepared(flux_ujy, sky_ujy, z, valid, upper)
    ids = np.arange(len(data[0])) if ids is None else np.asarray(ids)
    parts, order = [], []
    largest = max(1, BATCH_DRAWS // n_draws)
    redshifts = np.unique(data[-1])
    for one in redshifts:
        post.check_redshift(float(one))
        table = answerer.table(one, trim=len(redshifts) == 1)
        members = np.flatnonzero(data[-1] == one)
        for first in range(0, len(members), largest):
            rows = members[first : first + largest]
            batch = np.resize(rows, min(padded(len(rows)), largest))
            pick = tuple(a[batch] for a in data)
            started = answerer.start(pick, table, ids[batch], jax.random.key(seed), n_draws)
            parts.append(answerer.finish(started, len(rows)))
            order.append(rows)
    return Answers.joined(parts).rows(np.argsort(np.concatenate(order)))


def refine(post, model, flux_ujy, sky_ujy, z, **options) -> Answers:
    """As :func:`weigh`, and repair what weighing leaves untrusted.

    Objects with fewer than 100 effective draws or a Pareto k above 0.7 get up to four turns of adapted
    importance sampling (:mod:`dsps_sbi.adapt`), spectra up to eight, with climbs to the posterior's peaks
    (:mod:`dsps_sbi.climb`) where fewer than 20 draws are effective; then, if the model can fit them at all,
    Hamiltonian chains (:mod:`dsps_sbi.hmc`); ``method`` says what an answer comes from, ``failed`` where
    nothing was enough.
    """
    return weigh(post, model, flux_ujy, sky_ujy, z, refine=True, **options)
