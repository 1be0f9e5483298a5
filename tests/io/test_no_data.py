"""Numbers in spectra that are no data: the rule, and that each reader keeps it and tells."""

import dataclasses

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

import dsps_sbi as ds
from dsps_sbi.io.no_data import gaps, no_data, typical

N = 60
WAVE = np.linspace(4000.0, 5000.0, N)
FLUX = 5.0 + np.cos(np.arange(N))
OPTIONS = {"medium": "air", "wave_unit": "AA", "flux_unit": "1e-17 erg/s/cm2/AA"}


def test_runs_of_zeros_are_gaps():
    flux = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    expected = [3, 4, 5, 9, 10, 11, 12]
    assert list(np.flatnonzero(gaps(flux))) == expected
    # along the first axis only
    both = gaps(np.stack([flux, np.ones(13)], axis=1))
    assert list(np.flatnonzero(both[:, 0])) == expected and not both[:, 1].any()
    assert not gaps(np.zeros(2)).any() and not gaps(flux[None, :3]).any()
    stand_in, gap = no_data(np.array([1.0, -999.0, 1.0]), np.full(3, 0.1))
    assert stand_in.tolist() == [False, True, False] and not gap.any()
    assert typical([1.0, -999.0, 3.0, 2.0], np.array([True, True, True, False])) == 2.0


def written(path, flux, sigma=0.1):
    rows = np.stack([WAVE, flux, np.full(N, sigma)], axis=1)
    path.write_text("wave flux error\n" + "\n".join(" ".join(f"{v:.9g}" for v in row) for row in rows))
    return path


@pytest.mark.parametrize("snr", [None, 20.0])
@pytest.mark.parametrize("number", [-999.0, -99.0, -9999.0])
def test_stand_ins_are_left_out_and_told(tmp_path, number, snr):
    flux = FLUX.copy()
    flux[[5, 20, 21]] = number
    s = ds.read_spectrum(written(tmp_path / "s.txt", flux), snr=snr, **OPTIONS)
    assert list(np.flatnonzero(~s.valid)) == [5, 20, 21]
    assert f"3 pixels of {number:.6g} are no data" in s.notes
    if snr:
        good = np.delete(FLUX, [5, 20, 21])
        assert s.sigma[0] == pytest.approx(np.median(good) / snr, rel=1e-5)


def test_negative_fluxes_that_are_measured_stay(tmp_path):
    flux = FLUX.copy()
    flux[5] = -99.0
    s = ds.read_spectrum(written(tmp_path / "s.txt", flux, sigma=25.0), **OPTIONS)
    assert s.valid.all() and s.flux[5] == -99.0


def test_gaps_with_good_errors_are_left_out_and_told(tmp_path):
    flux = FLUX.copy()
    flux[30:40], flux[50], flux[53:55] = 0.0, 0.0, 0.0
    s = ds.read_spectrum(written(tmp_path / "s.txt", flux), **OPTIONS)
    assert list(np.flatnonzero(~s.valid)) == list(range(30, 40))
    assert "10 pixels in runs of exact zeros are no data" in s.notes
    # in the unit of the file, and where the scale of the flux is not known
    relative = ds.read_spectrum(written(tmp_path / "s.txt", flux), **OPTIONS | {"flux_unit": "relative"})
    assert relative.valid.sum() == 50 and np.median(relative.flux[relative.valid]) == pytest.approx(1.0, 0.05)


@pytest.mark.parametrize("unit", [1.0, u.nJy])
def test_arrays(unit):
    flux = FLUX.copy()
    flux[[5, 20]], flux[30:40] = -999.0, 0.0
    s = ds.Spectrum(WAVE, flux * unit, np.full(N, 0.1) * unit, "air", notes=("mine",))
    assert list(np.flatnonzero(~s.valid)) == [5, 20, *range(30, 40)] and np.isnan(s.flux[5])
    told = ("mine", "2 pixels of -999 are no data", "10 pixels in runs of exact zeros are no data")
    assert s.notes == told and not s.flux.flags.writeable
    # told once
    assert dataclasses.replace(s, redshift=0.1).notes == told and s.between(4100.0, 4900.0).notes == told
    # what is masked may be anything, and is not told
    mask = ~np.isin(np.arange(N), range(10, 20))
    assert ds.Spectrum(WAVE, flux * unit, np.full(N, 0.1) * unit, "air", mask=mask).notes == ()


def test_cubes(tmp_path):
    """Stand-ins in the unit of the file, gaps of one spaxel of a sum."""
    flux = np.tile((100.0 * FLUX)[:, None, None], (1, 2, 2)).astype(np.float32)
    flux[10, 0, 0] = -999.0
    flux[20:25, 0, 1] = 0.0
    cards = {"CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRVAL3": 4750.0, "CRPIX3": 1.0, "CD3_3": 1.25}
    hdus = [fits.PrimaryHDU()]
    for name, image in {"DATA": flux, "STAT": np.full(flux.shape, 4.0, np.float32)}.items():
        hdus.append(fits.ImageHDU(image, fits.Header(cards), name))
        hdus[-1].header["BUNIT"] = "10**(-20)*erg/s/cm**2/Angstrom"
    fits.HDUList(hdus).writeto(tmp_path / "c.fits")
    cube = ds.read_spectral_cube(tmp_path / "c.fits", redshift="0.1")
    assert cube.redshift == 0.1
    one = cube.spectrum(0, 0)
    assert list(np.flatnonzero(~one.valid)) == [10]
    assert "1 pixels of numbers such as -999, or in runs of zeros, are no data" in one.notes
    assert list(np.flatnonzero(~cube.spectrum(0, 1).valid)) == [20, 21, 22, 23, 24]
    # the other spaxels of the sum stand in for the one with the gap: no dip
    total = cube.spectrum([0, 0, 1, 1], [0, 1, 0, 1])
    assert total.valid.all()
    np.testing.assert_allclose(total.flux, 4.0 * cube.spectrum(1, 1).flux, rtol=1e-3)
