"""The exact posterior of a spectrum where no network is at hand: climbs, then population Monte Carlo.

The best draws of the prior climb to peaks of the exact likelihood (Levenberg-Marquardt), draws about these
are weighed, and population Monte Carlo goes on from them. There are fewer starts than the package's own
repair has, which takes minutes from nothing: a peak may be missed.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from dsps_sbi.inference.importance import WeightedDraws
from dsps_sbi.inference.misfit import tail_probability
from dsps_sbi.inference.repair import by_weights
from dsps_sbi.inference.trust import Method, populations_fit, verdict, weights_reliable
from dsps_sbi.kernels.cholesky import solve_lower
from dsps_sbi.kernels.full_precision import matmul
from dsps_sbi.kernels.levenberg import levenberg_marquardt
from dsps_sbi.kernels.student_mixture import draw, log_density
from dsps_sbi.spectroscopy.data import SpectrumData

_CHUNK = 250
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
    return jnp.where(jnp.isnan(value), -jnp.inf, value), mass, width


@jax.jit
def _values(likelihood, view, u):
    return _log_target(likelihood, view, u)[0]


@jax.jit
def _climb(likelihood, view, start):
    def one(u):
        value, mass, _ = _log_target(likelihood, view, u[None])
        return value[0], mass[0, 0]

    def at(u):
        (value, mass), slope = jax.value_and_grad(one, has_aux=True)(u)
        root = likelihood.precision_root(u, mass, view)
        return matmul(root.T, root), slope, -2.0 * value, root

    peaks, (_, _, cost, root) = jax.lax.map(lambda u: levenberg_marquardt(at, u, _N_STEPS), start)
    factors = solve_lower(root, jnp.broadcast_to(jnp.eye(start.shape[1]), root.shape))
    volume = jnp.log(jnp.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    return peaks, factors, jnp.nan_to_num(volume - 0.5 * cost, nan=-jnp.inf)


@jax.jit
def _about(likelihood, view, peaks, factors, evidence, key):
    highest = jnp.argmax(evidence)
    which = jnp.where(evidence > evidence[highest] - _DEEP, jnp.arange(len(peaks)), highest)
    mixture = peaks[which], _WIDER * factors[which]
    u = draw(*mixture, key, 1000)
    value, mass, width = _log_target(likelihood, view, u)
    log_weight = jnp.nan_to_num(value - log_density(*mixture, u), nan=-jnp.inf, neginf=-jnp.inf)
    share = jax.random.uniform(jax.random.fold_in(key, 1), (1, 1000))
    return likelihood.with_mass(u[None], share, mass, width), log_weight[None]


def posterior(likelihood, spectrum, seed, *, n_prior=1000, n_climb=6, n_draws=1000, n_iterations=2) -> Found:
    """The posterior of a spectrum under a :class:`~dsps_sbi.spectroscopy.by_prior.PriorLikelihood`.

    Parameters
    ----------
    likelihood : PriorLikelihood
    spectrum : Spectrum or Observed
    seed : int
    n_prior, n_climb : int
        Draws of the prior, and how many of the best ones climb.
    n_draws, n_iterations : int
        Draws that are returned, and calls of population Monte Carlo at most.
    """
    view = likelihood.observed(spectrum, 0.0) if hasattr(spectrum, "wave_aa") else spectrum
    key, ids = jax.random.key(seed), np.zeros(1, np.uint32)
    u = jax.random.normal(jax.random.fold_in(key, 2), (n_prior, likelihood.n_shape))
    parts = np.split(np.asarray(u), range(_CHUNK, n_prior, _CHUNK))
    value = np.concatenate([np.asarray(_values(likelihood, view, part)) for part in parts])
    found = _climb(likelihood, view, u[np.argsort(-value)[:n_climb]])
    weighted = WeightedDraws.of(*_about(likelihood, view, *found, jax.random.fold_in(key, 3)))
    nothing = SpectrumData(*(jnp.zeros((1, 1), kind) for kind in (float, float, bool)), jnp.zeros(1))
    for i in range(n_iterations):
        drawn, weighted, misfit = by_weights(
            likelihood, nothing, view, ids, key, n_draws, weighted, iteration=i
        )
        if weights_reliable(weighted.ess, weighted.pareto_k)[0]:
            break
    ppc_p = tail_probability(misfit)
    population_p = likelihood.population_p(drawn, view, ids, key)
    trust = verdict([Method.IS], weighted.ess, weighted.pareto_k, [np.nan], ppc_p, [np.nan], np.array([True]))
    trusted = populations_fit(trust, population_p)[0] == 0
    numbers = (weighted.ess, weighted.pareto_k, ppc_p, population_p)
    return Found(np.asarray(drawn)[0], *(float(a[0]) for a in numbers), bool(trusted))
