import numpy as np
import pytest
from astropy.io import fits
from test_fits_cube import write as write_cutout
from test_sbipix_hdf5 import write as write_sbipix
from test_toml_list import write as write_list

from dsps_sbi.errors import UserError
from dsps_sbi.io import read


@pytest.mark.parametrize("name", ["a.fits", "a.FITS.gz", "a.fit", "a.img"])
def test_fits(tmp_path, name):
    assert (
        read(write_cutout(tmp_path / name), redshift=2.0, filters=("F435W", "F606W", "F775W")).redshift == 2.0
    )


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.data"])
def test_hdf5(tmp_path, name):
    assert read(write_sbipix(tmp_path / name), galaxy=205449).redshift == 1.0953


def test_toml(tmp_path):
    assert read(write_list(tmp_path)).redshift == 3.4


def test_options_of_another_kind_are_refused(tmp_path):
    with pytest.raises(
        UserError, match="galaxy= was given with .*: expected only redshift, filters for fits"
    ):
        read(write_cutout(tmp_path / "a.fits"), galaxy="7")


def test_unknown_kinds_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(UserError, match="a.csv is of an unknown kind: expected .fits"):
        read(tmp_path / "a.csv")
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(UserError, match="use read_npy with both files"):
        read(tmp_path / "a.npy")
    with pytest.raises(UserError, match="does not exist"):
        read(tmp_path / "b.fits")
    fits.PrimaryHDU().writeto(tmp_path / "c.fits")
    with pytest.raises(UserError, match="has no extension FLUX"):
        read(tmp_path / "c.fits")
