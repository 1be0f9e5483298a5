import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from dsps_sbi.errors import UserError
from dsps_sbi.photometry.flags import PixelFlag
from dsps_sbi.photometry.maps import Maps

META = {
    "imf": "Chabrier 2003",
    "ssp": "x" * 120,
    "cosmology": "Planck18",
    "bundle": "tau-100k",
    "version": "0.1.0",
    "seed": 3,
    "ndraws": 500,
    "cut": 5.5,
    "note": "µJy \u2014\nnew line",
}


def tan_header():
    cards = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 53.1,
        "CRVAL2": -27.8,
        "OBSERVER": "Somebody",
    }
    cards |= {"CRPIX1": 3.0, "CRPIX2": 2.0, "CDELT1": -0.03 / 3600, "CDELT2": 0.03 / 3600}
    return fits.Header(cards)


def small_maps(**changes):
    rng = np.random.default_rng(0)
    percentiles = np.sort(rng.normal(size=(2, 3, 4, 5)), axis=1)
    percentiles[:, :, 0, 0] = np.nan
    fields = dict(
        names=("log_mass", "av"),
        percentiles=percentiles,
        snr=rng.random((4, 5)),
        n_bands=rng.integers(0, 19, (4, 5)),
        flags=rng.integers(0, 256, (4, 5)),
        header=tan_header(),
        meta=META,
        descriptions={"log_mass": ("log(Msun)", "mass in stars and remnants, per pixel")},
    )
    return Maps(**(fields | changes))


def test_round_trip(tmp_path):
    maps = small_maps()
    path = tmp_path / "maps.fits"
    maps.write(path)
    again = Maps.read(path)
    assert again.names == maps.names
    for field in ("percentiles", "snr", "n_bands", "flags"):
        np.testing.assert_array_equal(getattr(again, field), getattr(maps, field))
        assert getattr(again, field).dtype.newbyteorder("=") == getattr(maps, field).dtype
    assert again.descriptions == maps.descriptions
    assert again.meta == META | {"note": "\\xb5Jy \\u2014 new line"}
    assert again.header == maps.header
    assert "OBSERVER" not in again.header
    assert [file.name for file in tmp_path.iterdir()] == ["maps.fits"]


def test_layout_of_the_file(tmp_path):
    maps = small_maps()
    maps.write(tmp_path / "maps.fits")
    with fits.open(tmp_path / "maps.fits", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "LOG_MASS", "AV", "SNR", "NBANDS", "FLAGS"]
        assert all("CHECKSUM" in hdu.header and "DATASUM" in hdu.header for hdu in hdus)
        primary = hdus[0].header
        assert primary["DSPS_SBI SEED"] == 3 and primary["DSPS_SBI IMF"] == "Chabrier 2003"
        comments = " ".join(primary["COMMENT"])
        assert all(f"{flag.value} {flag.name}: " in comments for flag in PixelFlag)
        assert hdus["LOG_MASS"].header["BUNIT"] == "log(Msun)"
        assert hdus["LOG_MASS"].header["DESCRIP"].startswith("mass in stars")
        assert hdus["LOG_MASS"].data.shape == (3, 4, 5)
        cube, plane = WCS(hdus["AV"].header), WCS(hdus["FLAGS"].header)
    assert cube.naxis == 3 and plane.naxis == 2
    np.testing.assert_allclose(cube.pixel_to_world_values(2, 1, [0, 1, 2])[2], [16, 50, 84])
    expected = WCS(tan_header()).pixel_to_world(4, 3)
    assert plane.pixel_to_world(4, 3).separation(expected).arcsec < 1e-6
    assert cube.celestial.pixel_to_world(4, 3).separation(expected).arcsec < 1e-6


def test_no_wcs_and_no_meta(tmp_path):
    small_maps(header=fits.Header(), meta={}, descriptions={}).write(tmp_path / "maps.fits.gz")
    again = Maps.read(tmp_path / "maps.fits.gz")
    assert not again.header and again.meta == {} and again.descriptions["av"] == ("", "")


def test_not_finite_meta_is_text(tmp_path):
    small_maps(meta={"cut": np.nan, "seed": np.int64(4)}).write(tmp_path / "maps.fits")
    assert Maps.read(tmp_path / "maps.fits").meta == {"cut": "nan", "seed": 4}


def test_median_and_half_width():
    maps = small_maps()
    low, middle, high = maps.percentiles[1]
    np.testing.assert_array_equal(maps.median("av"), middle)
    np.testing.assert_array_equal(maps.half_width("av"), (high - low) / 2)
    with pytest.raises(UserError, match="there is no map 'mass'"):
        maps.median("mass")


def test_files_are_replaced_only_if_wanted(tmp_path):
    path = tmp_path / "maps.fits"
    small_maps().write(path)
    before = path.read_bytes()
    with pytest.raises(UserError, match="exists: expected a new name"):
        small_maps(meta={}).write(path, overwrite=False)
    assert path.read_bytes() == before
    small_maps(meta={}).write(path)
    assert Maps.read(path).meta == {}


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="folder .* does not exist"):
        small_maps().write(tmp_path / "none" / "maps.fits")
    with pytest.raises(UserError, match="does not exist"):
        Maps.read(tmp_path / "maps.fits")
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "other.fits")
    with pytest.raises(UserError, match="is not a file of maps"):
        Maps.read(tmp_path / "other.fits")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"names": ("log_mass",)}, r"percentiles has shape \(2, 3, 4, 5\): expected \(1, 3, 4, 5\)"),
        ({"names": ("av", "av")}, "quantity list is"),
        ({"names": ("av", "Mass")}, "quantity 'Mass': expected a lower-case word"),
        ({"names": ("av", "snr")}, "quantity 'snr': expected a name that is not"),
        ({"meta": {"a b": 1}}, "meta key 'a b'"),
        ({"snr": np.zeros(20)}, r"snr has shape \(20,\): expected an image"),
        ({"flags": np.zeros((5, 4))}, r"flags has shape \(5, 4\): expected \(4, 5\)"),
        ({"descriptions": {"mass": ("", "")}}, "descriptions name mass"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        small_maps(**changes)
