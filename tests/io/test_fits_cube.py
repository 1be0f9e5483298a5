import gzip

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from dsps_sbi.errors import UserError
from dsps_sbi.io.fits_cube import read_cutout

FILTERS = ("F277W", "F356W", "F444W")
RNG = np.random.default_rng(0)
FLUX = RNG.normal(5, 1, (3, 4, 5))
ERROR = RNG.uniform(0.1, 0.2, (3, 4, 5))
TAN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 53.1, "CRVAL2": -27.8, "CRPIX1": 3.0}
TAN |= {"CRPIX2": 2.0, "CDELT1": -0.03 / 3600, "CDELT2": 0.03 / 3600}
PIXEL_SR = (0.03 / 206264.80624709636) ** 2


def write(path, *, primary=(), flux=(), error=(), extra=(), data=FLUX, sigma=ERROR):
    """A cutout; the cards given are added to those of a complete file, None removes one."""
    cards = {"BUNIT": "nJy", "REDSHIFT": 3.4}
    cards |= {f"FILTER{number + 1}": name for number, name in enumerate(FILTERS)}
    cards = {key: value for key, value in (cards | TAN | dict(flux)).items() if value is not None}
    hdus = fits.HDUList([fits.PrimaryHDU(header=fits.Header(dict(primary)))])
    hdus.append(fits.ImageHDU(data, header=fits.Header(cards), name="FLUX"))
    hdus.append(fits.ImageHDU(sigma, header=fits.Header(dict(error)), name="ERROR"))
    hdus.extend(extra)
    hdus.writeto(path)
    return path


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
def test_a_complete_file(tmp_path, name):
    mask = np.zeros((4, 5), np.uint8)
    mask[1, 2] = 7
    cube = read_cutout(write(tmp_path / name, extra=[fits.ImageHDU(mask, name="MASK")]))
    assert cube.filters == ("jwst_f277w", "jwst_f356w", "jwst_f444w")
    assert cube.shape == (4, 5) and cube.redshift == 3.4 and cube.source.endswith(name)
    np.testing.assert_allclose(cube.flux_ujy[1 * 5 + 2], FLUX[:, 1, 2] / 1e3, rtol=1e-6)
    np.testing.assert_allclose(cube.sigma_ujy[3 * 5], ERROR[:, 3, 0] / 1e3, rtol=1e-6)
    assert np.flatnonzero(cube.mask).tolist() == [7]
    sky = WCS(cube.header).pixel_to_world(1, 2)
    assert sky.separation(WCS(fits.Header(TAN)).pixel_to_world(1, 2)).arcsec < 1e-6


def test_upper_limits(tmp_path):
    upper = np.zeros((3, 4, 5), np.uint8)
    upper[2, 1, 3] = 1
    cube = read_cutout(write(tmp_path / "a.fits", extra=[fits.ImageHDU(upper, name="UPPER")]))
    assert np.argwhere(cube.upper).tolist() == [[1 * 5 + 3, 2]]
    with pytest.raises(UserError, match=r"UPPER has shape \(4, 5\): expected \(3, 4, 5\)"):
        read_cutout(write(tmp_path / "b.fits", extra=[fits.ImageHDU(upper[0], name="UPPER")]))


def test_cards_in_the_primary_header(tmp_path):
    removed = dict.fromkeys([*TAN, "BUNIT", "REDSHIFT", "FILTER1", "FILTER2", "FILTER3"])
    primary = TAN | {"BUNIT": "uJy", "Z": 1.5, "FILTERS": "F277W, F356W,F444W"}
    cube = read_cutout(write(tmp_path / "a.fits", primary=primary, flux=removed))
    assert cube.redshift == 1.5 and cube.filters[2] == "jwst_f444w" and cube.header["CRVAL1"] == 53.1
    np.testing.assert_allclose(cube.flux_ujy[0], FLUX[:, 0, 0], rtol=1e-6)


def test_filters_in_a_table(tmp_path):
    column = fits.Column("NAME", "12A", array=np.array(FILTERS))
    number = fits.Column("NUMBER", "J", array=np.arange(3))
    table = fits.BinTableHDU.from_columns([number, column], name="FILTERS")
    removed = dict.fromkeys(["FILTER1", "FILTER2", "FILTER3"])
    cube = read_cutout(write(tmp_path / "a.fits", flux=removed, extra=[table]))
    assert cube.filters == ("jwst_f277w", "jwst_f356w", "jwst_f444w")


def test_arguments_override_the_file(tmp_path):
    path = write(tmp_path / "a.fits")
    cube = read_cutout(path, redshift=2.0, filters=("F435W", "F606W", "F775W"))
    assert cube.redshift == 2.0 and cube.filters == ("acs_wfc_f435w", "acs_wfc_f606w", "acs_wfc_f775w")


def test_surface_brightness_uses_the_wcs_or_pixar_sr(tmp_path):
    cube = read_cutout(
        write(tmp_path / "a.fits", flux={"BUNIT": "MJy/sr", "PIXAR_SR": 1.0}, error={"BUNIT": "nJy"})
    )
    np.testing.assert_allclose(cube.flux_ujy[0], FLUX[:, 0, 0] * 1e12 * PIXEL_SR, rtol=1e-6)
    np.testing.assert_allclose(cube.sigma_ujy[0], ERROR[:, 0, 0] / 1e3, rtol=1e-6)
    flat = dict.fromkeys(TAN) | {"BUNIT": "MJy/sr"}
    cube = read_cutout(write(tmp_path / "b.fits", flux=flat | {"PIXAR_SR": 2e-14}))
    np.testing.assert_allclose(cube.flux_ujy[0], FLUX[:, 0, 0] * 1e12 * 2e-14, rtol=1e-6)
    assert not cube.header
    with pytest.raises(UserError, match="expected a WCS or PIXAR_SR"):
        read_cutout(write(tmp_path / "c.fits", flux=flat))
    # a card that is no area is not a broken file
    for name, value in (("d.fits", "unknown"), ("e.fits", -1.0)):
        with pytest.raises(UserError, match="FLUX is in .*: expected a WCS or PIXAR_SR above 0"):
            read_cutout(write(tmp_path / name, flux=flat | {"PIXAR_SR": value}))


def test_a_wcs_that_cannot_be_used_is_told(tmp_path):
    path = write(tmp_path / "a.fits", flux={"CRVAL1": 53.25})
    assert read_cutout(path).header and not read_cutout(path).notes
    text = path.read_bytes()
    assert text.count(b"53.25") == 1
    path.write_bytes(text.replace(b"53.25", b"  NaN"))
    cube = read_cutout(path)
    assert not cube.header and cube.notes[0].startswith("the WCS of the image cannot be used (CRVAL1 is NaN)")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"flux": {"REDSHIFT": None}}, "has no redshift: expected the card REDSHIFT"),
        ({"flux": {"REDSHIFT": True}}, "redshift is True: expected one number; give that"),
        ({"flux": {"FILTER1": None}}, "names no filters"),
        ({"flux": {"FILTER3": None}}, "2 filters are named: expected 3"),
        ({"flux": {"BUNIT": None}}, "FLUX has no unit"),
        ({"flux": {"BUNIT": "electron/s"}}, "expected PHOTFLAM"),
        ({"flux": {"BUNIT": "K"}}, "FLUX has the unit K"),
        ({"sigma": ERROR[:, :3]}, r"ERROR has shape \(3, 3, 5\): expected \(3, 4, 5\)"),
        ({"data": FLUX[0]}, r"FLUX has shape \(4, 5\): expected an image \(band, y, x\)"),
        ({"extra": [fits.ImageHDU(np.zeros((5, 4)), name="MASK")]}, r"MASK has shape \(5, 4\)"),
        ({"sigma": -ERROR}, "no error is finite and positive"),
    ],
)
def test_incomplete_files_are_refused(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        read_cutout(write(tmp_path / "a.fits", **changes))


def test_missing_extensions_and_broken_files_are_refused(tmp_path):
    fits.PrimaryHDU(FLUX).writeto(tmp_path / "a.fits")
    with pytest.raises(UserError, match="has no extension FLUX"):
        read_cutout(tmp_path / "a.fits")
    whole = write(
        tmp_path / "b.fits", data=RNG.normal(size=(3, 40, 50)), sigma=np.ones((3, 40, 50))
    ).read_bytes()
    for name, size in (("c.fits", len(whole) // 2), ("d.fits", len(whole) - 2880), ("e.fits", 1000)):
        (tmp_path / name).write_bytes(whole[:size])
        with pytest.raises(UserError, match=f"{name} cannot be read as FITS"):
            read_cutout(tmp_path / name)
    packed = gzip.compress(whole)
    (tmp_path / "c.fits.gz").write_bytes(packed[: len(packed) // 2])
    for name in ("c.fits", "c.fits.gz"):
        with pytest.raises(UserError, match="it is cut off: expected a whole file; copy or download"):
            read_cutout(tmp_path / name)
    (tmp_path / "f.fits").write_text("spam")
    with pytest.raises(UserError, match="cannot be read as FITS"):
        read_cutout(tmp_path / "f.fits")
    with pytest.raises(UserError, match="does not exist: expected an input file"):
        read_cutout(tmp_path / "g.fits")
    with pytest.raises(UserError, match="is a folder"):
        read_cutout(tmp_path)
