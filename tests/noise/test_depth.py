import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, norm

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.jades import JADES_DEPTH_UJY
from dsps_sbi.noise import DepthNoise

KEY = jax.random.key(0)


def test_sky_is_the_depth_times_common_offset_times_jitter():
    noise = DepthNoise.jades(offset_dex=(-0.5, 1.5), jitter_dex=0.2)
    sky = np.asarray(noise.sample_sky(KEY, 4000), float)
    dex = np.log10(sky / JADES_DEPTH_UJY)
    assert sky.shape == (4000, 19)
    each = dex - dex.mean(axis=1, keepdims=True)
    assert each.std() == pytest.approx(0.2 * np.sqrt(18 / 19), rel=0.02)
    # the mean of a band's jitter over 19 bands blurs the offset by 0.05 dex only
    still = DepthNoise.jades(offset_dex=(-0.5, 1.5), jitter_dex=0.0).sample_sky(KEY, 4000)
    offset = np.log10(np.asarray(still, float) / JADES_DEPTH_UJY)
    assert np.ptp(offset, axis=1).max() < 1e-5
    assert kstest(offset[:, 0], "uniform", (-0.5, 2.0)).pvalue > 1e-3


@pytest.mark.parametrize("sky_ujy, flux_ujy", [(1e-4, 1e-6), (1e-4, 1e-2), (1e-4, 2e-3), (3e-25, 6e-24)])
def test_variance_of_the_noise(sky_ujy, flux_ujy):
    noise = DepthNoise.jades(floor=0.05)
    flux = jnp.full((20_000, 2), flux_ujy, jnp.float32)
    added = np.asarray(noise.add(KEY, flux, jnp.full_like(flux, sky_ujy)), float) - float(flux[0, 0])
    sigma = np.hypot(sky_ujy, 0.05 * flux_ujy)
    assert added.std() == pytest.approx(sigma, rel=0.02)
    assert abs(added.mean()) < 4 * sigma / np.sqrt(40_000)
    assert kstest(added.ravel() / sigma, norm.cdf).pvalue > 1e-3
    # bands are independent of each other
    assert abs(np.corrcoef(added.T)[0, 1]) < 4 / np.sqrt(20_000)


def test_likelihood_is_that_of_the_noise():
    noise = DepthNoise(np.array([1.0, 2.0]), floor=0.1)
    flux, sky, model = np.array([3.0, 9.0]), np.array([1.0, 2.0]), np.array([2.5, 12.0])
    expected = norm.logpdf(flux, model, np.hypot(sky, 0.1 * model))
    valid = np.array([True, True])
    assert float(noise.log_likelihood(flux, sky, valid, model)) == pytest.approx(expected.sum(), rel=1e-5)
    assert float(noise.log_likelihood(flux, sky, ~valid, model)) == 0.0


def test_covers_the_trained_range_and_three_sigma_of_jitter():
    noise = DepthNoise(np.array([1e-3, 1e-2]), offset_dex=(-1.0, 2.0), jitter_dex=0.25)
    dex = np.array([-1.76, -1.74, 0.0, 2.74, 2.76])
    expected = np.array([False, True, True, True, False])
    sky = noise.depth_ujy * 10.0 ** dex[:, None]
    np.testing.assert_array_equal(noise.covers(sky), np.stack([expected, expected], axis=1))


def test_an_error_that_stands_for_none_says_nothing():
    noise = DepthNoise(np.full(3, 1e-3), offset_dex=(-1.0, 2.0), jitter_dex=0.2)
    # above 1e-3 * 10^2.6 uJy, and 10 times the largest of the other fluxes
    flux = np.array([[0.0, 5.0, 4.0], [0.0, 5.0, 4.0], [9.9e9, 5.0, 4.0], [300.0, 5.0, 4.0], [0.0, 0.1, 0.1]])
    sky = np.array([[9.9e9, 0.1, 0.1], [40.0, 0.1, 0.1], [9.9e9, 0.1, 0.1], [55.0, 0.1, 0.1], [60.0, 60, 60]])
    nothing = noise.says_nothing(flux, sky, np.ones((5, 3), bool))
    # 40 is not 10 times 5; 300 is detected; where all errors are that large there is nothing to compare with
    assert np.argwhere(nothing).tolist() == [[0, 0], [2, 0]]
    assert not noise.says_nothing(flux, sky, np.zeros((5, 3), bool)).any()
    # nothing that training has
    sky = np.asarray(noise.sample_sky(jax.random.key(1), 2000))
    sky = np.where(noise.covers(sky), sky, 1e-3)
    assert not noise.says_nothing(0.0 * sky, sky, np.ones(sky.shape, bool)).any()


def test_objects_of_training_are_hardly_ever_out_of_range():
    noise = DepthNoise.jades()
    covered = noise.covers(noise.sample_sky(jax.random.key(3), 40_000)).all(axis=1)
    # a thousandth, of which 3 standard errors are half
    assert 0.998 < covered.mean() < 1.0


@pytest.mark.parametrize(
    "options, match",
    [
        ({"depth_ujy": np.array([1.0, 0.0])}, "positive 1-sigma sky"),
        ({"depth_ujy": np.array([1.0, np.nan])}, "positive 1-sigma sky"),
        ({"depth_ujy": np.ones(2), "offset_dex": (1.0, 0.0)}, "low <= high"),
        ({"depth_ujy": np.ones(2), "jitter_dex": -0.1}, "jitter >= 0"),
        ({"depth_ujy": np.ones(2), "floor": 1.0}, "noise floor"),
        ({"depth_ujy": np.ones(2), "floor": -0.01}, "noise floor"),
    ],
)
def test_errors(options, match):
    with pytest.raises(UserError, match=match):
        DepthNoise(**options)
