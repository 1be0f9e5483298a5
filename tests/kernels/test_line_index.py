"""Indices of spectra whose integrals are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.instruments.line_indices import LineIndex, bands_on
from dsps_sbi.kernels.line_index import continua, index_slopes, line_indices

EDGES = np.linspace(4899.75, 5299.75, 801)
WAVE = 0.5 * (EDGES[1:] + EDGES[:-1])
ATOMIC = LineIndex("atomic", (5080.0, 5120.0), (5000.0, 5040.0), (5160.0, 5200.0))
MOLECULAR = LineIndex("molecular", (5080.0, 5120.0), (5000.0, 5040.0), (5160.0, 5200.0), "mag")
# middles of the side bands differ in distance, edges cut pixels
ASKEW = LineIndex("askew", (5081.13, 5118.77), (4990.2, 5031.9), (5140.3, 5193.1))
ALL = (ATOMIC, MOLECULAR, ASKEW)


def test_a_straight_line_has_no_index():
    flux = 3.0 + 0.01 * (WAVE - 5000.0)
    found = line_indices(jnp.asarray(flux), bands_on(ALL, EDGES))
    np.testing.assert_allclose(found[:2], 0.0, atol=2e-5)
    # of a pixel that an edge cuts the mean of the whole counts: a slope of 0.3 % per Angstrom shows
    assert abs(float(found[2])) < 1e-4


def test_a_line_of_known_width():
    """A Gaussian of 3 Angstrom equivalent width inside the band, on a sloping continuum."""
    line = 3.0 / np.sqrt(2.0 * np.pi) / 4.0 * np.exp(-0.5 * ((WAVE - 5100.0) / 4.0) ** 2)
    flux = (2.0 - 0.004 * (WAVE - 5000.0)) * (1.0 - line)
    found = np.asarray(line_indices(jnp.asarray(flux), bands_on(ALL, EDGES)))
    expected = [3.0, -2.5 * np.log10(1.0 - 3.0 / 40.0), 3.0]
    np.testing.assert_allclose(found, expected, rtol=2e-4)


def test_a_box_that_pixels_cut_is_exact():
    """Half of the light is missing over exactly the band: the index is half of its width."""
    flux = np.ones_like(WAVE)
    held = np.clip(np.minimum(EDGES[1:], 5118.77) - np.maximum(EDGES[:-1], 5081.13), 0.0, None) / 0.5
    flux -= 0.5 * (held > 0)
    found = float(line_indices(jnp.asarray(flux), bands_on((ASKEW,), EDGES))[0])
    assert found == pytest.approx(0.5 * (5118.77 - 5081.13), rel=1e-5)


def test_a_mixture_is_the_mean_weighted_by_continuum():
    line = np.exp(-0.5 * ((WAVE - 5100.0) / 4.0) ** 2)
    parts = np.stack([1.0 - 0.5 * line, 4.0 * (1.0 - 0.1 * line)])
    bands = bands_on((ATOMIC,), EDGES)
    each, weight = line_indices(jnp.asarray(parts), bands), continua(jnp.asarray(parts), bands)
    whole = line_indices(jnp.asarray(parts.sum(axis=0)), bands)
    np.testing.assert_allclose(whole, jnp.sum(each * weight, axis=0) / weight.sum(axis=0), rtol=1e-5)


def test_slopes_are_those_of_differences():
    rng = np.random.default_rng(1)
    flux = jnp.asarray(1.0 + 0.1 * rng.standard_normal(WAVE.size), jnp.float32)
    bands = bands_on(ALL, EDGES)
    values, slopes = index_slopes(flux, bands)
    step = jnp.asarray(rng.standard_normal(WAVE.size), jnp.float32)
    up, down = (line_indices(flux + s * step, bands) for s in (0.01, -0.01))
    np.testing.assert_allclose(slopes @ step, (up - down) / 0.02, rtol=5e-3, atol=2e-3)
    # the scale of the flux has no effect
    np.testing.assert_allclose(slopes @ flux, 0.0, atol=1e-4)
    assert values.shape == (3,) and np.isfinite(values).all()


def test_negative_light_has_no_magnitude_and_no_error():
    flux = jnp.where(jnp.abs(WAVE - 5100.0) < 30.0, -1.0, 1.0)
    found = line_indices(flux, bands_on(ALL, EDGES))
    assert np.isnan(found[1]) and np.isfinite(found[0])
    assert jax.eval_shape(line_indices, jnp.ones((5, WAVE.size)), bands_on(ALL, EDGES)).shape == (5, 3)
