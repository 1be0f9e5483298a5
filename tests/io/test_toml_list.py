import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from dsps_sbi.errors import UserError
from dsps_sbi.io.toml_list import listed_files, read_band_list

SHAPE = (30, 40)
RNG = np.random.default_rng(0)
SKY = [RNG.normal(5, 1, SHAPE) for _ in range(2)]
ERROR = [RNG.uniform(0.1, 0.2, SHAPE) for _ in range(2)]
TAN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 53.1, "CRVAL2": -27.8, "CRPIX1": 20.0}
TAN |= {"CRPIX2": 15.0, "CDELT1": -0.03 / 3600, "CDELT2": 0.03 / 3600}


def save(path, data, **cards):
    fits.PrimaryHDU(data, header=fits.Header(cards)).writeto(path)


def write(folder, text="redshift = 3.4\n", bands=("error", "error"), band_text=("", "")):
    """Two bands: F277W in nJy, F606W in electrons per second."""
    hst = {"BUNIT": "ELECTRONS/S", "PHOTFLAM": 8e-20, "PHOTPLAM": 5921.0}
    for number, cards in enumerate(({"BUNIT": "nJy"}, hst)):
        save(folder / f"{number}.fits", SKY[number], **TAN, **cards)
        save(folder / f"{number}_error.fits", ERROR[number])
        save(folder / f"{number}_weight.fits", ERROR[number] ** -2.0, **TAN)
    for number, name in enumerate(("F277W", "HST/ACS_WFC.F606W")):
        text += f'[[band]]\nfilter = "{name}"\nflux = "{number}.fits"\n'
        if bands[number]:
            text += f'{bands[number]} = "{number}_{bands[number]}.fits"\n'
        text += band_text[number] + "\n"
    (folder / "list.toml").write_text(text)
    return folder / "list.toml"


def electron_ujy():
    return 8e-20 * 5921.0**2 / 2.99792458e18 * 1e29


@pytest.mark.parametrize("bands", [("error", "error"), ("weight", "weight"), ("error", "weight")])
def test_whole_images(tmp_path, bands):
    cube = read_band_list(write(tmp_path, bands=bands))
    assert cube.filters == ("jwst_f277w", "acs_wfc_f606w")
    assert cube.shape == SHAPE and cube.redshift == 3.4
    for band, factor in enumerate((1e-3, electron_ujy())):
        np.testing.assert_allclose(cube.flux_ujy[:, band], SKY[band].ravel() * factor, rtol=1e-6)
        np.testing.assert_allclose(cube.sigma_ujy[:, band], ERROR[band].ravel() * factor, rtol=1e-6)
    assert cube.header["CRVAL1"] == 53.1
    assert read_band_list(tmp_path / "list.toml", redshift=2.0).redshift == 2.0


def test_weights_that_are_not_positive_are_missing_bands(tmp_path):
    path = write(tmp_path, bands=("weight", "error"))
    weight = np.ones(SHAPE)
    weight[0, :3] = 0.0, -1.0, np.nan
    fits.PrimaryHDU(weight).writeto(tmp_path / "0_weight.fits", overwrite=True)
    valid = read_band_list(path).valid
    assert not valid[:3, 0].any() and valid[3:, 0].all() and valid[:, 1].all()


def test_a_cutout_is_the_same_part_of_all_images(tmp_path):
    save(tmp_path / "mask.fits", np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) % 7 // 6)
    wcs = WCS(fits.Header(TAN))
    sky = wcs.pixel_to_world(12, 8)
    cut = f"cutout = {{ra = {sky.ra.deg}, dec = {sky.dec.deg}, size_arcsec = 0.27}}\n"
    cube = read_band_list(write(tmp_path, text=f'redshift = 1\nmask = "mask.fits"\n{cut}'))
    assert cube.shape == (9, 9)
    part = (slice(4, 13), slice(8, 17))
    np.testing.assert_allclose(cube.flux_ujy[:, 0], SKY[0][part].ravel() / 1e3, rtol=1e-6)
    np.testing.assert_allclose(cube.sigma_ujy[:, 1], ERROR[1][part].ravel() * electron_ujy(), rtol=1e-6)
    expected = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)[part] % 7 == 6
    np.testing.assert_array_equal(cube.mask, expected.ravel())
    assert WCS(cube.header).pixel_to_world(4, 4).separation(sky).arcsec < 1e-5


def test_cutouts_at_the_edge_are_trimmed_and_beyond_it_refused(tmp_path):
    sky = WCS(fits.Header(TAN)).pixel_to_world(0, 0)
    cut = f"redshift = 1\ncutout = {{ra = {sky.ra.deg}, dec = {sky.dec.deg}, size_arcsec = 0.27}}\n"
    path = write(tmp_path, text=cut)
    assert read_band_list(path).shape == (5, 5)
    path.write_text(path.read_text().replace(f"dec = {sky.dec.deg}", "dec = 12.0"))
    with pytest.raises(UserError, match="0.fits does not cover 53.* 12.0"):
        read_band_list(path)


def test_extensions_and_units_that_are_named(tmp_path):
    hdus = [
        fits.PrimaryHDU(header=fits.Header({"BUNIT": "spam"})),
        fits.ImageHDU(np.zeros((2, 3, 4)), name="CUBE"),
    ]
    hdus += [fits.ImageHDU(SKY[0], header=fits.Header(TAN), name="SCI"), fits.ImageHDU(ERROR[0], name="ERR")]
    path = write(tmp_path, bands=("", "error"), band_text=('error_ext = "ERR"\nunit = "uJy"', 'unit = "nJy"'))
    fits.HDUList(hdus).writeto(tmp_path / "0.fits", overwrite=True)
    cube = read_band_list(path)
    np.testing.assert_allclose(cube.flux_ujy[:, 0], SKY[0].ravel(), rtol=1e-6)
    np.testing.assert_allclose(cube.sigma_ujy[:, 0], ERROR[0].ravel(), rtol=1e-6)
    np.testing.assert_allclose(cube.sigma_ujy[:, 1], ERROR[1].ravel() / 1e3, rtol=1e-6)
    path.write_text(path.read_text().replace('"ERR"', '"SPAM"'))
    with pytest.raises(
        UserError, match="no extension 'SPAM': expected one of 0 PRIMARY, 1 CUBE, 2 SCI, 3 ERR"
    ):
        read_band_list(path)
    path.write_text(path.read_text().replace('"SPAM"', '"CUBE"'))
    with pytest.raises(UserError, match="'CUBE' is not a two-dimensional image"):
        read_band_list(path)


def test_the_error_may_have_its_own_unit(tmp_path):
    path = write(tmp_path)
    save(tmp_path / "own.fits", ERROR[0], BUNIT="uJy")
    path.write_text(path.read_text().replace("0_error.fits", "own.fits"))
    np.testing.assert_allclose(read_band_list(path).sigma_ujy[:, 0], ERROR[0].ravel(), rtol=1e-6)


def test_images_on_other_grids_are_refused(tmp_path):
    path = write(tmp_path)
    fits.PrimaryHDU(SKY[1], fits.Header(TAN | {"CRPIX1": 20.5, "BUNIT": "nJy"})).writeto(
        tmp_path / "1.fits", overwrite=True
    )
    with pytest.raises(UserError, match="1.fits is 0.5 pixels off .*reproject"):
        read_band_list(path)
    fits.PrimaryHDU(SKY[1], fits.Header({"BUNIT": "nJy"})).writeto(tmp_path / "1.fits", overwrite=True)
    with pytest.raises(UserError, match="only some images have a celestial WCS"):
        read_band_list(path)
    fits.PrimaryHDU(SKY[1][1:], fits.Header(TAN | {"BUNIT": "nJy"})).writeto(
        tmp_path / "1.fits", overwrite=True
    )
    with pytest.raises(UserError, match=r"1.fits has shape \(29, 40\): expected \(30, 40\).*reproject"):
        read_band_list(path)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("redshift = 3.4", "", "has no redshift"),
        ("redshift = 3.4", "redshift = true", "redshift is True: expected one number; give that"),
        (
            "redshift = 3.4",
            "redshift = 3.4\ncutout = {ra = 1, dec = 1, size_arcsec = true}",
            "cutout = .*'size_arcsec': True.*expected",
        ),
        ("redshift = 3.4", "redshift = ", "is not valid TOML"),
        ("redshift = 3.4", "redshift = 3.4\nspam = 1", "unknown key spam"),
        ("redshift = 3.4", "redshift = 3.4\ncutout = {ra = 1.0}", "cutout = .*expected"),
        ("redshift = 3.4", 'redshift = 3.4\nmask = "no.fits"', "no.fits does not exist"),
        ('filter = "F277W"', "", "a .*band.* has no filter"),
        ('filter = "F277W"', 'filter = "F277W"\nerr = "b.fits"', "unknown key err"),
        ('filter = "F277W"', 'filter = "F277W"\nweight = "b.fits"', "expected error or weight; give one"),
        ('filter = "F277W"', "filter = 277", "filter = 277: expected a text; put it in quotes"),
        ("redshift = 3.4", "redshift = 3.4\nmask = 1", "mask = 1: expected a text; put it in quotes"),
        ('error = "0_error.fits"', "", "gives neither"),
        ('flux = "0.fits"', 'flux = "no.fits"', "no.fits does not exist"),
        ('filter = "F277W"', 'filter = "spam"', "'spam' is not known"),
    ],
)
def test_bad_lists_are_refused(tmp_path, old, new, message):
    path = write(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        read_band_list(path)


def test_lists_without_bands_are_refused(tmp_path):
    (tmp_path / "list.toml").write_text("redshift = 3.4\nband = []\n")
    with pytest.raises(UserError, match="lists no bands"):
        read_band_list(tmp_path / "list.toml")


def test_cutouts_need_a_wcs(tmp_path):
    path = write(tmp_path, text="redshift = 1\ncutout = {ra = 53.1, dec = -27.8, size_arcsec = 0.3}\n")
    save_again = fits.PrimaryHDU(SKY[0], fits.Header({"BUNIT": "nJy"}))
    save_again.writeto(tmp_path / "0.fits", overwrite=True)
    with pytest.raises(UserError, match="0.fits has no celestial WCS: expected one for the cutout"):
        read_band_list(path)


def test_a_wcs_that_cannot_be_used_is_told(tmp_path):
    path = write(tmp_path)
    for i in range(3):
        header = fits.Header(TAN | {"BUNIT": "nJy", "CRVAL1": "west"})
        if (tmp_path / f"{i}.fits").exists():
            fits.PrimaryHDU(SKY[i], header).writeto(tmp_path / f"{i}.fits", overwrite=True)
    cube = read_band_list(path)
    assert not cube.header and "cannot be used (CRVAL1 is west)" in cube.notes[0]
    path.write_text(path.read_text() + "\n")
    text = "redshift = 1\ncutout = {ra = 53.1, dec = -27.8, size_arcsec = 0.3}\n"
    path.write_text(path.read_text().replace("redshift = 3.4\n", text))
    with pytest.raises(UserError, match=r"no celestial WCS, as its WCS cannot be used \(CRVAL1 is west\)"):
        read_band_list(path)


def test_files_that_are_listed(tmp_path):
    path = write(tmp_path)
    names = [file.name for file in listed_files(path)]
    assert "0.fits" in names and "0_error.fits" in names and len(set(names)) == len(names)
    path.write_text("band = [")
    assert listed_files(path) == [] == listed_files(tmp_path / "none.toml")
