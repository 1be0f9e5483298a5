"""What the numbers in a file may ask for."""

import h5py
import numpy as np
import pytest
from astropy.io import fits

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.io import sizes
from dsps_sbi.io.sizes import check_size


def test_the_bound(tmp_path):
    check_size((1024, 1024, 1024), "it")
    with pytest.raises(
        UserError, match=r"it has shape \(1024, 1024, 1025\), 8.01 GiB: expected at most 8 GiB"
    ):
        check_size((1024, 1024, 1025), "it")
    with pytest.raises(UserError, match="it has shape"):
        check_size((10**30, 10**30), "it")
    path = tmp_path / "large"
    with path.open("wb") as file:
        # takes no room on disk
        file.truncate(9 * 2**30)
    check_size((9, 2**30), "it", item_bytes=1, path=path)


def sbipix(path, last):
    place = np.argwhere(np.ones((6, 7)))
    place[-1] = last
    with h5py.File(path, "w") as file:
        file["metadata/filters"] = np.array(JADES_BANDS, dtype="S")
        group = file.create_group("galaxies/1")
        group["photometry"], group["error"], group["coordinates"] = (
            np.ones((42, 19)),
            np.ones((42, 19)),
            place,
        )
        group.attrs["redshift"] = 2.0
    return path


@pytest.mark.parametrize("last", [60000, 2**62])
def test_an_absurd_pixel_index(tmp_path, last):
    message = rf"galaxy 1: the smallest image that holds the pixels \(0, 0\) to \({last}, {last}\) has shape"
    with pytest.raises(UserError, match=message):
        ds.read(sbipix(tmp_path / "far.h5", last))


def test_a_dataset_that_was_never_filled(tmp_path):
    path = sbipix(tmp_path / "large.h5", 6)
    with h5py.File(path, "a") as file:
        del file["galaxies/1/photometry"]
        file["galaxies/1"].create_dataset("photometry", (10**9, 19), "f8", chunks=(1000, 19))
    with pytest.raises(
        UserError, match=r"photometry has shape \(1000000000, 19\), 142 GiB: expected at most"
    ):
        ds.read(path)


def test_a_header_of_numpy(tmp_path):
    flux, error = tmp_path / "flux.npy", tmp_path / "error.npy"
    np.save(error, np.ones((6, 2)))
    with flux.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 2)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(UserError, match="flux.npy is not a whole .npy file of numbers"):
        ds.read_npy(flux, error, shape=(2, 3), filters=("F277W", "F444W"), redshift=2.0)


def test_a_compressed_image(tmp_path, monkeypatch):
    path = tmp_path / "galaxy.fits"
    cube = fits.CompImageHDU(np.zeros((2, 300, 300), np.float32), name="FLUX")
    fits.HDUList([fits.PrimaryHDU(), cube]).writeto(path)
    monkeypatch.setattr(sizes, "MOST_BYTES", 300_000)
    with pytest.raises(UserError, match=r"extension 1 FLUX has shape \(2, 300, 300\), .* mend its header"):
        ds.read(path)
