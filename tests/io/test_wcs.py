import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from dsps_sbi.errors import UserError
from dsps_sbi.io.cube import PixelCube
from dsps_sbi.io.wcs import (
    celestial_header,
    celestial_wcs,
    check_same_grid,
    pixel_area_sr,
    unreadable_wcs,
)

BANDS = ("F200W", "F277W", "F444W")

PIXEL_SR = (0.03 / 206264.80624709636) ** 2


def tan_header(**changes):
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 53.1, "CRVAL2": -27.8, "CRPIX1": 10.0}
    cards |= {"CRPIX2": 20.0, "CDELT1": -0.03 / 3600, "CDELT2": 0.03 / 3600, "RADESYS": "ICRS"}
    return fits.Header(cards | changes)


def test_only_celestial_cards_are_kept():
    header = tan_header(OBSERVER="Somebody", BUNIT="uJy")
    header["DATE-OBS"] = "2022-10-01"
    header["MJD-OBS"] = 59853.0
    header.update({"CTYPE3": "BAND", "CRPIX3": 1.0})
    kept = celestial_header(header)
    assert not {"OBSERVER", "BUNIT", "DATE-OBS", "MJD-OBS", "CTYPE3"} & set(kept)
    assert {"CTYPE1", "CRVAL2", "CRPIX1", "CDELT1", "RADESYS"} <= set(kept)
    assert kept == celestial_header(kept)


def test_cd_matrices_keep_the_sky_and_offsets_shift_it():
    header = tan_header()
    angle, scale = 0.4, 0.03 / 3600
    for key in ("CDELT1", "CDELT2"):
        del header[key]
    turn = {"CD1_1": -np.cos(angle), "CD1_2": np.sin(angle), "CD2_1": np.sin(angle), "CD2_2": np.cos(angle)}
    header.update({key: value * scale for key, value in turn.items()})
    cut = WCS(celestial_header(header, offset=(3, 5)))
    assert cut.pixel_to_world(1, 2).separation(WCS(header).pixel_to_world(6, 5)).arcsec < 1e-6


def test_distortion_is_left_out_without_a_warning():
    header = tan_header(
        CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, B_ORDER=2, A_0_2=1e-6, B_2_0=1e-6
    )
    kept = celestial_header(header)
    assert kept["CTYPE1"] == "RA---TAN" and "A_ORDER" not in kept


def test_distortion_is_that_about_the_cutout():
    """Far from the reference pixel it is arcseconds; over a cutout it hardly changes."""
    sip = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-5, "B_1_1": 2e-5}
    header = tan_header(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", **sip)
    whole, cut = WCS(header), WCS(celestial_header(header, offset=(900, 1500)))
    for x, y in ((0, 0), (4, 0), (3, 5)):
        apart = cut.pixel_to_world(x, y).separation(whole.pixel_to_world(1500 + x, 900 + y))
        assert apart.deg < 0.01 * abs(cut.proj_plane_pixel_scales()[0].to_value("deg"))
    assert (
        WCS(tan_header()).pixel_to_world(1500, 900).separation(whole.pixel_to_world(1500, 900)).arcsec > 0.1
    )


def test_distortion_of_a_whole_image_is_that_about_its_middle():
    sip = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-5, "B_1_1": 2e-5}
    header = tan_header(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", **sip)
    whole = WCS(header)
    for cut, offset in ((celestial_header(header, (900, 1500), (101, 201)), (900, 1500)),):
        apart = (
            WCS(cut).pixel_to_world(100, 50).separation(whole.pixel_to_world(offset[1] + 100, offset[0] + 50))
        )
        assert apart.arcsec < 1e-6
    cube = PixelCube(np.ones((35, 3)), np.ones((35, 3)), BANDS, 1.0, (5, 7), header=header)
    assert WCS(cube.header).pixel_to_world(3, 2).separation(whole.pixel_to_world(3, 2)).arcsec < 1e-6


def test_a_wcs_that_cannot_be_used_is_told():
    assert unreadable_wcs(tan_header()) is None and unreadable_wcs(fits.Header()) is None
    assert unreadable_wcs(tan_header(CRVAL1="NaN")) == "CRVAL1 is NaN"
    assert unreadable_wcs(tan_header(CTYPE2="DEC--SIN"))
    cube = PixelCube(np.ones((6, 3)), np.ones((6, 3)), BANDS, 1.0, (2, 3), header=tan_header(CRVAL2="NaN"))
    assert not cube.header and cube.notes == (
        "the WCS of the image cannot be used (CRVAL2 is NaN): the maps have none; mend it to have one",
    )


@pytest.mark.parametrize("value", ["abc", "NaN", 0.0, -1.0])
def test_an_area_that_is_no_number_above_0_is_none(value):
    assert pixel_area_sr(fits.Header({"PIXAR_SR": value})) is None


def test_a_wcs_with_a_card_that_is_no_number_is_none():
    for value in ("NaN", "west"):
        assert celestial_wcs(tan_header(CRVAL1=value)) is None


def test_headers_without_celestial_wcs():
    header = fits.Header({"CTYPE1": "WAVE", "CRVAL1": 5000.0})
    assert celestial_wcs(header) is None
    assert not celestial_header(header)
    assert pixel_area_sr(header) is None
    header["PIXAR_SR"] = 2e-14
    assert pixel_area_sr(header) == 2e-14


def test_malformed_wcs_is_none():
    assert celestial_wcs(tan_header(CTYPE2="DEC--SIN")) is None


def test_area_of_a_pixel_is_that_of_the_wcs():
    assert pixel_area_sr(tan_header(PIXAR_SR=1.0)) == pytest.approx(PIXEL_SR, rel=1e-9)


def test_grids_agree_to_a_tenth_of_a_pixel():
    first = WCS(tan_header())
    check_same_grid(None, None, (50, 60), where="b.fits")
    check_same_grid(first, WCS(tan_header(CRPIX1=10.09)), (50, 60), where="b.fits")
    with pytest.raises(UserError, match="b.fits is 0.2 pixels off .* reproject"):
        check_same_grid(first, WCS(tan_header(CRPIX1=10.2)), (50, 60), where="b.fits")
    with pytest.raises(UserError, match="reproject"):
        check_same_grid(first, WCS(tan_header(CRVAL1=233.1, CRVAL2=27.8)), (50, 60), where="b.fits")
    with pytest.raises(UserError, match="only some images have a celestial WCS"):
        check_same_grid(first, None, (50, 60), where="b.fits")
