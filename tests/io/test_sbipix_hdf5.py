import h5py
import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.io.sbipix_hdf5 import read_sbipix

FILTERS = [b"JWST_NIRCam_F090W", b"JWST_NIRCam.F182M", b"HST_ACS.F850LP"]
COORDINATES = np.array([[2100, 310], [2102, 309], [2101, 312]])  # rows, columns
FLUX = np.arange(1.0, 10.0).reshape(3, 3)


def write(path, ids=("205449",), units="µJy | pix", coordinates=COORDINATES, flux=FLUX, **attributes):
    with h5py.File(path, "w") as file:
        file["metadata/filters"] = np.array(FILTERS)
        if units is not None:
            file["metadata"].attrs["units"] = units
        for number in ids:
            group = file.create_group(f"galaxies/{number}")
            group["coordinates"] = coordinates
            group["photometry"] = flux
            group["error"] = flux / 10
            group.attrs.update({"redshift": 1.0953} | attributes)
    return path


def test_pixels_are_placed_by_row_and_column(tmp_path):
    cube = read_sbipix(write(tmp_path / "a.hdf5"))
    assert cube.filters == ("jwst_f090w", "jwst_f182m", "acs_wfc_f850lp")
    assert cube.shape == (3, 4) and cube.redshift == 1.0953
    image = cube.flux_ujy.reshape(3, 4, 3)
    for (row, column), flux in zip(COORDINATES - [2100, 309], FLUX, strict=True):
        np.testing.assert_array_equal(image[row, column], flux.astype(np.float32))
    assert np.flatnonzero(~cube.mask).tolist() == [1, 7, 8]
    assert not cube.valid[cube.mask].any() and cube.valid[~cube.mask].all()
    assert cube.source.endswith("a.hdf5 galaxy 205449 [2100:2103, 309:313]")


def test_bands_of_zeros_are_missing(tmp_path):
    cube = read_sbipix(write(tmp_path / "a.hdf5", flux=FLUX * [1, 0, 1] + [0, 0, 1]))
    assert not cube.valid[:, 1].any()


def test_galaxies_are_chosen(tmp_path):
    path = write(tmp_path / "a.hdf5", ids=("117960", "205449"))
    assert "galaxy 117960" in read_sbipix(path, 117960).source
    assert read_sbipix(path, "205449", redshift=2.0).redshift == 2.0
    with pytest.raises(UserError, match="has 2 galaxies: expected galaxy= to name one of 117960, 205449"):
        read_sbipix(path)
    with pytest.raises(UserError, match="has no galaxy 7: expected one of 117960, 205449"):
        read_sbipix(path, 7)


def test_units_are_read(tmp_path):
    flux = read_sbipix(write(tmp_path / "a.hdf5", units=None)).flux_ujy
    np.testing.assert_array_equal(flux[1], FLUX[0].astype(np.float32))
    flux = read_sbipix(write(tmp_path / "b.hdf5", units="nJy | pix")).flux_ujy
    np.testing.assert_allclose(flux[1], FLUX[0] / 1e3, rtol=1e-6)
    with pytest.raises(UserError, match="metadata has the unit 'spam'"):
        read_sbipix(write(tmp_path / "c.hdf5", units="spam"))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"coordinates": COORDINATES[[0, 0, 1]]}, "listed twice"),
        ({"coordinates": COORDINATES + 0.5}, "not whole numbers"),
        ({"coordinates": COORDINATES[:, :1]}, r"coordinates have shape \(3, 1\)"),
        ({"coordinates": COORDINATES[:2]}, r"photometry has shape \(3, 3\): expected \(2, 3\)"),
        ({"flux": FLUX[:, :2]}, r"photometry has shape \(3, 2\): expected \(3, 3\)"),
        ({"redshift": -1.0}, "redshift is -1.0"),
    ],
)
def test_bad_galaxies_are_refused(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        read_sbipix(write(tmp_path / "a.hdf5", **changes))


def test_other_files_are_refused(tmp_path):
    path = write(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        del file["galaxies/205449"].attrs["redshift"]
    with pytest.raises(UserError, match="galaxy 205449 has no redshift"):
        read_sbipix(path)
    with h5py.File(path, "a") as file:
        del file["galaxies/205449/error"]
    with pytest.raises(UserError, match="not a readable sbipix file"):
        read_sbipix(path, redshift=1.0)
    (tmp_path / "b.hdf5").write_bytes(path.read_bytes()[:700])
    with pytest.raises(UserError, match="not a readable sbipix file"):
        read_sbipix(tmp_path / "b.hdf5")
    with pytest.raises(UserError, match="does not exist"):
        read_sbipix(tmp_path / "c.hdf5")
