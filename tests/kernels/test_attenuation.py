import jax
import numpy as np
import pytest

from dsps_sbi.dust import Calzetti
from dsps_sbi.kernels.attenuation import calzetti

WAVE = np.geomspace(91.0, 1e6, 4000).astype(np.float32)


def published(micron):
    """k(lambda) of Calzetti et al. (2000), eq. 4, micron, as printed."""
    if micron < 0.63:
        return 2.659 * (-2.156 + 1.509 / micron - 0.198 / micron**2 + 0.011 / micron**3) + 4.05
    return 2.659 * (-1.857 + 1.040 / micron) + 4.05


def test_against_the_published_formula():
    wave = np.r_[np.linspace(1200.0, 6299.0, 97), np.linspace(6301.0, 22000.0, 97)]
    expected = [published(w / 1e4) / 4.05 for w in wave]
    np.testing.assert_allclose(calzetti(wave.astype(np.float32)), expected, rtol=1e-5)


# k of the literature: R_V at V, H-beta and H-alpha (Dominguez et al. 2013), 1600 Angstrom
@pytest.mark.parametrize("wave, k", [(5500.0, 4.05), (4861.3, 4.60), (6562.8, 3.33), (1600.0, 9.97)])
def test_known_values(wave, k):
    assert 4.05 * float(calzetti(np.float32(wave))) == pytest.approx(k, rel=0.01)


def test_is_not_negative_and_finite_from_91_angstrom_to_100_micron():
    curve = np.asarray(calzetti(WAVE))
    assert np.all(np.isfinite(curve)) and curve.min() == 0.0
    assert np.all(curve[WAVE > 32000.0] == 0.0) and np.all(curve[WAVE < 30000.0] > 0.0)


def test_falls_with_wavelength_and_is_held_below_the_lyman_limit():
    curve = np.asarray(calzetti(WAVE))
    # the two published pieces miss each other by 0.6 % at 6300 Angstrom
    assert np.all(np.diff(curve) <= 7e-3)
    assert np.ptp(curve[WAVE < 912.0]) == 0.0 and curve[0] == curve.max()


def test_the_dust_law_is_the_kernel_and_differentiable():
    np.testing.assert_array_equal(Calzetti()(WAVE), calzetti(WAVE))
    gradient = jax.vmap(jax.grad(calzetti))(WAVE)
    assert np.all(np.isfinite(gradient))
