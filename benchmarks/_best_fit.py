"""The exact best fit: smallest chi2 that the model can reach, from many starts and polished."""

import jax
import jax.numpy as jnp

N_POLISHED = 4
N_STEPS = 25
# Normal coordinates stay within the range in which the prior tells them apart
U_MAX = 4.9


def chi2(data, flux, floor):
    """Sum of squared residuals (...) in units of sigma^2 + (floor flux)^2; data and flux (..., Band)."""
    return jnp.sum(residuals(data, flux, floor) ** 2, axis=-1)


def residuals(data, flux, floor):
    observed, sigma, valid = data
    # in units of sigma: squares of faint fluxes in uJy underflow float32
    unit = jnp.where(valid, sigma, 1.0)
    model = jnp.where(valid, flux, 0.0) / unit
    return jnp.where(valid, (observed / unit - model) / jnp.sqrt(1.0 + (floor * model) ** 2), 0.0)


def best_mass(data, unit_flux, floor, low, high):
    """Log10 mass (...) by least squares with the variances of the model itself, iterated."""
    observed, sigma, valid = data
    unit = jnp.where(valid, sigma, 1.0)
    # masses relative to a reference keep float32 in range
    reference = 0.5 * (low + high)
    d = jnp.where(valid, observed, 0.0) / unit
    g = jnp.where(valid, unit_flux, 0.0) / unit * 10.0**reference
    mass = jnp.zeros_like(g[..., 0])
    for _ in range(6):
        weight = g / (1.0 + (floor * jnp.maximum(mass, 0.0)[..., None] * g) ** 2)
        mass = jnp.sum(weight * d, axis=-1) / jnp.sum(weight * g, axis=-1)
    return jnp.clip(jnp.log10(jnp.maximum(mass, 1e-12)) + reference, low, high)


def best_chi2(likelihood, data, starts, table):
    """Smallest chi2 (Object,) over all parameters.

    Parameters
    ----------
    likelihood : PhotometryLikelihood
    data : flux, sigma, valid
        Each (Object, Band).
    starts : sequence of array (Object, Start, Param - 1)
        Shape coordinates; the best few of each set are polished by damped Gauss-Newton steps.
    table : BandTable
    """
    (low, high), floor = likelihood.mass_range, likelihood.post.noise.floor
    wide = tuple(a[:, None] for a in data)

    def score(u):
        unit_flux = likelihood.unit_fluxes(u, table).sum(axis=-2)
        log_mass = best_mass(wide, unit_flux, floor, low, high)
        return chi2(wide, 10.0 ** log_mass[..., None] * unit_flux, floor), log_mass

    def first(u):
        at, log_mass = score(u)
        order = jnp.argsort(at, axis=1)[:, :N_POLISHED]
        x = jnp.concatenate([u, log_mass[..., None]], axis=-1)
        return jnp.take_along_axis(x, order[..., None], axis=1)

    def polish(x, *data):
        def miss(x):
            flux = likelihood.unit_fluxes(x[None, None, :-1], table)[0, 0].sum(axis=0) * 10.0 ** x[-1]
            return residuals(data, flux, floor)

        def step(state, _):
            x, r, damping = state
            jacobian = jax.jacfwd(miss)(x)
            normal = jacobian.T @ jacobian
            damped = normal + jnp.diag(damping * jnp.diag(normal) + 1e-6)
            new = x - jnp.linalg.solve(damped, jacobian.T @ r)
            new = jnp.append(jnp.clip(new[:-1], -U_MAX, U_MAX), jnp.clip(new[-1], low, high))
            r_new = miss(new)
            better = r_new @ r_new < r @ r
            x, r = jnp.where(better, new, x), jnp.where(better, r_new, r)
            return (x, r, jnp.clip(damping * jnp.where(better, 0.2, 6.0), 1e-6, 1e6)), None

        (_, r, _), _ = jax.lax.scan(step, (x, miss(x), jnp.float32(1e-2)), length=N_STEPS)
        return r @ r

    x = jnp.concatenate([first(u) for u in starts], axis=1)
    every = jax.vmap(jax.vmap(polish, in_axes=(0, None, None, None)))(x, *data)
    return jnp.min(every, axis=1)
