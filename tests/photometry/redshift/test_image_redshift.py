"""Images whose redshift is not known: one for all pixels, of their summed light, and maps that know it."""

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from scipy.stats import norm

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.photometry.at_redshifts import redshift_of_draws
from dsps_sbi.photometry.image_redshift import equal_redshifts, summed

NAMES = ("sdss_u0", "sdss_g0", "sdss_r0", "sdss_i0", "sdss_z0")
SHARES = np.array([0.3, 0.25, 0.2, 0.15, 0.1, 1e-4])[:, None]


# The mock galaxies are light: times this, no pixel is at the edge of the prior of the mass
TIMES = 30.0


@pytest.fixture(scope="module")
def make(mocks):
    """Six pixels of one galaxy, whose sum is the second mock; the last pixel is too faint to be fitted."""

    def make(redshift=None, times=TIMES):
        flux, sigma = (times * a[1] for a in mocks[:2])
        return ds.PixelCube(SHARES * flux, np.sqrt(SHARES) * sigma, NAMES, redshift, (2, 3))

    return make


@pytest.fixture(scope="module")
def cube(make):
    return make()


@pytest.fixture(scope="module")
def options(plain_galaxies):
    return {"model": plain_galaxies, "n_draws": 90, "snr_min": 1.0, "quantities": ("log_mass", "av")}


@pytest.fixture(scope="module")
def result(untrained, cube, options, tmp_path_factory):
    path = tmp_path_factory.mktemp("draws") / "draws.h5"
    with pytest.warns(UserWarning, match="2 separate ranges of redshift are possible: maps are means"):
        return untrained.infer(cube, z_range=(0.1, 3.0), draws_path=path, **options)


def test_redshifts_that_stand_for_a_density():
    z = equal_redshifts(norm.ppf((np.arange(20000) + 0.5) / 20000))
    assert len(z) == 9 and z.std() == pytest.approx(1.0, abs=0.01) and z[4] == pytest.approx(0.0, abs=1e-6)


def test_the_sum_of_pixels(cube, mocks):
    light, n = summed(cube, np.arange(5))
    share = SHARES[:5].sum()
    np.testing.assert_allclose(light.flux_ujy[0], TIMES * share * mocks[0][1], rtol=1e-5)
    np.testing.assert_allclose(light.sigma_ujy[0], TIMES * np.sqrt(share) * mocks[1][1], rtol=1e-5)
    assert n == 5 and light.filters == NAMES
    # a band that few pixels have does not count, nor do pixels without the others
    flux, upper = cube.flux_ujy.copy(), np.zeros((6, 5), bool)
    flux[[0, 1, 2], 0], flux[4, 3], upper[2, 1] = np.nan, np.nan, True
    holes = ds.PixelCube(np.abs(flux), cube.sigma_ujy, NAMES, None, (2, 3), upper=upper)
    light, n = summed(holes, np.arange(5))
    assert light.filters == NAMES[1:] and n == 3
    np.testing.assert_allclose(light.flux_ujy[0], np.abs(flux[[0, 1, 3]][:, 1:]).sum(axis=0), rtol=1e-5)
    with pytest.raises(UserError, match="the image has no 3 bands that the same pixels have"):
        summed(
            ds.PixelCube(np.where(np.eye(6, 5) > 0, 1.0, np.nan), cube.sigma_ujy, NAMES, None, (2, 3)),
            np.arange(5),
        )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_its_redshift_is_that_of_the_sum(result, untrained, cube, options):
    light, _ = summed(cube, np.arange(5))
    one = untrained.infer(light, z_range=(0.1, 3.0), model=options["model"], n_draws=1000)
    found = result.redshift
    np.testing.assert_allclose(np.sort(found.draws), np.sort(one.draws("z")[0]), rtol=1e-4)
    assert result.meta["redshift"] == pytest.approx(np.median(found.draws), rel=0.02)
    for key in ("redshift_p16", "redshift_p84", "redshift_from", "redshift_prior", "redshifts_fitted"):
        assert key in result.meta
    assert result.meta["redshift_ess"] == pytest.approx(one.posteriors.ess[0], rel=1e-3)
    grid = np.linspace(0.01, 4.0, 3000)
    assert np.trapezoid(found.p_z(grid), grid) == pytest.approx(1.0, abs=0.02)
    assert any("the redshift is untrusted" in note for note in result.notes) == (found.trust == "untrusted")


def test_maps_are_means_over_redshifts(result, untrained, make, options):
    """Draws at each redshift are those of a fit there; masses of all pixels go with the one redshift."""
    assert result.fitted.tolist() == [True] * 5 + [False]
    at, mass = result.redshift.at, result.draws("log_mass")[:5]
    z = redshift_of_draws(at, mass.shape[1])
    with h5py.File(result.draws_path) as file:
        np.testing.assert_array_equal(file["z"][()], z)
    fixed = untrained.infer(make(float(at[4])), **options)
    low, middle, high = fixed.percentiles("log_mass")[:, :5]
    here = np.median(mass[:, z == at[4]], axis=1)
    # medians of ten draws
    assert np.abs(here - middle).max() < 3.0 * 1.25 * 0.5 * (high - low).max() / np.sqrt(10.0)
    total = np.log10(np.sum(10.0**mass, axis=0))
    spread = 0.5 * np.ptp(np.percentile(total, [16, 84]))
    (row,) = [row for row in result.totals if row["quantity"] == "log_mass"]
    assert 0.5 * (row["independent_84"] - row["independent_16"]) == pytest.approx(spread, rel=1e-3)
    # redshifts that are far apart have masses that are far apart: no average over pixels takes that away
    assert np.corrcoef(np.log(z), total)[0, 1] > 0.8


def test_files(result, tmp_path):
    assert tmp_path / "redshift.ecsv" in result.write(tmp_path)
    table = Table.read(tmp_path / "redshift.ecsv")
    assert np.trapezoid(table["p"], table["z"]) == pytest.approx(1.0, abs=0.03)
    assert table.meta["redshift"] == pytest.approx(result.redshift.median)
    maps = ds.Maps.read(tmp_path / "maps.fits")
    assert maps.meta["redshift_p16"] < maps.meta["redshift"] < maps.meta["redshift_p84"]


def test_a_small_error_is_as_good_as_none(untrained, make, options):
    exact = make(1.1)
    prior = ds.redshift_prior((0.001, 7.5), 1, z=1.1, z_err=1e-4)
    found, fixed = (untrained.infer(exact, **options | more) for more in ({"redshift": prior}, {}))
    assert found.redshift.at.std() == pytest.approx(1e-4, rel=0.1)
    width = 0.5 * np.ptp(fixed.quantiles[0, [0, 2]][:, :5], axis=0)
    assert np.abs(found.quantiles[0, 1, :5] - fixed.quantiles[0, 1, :5]).max() < 0.5 * width.max()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_many_images(untrained, cube, options, tmp_path):
    """A row of each, with redshifts; what a file says of its redshift is not read."""
    hdus = [fits.PrimaryHDU()]
    header = fits.Header({"BUNIT": "uJy", "FILTERS": ",".join(NAMES)})
    for name, values in (("FLUX", cube.flux_ujy), ("ERROR", cube.sigma_ujy)):
        hdus.append(fits.ImageHDU(values.T.reshape(-1, 2, 3), header, name))
    fits.HDUList(hdus).writeto(tmp_path / "one.fits")
    out, more = tmp_path / "out", options | {"z_range": (0.1, 3.0)}
    table = ds.infer_many(untrained, [tmp_path / "one.fits", cube], out, **more)
    assert (table["problem"] == "").all() and table["z_p16"][0] < table["z"][0] < table["z_p84"][0]
    np.testing.assert_allclose(table["z"][0], table["z"][1], rtol=1e-5)
    assert (out / "one" / "redshift.ecsv").is_file()
    assert ds.Maps.read(out / "one" / "maps.fits").meta["redshift"] == pytest.approx(table["z"][0], rel=1e-5)
    # other redshifts are another run
    with pytest.raises(UserError, match="holds a run with redshifts"):
        ds.infer_many(untrained, [tmp_path / "one.fits"], out, resume=True, **more | {"z_range": (0.1, 2.0)})


def test_distance(untrained, make, options):
    far = make(0.02, 1e5)
    distance = float(untrained.network.cosmology.distance_mpc(np.float32(0.02)))
    found = untrained.infer(make(None, 1e5), distance_mpc=distance, **options)
    assert found.meta["redshift"] == pytest.approx(0.02, rel=1e-4)
    fixed = untrained.infer(far, **options)
    np.testing.assert_allclose(found.quantiles[0, 1, :5], fixed.quantiles[0, 1, :5], atol=0.05)


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({}, "the image has no redshift: give it, or z_range="),
        ({"z_err": 0.1}, "z_err was given, and the image has no redshift"),
        ({"z_range": (0.1, 3.0), "weigh": False}, "needs the stellar populations of the bundle"),
        ({"z_range": (0.1, 30.0)}, "z_range 0.1-30 is not within the bundle's range"),
        ({"z_range": (0.1, 3.0), "snr_min": 1e6}, "no pixel of the image has S/N > 1e.06"),
        ({"z_range": (0.1, 3.0), "error_scale": "fit"}, "of galaxies without redshifts: give a number"),
        ({"p_z": ([0.5, 1.0], np.ones((2, 2)))}, "or a row of them for each of 1 galaxies"),
        ({"distance_mpc": [10.0, 20.0]}, "distances of several galaxies for an image"),
        (
            {"redshift": ds.redshift_prior((0.001, 7.5), 2, z_range=(1, 2))},
            "redshifts of 2 galaxies for an image",
        ),
    ],
)
def test_bad_input(untrained, cube, options, more, match):
    with pytest.raises(UserError, match=match):
        untrained.infer(cube, **options | more)
