"""The mass integrated out, against quadrature in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from dsps_sbi.kernels.mass import draw_mass, marginalise

LOW, HIGH, FLOOR = 4.0, 12.0, 0.05
UNIT = np.array([3e-13, 1e-12, 2e-12, 1.5e-12])
SKY = np.array([1e-4, 2e-4, 1e-4, 3e-4])


def observed(log_mass, seed=0):
    flux = 10.0**log_mass * UNIT
    return flux + np.hypot(SKY, FLOOR * flux) * np.random.default_rng(seed).standard_normal(4)


def likelihood(log_mass, data, valid):
    flux = 10.0**log_mass * UNIT
    return np.exp(stats.norm.logpdf(data, flux, np.hypot(SKY, FLOOR * flux))[valid].sum())


def ours(data, valid):
    parts = (data.astype(np.float32), SKY.astype(np.float32), valid, UNIT.astype(np.float32))
    return jax.jit(marginalise, static_argnums=(4, 5, 6))(*parts, FLOOR, LOW, HIGH)


@pytest.mark.parametrize("log_mass", [5.0, 7.8, 8.2, 9.0, 11.0, 11.99])
@pytest.mark.parametrize("n_valid", [1, 4])
def test_evidence_and_median_are_those_of_quadrature(log_mass, n_valid):
    data, valid = observed(log_mass), np.arange(4) < n_valid
    evidence, grid, cdf = ours(data, valid)
    fine = np.linspace(LOW, HIGH, 20_001)
    density = np.array([likelihood(m, data, valid) for m in fine])
    total = integrate.trapezoid(density, fine)
    assert abs(float(evidence) - np.log(total / (HIGH - LOW))) < 0.02
    below = integrate.cumulative_trapezoid(density, fine, initial=0.0) / total
    spread = np.interp([0.16, 0.84], below, fine)
    for share in (0.16, 0.5, 0.84):
        expected = np.interp(share, below, fine)
        got = float(draw_mass(jnp.float32(share)[None], grid[None], cdf[None])[0])
        assert abs(got - expected) < 0.05 * (spread[1] - spread[0]) + 2e-4


def test_a_mass_that_is_not_detected_is_bounded_from_above():
    _, grid, cdf = ours(-np.abs(observed(4.0)), np.ones(4, bool))
    assert grid[0] == LOW and 6.0 < np.interp(0.95, cdf, grid) < 9.0


def test_gradients_are_finite():
    def evidence(unit):
        return marginalise(
            jnp.asarray(observed(8.0)), jnp.asarray(SKY), jnp.ones(4, bool), unit, 0.05, 4.0, 12.0
        )[0]

    assert np.isfinite(jax.grad(evidence)(jnp.asarray(UNIT))).all()
