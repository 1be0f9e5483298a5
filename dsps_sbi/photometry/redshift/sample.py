r"""Redshifts and parameters together, by adaptive importance sampling.

The network proposes the parameters at any redshift. What has to be found is where the redshifts are: a
first ladder is even in ln(1+z) over all that the prior allows, each next set of redshifts is drawn from the
evidence :math:`p(x \mid z) p(z)` that the earlier ones tell. Every draw of every set counts, with the weight

.. math:: w = \frac{p(x \mid \theta, z)\, p(\theta)\, p(z)}{q(\theta \mid x, z)\, \bar q(z)}

where :math:`\bar q` is the mixture of the densities that all redshifts were drawn from (Cornuet, Marin,
Mira & Robert 2012, Scandinavian Journal of Statistics 39, 798): the sets need not be right, only wide enough.
"""

from dataclasses import dataclass, fields
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jax.scipy.stats import norm
from scipy.special import log_ndtr, logsumexp

from ...inference.exported import exported
from ...inference.importance import branch, object_keys
from ...inference.trust import LARGEST_K
from ...kernels.psis import effective_draws, pareto_smooth, systematic_resample
from ..data import PhotometryData
from .cells import Cells
from .likelihood import RedshiftLikelihood, SharedErrors
from .prior import RedshiftPrior
from .summary import redshift_columns

# Redshifts of a set, and draws at each
N_Z, N_EACH = 64, 8
# Widest step of the first ladder in ln(1+z), about the width of a peak of broad bands, and most sets of it
_WIDEST, _MOST_LADDERS = 0.0167, 2
# Sets after the ladder, and most of those that are added where there are fewer effective draws than are
# wanted: unless, and if the answers are to be refined
_N_FINE, N_MORE, N_REFINE = 2, 4, 20
_WANTED = 150.0
# Log evidence of what cannot be
_NOTHING = -1e20
# Objects that are looked at together: intermediate arrays then stay in the processor's cache
TOGETHER = 4
# Numbers of sets to which those of an object are filled up by draws that count nothing: few compilations
_FILLED = (4, 8, 24)
# Branches of an object's key, beside those of :mod:`dsps_sbi.inference.importance`
_CHOICE, _FIRST_SET = 11, 12


class Tried(NamedTuple):
    """Draws at some redshifts of each object.

    Parameters
    ----------
    u : array (Object, Z, Draw, Param)
        Normal coordinates, mass included.
    log_weight : array (Object, Z, Draw)
        Evidence times prior over proposal, of the parameters alone.
    light : array (Object, Z, Draw, Part, Band)
        Of one solar mass formed.
    """

    u: jax.Array
    log_weight: jax.Array
    light: jax.Array


@exported(lambda *_, n_draws: Tried(0, 0, 0))
@partial(jax.jit, static_argnames="n_draws")
def try_redshifts(likelihood: RedshiftLikelihood, data: PhotometryData, keys, n_draws: int) -> Tried:
    """Draws of the network at some redshifts of each object, weighed; compiled.

    Parameters
    ----------
    likelihood : RedshiftLikelihood
    data : PhotometryData
        ``z`` is (Object, Z), ``valid`` (Object, Z, Band): bands that are modelled at each.
    keys : array of keys (Object,)
    n_draws : int
        At each redshift.
    """
    n, n_z = data.z.shape
    network, weights = likelihood.proposal.network, likelihood.proposal.weights
    shape = (n_z, n_draws, likelihood.n_shape + 1)
    noise = jax.vmap(lambda key: jax.random.normal(key, shape))(keys).reshape(-1, *shape[1:])

    def repeated(values):
        return jnp.broadcast_to(values[:, None], (n, n_z, values.shape[-1])).reshape(n * n_z, -1)

    valid = data.valid.reshape(n * n_z, -1)
    flux, sigma, upper = (repeated(a) for a in (data.flux, data.sigma, data.upper))
    pairs = PhotometryData(flux, sigma, valid, upper & valid, data.z.ravel())
    u, log_q = network.draw_shape(weights, network.condition(weights, *pairs), noise[..., :-1])
    view = likelihood.view(pairs.z)
    light = likelihood.light(u, view)
    evidence, *mass = likelihood.shape_evidence(u, pairs, view, light)
    log_weight = evidence + norm.logpdf(u).sum(axis=-1) - log_q
    u = likelihood.with_mass(u, ndtr(noise[..., -1]), *mass)
    return jax.tree.map(lambda a: a.reshape(n, n_z, *a.shape[1:]), Tried(u, log_weight, light))


@jax.jit
def _random(keys, numbers):
    """Uniform numbers (Object, N_Z) for the redshifts of a set, and keys (Object,) for its draws."""
    places, draws = (jax.vmap(jax.random.fold_in)(keys, numbers + i) for i in (0, 1))
    return jax.vmap(lambda key: jax.random.uniform(key, (N_Z,)))(places), draws


@jax.jit
def _smoothed(log_weight):
    """Smoothed weights (Object, n), k and effective number (Object,)."""
    smooth, k = pareto_smooth(log_weight)
    return smooth, k, effective_draws(smooth)


@partial(jax.jit, static_argnames="n_draws")
def _chosen(keys, log_weight, n_draws):
    shift = jax.vmap(jax.random.uniform)(branch(keys, _CHOICE))
    return systematic_resample(shift, log_weight, n_draws)


@jax.jit
def _misfit(likelihood, u, data, z, light):
    return likelihood.misfit(u, data, SharedErrors(likelihood.errors_at(z)), light)


def beyond(flux, sigma, present, upper, modelled, pivot_aa) -> np.ndarray:
    """Log density (Object, Z) of bands that are measured, but not modelled at a redshift.

    Evidence of two redshifts compares only where it is that of the same data. Light beyond the model is taken
    to be that of the next band that is modelled, give or take all of it.

    Parameters
    ----------
    flux, sigma : array (Object, Band)
    present, upper : bool array (Object, Band)
        Bands that are there, and limits among them.
    modelled : bool array (Object, Z, Band)
    pivot_aa : array (Band,)
    """
    lacking = present[:, None] & ~modelled
    out = np.zeros(lacking.shape[:2])
    rows, columns, bands = np.nonzero(lacking)
    if not rows.size:
        return out
    far = np.abs(np.log(pivot_aa[bands])[:, None] - np.log(pivot_aa)[None])
    usable = (modelled[rows, columns] & present[rows]) & ~upper[rows]
    nearest = np.argmin(np.where(usable, far, np.inf), axis=1)
    # where there is none, the band itself
    nearest = np.where(usable.any(axis=1), nearest, bands)
    size = np.maximum(np.abs(flux[rows, nearest]), sigma[rows, nearest])
    spread = np.hypot(sigma[rows, bands], size)
    x = (flux[rows, bands] - size) / spread
    density = -0.5 * x**2 - np.log(spread * np.sqrt(2.0 * np.pi))
    np.add.at(out, (rows, columns), np.where(upper[rows, bands], log_ndtr(x), density))
    return out


def ladders(prior: RedshiftPrior) -> np.ndarray:
    """How many sets of redshifts the first ladder takes (Object,)."""
    low, high = (np.log1p(end) for end in prior.support())
    return np.clip(np.ceil((high - low) / _WIDEST / N_Z), 1, _MOST_LADDERS).astype(int)


@dataclass(frozen=True, eq=False)
class RedshiftDraws:
    """What is found of some objects.

    Parameters
    ----------
    u : ndarray (Object, Draw, Param)
        Equally weighted draws in normal coordinates.
    z : ndarray (Object, Draw)
        Their redshifts.
    ess, pareto_k, log_evidence : ndarray (Object,)
        Of all weights. The evidence is that under the prior of the redshift.
    misfit : Misfit
    columns : dict of ndarray (Object,)
        Of :func:`~dsps_sbi.photometry.redshift.summary.redshift_columns`.
    """

    u: np.ndarray
    z: np.ndarray
    ess: np.ndarray
    pareto_k: np.ndarray
    log_evidence: np.ndarray
    misfit: object
    columns: dict

    def rows(self, index) -> "RedshiftDraws":
        """Some of the objects."""
        parts = {f.name: jax.tree.map(lambda a: a[index], getattr(self, f.name)) for f in fields(self)}
        return RedshiftDraws(**parts)

    @classmethod
    def joined(cls, parts) -> "RedshiftDraws":
        """One after the other."""

        def both(*arrays):
            return np.concatenate(arrays)

        return cls(**{f.name: jax.tree.map(both, *(getattr(p, f.name) for p in parts)) for f in fields(cls)})


class Search:
    """The search for the redshifts of some objects, set by set.

    Parameters
    ----------
    likelihood : RedshiftLikelihood
    prior : RedshiftPrior
    data : PhotometryData
        ``valid``: bands that are there, whatever the redshift; ``z`` is not read.
    ids : array of uint32 (Object,)
        The draws of an object depend on the key and its number.
    key : key
    """

    def __init__(self, likelihood, prior: RedshiftPrior, data: PhotometryData, ids, key):
        self.likelihood, self.prior = likelihood, prior
        self.data = likelihood.filled(PhotometryData(*data[:4], None))
        self.keys = object_keys(key, jnp.asarray(ids, jnp.uint32))
        self.pivot_aa = np.asarray(likelihood.pivot_aa, float)
        self.cells = [Cells(prior.rows(slice(i, i + 1))) for i in range(len(prior))]
        self.sets = [[] for _ in self.cells]

    def run(self, n_draws: int, most: int = N_MORE) -> RedshiftDraws:
        """The ladder and some sets after that, then sets where more draws are wanted, up to a limit."""
        n_ladder, rows = ladders(self.prior), np.arange(len(self.cells))
        for i in range(_MOST_LADDERS):
            longer = rows[n_ladder > i]
            self._add(longer, [self.cells[row].even for row in longer], i, n_ladder)
        for _ in range(_N_FINE):
            self._add_fine(rows)
        weak = rows
        for _ in range(most):
            judged = [few[~self._good(few, n)] for few, n in self._alike(weak)]
            weak = np.sort(np.concatenate(judged))
            if not weak.size:
                break
            self._add_fine(weak)
        groups = list(self._alike(rows))
        found = RedshiftDraws.joined([self._found(n_draws, *group) for group in groups])
        return found.rows(np.argsort(np.concatenate([few for few, _ in groups])))

    def _alike(self, rows):
        """A few objects at a time that are filled up to the same number of sets, and that number."""
        filled = np.array([min(n for n in _FILLED if n >= len(self.sets[row])) for row in rows])
        for n in np.unique(filled):
            members = rows[filled == n]
            for first in range(0, len(members), TOGETHER):
                yield members[first : first + TOGETHER], n

    def _add_fine(self, rows):
        shares = []
        for row in rows:
            evidence = np.concatenate([one.evidence for one in self.sets[row]])
            x = np.concatenate([one.x for one in self.sets[row]])
            # where the density is kept, that is where the redshifts are
            shares.append(self.cells[row].next_share(x, 0.0 * evidence if self.prior.kept else evidence))
        self._add(rows, shares)

    def _add(self, rows, shares, place=0, among=None):
        """A set for some objects, of shares of their cells; of a ladder the one at a place among some."""
        last = None
        for first in range(0, len(rows), TOGETHER):
            few = rows[first : first + TOGETHER]
            new = self._started(few, shares[first : first + TOGETHER], place, among)
            # while one is computed, the one before is looked at
            if last is not None:
                self._keep(*last)
            last = new
        if last is not None:
            self._keep(*last)

    def _started(self, rows, shares, place, among):
        """What :meth:`_keep` takes of few objects, with what is still computed."""
        # of one size: one compilation
        index = np.resize(rows, TOGETHER)
        numbers = np.array([_FIRST_SET + 2 * len(self.sets[row]) for row in index])
        random, keys = _random(self.keys[index], numbers)
        random = np.asarray(random, float)
        if among is not None:
            # each set of a ladder lies between the redshifts of the others
            random = (random + place) / among[index, None]
        x = np.stack([self.cells[row].draw(*pair) for row, *pair in zip(rows, shares, random, strict=False)])
        x = np.resize(x, (TOGETHER, N_Z))
        z = np.clip(np.float32(np.expm1(x)), *np.float32(self.likelihood.prior.z))
        flux, sigma, present, upper = (a[index] for a in self.data[:4])
        modelled = present[:, None] & self.likelihood.usable(z)
        pairs = PhotometryData(flux, sigma, modelled, upper, z)
        tried = try_redshifts(self.likelihood, pairs, keys, n_draws=N_EACH)
        unseen = beyond(flux, sigma, present, upper, modelled, self.pivot_aa)
        return rows, x, z, unseen, tried

    def _keep(self, rows, x, z, unseen, tried: Tried):
        u, log_weight, light = (np.asarray(a) for a in tried)
        log_weight = np.asarray(log_weight, float) + unseen[..., None]
        evidence = logsumexp(log_weight, axis=2) - np.log(N_EACH)
        evidence = np.maximum(np.nan_to_num(evidence, nan=_NOTHING, neginf=_NOTHING), _NOTHING)
        if self.prior.kept:
            # the photometry tells of the parameters at each redshift alone
            log_weight = log_weight - evidence[..., None]
        for i, row in enumerate(rows):
            self.sets[row].append(_Set(x[i], z[i], evidence[i], log_weight[i], u[i], light[i]))

    def _worth(self, rows, n_filled):
        """Log weights (Row, n) of a few objects, smoothed, k, effective numbers, log of the mean (Row,).

        Weights are filled up with some that count nothing.
        """
        weight, number = np.full((len(rows), n_filled * N_Z * N_EACH), -np.inf), []
        for out, row in zip(weight, rows, strict=True):
            of_redshift = [self.cells[row].log_weight(one.x)[:, None] for one in self.sets[row]]
            pairs = zip(of_redshift, self.sets[row], strict=True)
            each = np.concatenate([(a + one.log_weight).ravel() for a, one in pairs])
            out[: len(each)] = np.where(np.isfinite(each), each, -np.inf)
            number.append(len(each))
        peak = weight.max(axis=1, keepdims=True)
        peak = np.where(np.isfinite(peak), peak, 0.0)
        index = np.resize(np.arange(len(rows)), TOGETHER)
        found = _smoothed(np.float32(weight - peak)[index])
        smooth, k, ess = (np.asarray(a)[: len(rows)] for a in found)
        mean = logsumexp(np.asarray(smooth, float), axis=1) - np.log(number) + peak[:, 0]
        return smooth, k, ess, mean

    def _good(self, rows, n_filled):
        _, k, ess, _ = self._worth(rows, n_filled)
        return (ess >= _WANTED) & (k <= LARGEST_K)

    def _found(self, n_draws, rows, n_filled) -> RedshiftDraws:
        """Draws of a few objects."""
        smooth, k, ess, log_evidence = self._worth(rows, n_filled)
        index = np.resize(np.arange(len(rows)), TOGETHER)
        chosen = np.asarray(_chosen(self.keys[rows[index]], smooth[index], n_draws=n_draws))[: len(rows)]
        z, u, light, columns = [], [], [], []
        for row, one, weight in zip(rows, chosen, smooth, strict=True):
            sets = self.sets[row]
            at = np.concatenate([part.z for part in sets])
            z.append(at[one // N_EACH])
            for out, name in ((u, "u"), (light, "light")):
                values = np.concatenate([getattr(part, name) for part in sets])
                out.append(values.reshape(-1, *values.shape[2:])[one])
            each = np.exp(logsumexp(weight[: at.size * N_EACH].reshape(-1, N_EACH), axis=1))
            columns.append(redshift_columns(at[None], (each / each.sum())[None]))
        z, u, light = (np.stack(parts) for parts in (z, u, light))
        # what is not modelled somewhere among the draws is no part of the misfit
        ends = np.stack([z.min(axis=1), z.max(axis=1)], axis=1)
        flux, sigma, present, upper = (a[rows] for a in self.data[:4])
        present = present & self.likelihood.usable(ends).all(axis=1)
        judged = PhotometryData(flux, sigma, present, upper & present, None)
        few = jax.tree.map(lambda a: a[index], (u, judged, z, light))
        misfit = jax.tree.map(lambda a: np.asarray(a)[: len(rows)], _misfit(self.likelihood, *few))
        columns = {name: np.concatenate([one[name] for one in columns]) for name in columns[0]}
        return RedshiftDraws(u, z, ess, k, log_evidence, misfit, columns)


class _Set(NamedTuple):
    """A set of redshifts of one object.

    Parameters
    ----------
    x, z, evidence : ndarray (Z,)
        ln(1+z), redshifts, log evidence there.
    log_weight : ndarray (Z, Draw)
        Beside the redshift's own.
    u, light : ndarray (Z, Draw, ...)
    """

    x: np.ndarray
    z: np.ndarray
    evidence: np.ndarray
    log_weight: np.ndarray
    u: np.ndarray
    light: np.ndarray
