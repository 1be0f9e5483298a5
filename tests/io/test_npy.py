import os
from pathlib import Path

import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filter_names import JADES_BANDS
from dsps_sbi.io.npy import read_npy

FILTERS = ("F277W", "F444W")
CUBE = np.random.default_rng(0).normal(5, 1, (3, 4, 2))  # y, x, band


def read(folder, flux=CUBE, error=None, shape=(3, 4), filters=FILTERS):
    np.save(folder / "flux.npy", flux)
    np.save(folder / "error.npy", np.ones_like(flux) if error is None else error)
    return read_npy(folder / "flux.npy", folder / "error.npy", shape=shape, filters=filters, redshift=3.4)


@pytest.mark.parametrize("flux", [CUBE, CUBE.reshape(12, 2), np.moveaxis(CUBE, 2, 0)])
def test_layouts(tmp_path, flux):
    cube = read(tmp_path, flux)
    assert cube.shape == (3, 4) and cube.filters == ("jwst_f277w", "jwst_f444w") and cube.redshift == 3.4
    np.testing.assert_array_equal(cube.flux_ujy, CUBE.reshape(12, 2).astype(np.float32))


def test_ambiguous_layouts_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"can be \(ny, nx, band\) or \(band, ny, nx\)"):
        read(tmp_path, np.ones((2, 2, 2)), shape=(2, 2))


def test_other_arrays_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"flux.npy has shape \(3, 4, 2\): expected \(12, 3\)"):
        read(tmp_path, filters=(*FILTERS, "F606W"))
    with pytest.raises(UserError, match=r"error.npy has shape \(4, 3\): expected \(12, 2\)"):
        read(tmp_path, error=np.ones((4, 3)))
    with pytest.raises(UserError, match="does not hold an array of real numbers"):
        read(tmp_path, CUBE.astype(str))
    np.save(tmp_path / "error.npy", CUBE)
    (tmp_path / "flux.npy").write_bytes((tmp_path / "error.npy").read_bytes()[:200])
    with pytest.raises(UserError, match="flux.npy is not a whole .npy file"):
        read_npy(tmp_path / "flux.npy", tmp_path / "error.npy", shape=(3, 4), filters=FILTERS, redshift=3.4)
    with pytest.raises(UserError, match="does not exist"):
        read_npy(tmp_path / "no.npy", tmp_path / "error.npy", shape=(3, 4), filters=FILTERS, redshift=3.4)


@pytest.mark.skipif(
    "DSPS_SBI_TEST_DATA" not in os.environ, reason="DSPS_SBI_TEST_DATA names no folder of real data"
)
def test_a_real_field_of_jades():
    folder = Path(os.environ["DSPS_SBI_TEST_DATA"]) / "jades" / "gsz14"
    paths = folder / "full_phot_.npy", folder / "full_err_.npy"
    cube = read_npy(*paths, shape=(110, 195), filters=JADES_BANDS, redshift=3.475)
    assert cube.flux_ujy.shape == (21450, 19)
    missing = [
        name for name, any_valid in zip(cube.filters, cube.valid.any(axis=0), strict=True) if not any_valid
    ]
    assert missing == ["jwst_f430m", "jwst_f460m", "jwst_f480m"]
    snr = np.where(cube.valid, cube.flux_ujy / np.where(cube.valid, cube.sigma_ujy, 1), 0)
    assert (snr[:, JADES_BANDS.index("jwst_f277w")] > 5).sum() == 827
