"""Cubes of spectra from file to maps: by spaxels, by bins, from the command line."""

import dataclasses

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

import dsps_sbi as ds
from dsps_sbi.bundle import load as bundle_module
from dsps_sbi.bundle.load import load_bundle
from dsps_sbi.errors import UserError
from dsps_sbi.inference.trust import Trust
from dsps_sbi.survey import cubes, spectra
from dsps_sbi.survey.entries import name_id
from dsps_sbi.survey.run_log import LOG

# without a model: nothing to compile that other tests do not
FAST = {"model": None, "n_draws": 200, "pictures": False}
LSF = ds.LSF("fwhm_aa", 5.5)


@pytest.fixture
def path(galaxies, tmp_path):
    """A cube of 2 x 3 spaxels: those of the `galaxies`, one four times as bright, one bad, one empty."""
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 1.0, "CRPIX2": 1.0, "CRVAL1": 150.0}
    cards |= {"CRVAL2": 2.0, "CD1_1": -5.55e-5, "CD2_2": 5.55e-5, "CUNIT1": "deg", "CUNIT2": "deg"}
    cards |= {"CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRVAL3": 4620.0, "CRPIX3": 1.0, "CD3_3": 1.3}
    flux = np.zeros((galaxies[0].flux.size, 2, 3), np.float32)
    variance = np.ones_like(flux)
    for x, galaxy in enumerate(galaxies):
        flux[:, 0, x], variance[:, 0, x] = 1e3 * galaxy.flux, 1e6 * galaxy.sigma**2
    flux[:, 1, 0], variance[:, 1, 0] = 4.0 * flux[:, 0, 0], 16.0 * variance[:, 0, 0]
    flux[:, 1, 1], variance[:, 1, 1] = -50.0, 1.0
    flux[:, 1, 2] = np.nan
    hdus = [fits.PrimaryHDU()]
    hdus[0].header.update(INSTRUME="MUSE", REDSHIFT=galaxies[0].redshift)
    for name, image in {"DATA": flux, "STAT": variance}.items():
        hdus.append(fits.ImageHDU(image, fits.Header(cards), name))
        hdus[-1].header["BUNIT"] = "10**(-20)*erg/s/cm**2/Angstrom"
    fits.HDUList(hdus).writeto(tmp_path / "galaxy.fits")
    return tmp_path / "galaxy.fits"


@pytest.fixture
def cube(path):
    return ds.read_spectral_cube(path, lsf=LSF)


@pytest.fixture
def bins(path, tmp_path):
    image = np.array([[0, 5, 5], [0, -1, 5]], np.int32)
    fits.PrimaryHDU(image).writeto(tmp_path / "bins.fits")
    return tmp_path / "bins.fits"


def image_of(folder, name):
    with fits.open(folder / "maps.fits") as hdus:
        return np.array(hdus[name].data), hdus[name].header


def test_spaxels_to_maps(untrained, cube, tmp_path):
    out = tmp_path / "out"
    spaxels = [(0, 1), (1, 1), (1, 0)]
    table = ds.infer_many(untrained, cube.spectra(pixels=spaxels), out, keep_draws=True, **FAST)
    assert {p.name for p in out.iterdir()} == {"catalogue.ecsv", "maps.fits", "draws.h5", LOG}
    assert table["name"].tolist() == ["galaxy_0_1", "galaxy_1_1", "galaxy_1_0"]
    assert table["y"].tolist() == [0, 1, 1] and table["x"].tolist() == [1, 1, 0]
    # a bad spaxel costs itself
    assert "no flux is above 0" in table["problem"][1] and table["problem"][[0, 2]].tolist() == ["", ""]
    one = untrained.infer(cube.spectrum(0, 1), model=None, n_draws=200, ids=[name_id("galaxy_0_1")])
    planes, header = image_of(out, "T50")
    assert planes.shape == (3, 2, 3) and header["BUNIT"] == "Gyr"
    np.testing.assert_allclose(planes[:, 0, 1], one.percentiles("t50")[:, 0], rtol=1e-5)
    assert planes[1, 1, 0] == pytest.approx(table["t50"][2], rel=1e-5)
    assert np.isnan(planes[:, 0, 0]).all() and np.isnan(planes[:, 1, 1]).all()
    trust, header = image_of(out, "TRUST")
    assert trust.tolist() == [[Trust.NONE, Trust.UNCHECKED, Trust.NONE], [Trust.UNCHECKED] + 2 * [Trust.NONE]]
    assert WCS(header).wcs.crval.tolist() == [150.0, 2.0]
    assert image_of(out, "ROW")[0].tolist() == [[-1, 0, -1], [2, 1, -1]]
    assert image_of(out, "SNR")[0][0, 1] == pytest.approx(table["snr"][0], rel=1e-5)
    maps = ds.Maps.read(out / "maps.fits")
    assert maps.n_bands is None and maps.flags is None and maps.shape == (2, 3)
    np.testing.assert_array_equal(maps.median("t50"), planes[1])
    assert maps.columns["row"].tolist() == [[-1, 0, -1], [2, 1, -1]] and maps.columns["z"][0, 1] > 0.0
    maps.write(tmp_path / "again.fits")
    assert ds.Maps.read(tmp_path / "again.fits").columns.keys() == maps.columns.keys()
    edge, shrink = image_of(out, "EDGE_SIGMA_V")[0], image_of(out, "SHRINK_SIGMA_V")[0]
    assert edge.dtype.kind == "i" and np.isfinite(shrink[0, 1]) and np.isnan(shrink[1, 1])
    assert fits.getheader(out / "maps.fits")["DSPS_SBI SOURCE"].endswith("galaxy.fits")
    with h5py.File(out / "draws.h5") as file:
        assert file["name"].asstr()[()].tolist() == ["galaxy_0_1", "galaxy_1_0"]


def test_bins_to_maps(untrained, cube, bins, tmp_path):
    summed = cube.spectra(ds.read_bins(bins, cube))
    table = ds.infer_many(untrained, summed, tmp_path / "out", **FAST)
    assert table["name"].tolist() == ["galaxy_bin0", "galaxy_bin5"]
    assert table["n_spaxels"].tolist() == [2, 3] and table["y"].tolist() == pytest.approx([0.5, 1.0 / 3.0])
    assert "sum of 2 spaxels, errors as if independent" in table["notes"][1]
    t50 = image_of(tmp_path / "out", "T50")[0][1]
    np.testing.assert_allclose(t50[:, 0], table["t50"][0], rtol=1e-5)
    np.testing.assert_allclose(t50[[0, 0, 1], [1, 2, 2]], table["t50"][1], rtol=1e-5)
    assert np.isnan(t50[1, 1])
    # the sum of a spaxel and four times the same
    total = summed[0]
    np.testing.assert_allclose(total.flux, 5.0 * cube.spectrum(0, 0).flux, rtol=1e-5)
    np.testing.assert_allclose(total.sigma, np.sqrt(17.0) * cube.spectrum(0, 0).sigma, rtol=1e-5)


def test_a_cube_that_was_broken_off_goes_on(untrained, cube, tmp_path, monkeypatch):
    real, seen = spectra._answer, []

    def answer(post, entry, options):
        seen.append(entry.name)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(post, entry, options)

    monkeypatch.setattr(spectra, "_answer", answer)
    monkeypatch.setattr(cubes, "DETAILED", 0)
    with pytest.raises(KeyboardInterrupt):
        ds.infer_many(untrained, cube, tmp_path / "out", **FAST)
    assert not (tmp_path / "out" / "maps.fits").exists()
    table = ds.infer_many(untrained, cube, tmp_path / "out", resume=True, **FAST)
    assert seen == ["galaxy_0_0", "galaxy_0_1", "galaxy_0_2", "galaxy_0_2", "galaxy_1_0"]
    assert np.isfinite(image_of(tmp_path / "out", "T50")[0]).sum() == 3 * len(table) == 12
    # another LSF is another cube
    other = dataclasses.replace(cube, lsf=ds.LSF("fwhm_aa", 5.0))
    ds.infer_many(untrained, other, tmp_path / "out", resume=True, **FAST)
    assert len(seen) == 9


def test_few_spectra_are_shown_one_by_one(untrained, likelihood, cube, tmp_path, monkeypatch):
    one = cube.spectra(pixels=[(0, 1)])
    ds.infer_many(untrained, one, tmp_path / "few", model=likelihood, n_draws=200)
    assert {"galaxy_0_1.png", "galaxy_0_1_fit.ecsv"} <= {p.name for p in (tmp_path / "few").iterdir()}
    ess = image_of(tmp_path / "few", "ESS")[0]
    assert ess[0, 1] >= 1.0 and np.isnan(ess[0, 0])
    monkeypatch.setattr(cubes, "DETAILED", 0)
    ds.infer_many(untrained, one, tmp_path / "many", model=likelihood, n_draws=200)
    assert {p.name for p in (tmp_path / "many").iterdir()} == {
        *("catalogue.ecsv", "maps.fits", "maps.png"),
        LOG,
    }


def test_a_cube_of_spectra_is_no_cutout(path):
    with pytest.raises(UserError, match="galaxy.fits is a cube of spectra: give it with a bundle of spectra"):
        ds.read(path)


def test_cubes_are_for_posteriors_of_spectra(tiny_posterior, cube, tmp_path):
    with pytest.raises(UserError, match="a cube of spectra was given to a posterior of"):
        ds.infer_many(tiny_posterior, cube, tmp_path / "out", model=None)


@pytest.fixture
def fit(run, untrained, tmp_path, monkeypatch):
    known = {"spectra": untrained}
    monkeypatch.setattr(bundle_module, "load_bundle", lambda name: known.get(name) or load_bundle(name))

    def fit(*argv):
        out = ("-o", tmp_path / "out", "--draws", 200, "--no-pictures")
        return run("infer", "--bundle", "spectra", *out, *argv)

    return fit


def test_cubes_on_the_command_line(fit, path, bins, tmp_path):
    status, output, error = fit(path, "--lsf", "fwhm_aa=5.5", "--bins", bins, "--targets", 5)
    assert (status, error) == (0, "")
    assert (
        "galaxy.fits: MUSE; air by CTYPE3; LSF fwhm_aa 5.5 as given; z 0.05 from REDSHIFT; variance" in output
        and "; 1 spectra" in output
    )
    assert "1 of 1 spectra fitted, 0 trusted" in output and "galaxy_bin5: unchecked; t50 " in output
    assert np.isfinite(image_of(tmp_path / "out", "T50")[0][1]).sum() == 3
    assert len(Table.read(tmp_path / "out" / "catalogue.ecsv", format="ascii.ecsv")) == 1
    status, output, error = fit(path, "--lsf", "fwhm_aa=5.5", "--pixel", "0,1", "--pixel", "1,1")
    assert status == 1 and "galaxy_1_1: " in error and "1 of 2 spectra failed" in error
    assert "1 of 2 spectra fitted" in output


def test_what_is_mistyped_is_one_line(fit, path, bins, files):
    def refused(message, *argv):
        status, output, error = fit(*argv)
        assert status == 1 and error.startswith("error: ") and error.count("\n") == 1 and message in error

    refused("--pixel 1x2: expected y,x, row and column counted from 0", path, "--pixel", "1x2")
    refused("has no spaxel 7,0: expected y,x from 0,0 to 1,2", path, "--pixel", "7,0")
    refused(
        "--bins and --snr-min were given: spaxels are chosen by one", path, "--bins", bins, "--snr-min", 3
    )
    refused("--targets chooses bins of --bins: give the spaxels of a cube as", path, "--targets", 3)
    refused("bins.fits has no bin 3: it has 2, from 0 to 5", path, "--bins", bins, "--targets", 3)
    refused("galaxy.fits is a cube and was given with", path, files["a"])
    refused("--snr was given with", path, "--snr", 10)
    with fits.open(path, "update") as hdus:
        del hdus[0].header["REDSHIFT"]
    refused("galaxy.fits does not tell the redshift of the galaxy: give --z", path)
    with fits.open(path, "update") as hdus:
        hdus[0].header["INSTRUME"] = "KCWI"
    refused("galaxy.fits does not tell its LSF: give --lsf", path, "--z", 0.05)


def test_other_bins_are_another_run(untrained, cube, bins, tmp_path):
    ds.infer_many(untrained, cube.spectra(bins=ds.read_bins(bins, cube)), tmp_path / "out", **FAST)
    other = np.array([[0, 5, 5], [5, -1, 5]])
    with pytest.raises(UserError, match="resume with the same options, or give another folder"):
        ds.infer_many(untrained, cube.spectra(bins=other), tmp_path / "out", resume=True, **FAST)


def test_maps_of_another_cube_stay(untrained, cube, tmp_path):
    one = {"pixels": [(0, 1)]}
    ds.infer_many(untrained, cube.spectra(**one), tmp_path / "out", **FAST)
    # again is no other
    ds.infer_many(untrained, cube.spectra(**one), tmp_path / "out", **FAST)
    before = (tmp_path / "out" / "maps.fits").read_bytes()
    other = dataclasses.replace(cube, source=str(tmp_path / "other.fits"))
    with pytest.raises(
        UserError, match="holds the maps of .*, which those of .*other.fits would take the place"
    ):
        ds.infer_many(untrained, other.spectra(**one), tmp_path / "out", **FAST)
    assert (tmp_path / "out" / "maps.fits").read_bytes() == before
