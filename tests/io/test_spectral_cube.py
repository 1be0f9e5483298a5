"""Cubes of MaNGA and MUSE, written here as the instruments' pipelines write them."""

import numpy as np
import pytest
from astropy.io import fits

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.read_spectral_cube import is_spectral_cube

N, NY, NX = 50, 3, 4
LIGHT = np.arange(1.0, 13.0).reshape(NY, NX)
SHAPE = 5.0 + np.cos(np.arange(N))
FLUX = SHAPE[:, None, None] * LIGHT
SIGMA = np.broadcast_to(0.1 * np.sqrt(LIGHT), FLUX.shape)
LOG_WAVE = 10.0 ** (3.6 + 1e-4 * np.arange(N))
DONOTUSE, FORESTAR, LOWCOV = 1024, 8, 2
CELESTIAL = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 2.0, "CRPIX2": 2.0, "CRVAL1": 150.0,
    "CRVAL2": 2.0, "CD1_1": -5.55e-5, "CD2_2": 5.55e-5, "CUNIT1": "deg", "CUNIT2": "deg",
}  # fmt: skip


def manga(path, mask=None, flux=FLUX, widths=("LSFPOST", "LSFPRE"), rows=False, **cards):
    """A LOGCUBE, or a LOGRSS of the first row of spaxels."""
    mask = np.zeros(FLUX.shape, np.int32) if mask is None else mask
    images = {"FLUX": flux, "IVAR": SIGMA**-2.0, "MASK": mask}
    # sigma [Angstrom] that differs from spaxel to spaxel
    images |= {name: (1.0 + i) * np.broadcast_to(0.1 * LIGHT, FLUX.shape) for i, name in enumerate(widths)}
    hdus = [fits.PrimaryHDU()]
    hdus[0].header.update({"PLATEIFU": "8138-12704", "VERSDRP3": "v3_1_1"} | cards)
    for name, image in images.items():
        kind = np.int32 if name == "MASK" else np.float32
        hdu = fits.ImageHDU((image[:, 0, :].T if rows else image).astype(kind), name=name)
        if not rows:
            hdu.header.update(CELESTIAL | {"CTYPE3": "WAVE-LOG", "CRVAL3": 3981.07, "CUNIT3": "Angstrom"})
        hdus.append(hdu)
    hdus[1].header["BUNIT"] = f"1E-17 erg/s/cm^2/Ang/{'fiber' if rows else 'spaxel'}"
    hdus.append(fits.ImageHDU(LOG_WAVE, name="WAVE"))
    hdus.append(fits.ImageHDU(np.full(N, 2000.0), name="SPECRES"))
    fits.HDUList(hdus).writeto(path)
    return path


def muse(path, unit="10**(-20)*erg/s/cm**2/Angstrom", instrument="MUSE", dq=False, stat="STAT", **cards):
    """A cube of the pipeline; the unit of STAT is wrong as in many of them."""
    axis = {"CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRVAL3": 4750.0, "CRPIX3": 1.0, "CD3_3": 1.25}
    flux = 1e3 * FLUX
    flux[:, 0, 0] = np.nan
    hdus = [fits.PrimaryHDU()]
    if instrument:
        hdus[0].header["INSTRUME"] = instrument
    for name, image in {"DATA": flux, stat: 1e6 * SIGMA**2}.items():
        hdu = fits.ImageHDU(image.astype(np.float32), name=name)
        hdu.header.update({key: value for key, value in (CELESTIAL | axis | cards).items() if value != ""})
        hdu.header["BUNIT"] = unit if name == "DATA" else "10**(-20)*erg/s/cm**2/Angstrom**2"
        hdus.append(hdu)
    if dq:
        bits = np.zeros(FLUX.shape, np.uint8)
        bits[7, 1, 1] = 1
        hdus.append(fits.ImageHDU(bits, name="DQ"))
    fits.HDUList(hdus).writeto(path)
    return path


def test_manga(tmp_path):
    mask = np.zeros(FLUX.shape, np.int32)
    mask[3, 1, 2], mask[4, 1, 2], mask[5, 1, 2] = DONOTUSE, FORESTAR, LOWCOV
    path = manga(tmp_path / "cube.fits", mask)
    assert is_spectral_cube(path) and not is_spectral_cube(tmp_path / "none.fits")
    cube = ds.read_spectral_cube(path, redshift=0.03)
    assert (cube.medium, cube.shape, cube.redshift) == ("vacuum", (NY, NX), 0.03)
    assert cube.header["CTYPE1"] == "RA---TAN" and "LSF from LSFPOST" in cube.notes
    bad = np.isin(mask, (DONOTUSE, FORESTAR))
    expected = np.nanmedian(np.where(bad, np.nan, FLUX / SIGMA), axis=0)
    np.testing.assert_allclose(cube.snr(), expected, rtol=1e-6)
    one = cube.spectrum(1, 2)
    np.testing.assert_allclose(one.flux[5:], FLUX[5:, 1, 2], rtol=1e-6)
    np.testing.assert_allclose(one.sigma[5:], SIGMA[5:, 1, 2], rtol=1e-6)
    # bits that warn only do not mask
    assert list(np.flatnonzero(~one.valid)) == [3, 4]
    np.testing.assert_allclose(one.wave_aa, LOG_WAVE)
    np.testing.assert_allclose(one.lsf.value, 2.3548 * 0.1 * LIGHT[1, 2], rtol=1e-4)
    assert one.redshift == 0.03 and one.absolute and one.pixel_in_lsf and one.source.endswith("cube.fits:1,2")
    with pytest.raises(UserError, match="has no spaxel 3,0: expected y,x from 0,0 to 2,3"):
        cube.spectrum(3, 0)
    with pytest.raises(
        UserError, match="cube.fits is a cube of spectra: give it to dsps-sbi infer by itself"
    ):
        ds.read_spectrum(path)


@pytest.mark.parametrize(
    ("widths", "holds", "note"),
    [(("LSFPRE",), False, "LSFPRE"), (("DISP",), True, "DISP"), ((), True, "SPECRES")],
)
def test_lsf_of_manga_by_release(tmp_path, widths, holds, note):
    one = ds.read_spectral_cube(manga(tmp_path / "c.fits", widths=widths)).spectrum(0, 1)
    assert one.pixel_in_lsf is holds and f"LSF from {note}" in one.notes
    quantity = "fwhm_aa" if widths else "resolving_power"
    assert one.lsf.quantity == quantity
    np.testing.assert_allclose(one.lsf.value, 2.3548 * 0.2 if widths else 2000.0, rtol=1e-4)


def test_cubes_of_the_analysis_pipeline_have_bits_of_their_own(tmp_path):
    mask = np.zeros(FLUX.shape, np.int32)
    # ignored; failed fits of emission lines
    mask[3, 0, 1], mask[4, 0, 1] = 1 << 0, 1 << 8
    one = ds.read_spectral_cube(manga(tmp_path / "dap.fits", mask, widths=("LSF",))).spectrum(0, 1)
    assert list(np.flatnonzero(~one.valid)) == [3] and not one.pixel_in_lsf and "LSF from LSF" in one.notes


def test_masks_of_cubes_that_are_not_of_manga_are_no_bits(tmp_path):
    mask = np.zeros(FLUX.shape, np.int32)
    # a bit that forbids nothing in MaNGA
    mask[:, 1, 2] = 1
    path = manga(tmp_path / "other.fits", mask, widths=())
    with fits.open(path, "update") as hdus:
        del hdus[0].header["PLATEIFU"], hdus[0].header["VERSDRP3"]
        hdus[1].header["CD3_3"] = 1.0
    cube = ds.read_spectral_cube(path)
    snr = cube.snr()
    assert cube.notes[0] == "cube" and snr[1, 2] == 0.0 and snr[0, 0] > 0.0


def test_rows_of_fibres(tmp_path):
    mask = np.zeros(FLUX.shape, np.int32)
    mask[3, 0, 1], mask[4, 0, 1] = 1 << 30, 1 << 5
    path = manga(tmp_path / "rss.fits", mask, rows=True)
    assert not is_spectral_cube(path)
    spectra = ds.read_spectra(path, redshift=0.03)
    assert len(spectra) == NX and spectra[1].source.endswith("rss.fits:1")
    one = spectra[1]
    assert one.medium == "vacuum" and "MaNGA LOGRSS" in one.notes and list(np.flatnonzero(~one.valid)) == [3]
    np.testing.assert_allclose(one.flux[4:], FLUX[4:, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(one.sigma[4:], SIGMA[4:, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(one.lsf.value, 2.3548 * 0.2, rtol=1e-4)
    pre = ds.read_spectrum(manga(tmp_path / "pre.fits", rows=True, widths=("LSFPRE",)), targets=[0])
    assert not pre.pixel_in_lsf


def test_muse(tmp_path):
    cube = ds.read_spectral_cube(muse(tmp_path / "m.fits", dq=True), redshift=0.1)
    assert cube.medium == "air" and cube.notes[0] == "MUSE" and "variance from STAT" in cube.notes
    assert "LSF of Bacon et al. (2017) assumed" in cube.notes
    one = cube.spectrum(1, 1)
    np.testing.assert_allclose(one.wave_aa, 4750.0 + 1.25 * np.arange(N))
    np.testing.assert_allclose(one.flux[8:], FLUX[8:, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(one.sigma[8:], SIGMA[8:, 1, 1], rtol=1e-6)
    assert list(np.flatnonzero(~one.valid)) == [7]
    expected = 5.866e-8 * 4750.0**2 - 9.187e-4 * 4750.0 + 6.040
    assert one.lsf.value[0] == pytest.approx(expected) == pytest.approx(2.9997, abs=1e-4)
    assert cube.snr()[0, 0] == 0.0 and (0, 0) not in cube.spectra()
    with pytest.raises(UserError, match="has no pixel with a flux and an error that is not masked"):
        cube.spectrum(0, 0)
    own = ds.read_spectral_cube(tmp_path / "m.fits", lsf=ds.LSF("fwhm_aa", 2.6), medium="vacuum")
    assert own.lsf.value == 2.6 and own.medium == "vacuum"


def test_wavelengths_and_units_of_other_cubes(tmp_path):
    metres = {"CUNIT3": "m", "CRVAL3": 4.75e-7, "CD3_3": 1.25e-10, "CTYPE3": "WAVE"}
    cube = ds.read_spectral_cube(muse(tmp_path / "metre.fits", **metres))
    np.testing.assert_allclose(cube.wave_aa, 4750.0 + 1.25 * np.arange(N))
    assert cube.medium == "vacuum"
    assumed = ds.read_spectral_cube(muse(tmp_path / "linear.fits", instrument="", CTYPE3="LINEAR"))
    assert "MUSE assumed by DATA and STAT" in assumed.notes and "air assumed" in assumed.notes
    path = muse(tmp_path / "other.fits", instrument="KCWI", CTYPE3="LINEAR")
    with pytest.raises(
        UserError, match="medium of the wavelengths is not known: give medium='air' or medium='vacuum'"
    ):
        ds.read_spectral_cube(path)
    assert ds.read_spectral_cube(path, medium="air").lsf is None


def test_cubes_that_cannot_be_used(tmp_path):
    with pytest.raises(UserError, match="the flux has the unit 'MJy/sr', expected a flux density per wave"):
        ds.read_spectral_cube(muse(tmp_path / "a.fits", unit="MJy/sr"))
    with pytest.raises(UserError, match="the flux has no unit: pass flux_unit="):
        ds.read_spectral_cube(muse(tmp_path / "b.fits", unit=""))
    with pytest.raises(UserError, match="has no cube of errors: expected an extension of the shape"):
        ds.read_spectral_cube(muse(tmp_path / "c.fits", stat="SKY"))
    with pytest.raises(UserError, match=r"c?d.fits VAR has the unit .*: expected .*as the fluxes have it"):
        ds.read_spectral_cube(muse(tmp_path / "d.fits", stat="VAR"))
    with pytest.raises(UserError, match="has no scale of wavelengths: expected CRVAL3 and CDELT3"):
        ds.read_spectral_cube(muse(tmp_path / "e.fits", CD3_3=""))
    fits.PrimaryHDU(np.ones((4, 5))).writeto(tmp_path / "image.fits")
    with pytest.raises(
        UserError, match="image.fits is no cube of spectra: expected FLUX, IVAR, MASK and WAVE"
    ):
        ds.read_spectral_cube(tmp_path / "image.fits")
    (tmp_path / "text.txt").write_text("1 2 3")
    with pytest.raises(UserError, match="text.txt is not FITS"):
        ds.read_spectral_cube(tmp_path / "text.txt")


@pytest.fixture
def cube(tmp_path):
    mask = np.zeros(FLUX.shape, np.int32)
    mask[10, 0, 1] = mask[11, 0, :2] = DONOTUSE
    mask[:, 2, 3] = DONOTUSE
    return ds.read_spectral_cube(manga(tmp_path / "cube.fits", mask), redshift=0.03)


def test_sums_over_bins(cube):
    bins = np.full((NY, NX), -1)
    bins[0, :3], bins[2, 2:] = 4, 7
    spectra = cube.spectra(bins)
    assert list(spectra) == [4, 7] and len(spectra) == 2
    total = spectra[4]
    assert total.source.endswith("cube.fits:bin4")
    assert "sum of 3 spaxels, errors as if independent" in total.notes
    np.testing.assert_allclose(total.flux[12:], SHAPE[12:] * 6.0, rtol=1e-6)
    np.testing.assert_allclose(total.sigma[12:], 0.1 * np.sqrt(6.0), rtol=1e-6)
    # without the spaxel of a third of the light: no dip, and a larger error
    assert total.flux[10] == pytest.approx(SHAPE[10] * 6.0, rel=1e-2)
    assert total.sigma[10] == pytest.approx(0.1 * np.sqrt(4.0) * 6.0 / 4.0, rel=1e-2)
    variance = (LIGHT[0, :3] * (0.1 * LIGHT[0, :3]) ** 2).sum() / 6.0
    np.testing.assert_allclose(total.lsf.value[12:], 2.3548 * np.sqrt(variance), rtol=1e-3)
    assert "sum of 1 spaxels, errors as if independent" in spectra[7].notes
    np.testing.assert_allclose(spectra[7].flux, FLUX[:, 2, 2], rtol=1e-6)


def test_pixels_of_too_little_light_are_masked(cube):
    assert not cube.spectrum([0, 0], [0, 1]).valid[11]
    faint = cube.spectrum([0, 0], [0, 1])
    assert not faint.valid[10] and faint.valid[12]


def test_spaxels_are_chosen_by_their_signal(cube):
    assert len(cube.spectra()) == 11 and (2, 3) not in cube.spectra()
    some = cube.spectra(min_snr=150.0)
    assert set(some) == {(y, x) for y, x in np.argwhere(cube.snr() >= 150.0)} and 0 < len(some) < 11
    assert list(cube.spectra(pixels=[(2, 1), (0, 0)])) == [(2, 1), (0, 0)]
    with pytest.raises(UserError, match=r"no spaxel has a median S/N of 1000 or more, the highest is 16\d"):
        cube.spectra(min_snr=1000.0)
    with pytest.raises(UserError, match="more than one of bins, min_snr and pixels was given"):
        cube.spectra(np.zeros((NY, NX), int), min_snr=3.0)


def test_bins_from_a_file(cube, tmp_path):
    def written(name, image, **cards):
        fits.PrimaryHDU(image, fits.Header(CELESTIAL | cards)).writeto(tmp_path / name)
        return tmp_path / name

    image = np.array([[0, 0, 1, 1], [np.nan, -1, 1, 1], [2, 2, 2, 2]])
    bins = ds.read_bins(written("bins.fits", image), cube)
    assert bins[1].tolist() == [-1, -1, 1, 1] and list(cube.spectra(bins)) == [0, 1, 2]
    masked = np.ma.masked_array(bins, bins == 2)
    assert list(cube.spectra(masked)) == [0, 1]
    with pytest.raises(UserError, match=r"has shape \(2, 4\): expected \(3, 4\), as the image of"):
        ds.read_bins(written("small.fits", image[:2]), cube)
    with pytest.raises(UserError, match=r"bins have the number 0.5 at \(0, 0\): expected whole numbers"):
        ds.read_bins(written("half.fits", image + 0.5), cube)
    with pytest.raises(UserError, match="off.fits is 10 pixels off the first image at a corner"):
        ds.read_bins(written("off.fits", image, CRPIX1=12.0), cube)
    with pytest.raises(UserError, match="all bins are negative or masked: number some spaxels from 0 on"):
        cube.spectra(np.full((NY, NX), -1))
    with pytest.raises(UserError, match=r"bins have shape \(2, 2\): expected \(3, 4\)"):
        cube.spectra(np.zeros((2, 2), int))


def test_cubes_without_anything_to_use_say_why(tmp_path):
    path = muse(tmp_path / "nan.fits")
    with fits.open(path, "update") as hdus:
        hdus["DATA"].data[:] = np.nan
    with pytest.raises(UserError, match=r"no spaxel can be used \(0 % have a flux, 100 % an error above 0\)"):
        ds.read_spectral_cube(path).spectra()
    path = muse(tmp_path / "negative.fits")
    with fits.open(path, "update") as hdus:
        hdus["STAT"].data *= -1.0
    with pytest.raises(UserError, match="STAT is negative in 100 % of the pixels that have a flux: exp"):
        ds.read_spectral_cube(path)
    with fits.open(path, "update") as hdus:
        hdus["STAT"].data *= -1.0
        hdus["STAT"].data[4, 1, 1] *= -1.0
    cube = ds.read_spectral_cube(path)
    assert any(note.startswith("variance from STAT (0.1") and "negative" in note for note in cube.notes)
    assert list(np.flatnonzero(~cube.spectrum(1, 1).valid)) == [4]


def test_units_of_the_fluxes_that_are_given_are_told_and_errors_follow(tmp_path):
    path = muse(tmp_path / "v.fits", stat="VAR")
    with fits.open(path, "update") as hdus:
        hdus["VAR"].header["BUNIT"] = "(10**(-20)*erg/s/cm**2/Angstrom)**2"
    own = ds.read_spectral_cube(path, medium="air")
    given = ds.read_spectral_cube(path, medium="vacuum", flux_unit="1e-18 erg/s/cm2/AA", redshift="0.1")
    one, two = own.spectrum(1, 1), given.spectrum(1, 1)
    np.testing.assert_allclose(two.flux, 100.0 * one.flux, rtol=1e-6)
    np.testing.assert_allclose(two.sigma, 100.0 * one.sigma, rtol=1e-6)
    assert {"vacuum as given, not air by CTYPE3", "z 0.1 as given"} <= set(given.notes)
    assert any("as given, not 10**(-20)*erg" in note for note in given.notes)


@pytest.mark.parametrize(("y", "x"), [(1.5, 0), ("1", 0), (True, 0), (0, np.nan)])
def test_places_are_whole_numbers(cube, y, x):
    with pytest.raises(UserError, match="has no spaxel .*: expected y,x from 0,0 to 2,3, whole numbers"):
        cube.spectrum(y, x)
    with pytest.raises(UserError, match="whole numbers"):
        cube.spectra(pixels=[(y, x)])


@pytest.mark.parametrize(("name", "value"), [("redshift", "a"), ("lsf", "2.8"), ("medium", "ether")])
def test_options_of_cubes_that_cannot_be(tmp_path, name, value):
    with pytest.raises(UserError, match=name):
        ds.read_spectral_cube(muse(tmp_path / "m.fits"), **{name: value})


def test_cubes_stay_on_disk(tmp_path):
    cube = ds.read_spectral_cube(muse(tmp_path / "m.fits"))
    chain = [cube.flux.values]
    while getattr(chain[-1], "base", None) is not None:
        chain.append(chain[-1].base)
    assert any(type(one).__name__ == "mmap" for one in chain)


def test_parts_that_do_not_fit():
    good = {"wave_aa": LOG_WAVE, "flux": FLUX, "error": SIGMA, "medium": "air"}
    assert ds.SpectralCube(**good).spectrum(0, 0).medium == "air"
    with pytest.raises(UserError, match=r"flux has shape \(3, 4, 50\): expected \(50, y, x\)"):
        ds.SpectralCube(**good | {"flux": np.moveaxis(FLUX, 0, 2)})
    with pytest.raises(UserError, match=r"error has shape \(50,\): expected \(50, 3, 4\) as flux"):
        ds.SpectralCube(**good | {"error": SIGMA[:, 0, 0]})
    with pytest.raises(UserError, match="medium is 'water'"):
        ds.SpectralCube(**good | {"medium": "water"})


def test_a_mask_that_marks_most_of_a_cube_may_mean_good_pixels(tmp_path):
    path = muse(tmp_path / "cube.fits", dq=True)
    assert "DQ: not 0 is bad" in ds.read_spectral_cube(path).notes
    with fits.open(path, mode="update") as hdus:
        hdus["DQ"].data = 1 - hdus["DQ"].data
    with pytest.raises(
        ds.UserError, match="DQ is not 0 in .* % of the pixels .* expected 0 for good ones; if"
    ):
        ds.read_spectral_cube(path)
