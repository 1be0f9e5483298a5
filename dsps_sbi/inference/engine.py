"""The engine: draws of a batch of objects, weighed, repaired, and judged.

A verdict must not depend on the random numbers. Effective number and Pareto k of few draws scatter, and an
object near a threshold would pass with one seed and fail with the next. Hence an object that fails is not
judged at once. It gets up to six iterations of population Monte Carlo, whose draws add up and take it away
from the thresholds, until it passes. What fails then is far from passing with any seed. An object that cannot
be trusted for another reason gets none.
"""

from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr

from ..arrays import whole
from ..constants import MOST_DRAWS, MOST_SEED
from ..errors import UserError
from .devices import spread
from .edges import FEWEST_CONVERGED
from .importance import Likelihood, importance_sample, network_draws
from .misfit import error_scale, tail_probability, two_sided
from .protocol import Posterior
from .repair import by_chains, by_modes, by_one_iteration, by_weights, together
from .trust import (
    FEWEST_EFFECTIVE,
    SMALLEST_P,
    Method,
    chains_converged,
    informed,
    verdict,
    weights_reliable,
)

# Draws per batch: intermediate arrays then stay in the processor's cache
BATCH_DRAWS = 12_800
# Iterations of repair: a narrow or split posterior is found by degrees, more of it with mode searches
_ITERATIONS, _ITERATIONS_WITH_MODES = 4, 8
# Iterations of adaptation that an object gets which fails at first, where nothing is to be repaired
_MORE_ITERATIONS = 6
# Log evidence that an iteration finds more where the draws before it were not where the posterior is
_GAIN = 1.0
# Objects that get more at a time on a GPU. A processor takes as long for each of several as for one, and gets
# them one by one: nothing is filled up in vain.
_MORE_OBJECTS = 16


def check_numbers(n_draws, seed, unit: str) -> None:
    """Refuse numbers of draws and seeds that no run can have.

    Parameters
    ----------
    n_draws, seed : int
    unit : str
        What the draws are of, for messages: "pixel", "galaxy", "spectrum".

    Raises
    ------
    UserError
    """
    whole(seed, "seed", least=0, most=MOST_SEED)
    if type(n_draws) is int and n_draws < 2:
        raise UserError(f"{n_draws} draws per {unit}: ask for at least 2, better 500 or more")
    whole(n_draws, f"number of draws per {unit}", least=2, most=MOST_DRAWS)


@dataclass(frozen=True, eq=False)
class Posteriors:
    """Posteriors of some objects.

    Parameters
    ----------
    u : ndarray (Object, Draw, Param)
        Equally weighted draws in normal coordinates.
    method, trust : ndarray of int8 (Object,)
        Of :class:`~dsps_sbi.inference.trust.Method` and :class:`~dsps_sbi.inference.trust.Trust`.
    ess : ndarray (Object,)
        Effective number of draws of the weights or chains; NaN where unweighted.
    pareto_k, log_evidence : ndarray (Object,)
        Of the last weights, see :class:`~dsps_sbi.inference.importance.WeightedDraws`; NaN where
        unweighted.
    log_evidence_error : ndarray (Object,)
        Standard deviation of ``log_evidence`` over draws, see :func:`evidence_error`.
    r_hat : ndarray (Object,)
        Of chains; NaN without.
    ppc_p : ndarray (Object,)
        Predictive p-value, see :mod:`dsps_sbi.inference.misfit`: small where the model does not fit, near 1
        where errors are too large; NaN where unweighted.
    error_scale, error_dof : ndarray (Object,)
        Scale of the stated errors at which the misfit would be its own median, and the degrees of freedom
        that tell it; NaN where unweighted.
    typicality : ndarray (Object,)
        p-value of the data under training; NaN where the bundle does not know it.
    shrinkage : ndarray (Object, Param)
        1 - posterior variance / prior variance in normal coordinates: 0 where the data say nothing.
    mass_spread : ndarray (Object,)
        Standard deviation of log10 of the formed mass, posterior over prior: 1 where the data say nothing.
    informed : ndarray of int8 (Object,)
        Of :class:`~dsps_sbi.inference.trust.Informed`.
    """

    u: np.ndarray
    method: np.ndarray
    trust: np.ndarray
    ess: np.ndarray
    pareto_k: np.ndarray
    log_evidence: np.ndarray
    log_evidence_error: np.ndarray
    r_hat: np.ndarray
    ppc_p: np.ndarray
    error_scale: np.ndarray
    error_dof: np.ndarray
    typicality: np.ndarray
    shrinkage: np.ndarray
    mass_spread: np.ndarray
    informed: np.ndarray

    @property
    def trusted(self) -> np.ndarray:
        """Which objects (Object,) can be trusted."""
        return self.trust == 0

    @classmethod
    def joined(cls, parts) -> "Posteriors":
        """One after the other."""
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)})

    def rows(self, index) -> "Posteriors":
        """Some of the objects."""
        return Posteriors(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True, eq=False)
class Engine:
    """Makes posteriors in batches of objects that share a view.

    Parameters
    ----------
    post : Posterior
    likelihood : Likelihood or None
        None for draws of the network as they are.
    refine : bool
        Repair what weighing leaves untrusted.

    Raises
    ------
    UserError
        If there is nothing to refine with.
    """

    post: Posterior
    likelihood: Likelihood | None = None
    refine: bool = False

    def __post_init__(self):
        if self.refine and self.likelihood is None:
            raise UserError(
                "refine needs the stellar populations of the bundle: run dsps-sbi fetch, or give their model"
            )

    @property
    def method(self) -> str:
        """``flow``, ``weighed`` or ``refined``."""
        return "flow" if self.likelihood is None else "refined" if self.refine else "weighed"

    def start(self, data, view, ids, key, n_draws, split: bool = False):
        """Begin with a batch; returns before it is done.

        Arguments as for :func:`~dsps_sbi.inference.importance.importance_sample`; ``split`` where all arrays
        of the data have an axis of objects, and these shall be split between devices.
        """
        data, ids = jax.tree.map(jnp.asarray, self.post.filled(data)), jnp.asarray(ids, jnp.uint32)
        n = len(ids) if split else 0
        if self.likelihood is None:
            shared = self.post.network, self.post.weights, key
            u = spread(_of_network, shared, (data, ids), n, n_draws=n_draws)
            weighted = misfit = None
        else:
            view = self.likelihood.view_of(view, data)
            own = self.likelihood.own_views
            shared, rows = (self.likelihood, key, None if own else view), (data, ids, view if own else None)
            u, weighted, misfit = spread(_of_likelihood, shared, rows, n, n_draws=n_draws)
        typicality = self.post.typicality
        if typicality is not None:
            drawn = u if weighted is None else weighted.u
            typicality = spread(_typicality, (typicality, self.post), (drawn, data), n)
        return (data, view, ids, key, n_draws), u, weighted, misfit, typicality

    def finish(self, started, n: int, wave_used=1.0) -> Posteriors:
        """Wait for a batch, repair its first n objects if that is wanted, and judge them.

        ``wave_used`` is what :func:`~dsps_sbi.inference.trust.verdict` takes of spectra.
        """
        batch, u, weighted, misfit, typicality = started
        data = _rows(batch[0], slice(n))
        u, weighted, misfit, typicality = _rows((u, weighted, misfit, typicality), slice(n))
        unknown = np.full(n, np.nan, np.float32)
        names = ("ess", "pareto_k", "log_evidence", "log_evidence_error")
        names += ("r_hat", "ppc_p", "error_scale", "error_dof")
        columns = {name: unknown.copy() for name in names}
        columns["typicality"] = unknown if typicality is None else np.asarray(typicality)
        in_range = self.post.in_range(data)
        columns |= {"u": np.array(u), "method": np.full(n, Method.FLOW, np.int8)}
        if weighted is not None:
            columns["method"][:] = Method.IS
            n_draws = batch[-1]
            # what a draw of the network is worth, in independent ones
            proposed = np.shape(weighted.log_weight)[1]
            worth = max(n_draws / proposed, 1.0) if self.likelihood.adapts else 1.0
            _put(columns, slice(None), weighted, misfit, worth)
            if self.refine:
                self._repair(columns, batch, weighted)
            # fewer draws cannot be worth as many as it takes, and nobody asked for more
            elif self.likelihood.adapts and n_draws >= FEWEST_EFFECTIVE:
                # nor does it help where something else forbids trust
                hopeful = ~(columns["typicality"] <= SMALLEST_P) & in_range
                self._draw_more(columns, batch, weighted, np.flatnonzero(hopeful))
        columns["shrinkage"] = 1.0 - columns["u"].var(axis=1)
        columns["mass_spread"] = mass_spread(self.post.names, columns["u"])
        columns["informed"] = informed(columns["mass_spread"])
        names = ("method", "ess", "pareto_k", "r_hat", "ppc_p", "typicality")
        trust = verdict(*(columns[name] for name in names), in_range, wave_used)
        return Posteriors(trust=trust, **columns)

    def _draw_more(self, columns, batch, weighted, hopeful):
        """Adapted draws of those of some objects whose weights are not good enough, in place."""
        failed, size = hopeful[_unreliable(columns, hopeful)], _more_objects()
        for first in range(0, len(failed), size):
            todo, earlier = failed[first : first + size], []
            before = _rows(weighted, todo)
            for i in range(_MORE_ITERATIONS):
                part, evidence = _part(self.likelihood, batch, todo, size), columns["log_evidence"][todo]
                found = by_one_iteration(self.likelihood, *part, _filled(before, size), i)
                before, rest = _kept(columns, todo, found)
                # no draws make a model fit: enough, where these are no better than those before
                better = columns["log_evidence"][todo] > evidence + _GAIN
                rest = rest[better[rest] | (two_sided(columns["ppc_p"][todo[rest]]) > SMALLEST_P)]
                todo, earlier = todo[rest], _rows([*earlier, before], rest)
                # each iteration may leave few effective draws: they add up
                if len(todo) and len(earlier) > 1:
                    part, filled = _part(self.likelihood, batch, todo, size), _filled(earlier, size)
                    rest = _kept(columns, todo, together(self.likelihood, *part, filled, _MORE_ITERATIONS))[1]
                    todo, earlier = todo[rest], _rows(earlier, rest)
                if not len(todo):
                    break
                before = earlier[-1]

    def _repair(self, columns, batch, weighted):
        """Refine the objects whose weights are not good enough, in place."""
        likelihood = self.likelihood
        n_iterations = _ITERATIONS_WITH_MODES if likelihood.finds_modes else _ITERATIONS
        todo = _unreliable(columns, np.arange(len(columns["ess"])))
        weighted, earlier, lost = _rows(weighted, todo), [], True
        for i in range(n_iterations):
            if not len(todo):
                return
            most = np.min(columns["ess"][todo])
            # searched again only where population Monte Carlo loses what a search found
            search = likelihood.finds_modes and lost and most < FEWEST_CONVERGED
            part = _part(likelihood, batch, todo)
            # each iteration starts from the draws of those before
            start = _filled(weighted, len(part[2]))
            found = (by_modes if search else by_weights)(likelihood, *part, start, i)
            weighted, rest = _kept(columns, todo, found)
            earlier = [] if search else [*earlier, weighted]
            todo, weighted, earlier = todo[rest], *_rows((weighted, earlier), rest)
            if len(earlier) > 1 and len(todo):
                part = _part(likelihood, batch, todo)
                found = together(likelihood, *part, _filled(earlier, len(part[2])), n_iterations)
                weighted, rest = _kept(columns, todo, found)
                todo, weighted, earlier = todo[rest], *_rows((weighted, earlier), rest)
            lost = not search and len(todo) and np.min(columns["ess"][todo]) < most
        columns["method"][todo] = Method.FAILED
        # no sampler makes a model fit: chains only where that can be what is left to repair
        fits = np.flatnonzero(columns["ppc_p"][todo] > SMALLEST_P / 2)
        todo, weighted = todo[fits], _rows(weighted, fits)
        if not len(todo):
            return
        # the chains start from the adapted draws
        part = _part(likelihood, batch, todo)
        chains = by_chains(likelihood, *part, _filled(weighted, len(part[2])))
        u, r_hat, ess, misfit = _rows(chains, slice(len(todo)))
        good = chains_converged(ess, r_hat)
        columns["method"][todo[good]] = Method.HMC
        columns["r_hat"][todo] = r_hat
        found = {"u": u, "ess": ess, "pareto_k": np.nan * ess} | _judged(misfit)
        for name, values in found.items():
            columns[name][todo[good]] = values[good]


def _more_objects() -> int:
    return 1 if jax.default_backend() == "cpu" else _MORE_OBJECTS


def _of_network(network, weights, key, data, ids, n_draws):
    return network_draws(network, weights, data, ids, key, n_draws=n_draws)


def _of_likelihood(likelihood, key, shared_view, data, ids, own_view, n_draws):
    view = shared_view if own_view is None else own_view
    return importance_sample(likelihood, data, view, ids, key, n_draws=n_draws)


def _typicality(typicality, post, u, data):
    return typicality.p_value(post, u, data)


def _rows(tree, rows):
    # in numpy: jax would compile a small program for every shape
    return jax.tree.map(lambda a: np.asarray(a)[rows], tree)


def _filled(tree, n):
    """Repeated to n rows."""
    return jax.tree.map(lambda a: a[np.resize(np.arange(len(a)), n)], tree)


def _part(likelihood, batch, todo, size=None):
    """Some objects of a batch, filled up to a size, by default one of few: few compilations."""
    data, view, ids, key, n_draws = batch
    rows = np.resize(todo, padded(len(todo)) if size is None else size)
    return _rows(data, rows), likelihood.part_of(view, rows), np.asarray(ids)[rows], key, n_draws


def padded(n: int) -> int:
    """The next power of four: the size of a batch of n objects, filled up."""
    return 4 ** int(np.ceil(np.log(n) / np.log(4.0) - 1e-9))


def _unreliable(columns, rows):
    """Those rows whose weights are not good enough."""
    return np.flatnonzero(~weights_reliable(columns["ess"][rows], columns["pareto_k"][rows]))


def _kept(columns, todo, found):
    """Put what was found of some objects, filled up, in their columns; and which are not good enough yet."""
    u, weighted, misfit = _rows(found, slice(len(todo)))
    columns["u"][todo] = u
    _put(columns, todo, weighted, misfit)
    return weighted, _unreliable(columns, todo)


def _put(columns, rows, weighted, misfit, worth=1.0):
    columns["ess"][rows] = worth * np.asarray(weighted.ess)
    for name in ("pareto_k", "log_evidence"):
        columns[name][rows] = np.asarray(getattr(weighted, name))
    n_worth = worth * np.shape(weighted.log_weight)[1]
    columns["log_evidence_error"][rows] = evidence_error(worth * np.asarray(weighted.ess), n_worth)
    for name, values in _judged(misfit).items():
        columns[name][rows] = values


def evidence_error(ess, n_draws: int) -> np.ndarray:
    """Monte-Carlo standard deviation (Object,) of the log of a mean of weights; infinite where all are 0.

    That of the mean, over the mean: (1/ESS - 1/n)^(1/2) with Kish's effective number (Liu 2001, Monte Carlo
    Strategies in Scientific Computing, sect. 2.5). It holds where the tail of the weights is short,
    ``pareto_k`` below 0.7.
    """
    ess = np.asarray(ess, float)
    with np.errstate(divide="ignore"):
        return np.sqrt(np.maximum(1.0 / ess - 1.0 / n_draws, 0.0))


def _judged(misfit):
    scale, n = error_scale(misfit)
    return {"ppc_p": tail_probability(misfit), "error_scale": scale, "error_dof": n}


def mass_spread(names, u):
    """Standard deviation of the mass over that of the prior (Object,): log10 of it is uniform there."""
    share = ndtr(u[..., names.index("log_mass_formed")])
    return np.sqrt(12.0 * share.var(axis=1))
