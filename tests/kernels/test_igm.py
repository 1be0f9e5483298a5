import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.kernels import _inoue14_table as table
from dsps_sbi.kernels.igm import igm_transmission, inoue14_tau

WAVE = np.r_[np.linspace(300.0, 911.0, 60), np.linspace(912.1, 1250.0, 80), 2000.0, 50000.0]


def reference(wave_rest, z):
    """Scalar float64 optical depth, equation by equation of Inoue et al. (2014)."""
    observed = wave_rest * (1 + z)
    tau = 0.0
    for line, laf, dla in zip(table.LINE_WAVE_AA, table.FOREST.T, table.DAMPED.T, strict=True):
        if not line < observed < line * (1 + z):
            continue
        x = observed / line
        if x < 2.2:  # eq. 21
            tau += laf[0] * x**1.2
        elif x < 5.7:
            tau += laf[1] * x**3.7
        else:
            tau += laf[2] * x**5.5
        tau += dla[0] * x**2.0 if x < 3.0 else dla[1] * x**3.0  # eq. 22
    x = observed / 911.8
    if x >= 1 + z:
        return tau
    if z < 1.2:  # eq. 25
        tau += 0.325 * (x**1.2 - (1 + z) ** -0.9 * x**2.1)
    elif z < 4.7:  # eq. 26
        if x < 2.2:
            tau += 2.55e-2 * (1 + z) ** 1.6 * x**2.1 + 0.325 * x**1.2 - 0.250 * x**2.1
        else:
            tau += 2.55e-2 * ((1 + z) ** 1.6 * x**2.1 - x**3.7)
    elif x < 2.2:  # eq. 27
        tau += 5.22e-4 * (1 + z) ** 3.4 * x**2.1 + 0.325 * x**1.2 - 3.14e-2 * x**2.1
    elif x < 5.7:
        tau += 5.22e-4 * (1 + z) ** 3.4 * x**2.1 + 0.218 * x**2.1 - 2.55e-2 * x**3.7
    else:
        tau += 5.22e-4 * ((1 + z) ** 3.4 * x**2.1 - x**5.5)
    if z < 2.0:  # eq. 28
        return tau + 0.211 * (1 + z) ** 2 - 7.66e-2 * (1 + z) ** 2.3 * x**-0.3 - 0.135 * x**2
    tau += 4.70e-2 * (1 + z) ** 3 - 1.78e-2 * (1 + z) ** 3.3 * x**-0.3  # eq. 29
    return tau + (0.634 - 0.135 * x**2 - 0.291 * x**-0.3 if x < 3.0 else -2.92e-2 * x**3)


@pytest.mark.parametrize("z", [0.3, 1.1, 1.5, 2.3, 3.0, 4.0, 4.9, 6.0, 8.0, 14.0])
def test_against_the_equations_one_by_one(z):
    wave = WAVE[WAVE * (1 + z) > 912.0]
    expected = np.array([reference(w, z) for w in wave])
    # The paper's fits dip below zero by a few hundredths where the path ends: clipped here.
    np.testing.assert_allclose(inoue14_tau(wave, z), np.maximum(expected, 0), rtol=3e-4, atol=0.02)
    np.testing.assert_allclose(igm_transmission(wave, z), np.exp(-expected), atol=0.02)
    safe = (wave > 912) | (wave < 880)
    np.testing.assert_allclose(inoue14_tau(wave[safe], z), expected[safe], rtol=3e-4, atol=1e-5)


def test_the_table_is_continuous_between_its_pieces():
    np.testing.assert_allclose(table.FOREST[1] / table.FOREST[0], 2.2 ** (1.2 - 3.7), rtol=2e-3)
    np.testing.assert_allclose(table.FOREST[2] / table.FOREST[1], 5.7 ** (3.7 - 5.5), rtol=2e-3)
    np.testing.assert_allclose(table.DAMPED[1] / table.DAMPED[0], 1 / 3, rtol=2e-3)
    level = np.arange(2, 41)
    np.testing.assert_allclose(table.LINE_WAVE_AA, 911.753 / (1 - 1 / level**2), rtol=2e-5)


def test_known_values():
    just_blue, continuum = jnp.array([1215.0]), jnp.array([880.0])
    assert igm_transmission(just_blue, 3.0)[0] == pytest.approx(0.67, abs=0.02)
    assert igm_transmission(just_blue, 6.0)[0] < 0.1
    assert igm_transmission(continuum, 4.5)[0] < 0.1
    assert igm_transmission(jnp.array([800.0]), 4.5)[0] < 0.02
    assert igm_transmission(jnp.array([1216.0, 5000.0]), 8.0).tolist() == [1.0, 1.0]


def test_transparent_at_redshift_0_and_absorption_grows_with_redshift():
    np.testing.assert_array_equal(igm_transmission(WAVE, 0.0), 1.0)
    wave = np.array([800.0, 1100.0])
    taus = np.array([inoue14_tau(wave, z) for z in np.linspace(0.6, 9, 60)])
    assert (np.diff(taus[:, 1]) > 0).all() and (np.diff(taus[:, 0]) > -0.02).all()


def test_below_the_observed_lyman_limit_it_stays_sane():
    wave = np.geomspace(5.0, 911.0, 200)
    for z in (0.0, 0.1, 1.0, 3.0):
        tau = np.asarray(inoue14_tau(wave, z))
        assert np.isfinite(tau).all() and (tau >= 0).all()
        assert np.abs(np.diff(tau)).max() < 0.3


def test_traced_and_static_wavelengths_agree():
    np.testing.assert_allclose(inoue14_tau(jnp.asarray(WAVE), 3.0), inoue14_tau(WAVE, 3.0), rtol=1e-5)
    np.testing.assert_array_equal(inoue14_tau(np.array([2000.0, 3000.0]), 3.0), 0.0)


def test_gradient_in_redshift_is_finite_and_right():
    wave = np.r_[5.0, 100.0, WAVE, 1e6, 1e7]
    slope = jax.jit(jax.vmap(jax.jacfwd(lambda z: igm_transmission(wave, z))))
    assert np.isfinite(slope(jnp.array([0.0, 0.5, 1.2, 2.0, 3.0, 4.7, 6.0, 20.0]))).all()
    back = jax.grad(lambda z: igm_transmission(jnp.asarray(wave), z).sum())
    assert np.isfinite(back(0.0)) and np.isfinite(back(7.0))
    step = 0.01
    numeric = (np.exp(-reference(1100.0, 3 + step)) - np.exp(-reference(1100.0, 3 - step))) / (2 * step)
    found = jax.grad(lambda z: igm_transmission(np.array([1100.0]), z)[0])(3.0)
    assert found == pytest.approx(numeric, rel=1e-3)


def test_vmap_over_redshift():
    z = jnp.array([0.0, 2.0, 6.0])
    many = jax.vmap(lambda one: igm_transmission(WAVE, one))(z)
    each = np.stack([igm_transmission(WAVE, one) for one in z])
    np.testing.assert_allclose(many, each, rtol=1e-5, atol=1e-6)
