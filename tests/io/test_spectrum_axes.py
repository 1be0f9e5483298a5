"""Axes of images and cubes that are not where they are expected, and what is too short to be a spectrum."""

import numpy as np
import pytest
from astropy.io import fits

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.spectrum_list import SpectrumFile, expanded

N = 200
FLUX = 5.0 + np.cos(np.arange(N))
SCALE = {"CRVAL1": 4000.0, "CDELT1": 2.0, "CRPIX1": 1.0}


def image(path, data, **cards):
    hdus = fits.HDUList([fits.PrimaryHDU(data), fits.ImageHDU(np.ones(data.shape), name="ERROR")])
    hdus[0].header.update(cards)
    hdus.writeto(path)
    return path


@pytest.mark.parametrize(
    "cards",
    [
        # the header has the scale of the other axis
        SCALE | {"CTYPE1": "LINEAR"},
        # it says where wavelengths are
        SCALE | {"CTYPE1": "", "CTYPE2": "WAVE", "CRVAL2": 4000.0, "CDELT2": 2.0},
        {"CTYPE1": "SLIT", "CTYPE2": "AWAV", "CRVAL2": 4000.0, "CDELT2": 2.0},
    ],
)
def test_images_with_their_axes_swapped(tmp_path, cards):
    path = image(tmp_path / "rows.fits", np.stack([FLUX, FLUX, FLUX], axis=1), **cards)
    message = (
        r"rows.fits: the image PRIMARY has the axes NAXIS1 3.*, NAXIS2 200.*: expected 50 .* along NAXIS1"
    )
    for read in (ds.read_spectrum, ds.read_spectra):
        with pytest.raises(
            UserError, match=message + "; swap the axes .* or read it with specutils by format="
        ):
            read(path, medium="air")
    # one line on the command line, not one for each row
    assert len(expanded([SpectrumFile(path)])) == 1


def test_rows_that_are_spectra_are_read(tmp_path):
    few = image(tmp_path / "few.fits", np.stack([FLUX, FLUX]), **SCALE, CTYPE1="WAVE", CTYPE2="SLIT")
    assert len(ds.read_spectra(few)) == 2
    many = image(tmp_path / "many.fits", np.ones((300, N)), **SCALE, CTYPE1="WAVE")
    assert len(ds.read_spectra(many, targets=[0, 299])) == 2


def cube(path, data, **cards):
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(data, name="DATA"),
        fits.ImageHDU(np.ones(data.shape), name="STAT"),
    ]
    for hdu in hdus[1:]:
        hdu.header.update({"BUNIT": "10**(-20)*erg/s/cm**2/Angstrom"} | cards)
    fits.HDUList(hdus).writeto(path)
    return path


def test_cubes_with_their_axes_swapped(tmp_path):
    data = FLUX[None, None, :] * np.ones((3, 4, 1))
    third = {"CTYPE3": "AWAV", "CRVAL3": 4000.0, "CD3_3": 2.0}
    first = {"CTYPE1": "AWAV", "CRVAL1": 4000.0, "CD1_1": 2.0}
    with pytest.raises(UserError, match="the cube DATA has the axes NAXIS1 200 of AWAV, NAXIS2 4, NAXIS3 3"):
        ds.read_spectral_cube(cube(tmp_path / "a.fits", data, **first))
    # three wavelengths of an image can be meant; they are no spectra
    short = ds.read_spectral_cube(cube(tmp_path / "b.fits", data, **third))
    with pytest.raises(UserError, match=r"b.fits has 3 wavelengths for 4 x 200 spaxels \(NAXIS3, NAXIS2"):
        short.spectra()


def test_what_is_too_short(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("wave flux error\n" + "\n".join(f"{4000 + i} {5 + i % 3} 0.1" for i in range(30)))
    options = {"medium": "air", "wave_unit": "AA", "flux_unit": "relative"}
    with pytest.raises(
        UserError, match=r"short.txt has 30 wavelengths from 4000 to 4029 .*: expected 50 and more"
    ):
        ds.read_spectrum(path, **options)
    # who names the columns means them
    roles = {"wave": "wave", "flux": "flux", "error": "error"}
    assert ds.read_spectrum(path, columns=roles, **options).wave_aa.size == 30


def test_errors_of_another_length_are_told(tmp_path):
    hdus = fits.HDUList([fits.PrimaryHDU(FLUX), fits.ImageHDU(np.ones(N - 1), name="ERROR")])
    hdus[0].header.update(SCALE | {"CTYPE1": "WAVE"})
    hdus.writeto(tmp_path / "e.fits")
    with pytest.raises(
        UserError, match=r"extension ERROR has the shape \(199,\), the fluxes \(200,\): expected"
    ):
        ds.read_spectrum(tmp_path / "e.fits")
    data = np.ones((N, 2, 3))
    third = {"CTYPE3": "AWAV", "CRVAL3": 4000.0, "CD3_3": 2.0}
    path = cube(tmp_path / "c.fits", data, **third)
    with fits.open(path, "update") as opened:
        opened["STAT"].data = np.ones((N - 1, 2, 3))
    with pytest.raises(
        UserError, match=r"extension STAT has the shape \(199, 2, 3\), the fluxes \(200, 2, 3\)"
    ):
        ds.read_spectral_cube(path)


def test_fluxes_that_are_not_used_are_told(tmp_path):
    images = {"SCI": FLUX, "FLUX": FLUX, "MODEL": FLUX, "ERROR": np.ones(N)}
    hdus = [fits.PrimaryHDU()] + [fits.ImageHDU(image, name=name) for name, image in images.items()]
    for hdu in hdus[1:]:
        hdu.header.update(SCALE | {"CTYPE1": "WAVE"})
    fits.HDUList(hdus).writeto(tmp_path / "s.fits")
    assert "flux from SCI, not FLUX, MODEL" in ds.read_spectrum(tmp_path / "s.fits").notes
    path = cube(tmp_path / "c.fits", np.ones((N, 2, 3)), CTYPE3="AWAV", CRVAL3=4000.0, CD3_3=2.0)
    with fits.open(path, "append") as opened:
        opened.append(fits.ImageHDU(np.ones((N, 2, 3)), opened["DATA"].header, name="FLUX"))
    assert "flux from DATA, not FLUX" in ds.read_spectral_cube(path).notes


def test_extensions_without_names_are_asked_for(tmp_path):
    """As a file of mpdaf: IRAF calls the extension sigma, mpdaf reads it as a variance."""
    hdus = fits.HDUList([fits.PrimaryHDU(FLUX), fits.ImageHDU(np.full(N, 4.0))])
    for hdu in hdus:
        hdu.header.update(SCALE | {"CTYPE1": "LINEAR", "CUNIT1": "Angstrom", "BUNIT": "erg/cm2/s/A"})
    hdus[1].header["BANDID1"] = "sigma - background fit"
    hdus.writeto(tmp_path / "two.fits")
    with pytest.raises(
        UserError,
        match=r"extension 1 has the shape .* no name \(BANDID1 is 'sigma - .*columns=dict\(error='1'\) or",
    ):
        ds.read_spectrum(tmp_path / "two.fits", medium="air")
    as_error = ds.read_spectrum(tmp_path / "two.fits", medium="air", columns={"error": "1"})
    np.testing.assert_allclose(as_error.flux / as_error.sigma, FLUX / 4.0, rtol=1e-5)
    np.testing.assert_allclose(as_error.wave_aa, 4000.0 + 2.0 * np.arange(N))
    both = ds.read_spectrum(tmp_path / "two.fits", medium="air", columns={"flux": "0", "error": "1"})
    np.testing.assert_array_equal(both.flux, as_error.flux)
    with pytest.raises(UserError, match="columns names 'colour': give any of wave, log10_wave, flux"):
        ds.read_spectrum(tmp_path / "two.fits", medium="air", columns={"colour": "1"})
    # its header is a copy of that of the fluxes
    as_variance = ds.read_spectrum(tmp_path / "two.fits", medium="air", columns={"variance": 1})
    assert "its unit erg/cm2/s/A is that of the flux and not used" in as_variance.notes
    np.testing.assert_allclose(as_variance.flux / as_variance.sigma, FLUX / 2.0, rtol=1e-5)
