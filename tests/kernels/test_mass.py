"""The mass integrated out, against quadrature in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from dsps_sbi.kernels.mass import draw_mass, marginalise, whitened

LOW, HIGH, FLOOR = 4.0, 12.0, 0.05
UNIT = np.array([3e-13, 1e-12, 2e-12, 1.5e-12])
SKY = np.array([1e-4, 2e-4, 1e-4, 3e-4])


def observed(log_mass, seed=0):
    flux = 10.0**log_mass * UNIT
    return flux + np.hypot(SKY, FLOOR * flux) * np.random.default_rng(seed).standard_normal(4)


def log_like(log_mass, data, valid, upper):
    """Log likelihood (n,) at masses (n,), float64."""
    flux = 10.0 ** log_mass[:, None] * UNIT
    sigma = np.hypot(SKY, FLOOR * flux)
    terms = np.where(upper, stats.norm.logcdf(data, flux, sigma), stats.norm.logpdf(data, flux, sigma))
    return terms[:, valid].sum(axis=1)


run = jax.jit(lambda *parts, upper=None: marginalise(*parts, FLOOR, LOW, HIGH, upper))


def ours(data, valid, upper=None):
    parts = (data.astype(np.float32), SKY.astype(np.float32), valid, UNIT.astype(np.float32))
    return run(*parts, upper=upper)


def check(data, valid, upper=None):
    evidence, grid, cdf = ours(data, valid, upper)
    fine = np.linspace(LOW, HIGH, 20_001)
    limits = np.zeros(4, bool) if upper is None else upper
    values = log_like(fine, data, valid, limits)
    density = np.exp(values - values.max())
    total = integrate.trapezoid(density, fine)
    assert abs(float(evidence) - values.max() - np.log(total / (HIGH - LOW))) < 1e-3
    below = integrate.cumulative_trapezoid(density, fine, initial=0.0) / total
    assert np.abs(np.interp(grid, fine, below) - cdf).max() < 2e-3
    spread = np.interp([0.16, 0.84], below, fine)
    for share in (0.16, 0.5, 0.84):
        expected = np.interp(share, below, fine)
        got = float(draw_mass(jnp.float32(share)[None], grid[None], cdf[None])[0])
        assert abs(got - expected) < 0.02 * (spread[1] - spread[0]) + 2e-4


@pytest.mark.parametrize("log_mass", [5.0, 7.8, 8.2, 9.0, 11.0, 11.99])
@pytest.mark.parametrize("n_valid", [1, 4])
def test_evidence_and_median_are_those_of_quadrature(log_mass, n_valid):
    check(observed(log_mass), np.arange(4) < n_valid)


# limits alone; one that contradicts or allows the detections; junk where not valid
@pytest.mark.parametrize(
    "log_mass, upper, k",
    [
        (6.0, [1, 1, 1, 1], 3.0),
        (6.0, [0, 0, 1, 0], 1.0),
        (8.2, [1, 1, 1, 1], 3.0),
        (8.2, [1, 0, 0, 1], 3.0),
        (9.0, [1, 0, 0, 0], 3.0),
    ],
)
@pytest.mark.parametrize("n_valid", [3, 4])
def test_upper_limits_are_those_of_quadrature(log_mass, upper, k, n_valid):
    upper = np.array(upper, bool)
    check(np.where(upper, k * SKY, observed(log_mass)), np.arange(4) < n_valid, upper)


def test_no_limit_where_there_could_be_some_is_as_good_as_none():
    data, valid = observed(8.2), np.ones(4, bool)
    for one, two in zip(ours(data, valid), ours(data, valid, np.zeros(4, bool)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)


def test_a_mass_that_is_not_detected_is_bounded_from_above():
    _, grid, cdf = ours(-np.abs(observed(4.0)), np.ones(4, bool))
    assert grid[0] == LOW and 6.0 < np.interp(0.95, cdf, grid) < 9.0


def test_gradients_are_finite():
    def evidence(unit, upper):
        return marginalise(
            jnp.asarray(observed(8.0)), jnp.asarray(SKY), jnp.ones(4, bool), unit, 0.05, 4.0, 12.0, upper
        )[0]

    for upper in (None, jnp.array([True, False, False, True]), jnp.ones(4, bool)):
        assert np.isfinite(jax.grad(evidence)(jnp.asarray(UNIT), upper)).all()


# two errors that bands share, one of them nearly grey
MODES = np.array([[-0.1, 0.0, 0.15, 0.25], [0.2, 0.25, 0.2, 0.15]])


@pytest.mark.parametrize("log_mass", [5.0, 7.8, 8.2, 9.0, 11.0, 11.99])
def test_errors_that_bands_share_are_integrated_out(log_mass):
    rng = np.random.default_rng(3)
    flux = 10.0**log_mass * UNIT
    data = observed(log_mass, seed=1) + flux * (rng.standard_normal(2) @ MODES)
    fine = np.linspace(LOW, HIGH, 8001)
    # in units of the first band's sky: determinants of squares of uJy would underflow
    unit, values = SKY[0], []
    for m in fine:
        model = 10.0**m * UNIT / unit
        own = np.diag((SKY / unit) ** 2 + (FLOOR * model) ** 2)
        values.append(
            stats.multivariate_normal.logpdf(data / unit, model, own + (MODES * model).T @ (MODES * model))
        )
    values = np.array(values) - 4 * np.log(unit)
    density = np.exp(values - values.max())
    total = integrate.trapezoid(density, fine)
    below = integrate.cumulative_trapezoid(density, fine, initial=0.0) / total
    parts = (data, SKY, np.ones(4, bool), UNIT)
    parts = [np.asarray(a, bool if a.dtype == bool else np.float32) for a in parts]
    evidence, grid, cdf = run_shared(*parts, (MODES * UNIT).astype(np.float32))
    assert abs(float(evidence) - values.max() - np.log(total / (HIGH - LOW))) < 1e-3
    assert np.abs(np.interp(grid, fine, below) - cdf).max() < 2e-3


@jax.jit
def run_shared(data, sky, valid, unit, modes):
    return marginalise(data, sky, valid, unit, FLOOR, LOW, HIGH, None, modes)


def test_bands_with_limits_and_without_data_take_no_part_in_shared_errors():
    data, valid = observed(9.0), np.array([True, True, True, False])
    upper = np.array([False, False, True, False])
    parts = [data.astype(np.float32), SKY.astype(np.float32), valid, UNIT.astype(np.float32)]
    modes = (MODES * UNIT).astype(np.float32)
    with_all = marginalise(*parts, FLOOR, LOW, HIGH, upper, modes)[0]
    # of a band without data the errors do not count, of a limit only its own variance
    other = modes * np.array([1.0, 1.0, 1.0, 7.0], np.float32)
    assert marginalise(*parts, FLOOR, LOW, HIGH, upper, other)[0] == with_all
    turned = modes * np.array([1.0, 1.0, -1.0, 1.0], np.float32)
    assert marginalise(*parts, FLOOR, LOW, HIGH, upper, turned)[0] == with_all


def test_a_limit_far_below_what_other_bands_say():
    """Where errors of the model are large a band can be faint that should be bright."""
    unit, sky = UNIT[[0, 1, 2, 3, 3]], SKY[[0, 1, 2, 3, 3]] * 1e-2
    relative = np.array([[0.2, 0.2, 0.15, 0.2, 0.6], [-0.1, 0.1, 0.2, 0.1, 0.4]])
    upper = np.arange(5) == 4
    data = np.where(upper, 2.0 * sky, 10.0**9.5 * unit)
    fine, values = np.linspace(LOW, HIGH, 20_001), []
    for m in fine:
        # in units of the sky: determinants of squares of uJy would underflow
        model = 10.0**m * unit / sky
        own = (relative * model).T @ (relative * model) + np.diag(1.0 + (FLOOR * model) ** 2)
        seen = stats.multivariate_normal.logpdf((data / sky)[:4], model[:4], own[:4, :4])
        values.append(seen + stats.norm.logcdf(2.0, model[4], np.sqrt(own[4, 4])))
    values = np.array(values) - np.log(sky[:4]).sum()
    expected = values.max() + np.log(np.mean(np.exp(values - values.max())))
    parts = [np.asarray(a, np.float32) for a in (data, sky, unit, relative * unit)]
    got = marginalise(*parts[:2], np.ones(5, bool), parts[2], FLOOR, LOW, HIGH, upper, parts[3])[0]
    assert float(got) == pytest.approx(expected, abs=2e-3)


def test_errors_of_nothing_overflow_nothing():
    """Signal-to-noise ratios of 1e10, which the floor makes 20."""
    valid = np.ones(4, bool)
    data, unit = (10.0**11.0 * UNIT).astype(np.float32), UNIT.astype(np.float32)
    for modes in (None, (MODES * UNIT).astype(np.float32)):
        small, tiny = (
            marginalise(data, (data / snr).astype(np.float32), valid, unit, FLOOR, LOW, HIGH, None, modes)
            for snr in (1e5, 1e12)
        )
        for one, two in zip(small, tiny, strict=True):
            np.testing.assert_allclose(one, two, atol=2e-3)


def test_whitened_residuals_have_the_chi2_of_their_covariance():
    rng = np.random.default_rng(4)
    errors, residual = rng.standard_normal((5, 3, 6)), rng.standard_normal((5, 6))
    got = np.sum(np.asarray(whitened(jnp.asarray(errors), jnp.asarray(residual))) ** 2, axis=-1)
    for e, r, chi2 in zip(errors, residual, got, strict=True):
        np.testing.assert_allclose(chi2, r @ np.linalg.solve(np.eye(6) + e.T @ e, r), rtol=1e-4)
    # and the covariance of none
    root = np.asarray(whitened(jnp.asarray(errors[0]), jnp.eye(6)))
    np.testing.assert_allclose(root.T @ (np.eye(6) + errors[0].T @ errors[0]) @ root, np.eye(6), atol=1e-4)


def test_nothing_is_drawn_far_below_a_bright_mass():
    """A mass known to 5 % in each of 12 bands: its tails are standard deviations away, not decades."""
    light = np.full(12, 1e-9, np.float32)
    flux, sky, valid = light * 1e9, light * 1e5, np.ones(12, bool)
    _, grid, cdf = marginalise(flux, sky, valid, light, 0.05, LOW, HIGH)
    width = 0.05 / np.sqrt(12.0) / np.log(10.0)
    for share in (1e-6, 1e-5, 1e-4):
        drawn = draw_mass(jnp.float32(share)[None], grid[None], cdf[None])[0]
        assert abs(float(drawn) - 9.0) < 6.5 * width
