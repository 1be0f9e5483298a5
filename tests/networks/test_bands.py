import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dsps_sbi.networks.bands import features
from dsps_sbi.networks.residual import ResidualEncoder

RNG = np.random.default_rng(5)
N, BAND = 12, 6
FLUX = (10.0 ** RNG.uniform(-4, 1, (N, BAND))).astype(np.float32)
SKY = (10.0 ** RNG.uniform(-5, -2, (N, BAND))).astype(np.float32)
VALID = RNG.random((N, BAND)) < 0.7
VALID[:, 0] = True
Z = RNG.uniform(0.1, 6.0, N).astype(np.float32)
LOG_D = np.linspace(2.5, 4.8, N).astype(np.float32)
AGE = np.linspace(13.0, 0.9, N).astype(np.float32)
NONE = np.zeros_like(VALID)
get = jax.jit(features)


def test_brightness_against_float64():
    _, log_luminosity = get(FLUX, SKY, VALID, NONE, Z, LOG_D, AGE)
    f, s = FLUX.astype(float), SKY.astype(float)
    weight = np.where(VALID, s**-2, 0.0)
    # root mean square of the flux, weighted by the depth, plus a hundredth of the mean's variance
    amplitude = np.sqrt(((weight * f**2).sum(axis=1) + 1e-2) / weight.sum(axis=1))
    expected = np.log10(amplitude) + 2 * LOG_D.astype(float) - np.log10(1 + Z.astype(float))
    np.testing.assert_allclose(log_luminosity, expected, atol=1e-5)


def test_units_change_brightness_and_nothing_else():
    inputs, log_luminosity = get(FLUX, SKY, VALID, NONE, Z, LOG_D, AGE)
    scaled, log_scaled = get(FLUX * 10, SKY * 10, VALID, NONE, Z, LOG_D, AGE)
    np.testing.assert_allclose(scaled[:, : 5 * BAND], inputs[:, : 5 * BAND], atol=1e-5)
    np.testing.assert_allclose(log_scaled - log_luminosity, 1.0, atol=1e-5)
    np.testing.assert_allclose(scaled[:, -6] - inputs[:, -6], 0.5, atol=1e-5)


def test_masked_bands_are_zero_whatever_they_hold():
    inputs, log_luminosity = get(FLUX, SKY, VALID, NONE, Z, LOG_D, AGE)
    assert inputs.shape == (N, 5 * BAND + 6)
    for flux, sky in ((np.nan, np.nan), (np.inf, 0.0), (1e30, 1e-30), (-np.inf, -1.0)):
        junk = np.where(VALID, FLUX, np.float32(flux)), np.where(VALID, SKY, np.float32(sky))
        other, log_other = get(*junk, VALID, NONE, Z, LOG_D, AGE)
        np.testing.assert_array_equal(other, inputs)
        np.testing.assert_array_equal(log_other, log_luminosity)
    per_band = np.asarray(inputs[:, : 5 * BAND]).reshape(N, 5, BAND)
    assert np.all(per_band.transpose(0, 2, 1)[~VALID] == 0.0)
    np.testing.assert_array_equal(per_band[:, 3], VALID)


def test_limits_are_flagged_and_say_nothing_about_brightness():
    limits = VALID & (np.arange(BAND) >= 3)
    inputs, log_luminosity = get(FLUX, SKY, VALID, limits, Z, LOG_D, AGE)
    _, dark = get(np.where(limits, 0.0, FLUX).astype(np.float32), SKY, VALID, NONE, Z, LOG_D, AGE)
    np.testing.assert_array_equal(log_luminosity, dark)
    per_band = np.asarray(inputs[:, : 5 * BAND]).reshape(N, 5, BAND)
    np.testing.assert_array_equal(per_band[:, 4], limits)
    # k = flux / sky is there to be read
    np.testing.assert_allclose(
        np.sinh(4 * per_band[:, 2].astype(float))[limits], (FLUX / SKY)[limits] / 3, rtol=1e-4
    )


@pytest.mark.parametrize("value", [0.0, -1e-3, -1e6, 1e-30, 1e12, 1e30])
def test_any_flux_stays_finite(value):
    for valid in (np.ones((N, BAND), bool), np.eye(N, BAND, dtype=bool), np.zeros((N, BAND), bool)):
        inputs, _ = get(np.full((N, BAND), value, np.float32), SKY, valid, NONE, Z, LOG_D, AGE)
        assert np.all(np.isfinite(inputs)) and np.abs(inputs).max() <= 6.0


def test_one_object_does_not_see_another():
    inputs, _ = get(FLUX, SKY, VALID, NONE, Z, LOG_D, AGE)
    changed, _ = get(np.r_[FLUX[:1] * 3, FLUX[1:]], SKY, VALID, NONE, Z, LOG_D, AGE)
    np.testing.assert_array_equal(changed[1:], inputs[1:])
    assert np.any(changed[0] != inputs[0])


def test_encoder_starts_as_its_skip_connection():
    encoder = ResidualEncoder(30, 16, 2, 5, rngs=nnx.Rngs(0))
    x = jnp.asarray(RNG.normal(size=(4, 30)), jnp.float32)
    out = encoder(x)
    assert out.shape == (4, 5)
    # the blocks' last layers start at zero
    straight = jax.nn.silu(encoder.last(encoder.norm(encoder.first(x))))
    np.testing.assert_allclose(out, straight, atol=1e-6)
    assert np.abs(out).max() > 1e-3
