import os
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

import dsps_sbi as ds

WAVE = np.round(5000.0 * 1.002 ** np.arange(60), 4)
FLUX = 10.0 + np.sin(np.arange(60.0))
ERROR = np.full(60, 0.5)


@pytest.fixture
def text(tmp_path):
    """Factory of text files of columns."""

    def make(*columns, head="", name="spectrum.txt"):
        rows = [" ".join(f"{value:.8g}" for value in row) for row in zip(*columns, strict=True)]
        (tmp_path / name).write_text("\n".join([head] * bool(head) + rows) + "\n")
        return tmp_path / name

    return make


@pytest.fixture
def sdss(tmp_path):
    """Factory of files laid out like spec files of SDSS."""

    def make(name="spec.fits", z=0.05, wdisp=True, z_table=True, **changed):
        loglam = np.float32(np.round(3.6 + 1e-4 * np.arange(60), 4))
        ivar = np.full(60, 4.0, np.float32)
        ivar[3] = 0.0
        mask = np.zeros(60, np.int32)
        mask[7] = 1 << 23
        mask[8] = 1 << 20
        columns = {"flux": np.arange(60, dtype=np.float32), "loglam": loglam, "ivar": ivar, "and_mask": mask}
        if wdisp:
            columns["wdisp"] = np.r_[0.0, np.linspace(0.9, 1.1, 59)].astype(np.float32)
        coadd = fits.BinTableHDU(Table(columns | changed), name="COADD")
        hdus = [fits.PrimaryHDU(), coadd]
        if z_table:
            hdus.append(fits.BinTableHDU(Table({"Z": [np.float32(z)], "CLASS": ["GALAXY"]}), name="SPECOBJ"))
        fits.HDUList(hdus).writeto(tmp_path / name)
        return tmp_path / name

    return make


def test_sdss(sdss):
    s = ds.read_spectrum(sdss())
    assert s.medium == "vacuum" and s.redshift == pytest.approx(0.05) and s.absolute
    # float32 logarithms are carried back to their grid
    np.testing.assert_allclose(s.wave_aa, 10.0 ** (3.6 + 1e-4 * np.arange(60)), rtol=1e-12)
    np.testing.assert_array_equal(s.flux, np.arange(60))
    np.testing.assert_allclose(s.sigma[:3], 0.5)
    assert list(np.flatnonzero(~s.valid)) == [3, 7]
    assert s.lsf.quantity == "sigma_pixel" and s.lsf.value[0] == s.lsf.value[1] == pytest.approx(0.9)
    width = s.spectrograph().lsf.sigma_aa(s.wave_aa, np.diff(s.spectrograph().edges_aa))
    np.testing.assert_allclose(width[1:-1], (s.lsf.value * 1e-4 * np.log(10) * s.wave_aa)[1:-1], rtol=1e-4)
    assert ds.read_spectrum(sdss("other.fits"), redshift=0.1).redshift == 0.1


def test_sdss_without_lsf_or_redshift(sdss):
    s = ds.read_spectrum(sdss(wdisp=False, z_table=False))
    assert s.redshift is None and s.lsf is None
    with pytest.raises(ds.UserError, match="does not tell its LSF: pass lsf="):
        s.spectrograph()


def test_text_of_two_and_three_columns(text):
    options = dict(medium="air", wave_unit="AA", flux_unit="1e-17 erg/s/cm2/AA", redshift=0.02)
    s = ds.read_spectrum(text(WAVE, FLUX, ERROR), **options)
    np.testing.assert_allclose(s.wave_aa, WAVE)
    np.testing.assert_allclose(s.flux, FLUX, rtol=1e-6)
    np.testing.assert_allclose(s.sigma, 0.5)
    assert (s.medium, s.redshift, s.lsf) == ("air", 0.02, None)
    two = text(WAVE, FLUX, name="two.txt")
    with pytest.raises(ds.UserError, match="two.txt has no column of errors .* state the median .* snr="):
        ds.read_spectrum(two, **options)
    np.testing.assert_allclose(ds.read_spectrum(two, snr=20.0, **options).sigma, np.median(FLUX) / 20.0)


def test_text_by_the_order_of_its_columns(text):
    """Wavelength, flux, error, a column of good pixels and an LSF in km/s."""
    good = np.ones(60)
    good[4] = 0
    path = text(WAVE, 1e3 * FLUX, 1e3 * ERROR, good, np.linspace(150.0, 160.0, 60), head="# 0.4 0.5")
    order = ("wave", "flux", "error", "good", "sigma_km_s")
    s = ds.read_spectrum(path, columns=order, medium="vacuum", wave_unit="AA", flux_unit="relative")
    assert not s.absolute and np.median(s.flux) == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(s.flux / s.sigma, FLUX / ERROR, rtol=1e-5)
    assert list(np.flatnonzero(s.mask)) == [4] and s.lsf.quantity == "sigma_km_s"
    with pytest.raises(ds.UserError, match="has 5 columns: give columns= as their order"):
        ds.read_spectrum(path, medium="vacuum", wave_unit="AA", flux_unit="relative")
    with pytest.raises(ds.UserError, match="names 'colour': give any of wave, log10_wave, flux"):
        ds.read_spectrum(path, columns=("wave", "flux", "colour"), medium="vacuum")


def tables(tmp_path, kind, **units):
    table = Table({"WAVELENGTH": WAVE / 1e4, "FLUX": FLUX, "ERR": ERROR})
    table["WAVELENGTH"].unit, table["FLUX"].unit = units.get("wave", "um"), units.get("flux", "uJy")
    table.meta["REDSHIFT"] = 0.3
    path = tmp_path / f"table.{kind}"
    table.write(path, format="fits" if kind == "fits" else "ascii.ecsv")
    return path


@pytest.mark.parametrize("kind", ["fits", "ecsv"])
def test_tables_with_units(tmp_path, kind):
    s = ds.read_spectrum(tables(tmp_path, kind), medium="vacuum")
    np.testing.assert_allclose(s.wave_aa, WAVE, rtol=1e-12)
    expected = (FLUX * u.uJy).to_value("1e-17 erg/(s cm2 AA)", u.spectral_density(WAVE * u.AA))
    np.testing.assert_allclose(s.flux, expected, rtol=1e-6)
    np.testing.assert_allclose(s.flux / s.sigma, FLUX / ERROR, rtol=1e-6)
    assert s.redshift == 0.3


def test_tables_by_named_columns(tmp_path):
    path = tmp_path / "odd.fits"
    Table({"a": WAVE, "b": FLUX, "c": ERROR**-2, "d": np.full(60, 1800.0)}).write(path)
    options = dict(medium="air", wave_unit="AA", flux_unit="1e-17 erg/s/cm2/AA")
    s = ds.read_spectrum(
        path, columns={"wave": "a", "flux": "b", "ivar": "c", "resolving_power": "d"}, **options
    )
    np.testing.assert_allclose(s.sigma, 0.5, rtol=1e-6)
    assert s.lsf.quantity == "resolving_power"
    with pytest.raises(ds.UserError, match=r"no spectrum .* table of a, b, c, d.* name columns="):
        ds.read_spectrum(path, **options)
    with pytest.raises(ds.UserError, match="has no column 'x': it has a, b, c, d"):
        ds.read_spectrum(path, columns={"wave": "x"}, **options)


def test_fits_with_an_extension_for_each_column(tmp_path):
    parts = {"LAMBDA": (WAVE * 1e-10, "m"), "DATA": (FLUX * 1e-10, "W m-3"), "ERR": (ERROR * 1e-10, "W m-3")}
    hdus = [
        fits.ImageHDU(values, fits.Header({"BUNIT": unit}), name) for name, (values, unit) in parts.items()
    ]
    other = fits.BinTableHDU(Table({"VALUE": [1, 2], "MEANING": ["a", "b"]}))
    fits.HDUList([fits.PrimaryHDU(), other, *hdus]).writeto(tmp_path / "rows.fits")
    extensions = {"wave": "LAMBDA", "flux": "DATA", "error": "ERR"}
    s = ds.read_spectrum(tmp_path / "rows.fits", columns=extensions, medium="vacuum")
    np.testing.assert_allclose(s.wave_aa, WAVE, rtol=1e-12)
    # 1 W/m3 is 1e-7 erg/s/cm2/A
    np.testing.assert_allclose(s.flux, FLUX, rtol=1e-6)


@pytest.mark.parametrize(
    "units, message",
    [
        ({"wave": None}, "the wave has no unit: pass wave_unit="),
        ({"flux": None}, "the flux has no unit: pass flux_unit="),
        ({"wave": "s"}, "unit s, which is not a length"),
        ({"flux": "K"}, "unit K, which is no flux density: give '1e-17"),
        ({"wave": "cm"}, r"run from .* Angstrom: check the unit"),
    ],
)
def test_units_that_cannot_be(tmp_path, units, message):
    with pytest.raises(ds.UserError, match=message):
        ds.read_spectrum(tables(tmp_path, "fits", **units), medium="vacuum")


def test_what_cannot_be_read(text, tmp_path):
    options = dict(wave_unit="AA", flux_unit="relative")
    with pytest.raises(
        ds.UserError, match="medium of the wavelengths is not known: give medium='air' or medium='vacuum'"
    ):
        ds.read_spectrum(text(WAVE, FLUX, ERROR), **options)
    with pytest.raises(ds.UserError, match="unit 'furlong per'"):
        ds.read_spectrum(text(WAVE, FLUX, ERROR), wave_unit="furlong per", medium="air")
    with pytest.raises(ds.UserError, match="signal-to-noise ratio is -1"):
        ds.read_spectrum(text(WAVE, FLUX), snr=-1, medium="air", **options)
    with pytest.raises(ds.UserError, match="does not exist"):
        ds.read_spectrum(tmp_path / "none.txt")
    words = tmp_path / "words.txt"
    words.write_text("this is\nno table of\nnumbers\n")
    with pytest.raises(ds.UserError, match=r"words.txt.*(no table of text|not numbers)"):
        ds.read_spectrum(words, medium="air", **options)
    image = tmp_path / "image.fits"
    fits.PrimaryHDU(np.ones((4, 4))).writeto(image)
    with pytest.raises(ds.UserError, match=r"image.fits has no spectrum .*0 PRIMARY: image \(4, 4\)"):
        ds.read_spectrum(image)


@pytest.mark.skipif("DSPS_SBI_TEST_DATA" not in os.environ, reason="DSPS_SBI_TEST_DATA is not set")
def test_real_files():
    data = Path(os.environ["DSPS_SBI_TEST_DATA"], "spectra")
    old = ds.read_spectrum(data / "sdss" / "NGC3522_SDSS_DR8.fits")
    assert old.redshift == pytest.approx(0.00401801) and old.lsf is None and old.medium == "vacuum"
    assert np.median((old.flux / old.sigma)[old.valid]) == pytest.approx(47.8, abs=0.5)
    new = ds.read_spectrum(data / "sdss" / "NGC4636_SDSS_DR12.fits")
    assert new.redshift == pytest.approx(0.00302509) and 0.6 < np.median(new.lsf.value) < 1.1
    order = ("wave", "flux", "error", "good", "sigma_km_s")
    stack = data / "etg_stacks" / "high_m20kpc_v_sigmacen_red_median_in.dat"
    options = dict(wave_unit="AA", flux_unit="relative")
    s = ds.read_spectrum(stack, columns=order, medium="vacuum", redshift=0.0, **options)
    assert np.median((s.flux / s.sigma)[s.valid]) > 500 and s.lsf.value[0] == pytest.approx(374.97, abs=0.01)
    extensions = {"wave": "WAVELENGTH", "flux": "DATA", "error": "ERR"}
    path = next((data / "jades_prism").glob("199773*"))
    prism = ds.read_spectrum(path, columns=extensions, flux_unit="W/m3", medium="vacuum", redshift=2.8)
    assert 5e3 < prism.wave_aa[0] < 7e3 and 5e4 < prism.wave_aa[-1] < 6e4


@pytest.mark.skipif("DSPS_SBI_TEST_DATA" not in os.environ, reason="DSPS_SBI_TEST_DATA is not set")
def test_masked_lines_are_where_sdss_has_them():
    from dsps_sbi.instruments.emission_lines import EMISSION_LINES

    path = Path(os.environ["DSPS_SBI_TEST_DATA"], "spectra", "sdss", "NGC4636_SDSS_DR12.fits")
    with fits.open(path) as hdus:
        table = np.sort(np.asarray(hdus[3].data["LINEWAVE"], float))
    ours = {n: w for n, w in EMISSION_LINES.items() if n not in ("[NI]5201", "HeI5877", "[NeIII]3969")}
    for name, wave in ours.items():
        assert np.abs(table - wave).min() < 0.01, name


def test_what_a_mask_means_is_told_beside_columns_with_the_usual_names(tmp_path):
    """A role given alone adds to the columns that are known by their names."""
    good = np.arange(60) != 4
    path = tmp_path / "good.ecsv"
    Table({"wave": WAVE, "flux": FLUX, "error": ERROR, "mask": good.astype(int)}).write(path)
    options = {"medium": "vacuum", "wave_unit": "AA", "flux_unit": "relative"}
    with pytest.raises(ds.UserError, match="say whether these are bad, .* or good"):
        ds.read_spectrum(path, **options)
    s = ds.read_spectrum(path, columns={"good": "mask"}, **options)
    assert list(np.flatnonzero(s.mask)) == [4]
    np.testing.assert_allclose(s.flux / s.sigma, FLUX / ERROR, rtol=1e-5)


def test_a_table_without_rows_is_refused(tmp_path):
    path = tmp_path / "header.txt"
    path.write_text("# wave flux error\n")
    with pytest.raises(ds.UserError, match="header.txt has no rows: expected a row for each pixel; add them"):
        ds.read_spectrum(path, medium="air", wave_unit="AA", flux_unit="relative")
