"""Resolutions over wavelength from files: STScI's of NIRSpec, and what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from dsps_sbi.errors import UserError
from dsps_sbi.io.spectrum_list import lsf_of


def write(path, columns, units=None):
    table = fits.BinTableHDU(Table(columns, units=units))
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return str(path)


def test_a_table_of_resolving_powers(tmp_path):
    """R of 600 at 1.5 micron to 1400 at 3.5: in between it is linear."""
    wave = np.array([1.5, 3.5])
    columns = {"WAVELENGTH": wave, "DLDS": [1e-3, 1e-3], "R": [600.0, 1400.0]}
    lsf = lsf_of(write(tmp_path / "g235m.fits", columns, {"WAVELENGTH": "um"}))
    assert lsf.quantity == "resolving_power"
    sigma = lsf.sigma_aa(np.array([20_000.0, 30_000.0]), np.full(2, 10.0))
    np.testing.assert_allclose(sigma, [20_000.0 / 800.0 / 2.35482, 30_000.0 / 1200.0 / 2.35482], rtol=1e-5)
    with pytest.raises(UserError, match="LSF table covers 15000-35000 Angstrom, the pixels 10000-20000"):
        lsf.sigma_aa(np.array([10_000.0, 20_000.0]), np.full(2, 10.0))
    lsf = lsf_of(
        write(tmp_path / "muse.fits", {"wave": [4800.0, 9300.0], "fwhm_aa": [2.8, 2.5]}, {"wave": "AA"})
    )
    assert lsf.quantity == "fwhm_aa" and lsf.wave_aa[-1] == 9300.0


def test_files_of_stsci():
    root = os.environ.get("DSPS_SBI_TEST_DATA")
    if root is None or not Path(root, "lsf").is_dir():
        pytest.skip("DSPS_SBI_TEST_DATA names no folder with lsf/")
    paths = sorted(Path(root, "lsf").glob("jwst_nirspec_*_disp.fits"))
    assert len(paths) == 7
    for path in paths:
        lsf = lsf_of(str(path))
        assert 4_999.0 < lsf.wave_aa[0] < lsf.wave_aa[-1] < 60_001.0
        # nominal: 30-330 of the prism, 500-1500 of the medium gratings, 1400-4400 of the high ones
        disperser = path.name.split("_")[2]
        low, high = {"m": (300, 1600), "h": (900, 4500)}[disperser[-1]] if disperser != "prism" else (25, 450)
        assert low < lsf.value.min() < lsf.value.max() < high


def test_what_is_no_resolution_is_refused(tmp_path):
    with pytest.raises(UserError, match="lsf .*no.fits does not exist"):
        lsf_of(str(tmp_path / "no.fits"))
    path = write(tmp_path / "a.fits", {"WAVELENGTH": [1.0, 2.0], "DLDS": [1.0, 1.0]})
    with pytest.raises(
        UserError, match="lsf .*a.fits has no table of a resolution: expected columns WAVELENGTH"
    ):
        lsf_of(path)
    path = write(tmp_path / "b.fits", {"WAVELENGTH": [1.0, 2.0], "R": [1.0, 1.0]})
    with pytest.raises(
        UserError, match="wavelengths of column WAVELENGTH are in no unit: give the column a unit"
    ):
        lsf_of(path)
    path = write(tmp_path / "c.fits", {"WAVELENGTH": [1.0, 2.0], "R": [1.0, -1.0]}, {"WAVELENGTH": "um"})
    with pytest.raises(UserError, match="LSF resolving_power has the value -1: give positive numbers"):
        lsf_of(path)
    path = write(tmp_path / "d.fits", {"WAVELENGTH": [1.0, 2.0], "R": [1.0, 1.0]}, {"WAVELENGTH": "s"})
    with pytest.raises(UserError, match="are in s: give the column a unit of length"):
        lsf_of(path)
    with pytest.raises(UserError, match="sigma_km_s=60 or the name of a FITS file"):
        lsf_of("prism")
