import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.kernels.vacuum import air_to_vacuum

WAVE = np.arange(4000.0, 7000.0, 2.0)


def test_geometry():
    s = ds.Spectrograph(WAVE, ds.LSF("fwhm_aa", 5.0), medium="air")
    np.testing.assert_allclose(s.edges_aa, np.arange(3999.0, 7000.0, 2.0))
    np.testing.assert_allclose(np.exp(s.ln_edges), air_to_vacuum(s.edges_aa), rtol=1e-12)
    # as seen on the pixels: the pixel's own width is taken off
    sigma = np.sqrt(s.ln_variance) * WAVE
    np.testing.assert_allclose(sigma, np.sqrt((5.0 / 2.35482) ** 2 - 4.0 / 12.0), rtol=1e-3)
    before = ds.Spectrograph(WAVE, ds.LSF("fwhm_aa", 5.0), pixel_in_lsf=False)
    np.testing.assert_allclose(np.sqrt(before.ln_variance) * WAVE, 5.0 / 2.35482, rtol=1e-5)


def test_lsf_in_all_its_ways():
    width = np.full(WAVE.size, 2.0)
    at = lambda *parts: ds.LSF(*parts).sigma_aa(WAVE, width)  # noqa: E731
    fwhm = 3.0 / 2.354820045
    np.testing.assert_allclose(at("fwhm_aa", 3.0), fwhm)
    np.testing.assert_allclose(at("sigma_pixel", 0.9), 1.8)
    np.testing.assert_allclose(at("sigma_km_s", 60.0), 60.0 / 299792.458 * WAVE)
    np.testing.assert_allclose(at("resolving_power", 2000.0), WAVE / 2000.0 / 2.354820045)
    np.testing.assert_allclose(at("fwhm_aa", [2.0, 4.0], [3000.0, 9000.0])[500], fwhm / 3 * (2 + 2000 / 3000))
    np.testing.assert_allclose(
        at("sigma_pixel", np.linspace(1, 2, WAVE.size)), 2 * np.linspace(1, 2, WAVE.size)
    )


@pytest.mark.parametrize(
    "parts, message",
    [
        (("width", 3.0), "LSF quantity 'width' is unknown: give one of fwhm_aa"),
        (("fwhm_aa", -1.0), "LSF fwhm_aa has the value -1: give positive numbers"),
        (("fwhm_aa", [1.0, 2.0], [5000.0, 4000.0]), "wavelengths increasing"),
        (("fwhm_aa", [1.0, 2.0], [5000.0, 6000.0, 7000.0]), r"shape \(3,\) for values of \(2,\)"),
        (("fwhm_aa", np.ones((2, 2))), r"shape \(2, 2\)"),
    ],
)
def test_lsf_that_is_none(parts, message):
    with pytest.raises(ds.UserError, match=message):
        ds.LSF(*parts)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"wave_aa": WAVE[::-1]}, "wavelengths of the spectrograph are not increasing at pixel 0"),
        ({"lsf": 3.0}, r"LSF is 3.0: give for example LSF\('fwhm_aa', 2.8\)"),
        ({"lsf": ds.LSF("fwhm_aa", 1.0)}, "narrower than a pixel at 4000.0 .* pass pixel_in_lsf=False"),
        ({"lsf": ds.LSF("fwhm_aa", np.ones(7))}, "LSF has 7 values for 1500 pixels"),
        ({"lsf": ds.LSF("fwhm_aa", [5.0, 5.0], [5000.0, 8000.0])}, "table covers 5000-8000 Angstrom"),
        ({"medium": "glass"}, "medium of the wavelengths is 'glass'"),
        ({"mask_lines": ("Hzeta",)}, "emission line 'Hzeta' is unknown: choose from"),
        ({"mask_km_s": 0.0}, "half-width of line masks is 0.0 km/s"),
        ({"mask_windows_aa": ((5600.0, 5500.0),)}, "masked window 5600-5500 Angstrom"),
    ],
)
def test_what_it_refuses(changed, message):
    with pytest.raises(ds.UserError, match=message):
        ds.Spectrograph(**dict(wave_aa=WAVE, lsf=ds.LSF("fwhm_aa", 5.0)) | changed)


@pytest.mark.parametrize(
    "degree, sigma, message", [(-1, 0.1, "of degree -1"), (2.5, 0.1, "2.5"), (8, 0.0, "sigma 0")]
)
def test_continuum_that_is_none(degree, sigma, message):
    with pytest.raises(ds.UserError, match=message):
        ds.Continuum(degree, sigma)
