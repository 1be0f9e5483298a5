"""Indices of observed spectra: smoothing, errors, covariances, and the tables of MILES."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.cli.app import main
from dsps_sbi.errors import UserError
from dsps_sbi.instruments.line_indices import LineIndex
from dsps_sbi.kernels.vacuum import air_to_vacuum

LINE = LineIndex("line", (5080.0, 5120.0), (5000.0, 5040.0), (5160.0, 5200.0))
Z, SIGMA = 0.1, 0.02


def line_spectrum(fwhm=3.0, width=3.0, medium="vacuum", step=1.5, sigma=SIGMA, **options):
    """A line at 5100 Angstrom (air, at rest) of a width of 3 Angstrom, as a spectrograph sees it."""
    wave = np.arange(5300.0, 5900.0, step)
    rest = wave / (1.0 + Z)
    centre = air_to_vacuum(5100.0) if medium == "vacuum" else 5100.0
    s = fwhm / 2.3548 / (1.0 + Z)
    flux = 1.0 - width / np.sqrt(2.0 * np.pi) / s * np.exp(-0.5 * ((rest - centre) / s) ** 2)
    options = {"redshift": Z, "lsf": ds.LSF("fwhm_aa", fwhm), "absolute": False} | options
    return ds.Spectrum(wave, flux, np.full(wave.size, sigma), medium, **options)


def test_a_line_keeps_its_width_whatever_the_resolution():
    for medium in ("vacuum", "air"):
        spectrum = line_spectrum(medium=medium)
        for system in (None, "LIS-5.0", "LIS-8.4", 9.0):
            value, error = ds.line_indices(spectrum, [LINE], system=system)["line"]
            assert value == pytest.approx(3.0, abs=0.01), (medium, system)
            # nearly that of a mean over the band, and of the continuum
            assert 0.1 < error < 0.25


def test_smoothing_counts_lsf_and_stars():
    """A line in the side band's edge: how much of it is inside depends on the resolution alone."""
    edge = LineIndex("edge", (5080.0, 5100.0), (5000.0, 5040.0), (5160.0, 5200.0))
    narrow = ds.line_indices(line_spectrum(4.0), [edge], system="LIS-14.0")["edge"][0]
    stars = ds.line_indices(line_spectrum(6.0), [edge], system="LIS-14.0")["edge"][0]
    assert narrow == pytest.approx(stars, abs=0.01) == pytest.approx(1.5, abs=0.02)
    # what is told to be broadened by stars is smoothed less: the line's flank reaches less far
    one = LineIndex("flank", (5104.0, 5120.0), (5000.0, 5040.0), (5160.0, 5200.0))
    wide = line_spectrum(6.0, lsf=ds.LSF("fwhm_aa", 4.0))
    km_s = np.sqrt(6.0**2 - 4.0**2) / 2.3548 / (5100.0 * 1.1) * 299792.458
    told = ds.line_indices(wide, [one], system="LIS-8.4", sigma_v=km_s)["flank"][0]
    true = ds.line_indices(line_spectrum(6.0), [one], system="LIS-8.4")["flank"][0]
    untold = ds.line_indices(wide, [one], system="LIS-8.4")["flank"][0]
    assert told == pytest.approx(true, abs=0.01) and untold > true + 0.02


def test_errors_and_covariances_are_those_of_the_scatter():
    names = (LINE, LineIndex("other", (5100.0, 5140.0), (5000.0, 5040.0), (5160.0, 5200.0)))
    clean = line_spectrum()
    rng = np.random.default_rng(5)
    mask = np.zeros(clean.wave_aa.size, bool)
    mask[210:212] = True
    found, values = None, []
    for _ in range(300):
        flux = clean.flux + SIGMA * rng.standard_normal(clean.flux.size)
        noisy = line_spectrum(mask=mask)
        noisy = ds.Spectrum(noisy.wave_aa, flux, noisy.sigma, "vacuum", Z, mask, noisy.lsf, absolute=False)
        found = ds.line_indices(noisy, names)
        values.append(found.values)
    scatter = np.cov(np.array(values).T)
    np.testing.assert_allclose(found.covariance, scatter, rtol=0.25)
    assert 0.3 < scatter[0, 1] / np.sqrt(scatter[0, 0] * scatter[1, 1]) < 0.95


def test_table_and_what_is_missing():
    wave = np.arange(5000.0, 5400.0, 1.0)
    spectrum = ds.Spectrum(wave, np.ones(400), np.full(400, 0.01), "air", 0.0, absolute=False)
    found = ds.line_indices(spectrum, system=None)
    assert found.names == ("Mgb", "Fe5270", "Fe5335") and found.fwhm_aa is None
    table = found.table()
    assert table["band"].unit == "Angstrom" and table["value"][0] == pytest.approx(0.0, abs=1e-4)
    with pytest.raises(UserError, match="spectrum has no index NaD: it needs 5860.6-5948.1 Angstrom at rest"):
        found["NaD"]
    with pytest.raises(UserError, match="no index Mgx: it was not asked for; there are Mgb"):
        found["Mgx"]


def test_what_is_refused_is_one_line():
    spectrum = line_spectrum()
    with pytest.raises(UserError, match="index NaD cannot be measured: it needs 5860.6-5948.1 Angstrom"):
        ds.line_indices(spectrum, ["NaD"])
    with pytest.raises(UserError, match="index line cannot be measured: LSF and stars are 1.18 times as br"):
        ds.line_indices(line_spectrum(fwhm=10.0), [LINE], sigma_v=100.0)
    mask = np.abs(spectrum.wave_aa - 5610.0) < 8.0
    with pytest.raises(UserError, match="% of its band 5080.0-5120.0 Angstrom rest on pixels of no use"):
        ds.line_indices(line_spectrum(mask=mask), [LINE])
    with pytest.raises(UserError, match="system is 'LIS-9': give one of LIS-5.0, LIS-8.4, LIS-14.0, a width"):
        ds.line_indices(spectrum, [LINE], system="LIS-9")
    with pytest.raises(UserError, match="sigma_v is -1: give the velocity dispersion of the stars in km/s"):
        ds.line_indices(spectrum, [LINE], sigma_v=-1.0)
    with pytest.raises(UserError, match="has no redshift: read it with redshift="):
        ds.line_indices(line_spectrum(redshift=None), [LINE])
    with pytest.raises(UserError, match="does not tell its LSF: pass lsf="):
        ds.line_indices(line_spectrum(lsf=None), [LINE])


def test_command_line(tmp_path, capsys):
    wave = np.arange(5000.0, 5500.0, 1.0)
    flux = 1.0 - 0.2 * np.exp(-0.5 * ((wave - 5175) / 5) ** 2)
    rows = {"wave": wave, "flux": flux, "error": np.full(500, 0.01)}
    path = tmp_path / "one.txt"
    Table(rows).write(path, format="ascii.commented_header")
    common = ["--medium", "air", "--z", "0", "--lsf", "fwhm_aa=2.5", "--wave-unit", "AA"]
    common += ["--flux-unit", "relative"]
    out = tmp_path / "indices.ecsv"
    assert main(["indices", str(path), *common, "-o", str(out)]) == 0
    text = capsys.readouterr().out
    assert "Mgb " in text and "NaD       not measured: it needs 5860.6-5948.1 Angstrom at rest" in text
    table = Table.read(out)
    assert set(table["name"]) >= {"Mgb", "Fe5270", "Fe5335"} and set(table["spectrum"]) == {"one"}
    mgb = float(table["value"][list(table["name"]).index("Mgb")])
    assert 1.5 < mgb < 2.6
    assert main(["indices", str(path), *common, "--names", "Mgb,Hbeta"]) == 1
    assert "error: " in (said := capsys.readouterr().err) and "index Hbeta cannot be measured" in said
    assert said.count("\n") == 1
    assert main(["indices", str(path), *common[:4], *common[6:]]) == 1
    assert (
        "pass --lsf, for example fwhm_aa=2.8" in (said := capsys.readouterr().err) and said.count("\n") == 1
    )


# The tables define these two otherwise
OTHER = ("CaHK", "G4300")


@pytest.mark.parametrize("width", ["8.4", "14.0"])
def test_indices_of_miles_are_those_of_its_tables(width):
    data = os.environ.get("DSPS_SBI_TEST_DATA")
    folder = Path(data or "", "ssp", "miles_alpha_indices")
    if data is None or not folder.is_dir():
        pytest.skip("tables of indices not at hand: set DSPS_SBI_TEST_DATA to the folder that holds ssp/")
    rows = fits.getdata(folder / f"MILES_KB_LIS{width}.fits")
    apart = []
    for stars in ("Zm2.27T00.1000", "Zm0.66T02.0000", "Zp0.06T10.0000", "Zp0.40T14.0000"):
        name = f"Mkb1.30{stars}_iTp0.00_Ep0.00"
        with fits.open(folder.parent / "miles_basti_kb" / f"{name}.fits") as hdus:
            head, flux = hdus[0].header, np.asarray(hdus[0].data, float)
        wave = head["CRVAL1"] + head["CDELT1"] * np.arange(flux.size)
        lsf = ds.LSF("fwhm_aa", 2.51)
        unit = np.full(flux.size, 0.01 * flux.mean())
        spectrum = ds.Spectrum(wave, flux, unit, "air", 0.0, None, lsf, absolute=False)
        found = ds.line_indices(spectrum, system=f"LIS-{width}")
        (row,) = [row for row in rows if row["Files"].startswith(name)]
        assert len(found.names) == 31
        scale = [1.0 if index.unit == "Angstrom" else 50.0 for index in found.indices]
        apart.append((found.values - [row[n] for n in found.names]) * scale)
    apart = np.abs(np.array(apart))
    same = [name not in OTHER for name in found.names]
    # Angstrom, or 1/50 mag
    assert apart[:, same].max() < 0.03 and np.median(apart) < 0.004
