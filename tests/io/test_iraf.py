"""Spectra as IRAF writes them: wavelengths in WAT keywords of 68 characters."""

import numpy as np
import pytest
from astropy.io import fits

import dsps_sbi as ds
from dsps_sbi.errors import UserError

N = 50
PIXEL = np.arange(1.0, N + 1.0)
X = (2.0 * PIXEL - (N + 1.0)) / (N - 1.0)


def multispec(path, specs, data, units="angstroms", **cards):
    """An image of spectra; the text of their wavelengths is cut into cards wherever it is."""
    hdu = fits.PrimaryHDU(np.asarray(data, np.float32))
    text = "wtype=multispec " + " ".join(f'spec{i + 1} = "{one}"' for i, one in enumerate(specs))
    hdu.header["WAT0_001"] = "system=multispec"
    hdu.header["WAT1_001"] = f"wtype=multispec label=Wavelength units={units}"
    for i in range(0, len(text), 68):
        hdu.header[f"WAT2_{i // 68 + 1:03d}"] = text[i : i + 68]
    hdu.header["CTYPE1"] = hdu.header["CTYPE2"] = "MULTISPE"
    hdu.header.update(cards)
    hdu.writeto(path)
    return path


def bands(n_rows=1):
    """As apall writes them: spectrum, without weights, sky, errors."""
    flux = 5.0 + np.cos(PIXEL) * np.ones((n_rows, 1)) + np.arange(n_rows)[:, None]
    return np.stack([flux, 0.9 * flux, np.ones_like(flux), 0.1 * np.ones_like(flux)])


BANDS = {f"BANDID{i}": text for i, text in enumerate(("spectrum: weights", "raw", "background", "sigma"), 1)}


def cubic(place, terms):
    """Sum of cubic B-splines on whole numbers, six times."""

    def spline(x):
        x = np.abs(x)
        return np.where(x < 1.0, 4.0 - 6.0 * x**2 + 3.0 * x**3, np.where(x < 2.0, (2.0 - x) ** 3, 0.0))

    return sum(c * spline(place - (k - 1.0)) for k, c in enumerate(terms))


CHEBYSHEV = [5000.0, 300.0, 4.5, -0.75]
SPLINE = [660.0, 700.0, 741.0, 783.0, 826.0]
CASES = {
    "linear": (f"1 1 0 4000. 2.5 {N} 0. 10. 20.", 4000.0 + 2.5 * (PIXEL - 1.0)),
    "log": (f"1 1 1 3.6 1e-4 {N} 0. 10. 20.", 10.0 ** (3.6 + 1e-4 * (PIXEL - 1.0))),
    "doppler": (f"1 1 0 4000. 2.5 {N} 0.01 10. 20.", (4000.0 + 2.5 * (PIXEL - 1.0)) / 1.01),
    "chebyshev": (
        f"1 1 2 4700. 12. {N} 0. 10. 20. 1. 0. 1 4 1. {N}. 5000.0 300.0 4.5 -0.75",
        np.polynomial.chebyshev.chebval(X, CHEBYSHEV),
    ),
    "legendre": (
        f"1 1 2 4700. 12. {N} 0. 10. 20. 1. 0. 2 4 1. {N}. 5000.0 300.0 4.5 -0.75",
        np.polynomial.legendre.legval(X, CHEBYSHEV),
    ),
    "two functions": (
        f"1 1 2 4700. 12. {N} 0. 10. 20. 0.5 10. 1 2 1. {N}. 5000. 300. 0.5 0. 2 2 1. {N}. 5000. 300.",
        5000.0 + 300.0 * X + 5.0,
    ),
    "cubic spline": (
        f"1 1 2 4000. 5. {N} 0. 10. 20. 1. 0. 3 2 1. {N}. " + " ".join(str(c) for c in SPLINE),
        cubic(2.0 * (PIXEL - 1.0) / (N - 1.0), SPLINE),
    ),
    "linear spline": (
        f"1 1 2 4000. 5. {N} 0. 10. 20. 1. 0. 4 2 1. {N}. 4000. 4300. 4500.",
        np.interp(PIXEL, [1.0, 25.5, 50.0], [4000.0, 4300.0, 4500.0]),
    ),
    "sampled": (
        f"1 1 2 4000. 5. {N} 0. 10. 20. 1. 0. 6 3 1. 4000. 20. 4300. {N}. 4500.",
        np.interp(PIXEL, [1.0, 20.0, 50.0], [4000.0, 4300.0, 4500.0]),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_wavelengths_of_multispec(tmp_path, case):
    spec, wave = CASES[case]
    path = multispec(tmp_path / "one.ms.fits", [spec], bands(), **BANDS)
    s = ds.read_spectrum(path)
    np.testing.assert_allclose(s.wave_aa, wave, rtol=1e-7)
    assert s.medium == "air" and "air assumed, as IRAF's lists of lines are" in s.notes
    assert "errors from band 4" in s.notes and not s.absolute
    np.testing.assert_allclose(s.flux / s.sigma, bands()[0, 0] / 0.1, rtol=1e-5)
    assert ds.read_spectrum(path, medium="vacuum").medium == "vacuum"


def test_apertures_have_wavelengths_of_their_own(tmp_path):
    """A falling scale is turned, a cut image counts pixels as before; targets are apertures."""
    specs = [f"7 1 0 4000. 2.5 {N} 0. 1. 2.", f"9 2 0 5000. -2.5 {N} 0. 1. 2."]
    cards = {"BUNIT": "erg/cm2/s/A", "LTV1": -10.0, "ORIGIN": "NOAO-IRAF"}
    path = multispec(tmp_path / "two.fits", specs, bands(2), **BANDS, **cards)
    first, second = ds.read_spectra(path)
    np.testing.assert_allclose(first.wave_aa, 4000.0 + 2.5 * (PIXEL + 9.0), rtol=1e-7)
    np.testing.assert_allclose(second.wave_aa, (5000.0 - 2.5 * (PIXEL + 9.0))[::-1], rtol=1e-7)
    np.testing.assert_allclose(second.flux / second.sigma, bands(2)[0, 1][::-1] / 0.1, rtol=1e-5)
    assert first.absolute
    assert ds.read_spectrum(path, targets=["9"]).wave_aa[0] == second.wave_aa[0]


def test_bands_with_one_scale(tmp_path):
    """Equispec, also of log10 wavelengths."""
    for name, flag, start, step in (("lin", 0, 4000.0, 2.0), ("log", 1, 3.6, 1e-4)):
        hdu = fits.PrimaryHDU(bands())
        hdu.header.update(BANDS | {"WAT0_001": "system=equispec", "CTYPE1": "LINEAR", "DC-FLAG": flag})
        hdu.header.update({"WAT1_001": "wtype=linear units=angstroms", "CRVAL1": start, "CD1_1": step})
        hdu.writeto(tmp_path / f"{name}.fits")
        s = ds.read_spectrum(tmp_path / f"{name}.fits")
        wave = start + step * (PIXEL - 1.0)
        np.testing.assert_allclose(s.wave_aa, 10.0**wave if flag else wave, rtol=1e-7)
        assert s.medium == "air" and s.valid.all()


def test_what_is_refused(tmp_path):
    no_errors = multispec(tmp_path / "a.fits", [CASES["linear"][0]], bands()[0])
    with pytest.raises(UserError, match="no column of errors"):
        ds.read_spectrum(no_errors)
    assert ds.read_spectrum(no_errors, snr=20.0).valid.all()
    for i, (spec, why) in enumerate(
        [
            ("1 1 -1 1. 1. 50 0. 1. 2.", "spec1 has no wavelengths"),
            (CASES["chebyshev"][0][:-8], "spec1 ends before its functions do"),
            (CASES["chebyshev"][0].replace(" 1 4 1.", " 8 4 1."), "function 8 is not one of multispec"),
            ("nothing", "spec1 is 'nothing'"),
        ]
    ):
        path = multispec(tmp_path / f"{i}.fits", [spec], bands(), **BANDS)
        with pytest.raises(UserError, match=f"WAT2 keywords cannot be read .{why}.*calibrate it in IRAF"):
            ds.read_spectrum(path)
