import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from dsps_sbi.errors import UserError
from dsps_sbi.photometry.maps import Maps
from dsps_sbi.photometry.result import output_folder

TAN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 53.1, "CRVAL2": -27.8, "CRPIX1": 3.0}
TAN |= {"CRPIX2": 2.0, "CDELT1": -0.03 / 3600, "CDELT2": 0.03 / 3600}


@pytest.fixture(scope="module")
def result(tiny_posterior, mock_pixels):
    from dsps_sbi.instruments.jades import JADES_BANDS
    from dsps_sbi.io import PixelCube

    mask = np.zeros((6, 7), bool)
    mask[2, 3] = True
    cube = PixelCube(
        *mock_pixels, JADES_BANDS, 2.0, (6, 7), mask=mask, header=fits.Header(TAN), source="here"
    )
    return tiny_posterior.infer(cube, n_draws=40)


def test_pixels_land_where_they_came_from(result):
    maps = result.maps("av", "log_mass")
    assert maps.names == ("av", "log_mass") and maps.shape == (6, 7)
    row = result.percentiles[result.names.index("log_mass")]
    assert maps.median("log_mass")[4, 5] == row[1, 4 * 7 + 5]
    assert np.isnan(maps.median("av")[2, 3]) and np.isnan(maps.median("av")).sum() == 1
    assert maps.descriptions["av"][0] == "mag"


def test_unknown_quantity(result):
    with pytest.raises(UserError, match="no quantity sfr_100: choose from log_mass"):
        result.maps("sfr_100")


def test_three_files(result, tmp_path):
    paths = result.write(tmp_path / "new" / "folder")
    assert [p.name for p in paths] == ["maps.fits", "summary.ecsv", "maps.png"]
    assert sorted(p.name for p in paths[0].parent.iterdir()) == sorted(p.name for p in paths)
    maps = Maps.read(paths[0])
    assert set(maps.names) == set(result.names) and maps.meta["bundle"] == "tiny"
    np.testing.assert_array_equal(maps.median("t50"), result.maps("t50").median("t50"))
    sky = WCS(maps.header).pixel_to_world(2, 1)
    assert sky.ra.deg == pytest.approx(53.1) and sky.dec.deg == pytest.approx(-27.8)
    table = Table.read(paths[1])
    assert len(table) == 4 and table.meta["redshift"] == 2.0
    assert np.all(
        table["correlated_84"] - table["correlated_16"] >= table["independent_84"] - table["independent_16"]
    )
    assert paths[2].read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_cannot_be_made_or_written(result, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="output folder .*file/out cannot be made .*choose another"):
        result.write(tmp_path / "file" / "out")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "locked").mkdir()
    monkeypatch.setattr("pathlib.Path.touch", refuse)
    with pytest.raises(
        UserError, match="cannot write in folder .*locked .*Permission denied.*choose another"
    ):
        output_folder(tmp_path / "locked")
    assert not list((tmp_path / "locked").iterdir())
