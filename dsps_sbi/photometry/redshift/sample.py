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

from ...inference.importance import branch, object_keys
from ...kernels.psis import effective_draws, pareto_smooth, systematic_resample
from ..data import PhotometryData
from .likelihood import RedshiftLikelihood, SharedErrors
from .prior import RedshiftPrior
from .summary import redshift_columns

# Redshifts of a set, and draws at each
N_Z, N_EACH = 64, 16
# Widest step of the first ladder in ln(1+z): about the width of a peak of broad bands
_WIDEST = 0.0167
# Cells of the densities that redshifts are drawn from
_N_CELL = 1024
# Sets after the ladder, and those that are added where weights are not good enough, unless and if the answers
# are to be refined
N_FINE, N_MORE, N_REFINE = 2, 2, 8
# Shares of the next set's density: what the evidence tells, its root, and the ladder's
_SHARES = 0.85, 0.1, 0.05
# Log evidence of what cannot be
_NOTHING = -1e20
# Objects that are looked at together: intermediate arrays then stay in the processor's cache
_TOGETHER = 4
# Branches of an object's key, beside those of :mod:`dsps_sbi.inference.importance`
_LADDER, _CHOICE = 11, 12


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
    size = min(_TOGETHER, n)
    network, weights = likelihood.post.network, likelihood.post.weights

    def of_some(part):
        data, keys = part
        shape = (n_z, n_draws, likelihood.n_shape + 1)
        noise = jax.vmap(lambda key: jax.random.normal(key, shape))(keys).reshape(-1, *shape[1:])

        def repeated(values):
            return jnp.broadcast_to(values[:, None], (size, n_z, values.shape[-1])).reshape(size * n_z, -1)

        valid = data.valid.reshape(size * n_z, -1)
        rest = [repeated(a) for a in (data.flux, data.sigma, data.upper)]
        pairs = PhotometryData(*rest[:2], valid, rest[2] & valid, data.z.ravel())
        u, log_q = network.draw_shape(weights, network.condition(weights, *pairs), noise[..., :-1])
        view = likelihood.view(pairs.z)
        light = likelihood.light(u, view)
        evidence, *mass = likelihood.shape_evidence(u, pairs, view, light)
        log_weight = evidence + norm.logpdf(u).sum(axis=-1) - log_q
        u = likelihood.with_mass(u, ndtr(noise[..., -1]), *mass)
        return jax.tree.map(lambda a: a.reshape(size, n_z, *a.shape[1:]), Tried(u, log_weight, light))

    parts = jax.tree.map(lambda a: a.reshape(n // size, size, *a.shape[1:]), (data, keys))
    return jax.tree.map(lambda a: a.reshape(n, *a.shape[2:]), jax.lax.map(of_some, parts))


@partial(jax.jit, static_argnames="n_draws")
def _chosen(shift, log_weight, u, light, n_draws):
    """Smoothed weights, k, effective number and mean; index, u and light of equally weighted draws."""
    smooth, k = pareto_smooth(log_weight)
    evidence = jax.scipy.special.logsumexp(smooth, axis=1) - jnp.log(smooth.shape[1])
    index = systematic_resample(shift, smooth, n_draws)

    def taken(values):
        flat = values.reshape(*log_weight.shape, *values.shape[3:])
        return jnp.take_along_axis(flat, index.reshape(*index.shape, *[1] * (flat.ndim - 2)), axis=1)

    return smooth, k, effective_draws(smooth), evidence, index, taken(u), taken(light)


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


class _Cells:
    """Densities that are constant in cells of ln(1+z) between the ends of each object's prior."""

    def __init__(self, prior: RedshiftPrior):
        low, high = (np.log1p(end) for end in prior.support())
        self.low, self.step = low[:, None], ((high - low) / _N_CELL)[:, None]
        self.middle = self.low + (np.arange(_N_CELL) + 0.5) * self.step
        self.width = high - low
        self.prior = self.log_prior(prior, self.middle)
        self.allowed = np.isfinite(self.prior)
        self.even = self.allowed / self.allowed.sum(axis=1, keepdims=True)
        self.densities, self.sizes = [], []

    @staticmethod
    def log_prior(prior, x):
        """Log prior per unit of x = ln(1+z)."""
        return prior.log_density(np.expm1(x)) + x

    def draw(self, share, n, random):
        """Values of x (Object, n), one in each of n equally likely parts, of a share of each cell."""
        self.densities.append(share)
        self.sizes.append(n)
        at = (np.arange(n) + random) / n
        cumulative = np.cumsum(share, axis=1)
        out = []
        for row, points, low, step in zip(cumulative, at, self.low[:, 0], self.step[:, 0], strict=True):
            nodes = np.append(0.0, row / row[-1])
            # cells of no share have no points
            out.append(low + step * np.interp(points, nodes, np.arange(_N_CELL + 1)))
        return np.stack(out)

    def log_mixture(self, x):
        """Log density (Object, n) of all that was drawn so far, per unit of x."""
        index = np.clip(((x - self.low) / self.step).astype(int), 0, _N_CELL - 1)
        size = np.array(self.sizes, float)
        mixed = np.einsum("s,sog->og", size / size.sum(), np.stack(self.densities))
        with np.errstate(divide="ignore"):
            return np.log(np.take_along_axis(mixed, index, axis=1) / self.step)

    def next_share(self, x, log_evidence):
        """Share of each cell for the next set, from the evidence (Object, n) of some x (Object, n)."""
        order = np.argsort(x, axis=1)
        x, seen = (np.take_along_axis(a, order, axis=1) for a in (x, log_evidence))
        # the mean of three neighbours: a poor proposal makes one of them too small
        padded = np.pad(seen, [(0, 0), (1, 1)], mode="edge")
        seen = logsumexp(np.stack([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]]), axis=0) - np.log(3.0)
        rows = zip(self.middle, x, seen, strict=True)
        density = np.stack([np.interp(*row) for row in rows]) + np.where(self.allowed, self.prior, -np.inf)
        share = 0.0
        for part, power in zip(_SHARES[:2], (1.0, 0.5), strict=True):
            log_share = power * density
            log_share = log_share - logsumexp(log_share, axis=1, keepdims=True)
            share = share + part * np.exp(log_share)
        return share + _SHARES[2] * self.even


def ladders(prior: RedshiftPrior) -> np.ndarray:
    """How many sets of redshifts the first ladder takes (Object,): objects that differ are no batch."""
    low, high = (np.log1p(end) for end in prior.support())
    return np.clip(np.ceil((high - low) / _WIDEST / N_Z), 1, 2).astype(int)


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

    def with_rows(self, index, other: "RedshiftDraws") -> "RedshiftDraws":
        """With others in the place of some objects."""

        def put(old, new):
            old = np.array(old)
            old[index] = new
            return old

        parts = {
            f.name: jax.tree.map(put, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)
        }
        return RedshiftDraws(**parts)


def sample(
    likelihood: RedshiftLikelihood,
    prior: RedshiftPrior,
    data: PhotometryData,
    ids,
    key,
    n_draws,
    n_sets=N_FINE,
) -> RedshiftDraws:
    """Draws of redshifts and parameters of some objects.

    Parameters
    ----------
    likelihood : RedshiftLikelihood
    prior : RedshiftPrior
        Of objects that :func:`ladders` has one number for.
    data : PhotometryData
        ``valid``: bands that are there, whatever the redshift; ``z`` is not read.
    ids : array of uint32 (Object,)
        The draws of an object depend on the key and its number.
    key : key
    n_draws : int
    n_sets : int
        Sets of redshifts after the ladder.
    """
    n, keys = len(ids), object_keys(key, jnp.asarray(ids, jnp.uint32))
    flux, sigma, present, upper = (np.asarray(a) for a in data[:4])
    cells = _Cells(prior)
    pivot_aa = np.asarray(likelihood.pivot_aa, float)
    n_ladder = int(ladders(prior).max())
    tried, all_x, evidence = [], np.zeros((n, 0)), np.zeros((n, 0))
    more = np.zeros((n, 0))
    for i in range(n_ladder + n_sets):
        of_set = branch(keys, _LADDER + 2 * i)
        random = np.asarray(jax.vmap(lambda k: jax.random.uniform(k, (N_Z,)))(branch(of_set, 0)), float)
        if i < n_ladder:
            # each set of the ladder lies between the redshifts of the others
            random = (random + i) / n_ladder
            share = cells.even
        else:
            share = cells.next_share(all_x, evidence if not prior.kept else np.zeros_like(evidence))
        x = cells.draw(share, N_Z, random)
        z = np.clip(np.expm1(x), *np.float32(likelihood.post.network.prior.z))
        modelled = present[:, None] & likelihood.usable(z)
        pairs = PhotometryData(flux, sigma, modelled, upper, np.float32(z))
        tried.append(try_redshifts(likelihood, pairs, branch(of_set, 1), N_EACH))
        of_all = beyond(flux, sigma, present, upper, modelled, pivot_aa)
        seen = logsumexp(np.asarray(tried[-1].log_weight, float), axis=2) - np.log(N_EACH) + of_all
        seen = np.maximum(np.nan_to_num(seen, nan=_NOTHING, neginf=_NOTHING), _NOTHING)
        all_x, evidence, more = (
            np.concatenate(pair, axis=1) for pair in ((all_x, x), (evidence, seen), (more, of_all))
        )
    u, log_weight, light = (jnp.concatenate(parts, axis=1) for parts in zip(*tried, strict=True))
    of_redshift = cells.log_prior(prior, all_x) - cells.log_mixture(all_x) + more
    if prior.kept:
        # the photometry tells of the parameters at each redshift alone
        of_redshift = of_redshift - evidence
    weight = (np.asarray(log_weight, float) + of_redshift[..., None]).reshape(n, -1)
    # float32 from here on: relative to the largest
    peak = weight.max(axis=1, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    shift = jax.vmap(jax.random.uniform)(branch(keys, _CHOICE))
    found = _chosen(shift, jnp.asarray(weight - peak, jnp.float32), u, light, n_draws=n_draws)
    smooth, k, ess, log_evidence, index, u, light = (np.asarray(a) for a in found)
    z = np.float32(np.expm1(np.take_along_axis(all_x, index // N_EACH, axis=1)))
    z = np.clip(z, *np.float32(likelihood.post.network.prior.z))
    # what is not modelled somewhere among the draws is no part of the misfit
    everywhere = likelihood.usable(np.stack([z.min(axis=1), z.max(axis=1)], axis=1)).all(axis=1)
    judged = PhotometryData(flux, sigma, present & everywhere, upper & present & everywhere, None)
    misfit = jax.tree.map(np.asarray, _misfit(likelihood, u, judged, z, light))
    each = logsumexp(smooth.reshape(n, -1, N_EACH), axis=2)
    each = np.exp(each - logsumexp(each, axis=1, keepdims=True))
    columns = redshift_columns(np.expm1(all_x), each)
    return RedshiftDraws(u, z, ess, k, log_evidence + peak[:, 0], misfit, columns)
