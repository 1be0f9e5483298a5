"""Folders, globs and lists of targets by the command line and in Python."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.photometry.maps import Maps
from dsps_sbi.survey.image_entries import expanded

OPTIONS = {"n_draws": 20, "seed": 4, "pictures": False}


def test_folders_and_globs_are_their_files(make_cutout, tmp_path):
    folder = tmp_path / "images"
    (folder / "inner").mkdir(parents=True)
    for name in ("b.fits", "a.fits.gz", "inner/c.fits"):
        make_cutout(f"images/{name}")
    (folder / "readme.txt").write_text("not one")
    (folder / ".hidden.fits").write_bytes(b"")
    assert expanded([folder]) == [folder / "a.fits.gz", folder / "b.fits"]
    assert expanded([folder / "**/*.fits"]) == [folder / "b.fits", folder / "inner" / "c.fits"]
    odd = make_cutout("odd[1].fits")
    assert expanded([odd]) == [odd] and expanded([tmp_path / "nowhere"]) == [tmp_path / "nowhere"]
    with pytest.raises(UserError, match=r"no file matches .*\*.h5: expected at least one image; mend the"):
        expanded([folder / "*.h5"])
    (folder / "list.toml").write_text("")
    assert expanded([folder]) == [folder / "list.toml"]


def test_a_list_by_the_command_line(infer, make_cutout, tmp_path, contents, tiny_posterior):
    make_cutout("one.fits", REDSHIFT=None)
    columns = {"id": ["x", "y", "w"], "z": [1.5, 2.5, np.nan], "files": ["one.fits"] * 3}
    path = tmp_path / "targets.csv"
    Table(columns).write(path, format="ascii.csv")
    status, output, error = infer("--list", path, "--no-pictures", "--seed", 4)
    assert status == 1 and f"{path}: x: 42 of 42 pixels fitted" in output
    assert "targets.csv: w: " in error and "one.fits has no redshift" in error
    assert "1 of 3 cutouts failed: mend them and run again with --resume" in error
    assert Maps.read(tmp_path / "out" / "y" / "maps.fits").meta["redshift"] == 2.5
    # the same in Python
    ds.infer_many(tiny_posterior, ds.read_target_list(path), tmp_path / "python", **OPTIONS)
    for name in ("x", "y"):
        assert contents(tmp_path / "out" / name) == contents(tmp_path / "python" / name)
    # a redshift that changes is an image that changes
    Table(columns | {"z": [1.5, 2.4, 2.0]}).write(path, format="ascii.csv", overwrite=True)
    status, _, error = infer("--list", path, "--no-pictures", "--seed", 4, "--resume")
    assert status == 1 and "is not what it was in the run that" in error
    Table(columns | {"z": [1.5, 2.5, 2.0]}).write(path, format="ascii.csv", overwrite=True)
    status, output, _ = infer("--list", path, "--no-pictures", "--seed", 4, "--resume")
    assert status == 0 and output.count("outputs are complete, skipped") == 2


def test_a_mosaic_by_the_command_line(infer, mock_pixels, tmp_path, loaded):
    """One galaxy of 6 x 7 pixels beside another in larger images: the answer is that of its cutout."""
    flux, sigma = (a.T.reshape(-1, 6, 7) for a in mock_pixels)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ("RA---TAN", "DEC--TAN"), (53.1, -27.8), (8.0, 8.0)
    wcs.wcs.cdelt = -0.06 / 3600, 0.06 / 3600
    header, text = wcs.to_header(), 'segmentation = "seg.fits"\n'
    header["BUNIT"] = "uJy"
    for i, band in enumerate(JADES_BANDS):
        whole, error = np.zeros((20, 30), np.float32), np.full((20, 30), 1e-3, np.float32)
        whole[4:10, 5:12], error[4:10, 5:12] = flux[i], sigma[i]
        parts = [fits.PrimaryHDU(), fits.ImageHDU(whole, header), fits.ImageHDU(error, header, "ERR")]
        fits.HDUList(parts).writeto(tmp_path / f"{i}.fits")
        text += f'[[band]]\nfilter = "{band}"\nflux = "{i}.fits"\nerror_ext = "ERR"\n'
    labels = np.zeros((20, 30), np.int16)
    labels[4:10, 5:12], labels[12:18, 20:27] = 3, 4
    fits.PrimaryHDU(labels, wcs.to_header()).writeto(tmp_path / "seg.fits")
    (tmp_path / "mosaic.toml").write_text(text)
    path = tmp_path / "targets.ecsv"
    Table({"id": [3, 4], "z": [2.0, 2.0]}).write(path, format="ascii.ecsv")
    mosaic = tmp_path / "mosaic.toml"
    status, _, error = infer(mosaic, "--list", path, "--no-pictures", "--seed", 4)
    assert status == 1 and f"{path}: 4: " in error and "no unmasked pixel has a flux with an error" in error
    maps = Maps.read(tmp_path / "out" / "3" / "maps.fits")
    cutout = loaded.infer(ds.PixelCube(*mock_pixels, JADES_BANDS, 2.0, (6, 7)), n_draws=20, seed=4)
    assert np.array_equal(maps.percentiles, cutout.maps().percentiles)
    assert maps.meta["source"] == f"{mosaic} galaxy 3"


def test_options_that_do_not_go_with_a_list(refused, make_cutout, tmp_path):
    path = tmp_path / "targets.csv"
    Table({"id": ["x"], "files": ["one.fits"]}).write(path, format="ascii.csv")
    refused(
        "--filters was given with --list: this goes with single files", "--list", path, "--filters", "jades"
    )
    refused("expected one TOML list of mosaics, or none", make_cutout("one.fits"), "--list", path)
    refused("nowhere.csv does not exist", "--list", tmp_path / "nowhere.csv")
    refused("no image is given: name at least one file, a folder, or a --list")
