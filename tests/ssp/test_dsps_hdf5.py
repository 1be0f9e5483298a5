from dataclasses import replace

import h5py
import numpy as np
import pytest
from astropy import units as u

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import read_dsps, write_dsps


@pytest.fixture
def small(toy):
    keep = toy.wave_aa > 1000
    flux = toy.flux[..., keep]
    return replace(toy, wave_aa=toy.wave_aa[keep], flux=flux, nebular=None, wave_medium="vacuum")


def test_round_trip(small, tmp_path):
    path = write_dsps(small, tmp_path / "deep" / "ssp.h5")
    assert [p.name for p in path.parent.iterdir()] == ["ssp.h5"]
    back = read_dsps(path, imf=small.imf)
    np.testing.assert_allclose(back.flux, small.flux, rtol=1e-6)
    np.testing.assert_allclose(back.age_gyr, small.age_gyr, rtol=1e-12)
    np.testing.assert_allclose(back.metallicity, small.metallicity, atol=1e-12)
    assert (back.name, back.imf, back.wave_medium) == ("ssp", small.imf, "vacuum")


def test_units_against_astropy(tmp_path):
    path = tmp_path / "dsps.h5"
    wave = np.array([1500.0, 2500.0, 5000.0, 1e4, 2e4])
    with h5py.File(path, "w") as f:
        f["ssp_lgmet"] = np.log10([0.00142, 0.0142])
        f["ssp_lg_age_gyr"] = [-3.0, 1.0]
        f["ssp_wave"] = wave
        f["ssp_flux"] = np.full((2, 2, 5), 1e-15)
        f["ssp_emline_luminosity"] = np.ones(4)
    grid = read_dsps(path, z_sun=0.0142, wave_medium="air", name="mist")
    np.testing.assert_allclose(grid.metallicity, [-1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(grid.age_gyr, [1e-3, 10.0])
    expected = (1e-15 * u.Lsun / u.Hz).to(u.Lsun / u.AA, u.spectral_density(wave * u.AA)).value
    np.testing.assert_allclose(grid.flux[0, 0], expected, rtol=1e-6)
    assert (grid.name, grid.wave_medium) == ("mist", "air")


def test_bad_files(small, tmp_path):
    with pytest.raises(UserError, match="there is no .*none.h5: give a DSPS file"):
        read_dsps(tmp_path / "none.h5")
    path = tmp_path / "bad.h5"
    path.write_bytes(b"not HDF5")
    with pytest.raises(UserError, match="bad.h5 is cut short or not HDF5"):
        read_dsps(path)
    write_dsps(small, path)
    with h5py.File(path, "r+") as f:
        flux = f["ssp_flux"][()]
        del f["ssp_flux"], f["ssp_wave"]
    with pytest.raises(UserError, match="bad.h5 holds no ssp_wave, ssp_flux"):
        read_dsps(path)
    with h5py.File(path, "r+") as f:
        f["ssp_wave"], f["ssp_flux"] = small.wave_aa, flux.swapaxes(0, 1)
    with pytest.raises(UserError, match=r"ssp_flux has shape \(24, 5, .*\(Met, Age, Wave\): transpose"):
        read_dsps(path)
    with h5py.File(path, "r+") as f:
        del f["ssp_flux"]
        f["ssp_flux"] = flux * small.wave_aa**-2 * 3e18
    with pytest.raises(UserError, match="'bad': the brightest SSP has .* give flux in L_sun / Angstrom"):
        read_dsps(path)
    with h5py.File(path, "r+") as f:
        f["ssp_flux"][...] = np.where(np.arange(24)[:, None] == 3, np.nan, flux)
    with pytest.raises(UserError, match=r"bad': flux .* is not finite at index \(0, 3, 0\)"):
        read_dsps(path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write .*ssp.h5 .*choose a writable folder"):
        write_dsps(small, tmp_path / "file" / "ssp.h5")
