"""What the user says of a file goes before what the file says, and the notes tell both."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.formats.options import ReadOptions
from dsps_sbi.io.spectrum_columns import FLUX_UNIT

N = 60
WAVE = np.linspace(4000.0, 5000.0, N)
FLUX = 5.0 + np.cos(np.arange(N))
LSF = ds.LSF("fwhm_aa", 2.8)


@pytest.fixture
def written(tmp_path):
    """Factory of tables: columns, their units, cards."""

    def written(columns=None, units=None, name="table.fits", **cards):
        columns = {"wave": WAVE, "flux": FLUX, "err": np.full(N, 0.1)} | (columns or {})
        hdu = fits.BinTableHDU(Table(columns))
        given = {"wave": "Angstrom", "flux": "1e-17 erg/s/cm2/A", "err": "1e-17 erg/s/cm2/A"} | (units or {})
        for i, column in enumerate(hdu.columns.names, 1):
            if given.get(column):
                hdu.header[f"TUNIT{i}"] = given[column]
        hdu.header.update(cards)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / name, overwrite=True)
        return tmp_path / name

    return written


def test_what_is_overridden_is_told(tmp_path):
    loglam = np.round(3.6 + 1e-4 * np.arange(N), 4)
    columns = {"loglam": loglam, "flux": FLUX, "ivar": np.full(N, 4.0), "wdisp": np.ones(N)}
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(Table(columns), name="COADD")]
    hdus.append(fits.BinTableHDU(Table({"Z": [0.05]}), name="SPECOBJ"))
    fits.HDUList(hdus).writeto(tmp_path / "spec.fits")
    own = ds.read_spectrum(tmp_path / "spec.fits").notes
    assert {"vacuum", "LSF: sigma_pixel from wdisp", "z 0.05 from SPECOBJ"} <= set(own)
    given = ds.read_spectrum(tmp_path / "spec.fits", medium="air", lsf=LSF, redshift=0.1)
    assert (given.medium, given.redshift, given.lsf) == ("air", 0.1, LSF)
    told = {
        "air as given, not vacuum",
        "LSF fwhm_aa 2.8 as given, not LSF: sigma_pixel from wdisp",
        "z 0.1 as given, not z 0.05 from SPECOBJ",
    }
    assert told <= set(given.notes) and not {"vacuum", "z 0.05 from SPECOBJ"} & set(given.notes)
    wide = ds.read_spectrum(tmp_path / "spec.fits", pixel_in_lsf=False)
    assert wide.notes[-1] == "the LSF does not hold the width of the pixels, as given"


def test_what_the_file_does_not_say_is_as_given(written):
    s = ds.read_spectrum(written(), medium="air", lsf=LSF, redshift="0.05")
    assert {"air as given", "LSF fwhm_aa 2.8 as given", "z 0.05 as given"} <= set(s.notes)
    # a card that cannot be read does not stop those who know better
    bad = written(REDSHIFT="high")
    s = ds.read_spectrum(bad, medium="air", redshift=0.05)
    assert "z 0.05 as given, not REDSHIFT = 'high'" in s.notes
    with pytest.raises(UserError, match="REDSHIFT is 'high' .* mend it, or give redshift="):
        ds.read_spectrum(bad, medium="air")


def test_the_lsf_that_is_given_to_infer_is_told():
    from dsps_sbi.spectroscopy.infer import _with_lsf

    one = ds.Spectrum(WAVE, FLUX, np.full(N, 0.1), "air", 0.05, lsf=ds.LSF("fwhm_aa", 3.0), notes=("table",))
    assert _with_lsf(one, LSF).notes == ("table", "LSF fwhm_aa 2.8 as given, not the spectrum's own")
    assert _with_lsf(one, None) is one


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"redshift": "a"}, "redshift is 'a': expected one number; give that"),
        ({"redshift": True}, "redshift is True: expected one number"),
        ({"medium": "ether"}, "wavelengths: medium is 'ether': give medium='air' or"),
        ({"lsf": "fwhm_aa=2.8"}, "lsf is of type str: expected an LSF; give for example LSF"),
        ({"snr": "high"}, "signal-to-noise ratio is 'high': expected one number"),
        ({"snr": np.nan}, "signal-to-noise ratio is nan: give that of the median pixel, above 0"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(UserError, match=message):
        ReadOptions(**options)


def test_numbers_in_text_are_numbers():
    assert ReadOptions(redshift="0.05").redshift == 0.05 and ReadOptions(snr=" 20 ").snr == 20.0


def test_no_data_stay_none_when_errors_are_replaced(written):
    err = np.full(N, 0.1)
    err[7], err[8] = 0.0, np.nan
    flux = np.where(np.isin(np.arange(N), (7, 8)), 1e4, FLUX)
    s = ds.read_spectrum(written({"err": err, "flux": flux}), medium="air", snr=20.0)
    assert list(np.flatnonzero(~s.valid)) == [7, 8]
    np.testing.assert_allclose(s.sigma[0], np.median(FLUX[~np.isin(np.arange(N), (7, 8))]) / 20.0, rtol=1e-5)
    assert "errors of S/N 20 as given, not err, and no data in the 2 pixels where it has none" in s.notes
    ivar = np.full(N, 4.0)
    ivar[3] = 0.0
    path = written({"err": err, "ivar": ivar}, {"err": None})
    s = ds.read_spectrum(path, medium="air", columns={"wave": "wave", "flux": "flux", "ivar": "ivar"}, snr=20)
    assert list(np.flatnonzero(~s.valid)) == [3]
    # a column in which no error is one says nothing
    s = ds.read_spectrum(written({"err": np.zeros(N)}), medium="air", snr=20.0)
    assert s.valid.all() and "errors of S/N 20 as given, err has none" in s.notes


def test_errors_follow_the_unit_that_is_given(written):
    s = ds.read_spectrum(written(), medium="air", flux_unit="1e-19 erg/s/cm2/A")
    np.testing.assert_allclose(s.flux, 0.01 * FLUX, rtol=1e-5)
    np.testing.assert_allclose(s.sigma, 0.001, rtol=1e-5)
    assert any("as given, not 1e-17 erg/s/cm2/A" in note for note in s.notes)
    # of another unit than the flux, and of variances: the ratio of the units stays
    units = {"flux": "uJy", "err": "nJy"}
    expected = (FLUX * u.mJy).to_value(FLUX_UNIT, u.spectral_density(WAVE * u.AA))
    for name, values, unit in (("err", 100.0, "nJy"), ("variance", 1e4, "nJy2"), ("ivar", 1e-4, "nJy-2")):
        columns, chosen = {name: np.full(N, values)}, {"wave": "wave", "flux": "flux"}
        role = {"err": "error"}.get(name, name)
        path = written(columns, units | {name: unit})
        s = ds.read_spectrum(path, medium="air", flux_unit="mJy", columns=chosen | {role: name})
        np.testing.assert_allclose(s.flux, expected, rtol=1e-5)
        np.testing.assert_allclose(s.flux / s.sigma, FLUX / 0.1, rtol=1e-5)
    # a file that calls both counts
    path = written(units={"flux": "counts", "err": "counts"})
    for unit in ("relative", "1e-17 erg/s/cm2/A"):
        s = ds.read_spectrum(path, medium="air", flux_unit=unit)
        np.testing.assert_allclose(s.flux / s.sigma, FLUX / 0.1, rtol=1e-5)
    path = written(units={"flux": "furlong", "err": "nJy"})
    with pytest.raises(UserError, match="the flux has the unit 'furlong' and the error 'nJy': flux_unit= is"):
        ds.read_spectrum(path, medium="air", flux_unit="uJy")


def test_units_of_wavelengths_that_are_given_are_told(written):
    s = ds.read_spectrum(written({"wave": WAVE / 10.0}), medium="air", wave_unit="nm")
    np.testing.assert_allclose(s.wave_aa, WAVE, rtol=1e-12)
    assert "wavelengths in nm as given, not Angstrom" in s.notes
