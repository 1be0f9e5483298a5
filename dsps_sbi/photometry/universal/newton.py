"""Gauss-Newton steps on the forward model of any filters: where the posterior is, and how wide.

As :mod:`dsps_sbi.kernels.laplace`, with errors that bands share, for galaxies that share what their bands
see. Small systems are solved in the open, element by element: loops over many galaxies are then the inner
ones.
"""

from functools import partial

import jax
import jax.numpy as jnp

from ...kernels.full_precision import einsum, matmul
from ...kernels.levenberg import levenberg_marquardt
from ...kernels.mass import solve_beside_unit
from ..compressed import FAINTEST
from ..wave_basis import WaveBasis
from .light import Bands, behind_screen, parts_and_slopes

# Rounds of the best mass: its variances depend on it
_N_MASS = 4
# Residuals beyond this many sigma do not rule a step
_WILD = 20.0


def _triangle(matrix):
    """Lower triangle of one small matrix, as :func:`~dsps_sbi.kernels.mass.solve_beside_unit` takes it."""
    return [[matrix[i, j] for j in range(i + 1)] for i in range(len(matrix))]


def _solve(matrix, right):
    """Solutions (n, m) of (1 + matrix) x = right (n, m)."""
    pairs = [[value[None] for value in row] for row in _triangle(matrix)]
    return jnp.stack(solve_beside_unit(pairs, list(right))[0])


def _step(u, state, damping):
    """The damped step (n + 1,), the last of it that of ln mass."""
    hessian, gradient = state[:2]
    damped = hessian + damping * jnp.diag(jnp.diag(hessian))
    # the prior's is 1
    return _solve(damped - jnp.eye(len(gradient)), gradient[:, None])[:, 0]


def _best_mass(data, light, counted, relative2):
    def improve(mass, _):
        weight = jnp.where(counted, 1.0 / (1.0 + relative2 * (mass * light) ** 2), 0.0)
        top, bottom = jnp.sum(weight * data * light), jnp.sum(weight * light**2)
        return jnp.maximum(top, 0.0) / jnp.maximum(bottom, 1e-30), None

    return jax.lax.scan(improve, jnp.zeros((), light.dtype), length=_N_MASS)[0]


def peak(
    basis: WaveBasis,
    prior,
    sfh,
    error,
    start,
    seen,
    counted,
    relative2,
    bands: Bands,
    errors,
    scale,
    universe,
    n_steps,
):
    """Peak of the posterior of one galaxy's shape and the normal distribution about it; to be mapped.

    Parameters
    ----------
    basis : WaveBasis
    prior : Prior
    sfh : StarFormationHistory
    error : ModelError or None
        How ``errors`` depend on metallicity.
    start : array (n,)
    seen : array (Band,)
        Fluxes in units of the sky.
    counted : bool array (Band,)
    relative2 : array ()
        Relative variance of the model's fluxes, of each band's own.
    bands : Bands
    errors : array (Mode, Part, Band) or None
        Relative errors that bands share.
    scale : array (Band,)
        Factor from fluxes of ``bands`` to units of the sky.
    universe : array ()
    n_steps : int

    Returns
    -------
    peak, step : array (n,)
    covariance : array (n, n)
    residual : array (Band,)
        In sigma, shared errors at their best; 0 where not counted.
    slope : array (n, Band)
        Derivatives of ln flux.
    """
    n, place = len(start), len(sfh.names) + 1

    def at(u):
        theta, rate = jax.jvp(lambda u: prior.from_normal(u, universe), (u,), (jnp.ones_like(u),))
        parts, slopes = parts_and_slopes(basis, sfh, theta, rate, universe)
        n_part = len(parts)
        flux, by_av = behind_screen(jnp.concatenate([parts, slopes]), bands, theta[place], slope=True)
        total = jnp.sum(flux[:n_part], axis=0)
        floor = jnp.maximum(total, FAINTEST * jnp.max(total) + 1e-30)
        av = rate[place] * jnp.sum(by_av[:n_part], axis=0, keepdims=True)
        slope = jnp.concatenate([flux[n_part : n_part + place], av, flux[n_part + place :]]) / floor
        light = floor * scale
        spread = relative2
        if errors is not None:
            shared = einsum("pb,mpb->mb", flux[:n_part] / floor, errors)
            shared = shared * error.strengths(theta[place - 1])[:, None]
            spread = relative2 + jnp.sum(shared**2, axis=0)
        model = _best_mass(seen, light, counted, spread) * light
        weight = jnp.where(counted, jax.lax.rsqrt(1.0 + relative2 * model**2), 0.0)
        residual = (seen - model) * weight
        # d model / d (u, ln mass) in units of sigma
        rows = jnp.concatenate([slope, jnp.ones_like(slope[:1])]) * (model * weight)
        clipped = jnp.clip(residual, -_WILD, _WILD)
        hessian, gradient = matmul(rows, rows.T), matmul(rows, clipped)
        cost = jnp.sum(residual**2)
        if errors is not None:
            shared = shared * (model * weight)
            right = jnp.concatenate([rows, clipped[None], residual[None]]).T
            right = matmul(shared, right)
            solved = _solve(matmul(shared, shared.T), right)
            hessian = hessian - matmul(right[:, : n + 1].T, solved[:, : n + 1])
            gradient = gradient - matmul(right[:, : n + 1].T, solved[:, n + 1])
            cost = cost - jnp.sum(right[:, n + 2] * solved[:, n + 2])
            residual = residual - matmul(solved[:, n + 2], shared)
        gradient = gradient - jnp.append(u, 0.0)
        return hessian + jnp.eye(n + 1), gradient, cost + jnp.sum(u**2), residual, slope

    u, (hessian, gradient, _, residual, slope) = levenberg_marquardt(at, start, n_steps, _step)
    eye = jnp.eye(n + 1, dtype=u.dtype)
    covariance = _solve(hessian - eye, eye)
    return u, matmul(covariance, gradient)[:n], covariance[:n, :n], residual, slope


def peaks(basis, prior, sfh, error, start, seen, counted, relative2, bands, errors, scale, universe, n_steps):
    """:func:`peak` of galaxies (Survey, Galaxy, ...); what is the survey's own has the first axis alone."""
    of_one = partial(peak, basis, prior, sfh, error, n_steps=n_steps)
    axes = 0, 0, 0, 0, None, None, 0, None

    def of_survey(start, seen, counted, relative2, bands, errors, scale, universe):
        return jax.vmap(of_one, in_axes=axes)(start, seen, counted, relative2, bands, errors, scale, universe)

    return jax.vmap(of_survey)(start, seen, counted, relative2, bands, errors, scale, universe)
