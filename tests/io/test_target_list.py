"""Lists of targets, in files of their own and in mosaics with a segmentation map."""

import os

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.segmentation import boxes_of

BANDS = ("jwst_f277w", "jwst_f356w", "jwst_f444w")
SHAPE = (60, 80)


def wcs_of(x=40.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ("RA---TAN", "DEC--TAN"), (53.1, -27.8), (x, 30.0)
    wcs.wcs.cdelt = -0.06 / 3600, 0.06 / 3600
    return wcs


@pytest.fixture
def mosaic(tmp_path):
    """TOML list of mosaics of three bands, fluxes (band, y, x), and the segmentation map of two galaxies."""
    rng = np.random.default_rng(2)
    flux = rng.uniform(1.0, 2.0, (3, *SHAPE)).astype(np.float32)
    labels = np.zeros(SHAPE, np.uint32)
    labels[10:16, 20:27], labels[12:20, 26:30], labels[12, 26] = 7, 9, 7
    labels[50:60, 70:80] = 12
    header = wcs_of().to_header()
    header["BUNIT"] = "uJy"
    for i, plane in enumerate(flux):
        parts = [fits.PrimaryHDU(), fits.ImageHDU(plane, header, "SCI")]
        fits.HDUList([*parts, fits.ImageHDU(0.01 * plane, header, "ERR")]).writeto(tmp_path / f"{i}.fits")
    # of whole numbers without signs, as they are: with BZERO
    fits.PrimaryHDU(labels, wcs_of().to_header()).writeto(tmp_path / "seg.fits")
    text = 'segmentation = "seg.fits"\n'
    for i, band in enumerate(BANDS):
        text += f'[[band]]\nfilter = "{band}"\nflux = "{i}.fits"\nflux_ext = "SCI"\nerror_ext = "ERR"\n'
    (tmp_path / "mosaic.toml").write_text(text)
    return tmp_path / "mosaic.toml", flux, labels


def write_list(tmp_path, **columns):
    path = tmp_path / "targets.ecsv"
    Table(columns).write(path, format="ascii.ecsv", overwrite=True)
    return path


def images(targets):
    return [target.read(ds.read) for target in targets]


def test_segments_of_a_mosaic_are_cut_out(mosaic, tmp_path, monkeypatch):
    monkeypatch.setattr("dsps_sbi.io.segmentation._ROWS", 13)
    path, flux, labels = mosaic
    boxes = {label: tuple(np.nonzero(labels == label)) for label in (7, 9, 12)}
    found = boxes_of(tmp_path / "seg.fits")
    assert {k: (ys.min(), ys.max(), xs.min(), xs.max()) for k, (ys, xs) in boxes.items()} == {
        k: (y.start, y.stop - 1, x.start, x.stop - 1) for k, (y, x) in found.items()
    }
    for columns in ({"id": [9, 7], "z": [1.0, 2.0]}, {"ID": ["b", "a"], "label": [9, 7], "redshift": [1, 2]}):
        cubes = images(ds.read_target_list(write_list(tmp_path, **columns), path))
        assert [cube.redshift for cube in cubes] == [1.0, 2.0]
        for cube, label in zip(cubes, (9, 7), strict=True):
            box = found[label]
            assert np.array_equal(cube.flux_ujy.T.reshape(3, *cube.shape), flux[:, *box])
            assert np.allclose(cube.sigma_ujy, 0.01 * cube.flux_ujy)
            assert np.array_equal(~cube.mask.reshape(cube.shape), labels[box] == label)
            # the WCS is that of the cutout
            y, x = box[0].start, box[1].start
            sky = wcs_of().pixel_to_world(x, y)
            assert sky.separation(WCS(cube.header).pixel_to_world(0, 0)).arcsec < 1e-6


def test_squares_of_a_mosaic_are_cut_out(mosaic, tmp_path):
    path, flux, labels = mosaic
    places = np.array([(23, 13), (79, 59), (400, 30)])
    sky = wcs_of().pixel_to_world(*places.T)
    columns = {"id": ["in", "corner", "out"], "z": [1.0, 1.0, 1.0], "ra": sky.ra.deg, "dec": sky.dec.deg}
    columns |= {"size_arcsec": [9 * 0.06] * 3}
    first, corner, out = ds.read_target_list(write_list(tmp_path, **columns), path)
    cube = first.read(ds.read)
    assert np.array_equal(cube.flux_ujy.T.reshape(3, 9, 9), flux[:, 9:18, 19:28]) and not cube.mask.any()
    assert cube.source == f"{path} galaxy in"
    assert corner.read(ds.read).shape == (5, 5)
    with pytest.raises(UserError, match="does not cover .*: expected a cutout inside; mend ra and dec"):
        out.read(ds.read)
    # a label beside the size: the other galaxy is masked
    (target, *_) = ds.read_target_list(write_list(tmp_path, **columns, label=[9, 12, 12]), path)
    assert np.array_equal(~target.read(ds.read).mask.reshape(9, 9), labels[9:18, 19:28] == 9)


def test_files_of_other_bands_are_joined(make_cutout, mock_pixels, tmp_path):
    flux, sigma = mock_pixels
    header = dict(wcs_of(3.0).to_header())

    def part(name, bands, **more):
        cards = {f"FILTER{i}": None for i in range(1, 20)}
        cards |= {f"FILTER{i}": f"jwst_{band}" for i, band in enumerate(bands, 1)} | header | more
        n = len(bands)
        make_cutout(name, flux[:, :n] * (1 + len(name)), sigma[:, :n], **cards)

    part("a.fits", ("f277w", "f356w"))
    part("bb.fits", ("f444w",))
    part("off.fits", ("f444w",), CRPIX1=5.0)
    part("again.fits", ("f277w",))
    part("z.fits", ("f444w",), REDSHIFT=2.5)
    sky = wcs_of(3.0).pixel_to_world(3, 30)
    rows = [
        ("joined", 1.5, "a.fits; bb.fits", sky.dec.deg),
        ("elsewhere", 1.5, "a.fits", sky.dec.deg + 1.0),
        ("off", 1.5, "a.fits,off.fits", sky.dec.deg),
        ("twice", 1.5, "a.fits,again.fits", sky.dec.deg),
        ("own", np.nan, "a.fits", sky.dec.deg),
        ("two", np.nan, "a.fits,z.fits", sky.dec.deg),
        ("missing", 1.5, "nowhere.fits", sky.dec.deg),
        ("none", 1.5, "", sky.dec.deg),
        ("odd", -1.0, "a.fits", sky.dec.deg),
    ]
    names, z, files, dec = zip(*rows, strict=True)
    path = write_list(tmp_path, id=names, z=z, files=files, dec=dec, ra=[sky.ra.deg] * len(rows))
    targets = {target.name: target for target in ds.read_target_list(path)}
    # the position of these is off the image of 6 x 7 pixels
    with pytest.raises(UserError, match="a.fits does not cover .*, where elsewhere is: expected its image"):
        targets["elsewhere"].read(ds.read)
    for target in targets.values():
        object.__setattr__(target, "ra", None)
    cube = targets["joined"].read(ds.read)
    assert cube.filters == ("jwst_f277w", "jwst_f356w", "jwst_f444w") and cube.redshift == 1.5
    assert np.allclose(cube.flux_ujy[:, 2], flux[:, 0] * 8) and np.allclose(
        cube.flux_ujy[:, 0], flux[:, 0] * 7
    )
    assert targets["own"].read(ds.read).redshift == 2.0
    for name, message in (
        ("off", "off.fits is 2 pixels off the first image at a corner: .*; reproject all images to one grid"),
        ("twice", "filter jwst_f277w is listed twice"),
        ("two", "z.fits has redshift 2.5, .*a.fits has 2.0: expected one; give it in the column z"),
        ("missing", "nowhere.fits does not exist: expected an input file"),
        ("none", "target none of targets.ecsv has no files: name its images in the column files"),
        ("odd", "target odd of targets.ecsv has redshift -1: expected one above 0; mend it"),
    ):
        with pytest.raises(UserError, match=message):
            targets[name].read(ds.read)


def test_shapes_that_differ_are_refused(make_cutout, mock_pixels, tmp_path):
    flux, sigma = mock_pixels
    make_cutout("a.fits")
    cards = {f"FILTER{i}": None for i in range(2, 20)} | {"FILTER1": "jwst_f770w"}
    make_cutout("b.fits", flux[:30, 0].reshape(1, 5, 6), sigma[:30, 0].reshape(1, 5, 6), **cards)
    (target,) = ds.read_target_list(write_list(tmp_path, id=["x"], files=["a.fits;b.fits"]))
    with pytest.raises(UserError, match=r"b.fits has shape \(5, 6\): expected \(6, 7\), that of .*a.fits"):
        target.read(ds.read)


def test_targets_that_cannot_be_used_say_why(mosaic, tmp_path):
    path, *_ = mosaic
    targets = ds.read_target_list(write_list(tmp_path, id=[9, 7, 8], z=[1.0, np.nan, 1.0]), path)
    assert [bool(target.problem) for target in targets] == [False, True, True]
    with pytest.raises(
        UserError, match="target 7 of targets.ecsv has no redshift: give it in the column z, or"
    ):
        targets[1].read(ds.read)
    with pytest.raises(
        UserError, match="target 8 of .* is not in the segmentation map with label 8: mend its"
    ):
        targets[2].read(ds.read)
    # where they are to be inferred, or told for all, they need not be there
    assert (
        ds.read_target_list(tmp_path / "targets.ecsv", path, inferred=True)[1].read(ds.read).redshift is None
    )
    assert ds.read_target_list(tmp_path / "targets.ecsv", path, redshift=3.0)[1].read(ds.read).redshift == 3.0
    columns = {"id": ["a", "b"], "z": [1.0, 1.0], "ra": [np.nan, 53.1], "dec": [-27.8, -27.8]}
    targets = ds.read_target_list(write_list(tmp_path, **columns, size_arcsec=[1.0, -1.0]), path)
    assert "has no position: give ra and dec" in targets[0].problem
    assert "has size_arcsec -1: expected one above 0" in targets[1].problem


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"z": [1.0]}, "has no column id, but z: expected the columns id, z, and files or ra and dec"),
        (
            {"id": ["a"], "z": [1.0]},
            "has no column files: expected the images of each target there, or a TOML",
        ),
        ({"id": ["a"], "files": ["a.fits"], "ra": [1.0]}, "has only one of the columns ra and dec"),
        (
            {"id": ["a", "b", "A"], "files": ["x", "y", "z"]},
            "has the id A in rows 1 and 3: expected each once",
        ),
        ({"id": ["a/b"], "files": ["x"]}, "row 1: id 'a/b' cannot be the name of a folder"),
        ({"id": [], "files": []}, "has no rows: expected a galaxy in each"),
    ],
)
def test_lists_that_are_refused(columns, message, tmp_path):
    with pytest.raises(UserError, match=message):
        ds.read_target_list(write_list(tmp_path, **columns))


def test_lists_of_mosaics_that_are_refused(mosaic, tmp_path):
    path, flux, labels = mosaic
    with pytest.raises(
        UserError, match="has a column files and was given with mosaics: expected one of them"
    ):
        ds.read_target_list(write_list(tmp_path, id=["a"], files=["a.fits"]), path)
    with pytest.raises(UserError, match="has a column size_arcsec but no ra and dec"):
        ds.read_target_list(write_list(tmp_path, id=["a"], size_arcsec=[1.0]), path)
    with pytest.raises(
        UserError, match="has the id a and neither size_arcsec nor label: expected the number"
    ):
        ds.read_target_list(write_list(tmp_path, id=["a"], z=[1.0]), path)
    good = write_list(tmp_path, id=[7], z=[1.0])
    text = path.read_text()
    path.write_text(text.replace('segmentation = "seg.fits"\n', ""))
    with pytest.raises(
        UserError, match="names no segmentation map, which labels are numbers of: add segment"
    ):
        ds.read_target_list(good, path)
    path.write_text(text)
    for change, message in (
        ({"data": flux[1][:, :-1]}, r"1.fits has shape \(60, 79\): expected \(60, 80\), that of the first"),
        ({"header": wcs_of(42.5).to_header()}, "1.fits is 2.5 pixels off the first image at a corner"),
    ):
        with fits.open(tmp_path / "1.fits") as hdus:
            image = fits.ImageHDU(
                **{"data": flux[1], "header": hdus[1].header.copy(), "name": "SCI"} | change
            )
            fits.HDUList([hdus[0].copy(), image, hdus[2].copy()]).writeto(
                tmp_path / "new.fits", overwrite=True
            )
        path.write_text(text.replace('"1.fits"', '"new.fits"'))
        with pytest.raises(UserError, match=message.replace("1.fits", "new.fits")):
            ds.read_target_list(good, path)
    path.write_text(text.replace('"1.fits"', '"gone.fits"'))
    with pytest.raises(UserError, match="gone.fits does not exist"):
        ds.read_target_list(good, path)
    with fits.open(tmp_path / "1.fits") as hdus:
        hdus.writeto(tmp_path / "packed.fits.gz")
    path.write_text(text.replace('"1.fits"', '"packed.fits.gz"'))
    with pytest.raises(UserError, match="packed.fits.gz is compressed as a whole: .* unpack it"):
        ds.read_target_list(good, path)
    path.write_text(text)
    fits.PrimaryHDU(labels + 0.5, wcs_of().to_header()).writeto(tmp_path / "seg.fits", overwrite=True)
    with pytest.raises(
        UserError, match="seg.fits has a pixel 0.5: expected a segmentation map, of whole numbers"
    ):
        ds.read_target_list(good, path)


def test_what_is_read_ahead_are_the_pixels_of_the_cutout(mosaic, tmp_path, monkeypatch):
    """Bytes that the system is asked for hold the fluxes of the cutout, of all bands."""
    path, flux, labels = mosaic
    real, seen = os.pread, []

    def pread(number, n, offset):
        seen.append(real(number, n, offset))
        return seen[-1]

    monkeypatch.setattr(os, "pread", pread)
    (target, _) = ds.read_target_list(write_list(tmp_path, id=[9, 7], z=[1.0, 1.0]), path)
    target.prefetch()
    box = boxes_of(tmp_path / "seg.fits")[9]
    # flux and error of three bands, and the segmentation map
    assert (
        len(seen) == 7 * 8
        and np.frombuffer(b"".join(seen[:8]), ">f4").tolist() == flux[0][box].ravel().tolist()
    )
    assert np.frombuffer(b"".join(seen[32:40]), ">f4").tolist() == flux[2][box].ravel().tolist()
    seen.clear()
    sky = wcs_of().pixel_to_world(30, 20)
    columns = {"id": ["a"], "z": [1.0], "ra": [sky.ra.deg], "dec": [sky.dec.deg], "size_arcsec": [0.3]}
    (target,) = ds.read_target_list(write_list(tmp_path, **columns), path)
    target.prefetch()
    rows, columns = target.near
    assert rows.start <= 18 and rows.stop >= 23 and columns.start <= 28 and columns.stop >= 33
    assert len(seen) == 7 * (rows.stop - rows.start) and rows.stop - rows.start < 12
