"""Noll, Salim and Charlot & Fall laws against their printed formulae and dust_extinction's bump."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy import units as u
from dust_extinction.shapes import FM90

from dsps_sbi.dust import Calzetti, CharlotFall, Noll, Salim, birth_age, free_names, is_plain
from dsps_sbi.errors import UserError
from dsps_sbi.kernels.attenuation import bump_profile

WAVE = np.r_[np.linspace(1200.0, 6290.0, 300), np.linspace(6310.0, 22000.0, 200)]
WIDE = np.geomspace(91.0, 1e6, 2000).astype(np.float32)
LAWS = [Noll(), Noll(-0.7, 3.0), Salim(-0.4, 2.0), Salim(0.9, 3.0), CharlotFall(), CharlotFall(-1.3, -0.7)]


def starburst(aa):
    """k of Calzetti et al. (2000), eq. 4."""
    um = aa / 1e4
    blue = 2.659 * (-2.156 + 1.509 / um - 0.198 / um**2 + 0.011 / um**3) + 4.05
    return np.where(aa < 6300.0, blue, 2.659 * (-1.857 + 1.040 / um) + 4.05)


def lorentz(aa, strength):
    """Bump of strength E_b, centre 2175 and width 350 Angstrom."""
    return strength * aa**2 * 350.0**2 / ((aa**2 - 2175.0**2) ** 2 + aa**2 * 350.0**2)


def test_bump_is_the_drude_profile_of_dust_extinction():
    centre = 1e4 / 2175.0
    width = 350.0 / 1e4 * centre**2
    drude = FM90(C1=0.0, C2=0.0, C3=width**2, C4=0.0, xo=centre, gamma=width)
    wave = np.linspace(1250.0, 3000.0, 200)
    np.testing.assert_allclose(bump_profile(wave.astype(np.float32)), drude(wave * u.AA), rtol=1e-4)


@pytest.mark.parametrize(("slope", "bump"), [(0.0, 0.0), (-0.7, 3.0), (0.4, 1.0), (-1.2, 0.0)])
def test_noll_and_salim_against_the_formulae(slope, bump):
    wave = WAVE.astype(np.float32)
    tilt = (WAVE / 5500.0) ** slope
    noll = (starburst(WAVE) + lorentz(WAVE, bump)) * tilt / 4.05
    np.testing.assert_allclose(Noll(slope, bump)(wave), noll, rtol=1e-4)
    total_to_selective = 4.05 / (5.05 * (4400.0 / 5500.0) ** slope - 4.05)
    k = starburst(WAVE) * total_to_selective / 4.05 * tilt + lorentz(WAVE, bump)
    np.testing.assert_allclose(Salim(slope, bump)(wave), k / total_to_selective, rtol=1e-4)


def test_no_tilt_and_no_bump_is_calzetti():
    for law in (Noll(), Salim()):
        np.testing.assert_allclose(law(WIDE), Calzetti()(WIDE), rtol=1e-6)


def test_salim_keeps_the_definition_of_its_selective_extinction():
    """A_B - A_V = A_V / R_V with its R_V; B and V of the paper are 4400 and 5500 Angstrom."""
    for slope in (-0.8, 0.0, 0.4):
        a_b, a_v = np.asarray(Salim(slope)(np.array([4400.0, 5500.0], np.float32)), float)
        rv = 4.05 / (5.05 * 0.8**slope - 4.05)
        assert 1.0 / (a_b / a_v - 1.0) == pytest.approx(rv, rel=0.03)


def test_charlot_and_fall():
    wave = WAVE.astype(np.float32)
    law = CharlotFall()
    np.testing.assert_allclose(law(wave), (WAVE / 5500.0) ** -0.7, rtol=1e-4)
    # in all young stars see tau_V, old ones 0.3 of it
    np.testing.assert_allclose((law(wave) + law.birth(wave)) / law(wave), 1 / 0.3, rtol=1e-5)
    steep = CharlotFall(birth_slope=-1.3, mu=0.5)
    np.testing.assert_allclose(steep.birth(wave), (WAVE / 5500.0) ** -1.3, rtol=1e-4)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_every_law_is_finite_and_not_negative_at_all_wavelengths(law):
    curves = [law(WIDE)] + ([law.birth(WIDE)] if birth_age(law) else [])
    for curve in map(np.asarray, curves):
        assert np.isfinite(curve).all() and curve.min() >= 0.0
        assert np.ptp(curve[WIDE < 900.0]) < 0.02 * curve[0]
    assert float(law(np.float32(5500.0))) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("free", "fixed", "values", "names"),
    [
        (Salim(None, None), Salim(-0.4, 2.0), [-0.4, 2.0], ("dust_slope", "dust_bump")),
        (Salim(None, 2.0), Salim(-0.4, 2.0), [-0.4], ("dust_slope",)),
        (Noll(-0.3, None), Noll(-0.3, 1.0), [1.0], ("dust_bump",)),
        (CharlotFall(mu=None), CharlotFall(mu=0.6), [0.6], ("dust_mu",)),
    ],
)
def test_free_parameters(free, fixed, values, names):
    assert free_names(free) == names and free_names(fixed) == () and not is_plain(free)
    params = jnp.tile(jnp.array(values), (2, 3, 1))
    wave = WAVE.astype(np.float32)
    np.testing.assert_allclose(np.broadcast_to(free(wave, params), (2, 3, 500))[1, 2], fixed(wave), rtol=1e-5)
    method = "birth" if birth_age(free) else "__call__"
    curve = getattr(free, method)(wave, params)
    assert curve.shape == (2, 3, 500)
    np.testing.assert_allclose(curve[0, 0], getattr(fixed, method)(wave), rtol=1e-5)
    slope = jax.jacfwd(lambda p: getattr(free, method)(WIDE, p))(jnp.array(values))
    assert np.isfinite(slope).all()


def test_what_is_plain():
    assert is_plain(Calzetti()) and is_plain(Salim(-0.4, 1.0)) and not is_plain(CharlotFall())
    assert birth_age(Calzetti()) is None and birth_age(CharlotFall()) == 0.01
    assert hash(Salim(None, 1.0)) == hash(Salim(None, 1.0)) and Salim() != Noll()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Salim(1.0), "slope of the dust law is 1.0: give -2.5 to 0.9, or None"),
        (lambda: Noll(0.0, -1.0), "bump of the dust law is -1.0: give 0 to 15, or None"),
        (lambda: CharlotFall(slope=0.7), "slope of the dust law is 0.7: give -3 to 0"),
        (lambda: CharlotFall(mu=0.0), "mu of the dust law is 0.0: give 0.05 to 1"),
        (lambda: CharlotFall(birth_gyr=0.5), "birth_gyr of the dust law is 0.5: give 0.0001 to 0.1"),
    ],
)
def test_what_is_refused(make, match):
    with pytest.raises(UserError, match=match):
        make()
