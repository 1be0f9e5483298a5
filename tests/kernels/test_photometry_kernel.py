import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy import constants
from astropy import units as u

from dsps_sbi import constants as ours
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.kernels import photometry as phot

NAMES = ("acs_wfc_f435w", "jwst_f115w", "jwst_f182m", "jwst_f444w")
WAVE = np.geomspace(600.0, 60000.0, 20000)
REDSHIFTS = (0.01, 0.7, 3.3)


@pytest.fixture(scope="module")
def filters():
    return FilterSet.from_names(NAMES)


def smooth(wave):
    """L_lambda [Lsun/A] of something with a slope, a bump and ripples wider than 100 Angstrom."""
    return 1e3 * (wave / 5000.0) ** -1.7 * (1.5 + np.sin(wave / 300.0)) + 2e3 * np.exp(
        -(((wave - 9000) / 900) ** 2)
    )


def reference(wave, trans, luminosity, z, distance_mpc):
    """f_nu [uJy] of a photon-counting filter by brute force in float64 with astropy's units."""
    fine = np.unique(np.r_[np.linspace(wave[0], wave[-1], 400_001), wave])
    t = np.interp(fine, wave, trans)
    area = 4 * np.pi * (distance_mpc * u.Mpc) ** 2
    f_lambda = luminosity(fine / (1 + z)) * u.L_sun / u.AA / area / (1 + z)
    above = np.trapezoid(f_lambda.to_value("erg / (s cm2 AA)") * fine * t, fine)
    return above / (constants.c.to_value("AA/s") * np.trapezoid(t / fine, fine)) / 1e-29


def curves(filters):
    return [[jnp.asarray(a, jnp.float32) for a in curve] for curve in filters.running]


def fluxes(filters, light, z, distance_mpc):
    edges = jnp.asarray(phot.pixel_edges(WAVE), jnp.float32)
    scale = phot.flux_scale_ujy(z, distance_mpc, jnp.asarray(filters.pivot_aa, jnp.float32))
    shares = [phot.pixel_weights(edges, z, c, cum) @ light for c, _, cum in curves(filters)]
    return np.array(shares) * np.asarray(scale)


@pytest.mark.parametrize("z", REDSHIFTS)
def test_smooth_spectrum_against_brute_force(filters, z):
    got = fluxes(filters, jnp.asarray(smooth(WAVE), jnp.float32), z, 4321.0)
    pairs = zip(filters.wave_aa, filters.trans, strict=True)
    expected = [reference(w, t, smooth, z, 4321.0) for w, t in pairs]
    np.testing.assert_allclose(got, expected, rtol=1e-4)


@pytest.mark.parametrize("z", REDSHIFTS)
def test_flat_f_nu_gives_the_closed_form_in_every_band(filters, z):
    l_nu = 3.3e-7  # Lsun / Hz
    light = l_nu * constants.c.to_value("AA/s") / WAVE**2
    got = fluxes(filters, jnp.asarray(light, jnp.float32), z, 777.0)
    expected = (1 + z) * l_nu * u.L_sun / u.Hz / (4 * np.pi * (777.0 * u.Mpc) ** 2)
    np.testing.assert_allclose(got, expected.to_value("uJy"), rtol=5e-5)


@pytest.mark.parametrize("z", [0.0, 0.35, 2.0])
def test_a_line_against_its_closed_form(filters, z):
    line_aa, luminosity = 4500.0 if z == 0.0 else 11500.0 / (1 + z), 5.6e8
    observed = line_aa * (1 + z)
    scale = phot.flux_scale_ujy(z, 1234.0, jnp.asarray(filters.pivot_aa, jnp.float32))
    lines = jnp.asarray([line_aa], jnp.float32)
    got = [phot.line_weights(lines, z, *c[:2])[0] * luminosity for c in curves(filters)]
    expected = []
    for wave, trans in zip(filters.wave_aa, filters.trans, strict=True):
        fine = np.linspace(wave[0], wave[-1], 200_001)
        below = constants.c.to_value("AA/s") * np.trapezoid(np.interp(fine, wave, trans) / fine, fine)
        at_line = np.interp(observed, wave, trans, left=0.0, right=0.0)
        flux = (luminosity * u.L_sun / (4 * np.pi * (1234.0 * u.Mpc) ** 2)).to_value("erg / (s cm2)")
        expected.append(flux * observed * at_line / below / 1e-29)
    assert max(expected) > 0.0
    np.testing.assert_allclose(np.array(got) * np.asarray(scale), expected, rtol=1e-4)


@pytest.mark.parametrize("z", REDSHIFTS)
def test_a_line_is_a_very_narrow_bump(filters, z):
    centre, curve = 18400.0 / (1 + z), curves(filters)[2]
    edges = np.linspace(centre - 2.0, centre + 2.0, 41)
    bump = np.full(40, 1.0 / 4.0)  # 1 Lsun over 4 Angstrom
    narrow = phot.pixel_weights(jnp.asarray(edges, jnp.float32), z, curve[0], curve[2]) @ bump
    line = phot.line_weights(jnp.asarray([centre], jnp.float32), z, *curve[:2])[0]
    # the density is known to float32 at the bump's few-Angstrom share of the filter
    assert float(narrow) == pytest.approx(float(line), rel=3e-3)


def test_flux_scale_does_not_overflow_and_falls_with_distance_squared():
    scale = phot.flux_scale_ujy(jnp.float32(7.5), jnp.asarray([4.3, 4.3e4], jnp.float32), jnp.float32(4.4e4))
    assert np.all(np.isfinite(scale)) and np.all(np.asarray(scale) > 0)
    assert float(scale[0] / scale[1]) == pytest.approx(1e8, rel=1e-5)


def test_pixel_edges_are_midpoints():
    np.testing.assert_allclose(phot.pixel_edges(np.array([1.0, 2.0, 4.0])), [0.5, 1.5, 3.0, 5.0])


def test_gradient_with_redshift(filters):
    edges = jnp.asarray(phot.pixel_edges(WAVE), jnp.float32)
    curve = curves(filters)[1]
    light = jnp.asarray(smooth(WAVE), jnp.float32)
    got = jax.grad(lambda z: phot.pixel_weights(edges, z, curve[0], curve[2]) @ light)(0.7)
    step = 2e-3
    ends = [fluxes(filters, light, z, 10.0)[1] * (1 + z) for z in (0.7 - step, 0.7 + step)]
    slope = (ends[1] - ends[0]) / (2 * step) / float(phot.flux_scale_ujy(0.0, 10.0, filters.pivot_aa[1]))
    assert float(got) == pytest.approx(slope, rel=0.02)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("C_AA_S", constants.c.to_value("AA/s")),
        ("C_KM_S", constants.c.to_value("km/s")),
        ("L_SUN_ERG_S", constants.L_sun.to_value("erg/s")),
        ("PLANCK_ERG_S", constants.h.to_value("erg s")),
        ("MPC_CM", (1 * u.Mpc).to_value("cm")),
        ("UJY_CGS", (1 * u.uJy).to_value("erg/(s cm2 Hz)")),
    ],
)
def test_constants_are_those_of_astropy(name, expected):
    assert getattr(ours, name) == pytest.approx(expected, rel=1e-12)
