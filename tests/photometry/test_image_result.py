import dataclasses

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from dsps_sbi.errors import UserError
from dsps_sbi.io.folders import output_folder
from dsps_sbi.photometry.maps import Maps

TAN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 53.1, "CRVAL2": -27.8, "CRPIX1": 3.0}
TAN |= {"CRPIX2": 2.0, "CDELT1": -0.03 / 3600, "CDELT2": 0.03 / 3600}


@pytest.fixture(scope="module")
def result(tiny_posterior, mock_pixels, tmp_path_factory):
    from dsps_sbi.instruments.jades import JADES_BANDS
    from dsps_sbi.io import PixelCube

    mask = np.zeros((6, 7), bool)
    mask[2, 3] = True
    cube = PixelCube(
        *mock_pixels, JADES_BANDS, 2.0, (6, 7), mask=mask, header=fits.Header(TAN), source="here"
    )
    path = tmp_path_factory.mktemp("draws") / "draws.h5"
    return tiny_posterior.infer(cube, n_draws=40, draws_path=path)


def test_pixels_land_where_they_came_from(result):
    maps = result.maps("av", "log_mass")
    assert maps.names == ("av", "log_mass") and maps.shape == (6, 7)
    row = result.quantiles[result.names.index("log_mass")]
    assert maps.median("log_mass")[4, 5] == row[1, 4 * 7 + 5]
    assert np.isnan(maps.median("av")[2, 3]) and np.isnan(maps.median("av")).sum() == 1
    assert maps.descriptions["av"][0] == "mag"


def test_unknown_quantity(result):
    with pytest.raises(UserError, match="no quantity sfr_100: choose from log_mass"):
        result.maps("sfr_100")


def test_percentiles_and_draws(result):
    np.testing.assert_array_equal(result.percentiles("av"), result.quantiles[result.names.index("av")])
    draws = result.draws("av")
    assert draws.shape == (42, 40) and np.isnan(draws[2 * 7 + 3]).all()
    expected = np.full((2, 42), np.nan)
    expected[:, result.fitted] = np.percentile(draws[result.fitted], (2.5, 50), axis=1)
    np.testing.assert_allclose(result.percentiles("av", (2.5, 50)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(result.percentiles("av", (84, 50)), result.percentiles("av")[[2, 1]])
    for ask in (result.percentiles, result.draws):
        with pytest.raises(UserError, match="no quantity sfr_100: choose from log_mass"):
            ask("sfr_100")
    without = dataclasses.replace(result, draws_path=None)
    np.testing.assert_array_equal(without.percentiles("av", (50,))[0], result.percentiles("av")[1])
    with pytest.raises(UserError, match="kept only where infer is asked to: give it draws_path="):
        without.percentiles("av", (2.5,))


def test_table_has_the_fitted_pixels(result):
    table = result.table()
    assert len(table) == 41 and table.meta["bundle"] == "tiny"
    assert (2, 3) not in set(zip(table["y"], table["x"], strict=True))
    i = np.flatnonzero((table["y"] == 4) & (table["x"] == 5))[0]
    low, median, high = (float(table[name][i]) for name in ("av_p16", "av", "av_p84"))
    np.testing.assert_allclose([low, median, high], result.percentiles("av")[:, 4 * 7 + 5], rtol=1e-6)
    assert set(table["trust"]) == {"unchecked"} and set(table["method"]) == {"flow"}
    assert table["ess"].mask.all() and not table["snr"].mask.any()
    words = np.full(42, "unchecked")
    words[2 * 7 + 3] = "none"
    np.testing.assert_array_equal(result.trust, words)


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


def test_maps_of_another_image_stay(result, tmp_path, monkeypatch):
    from dsps_sbi.photometry import result as module

    monkeypatch.setattr(module, "plot_maps", lambda maps, path: path.touch())
    result.write(tmp_path)
    result.write(tmp_path)
    other = dataclasses.replace(result, meta=result.meta | {"source": "there"})
    with pytest.raises(
        UserError, match="holds the maps of here, which those of there would take the place of"
    ):
        other.write(tmp_path)
    # a path from a folder that nobody knows may be the same
    for source in ("/a/here", ""):
        dataclasses.replace(result, meta=result.meta | {"source": source}).write(tmp_path)
