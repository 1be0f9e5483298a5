"""The exact posterior of a spectrum where no network is at hand: climbs, then population Monte Carlo.

The best draws of the prior climb to peaks of the exact likelihood (Levenberg-Marquardt), draws about these
are weighed, and population Monte Carlo goes on from them. There are fewer starts than the package's own
repair has, which takes minutes from nothing: a peak may be missed.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from dsps_sbi.inference.importance import WeightedDraws
from dsps_sbi.inference.misfit import tail_probability
from dsps_sbi.inference.pmc import temper
from dsps_sbi.inference.trust import Method, populations_fit, verdict, weights_reliable
from dsps_sbi.kernels.cholesky import solve_lower
from dsps_sbi.kernels.full_precision import matmul
from dsps_sbi.kernels.levenberg import levenberg_marquardt
from dsps_sbi.kernels.psis import systematic_resample
from dsps_sbi.kernels.student_mixture import draw, local_factors, log_density, moments, whiten

_CHUNK, _N_CENTRES = 125, 64
# Kernels about peaks are wider than Laplace has them; peaks of less evidence [nat] are none
_WIDER, _DEEP, _N_STEPS = 1.3, 12.0, 25


@dataclass(frozen=True, eq=False)
class Found:
    """Draws of one spectrum and what they are worth.

    Parameters
    ----------
    u : ndarray (Draw, Param)
        Equally weighted.
    ess, pareto_k, ppc_p, population_p : float
    trusted : bool
    """

    u: np.ndarray
    ess: float
    pareto_k: float
    ppc_p: float
    population_p: float
    trusted: bool


def _log_target(likelihood, view, u):
    evidence, mass, width = likelihood.shape_evidence(u[None], None, view)
    value = evidence[0] + norm.logpdf(u).sum(axis=-1)
    return jnp.where(jnp.isnan(value), -jnp.inf, value), mass[0], width[0]


_chunk = jax.jit(_log_target)


def values(likelihood, view, u):
    """Log posterior (Draw,) of shapes u (Draw, n), and mean and width of log10 of their masses."""
    more = np.resize(np.asarray(u), (-(-len(u) // _CHUNK) * _CHUNK, u.shape[1]))
    parts = [_chunk(likelihood, view, more[i : i + _CHUNK]) for i in range(0, len(more), _CHUNK)]
    return tuple(
        np.concatenate([np.asarray(a) for a in column])[: len(u)] for column in zip(*parts, strict=True)
    )


@jax.jit
def _climb(likelihood, view, start):
    def one(u):
        value, mass, _ = _log_target(likelihood, view, u[None])
        return value[0], mass[0]

    def at(u):
        (value, mass), slope = jax.value_and_grad(one, has_aux=True)(u)
        root = likelihood.precision_root(u, mass, view)
        return matmul(root.T, root), slope, -2.0 * value, root

    peaks, (_, _, cost, root) = jax.lax.map(lambda u: levenberg_marquardt(at, u, _N_STEPS), start)
    factors = solve_lower(root, jnp.broadcast_to(jnp.eye(start.shape[1]), root.shape))
    volume = jnp.log(jnp.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    return peaks, factors, jnp.nan_to_num(volume - 0.5 * cost, nan=-jnp.inf)


@partial(jax.jit, static_argnames="n")
def _about_peaks(peaks, factors, evidence, key, n):
    highest = jnp.argmax(evidence)
    which = jnp.where(evidence > evidence[highest] - _DEEP, jnp.arange(len(peaks)), highest)
    mixture = peaks[which], _WIDER * factors[which]
    u = draw(*mixture, key, n)
    return u, log_density(*mixture, u)


@partial(jax.jit, static_argnames="n")
def _about_draws(u, log_weight, key, n):
    """As an iteration of :func:`dsps_sbi.inference.pmc.population_monte_carlo`."""
    soft, keys = temper(log_weight[None])[0], jax.random.split(key)
    factor = moments(u, soft)[1]
    white = whiten(factor, u)
    index = systematic_resample(jax.random.uniform(keys[0], (1,)), soft[None], _N_CENTRES)[0]
    mixture = white[index], local_factors(white, soft, white[index])
    new = draw(*mixture, keys[1], n)
    log_det = jnp.log(jnp.diagonal(factor)).sum()
    return matmul(new, factor.T), log_density(*mixture, new) - log_det


@jax.jit
def _misfit(likelihood, view, u):
    return likelihood.misfit(u, None, view)


def posterior(likelihood, spectrum, seed, *, n_prior=500, n_climb=6, n_draws=500, n_iterations=2) -> Found:
    """The posterior of a spectrum under a :class:`~dsps_sbi.spectroscopy.by_prior.PriorLikelihood`.

    Parameters
    ----------
    likelihood : PriorLikelihood
    spectrum : Spectrum or Observed
    seed : int
    n_prior, n_climb : int
        Draws of the prior, and how many of them climb.
    n_draws, n_iterations : int
        Draws of each mixture, and iterations of population Monte Carlo at most.
    """
    view = likelihood.observed(spectrum, 0.0) if hasattr(spectrum, "wave_aa") else spectrum
    keys = jax.random.split(jax.random.key(seed), 4 + n_iterations)
    u = jax.random.normal(keys[0], (n_prior, likelihood.n_shape))
    # the best of each share of the metallicities: peaks of the same light at others are the usual trap
    rows = np.argsort(u[:, likelihood.model.names.index("metallicity")])
    value = values(likelihood, view, u)[0]
    best = np.array([part[np.argmax(value[part])] for part in np.array_split(rows, n_climb)])
    u, log_q = _about_peaks(*_climb(likelihood, view, u[best]), keys[1], n_draws)
    for key in (*keys[4:], None):
        value, mass, width = values(likelihood, view, u)
        log_weight = jnp.nan_to_num(value - log_q, nan=-jnp.inf, neginf=-jnp.inf)
        share = jax.random.uniform(keys[2], (1, len(u)))
        with_mass = likelihood.with_mass(u[None], share, mass[None], width[None])
        weighted = WeightedDraws.of(with_mass, log_weight[None])
        if key is None or weights_reliable(weighted.ess, weighted.pareto_k)[0]:
            break
        u, log_q = _about_draws(u, log_weight, key, n_draws)
    index = systematic_resample(jax.random.uniform(keys[3], (1,)), weighted.log_weight, 500)[0]
    drawn = weighted.u[:, index]
    ppc_p = tail_probability(_misfit(likelihood, view, drawn))
    population_p = likelihood.population_p(drawn, view, np.zeros(1, np.uint32), keys[3])
    trust = verdict([Method.IS], weighted.ess, weighted.pareto_k, [np.nan], ppc_p, [np.nan], np.array([True]))
    trusted = populations_fit(trust, population_p)[0] == 0
    numbers = (weighted.ess, weighted.pareto_k, ppc_p, population_p)
    return Found(np.asarray(drawn)[0], *(float(a[0]) for a in numbers), bool(trusted))
