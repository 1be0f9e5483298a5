"""Densities, probabilities, regions and profiles of galaxies whose draws are known."""

import warnings

import h5py
import numpy as np
import pytest
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.draws import DrawWriter
from dsps_sbi.photometry.main_sequence import log_sfr
from dsps_sbi.photometry.maps import Maps
from dsps_sbi.photometry.products import read_products

SHAPE, Z, ARCSEC = (61, 71), 1.0, 0.03
COSMOLOGY = FlatLambdaCDM(H0=70.0, Om0=0.3)
KPC = (COSMOLOGY.kpc_proper_per_arcmin(Z) * ARCSEC * u.arcsec).to_value(u.kpc)
META = {"redshift": Z, "cosmology": "FlatLambdaCDM(H0=70, Om0=0.3)", "source": "galaxy.fits"}
# A disk of this scale length [pixel], seen at an angle
LENGTH, RATIO, ANGLE, CENTRE = 5.0, 0.6, 30.0, (29.3, 36.1)


def wcs_of(arcsec=ARCSEC):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ("RA---TAN", "DEC--TAN"), (53.1, -27.8), (30.0, 30.0)
    wcs.wcs.cdelt = -arcsec / 3600, arcsec / 3600
    return wcs


def major(angle=ANGLE, ratio=RATIO):
    """Semi-major axis [pixel] of each pixel, by matrices instead of angles."""
    y, x = np.indices(SHAPE)
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    along, across = np.array([[cos, sin], [-sin, cos]]) @ np.stack([x - CENTRE[1], y - CENTRE[0]]).reshape(
        2, -1
    )
    return np.sqrt(along**2 + (across / ratio) ** 2).reshape(SHAPE)


@pytest.fixture
def make_resolved(tmp_path):
    """Factory of galaxies of draws by quantity (Pixel, Draw); all pixels fitted unless others are named."""

    def make(draws, pixels=None, header=None, z=None, **meta):
        pixels = np.arange(SHAPE[0] * SHAPE[1]) if pixels is None else pixels
        n = next(iter(draws.values())).shape[1]
        with DrawWriter(tmp_path / "draws.h5", tuple(draws), pixels, n, SHAPE, META, z=z) as writer:
            writer.add(np.stack([values[pixels] for values in draws.values()]))
        header = wcs_of().to_header() if header is None else header
        plane = np.zeros((1, 3, *SHAPE))
        maps = Maps(("log_mass",), plane, plane[0, 0], header=header, meta=META | meta)
        return ds.Resolved(tmp_path / "draws.h5", maps)

    return make


@pytest.fixture
def disk():
    """Draws of an exponential disk; each draw is off by a factor of its own in all pixels alike."""
    log_mass = 8.0 - major().ravel() / LENGTH / np.log(10.0)
    offset = np.linspace(-0.2, 0.2, 11)
    draws = {"log_mass": np.add.outer(log_mass, offset)}
    draws["log_sfr_100"] = draws["log_mass"] - 9.0
    draws["t50"] = np.add.outer(2.0 + 0.3 * KPC * major().ravel(), np.zeros(11))
    draws["av"] = np.add.outer(np.linspace(0.0, 2.0, log_mass.size), 0.1 * np.arange(-5, 6))
    return {name: values.astype(np.float32) for name, values in draws.items()}


def test_densities_are_those_of_astropy(make_resolved, disk):
    resolved = make_resolved(disk)
    assert resolved.pixel_kpc == pytest.approx(KPC, rel=1e-5)
    products = ds.Products.of(resolved)
    area = 2 * np.log10(KPC)
    for name in ("log_mass", "log_sfr_100"):
        expected = np.percentile(disk[name] - area, (16, 50, 84), axis=1).reshape(3, *SHAPE)
        np.testing.assert_allclose(products.densities[name], expected, atol=1e-5)
    assert np.array_equal(products.p_dusty.ravel(), np.float32((disk["av"] > 1.0).mean(axis=1)))
    # some draws are at other redshifts: there a pixel is of another size
    z = np.where(np.arange(11) % 2, 1.0, 3.0)
    products = ds.Products.of(make_resolved(disk, z=z))
    area = 2 * np.log10((COSMOLOGY.kpc_proper_per_arcmin(z) * ARCSEC * u.arcsec).to_value(u.kpc))
    expected = np.percentile(disk["log_mass"] - area, (16, 50, 84), axis=1).reshape(3, *SHAPE)
    np.testing.assert_allclose(products.densities["log_mass"], expected, atol=1e-5)


def test_the_main_sequence_is_near_that_of_others():
    """Whitaker et al. 2012, ApJ 754, L29, equations 1 to 3, where both were measured."""
    for z in (0.5, 1.0, 1.5, 2.0):
        for log_mass in (10.5, 11.0):
            slope, level = 0.70 - 0.13 * z, 0.38 + 1.14 * z - 0.19 * z**2
            other = slope * (log_mass - 10.5) + level
            assert log_sfr(log_mass, COSMOLOGY.age(z).value) == pytest.approx(other, abs=0.2)


def test_starbursts_make_regions(make_resolved, disk, tmp_path):
    total = np.log10((10.0 ** disk["log_mass"].astype(float)).sum(axis=0))
    on = log_sfr(total, COSMOLOGY.age(Z).value) - total
    excess = np.zeros(SHAPE)
    # two draws of eleven are beyond four times the sequence; eight are; all are
    excess[5:9, 5:9], excess[10:12, 40:43], excess[25:35, 30:41] = 0.58, 0.62, 0.7
    scatter = 0.03 * np.linspace(-1.0, 1.0, 11)
    disk["log_sfr_100"] = (disk["log_mass"] + on + excess.reshape(-1, 1) + scatter).astype(np.float32)
    bad = 12 * SHAPE[1] + 60
    disk["av"][bad, 0] = np.nan
    products = ds.Products.of(make_resolved(disk))
    # the threshold is 0.602 dex
    assert products.p_starburst[6, 6] == pytest.approx(2 / 11) and products.p_starburst[30, 35] == 1.0
    assert products.p_starburst[10, 41] == pytest.approx(8 / 11) and products.p_starburst[50, 5] == 0.0
    assert np.isnan(products.p_dusty.ravel()[bad])
    # the more massive one first
    assert set(products.regions[25:35, 30:41].ravel()) == {1} and products.regions[10, 41] == 2
    assert (products.regions > 0).sum() == 110 + 6 and products.table["n_pixels"].tolist() == [110, 6]
    assert products.table["y"].tolist() == pytest.approx([29.5, 10.5])
    assert products.table["area_kpc2"][1] == pytest.approx(6 * KPC**2, rel=1e-4)
    inside = (products.regions == 1).ravel()
    summed = np.log10((10.0 ** disk["log_mass"][inside].astype(float)).sum(axis=0))
    assert products.table["log_mass_p16"][0] == pytest.approx(np.percentile(summed, 16), abs=1e-4)
    paths = products.write(tmp_path)
    assert [path.name for path in paths] == ["products.fits", "regions.ecsv"]
    back = read_products(paths[0])
    assert np.array_equal(back["regions"], products.regions) and back["sigma_mass"].shape == (3, *SHAPE)
    with fits.open(paths[0]) as hdus:
        assert hdus[0].header["DSPS_SBI MAIN_SEQUENCE"].startswith("Speagle et al. 2014")
        sky = WCS(hdus["P_AV"].header).pixel_to_world(3, 4)
        assert sky.separation(wcs_of().pixel_to_world(3, 4)).arcsec < 1e-6
        assert u.Unit(hdus["SIGMA_MASS"].header["BUNIT"].replace("dex(", "").rstrip(")")) == u.Msun / u.kpc**2
    assert len(Table.read(paths[1])) == 2


def test_ellipses_are_found_and_cover_their_area(make_resolved, disk):
    resolved = make_resolved(disk)
    ellipse = ds.Ellipse.of(resolved)
    # within what the edge of the image leaves of the disk
    assert (ellipse.y, ellipse.x) == pytest.approx(CENTRE, abs=0.2)
    assert ellipse.axis_ratio == pytest.approx(RATIO, abs=0.03) and ellipse.angle_deg == pytest.approx(
        ANGLE, abs=2
    )
    assert ds.Ellipse.of(resolved, round_=True).axis_ratio == 1.0
    ellipse, edges = ds.Ellipse(*CENTRE, RATIO, ANGLE), np.array([0.0, 0.7, 3.0, 9.5])
    share = ellipse.shares(np.arange(SHAPE[0] * SHAPE[1]), SHAPE[1], edges)
    np.testing.assert_allclose(share.sum(axis=1), np.pi * RATIO * np.diff(edges**2), rtol=0.02)
    assert share.sum(axis=0).max() == 1.0


def test_profiles_are_those_of_the_disk(make_resolved, disk):
    resolved, ellipse = make_resolved(disk), ds.Ellipse(*CENTRE, RATIO, ANGLE)
    edges = KPC * np.arange(0.0, 31.0, 1.0)
    profile = ds.Profile.of(resolved, edges, ellipse)
    middle = np.median(profile.values["log_mass_density"], axis=1)
    expected = 8.0 - 2 * np.log10(KPC) - profile.middle_kpc / KPC / LENGTH / np.log(10.0)
    np.testing.assert_allclose(middle[2:28], expected[2:28], atol=0.02)
    # each draw by itself: all pixels are off alike, and so is the profile
    spread = profile.values["log_mass_density"] - middle[:, None]
    np.testing.assert_allclose(spread, np.broadcast_to(np.linspace(-0.2, 0.2, 11), spread.shape), atol=1e-5)
    # half of the mass within 30 pixels, six scale lengths: 1 - (1 + x) exp(-x) of that at x = 6
    x = np.linspace(0.0, 6.0, 100_001)
    within = 1.0 - (1.0 + x) * np.exp(-x)
    half = LENGTH * KPC * np.interp(0.5 * within[-1], within, x)
    assert profile.half_mass_radius() == pytest.approx(half, rel=0.01)
    # whole annuli
    np.testing.assert_allclose(profile.coverage[1:25], 1.0, atol=0.03)
    assert profile.gradient("t50") == pytest.approx(0.3, rel=0.01)
    table = profile.table()
    assert table.meta["t50_gyr_per_kpc"] == pytest.approx(0.3, rel=0.01) and len(table) == 30
    assert table["log_mass_density"].unit == u.Unit("dex(solMass/kpc2)")
    assert np.all(np.diff(table["log_mass_within"]) > 0) and table["r_out"][-1] == pytest.approx(edges[-1])
    # half of the pixels are not fitted: densities stay, the area is told
    some = np.random.default_rng(4).permutation(SHAPE[0] * SHAPE[1])[::2]
    half_fitted = ds.Profile.of(make_resolved(disk, np.sort(some)), edges[::5], ellipse)
    whole = ds.Profile.of(make_resolved(disk), edges[::5], ellipse)
    assert half_fitted.coverage[1:5] == pytest.approx(0.5, abs=0.1)
    for name in ("log_mass_density", "t50", "av"):
        one, other = (np.median(p.values[name], axis=1)[1:5] for p in (half_fitted, whole))
        np.testing.assert_allclose(one, other, atol=0.1)
    # per dex: of a quantity that is linear in log r
    disk["t50"] = np.add.outer(np.log10(np.maximum(major().ravel(), 0.3)), np.zeros(11)).astype(np.float32)
    assert ds.Profile.of(make_resolved(disk), edges[3:25], ellipse).gradient(per_dex=True) == pytest.approx(
        1.0, rel=0.02
    )


def test_what_is_refused(make_resolved, disk, tmp_path):
    resolved = make_resolved(disk)
    with pytest.raises(UserError, match="draws of metallicity were not kept, but of .*log_mass.*: fit again"):
        resolved.draws("metallicity")
    with pytest.raises(UserError, match=r"radii \[2, 1\]: expected two or more rising numbers from 0 up"):
        ds.Profile.of(resolved, [2, 1])
    with pytest.raises(UserError, match="no fitted pixel is between 100 and 200 kpc: expected some in each"):
        ds.Profile.of(resolved, [0.0, 100.0, 200.0])
    with pytest.raises(UserError, match="a gradient over 2 annuli: expected 3 or more"):
        ds.Profile.of(resolved, [0.0, 1.0, 2.0]).gradient()
    with pytest.raises(UserError, match="no profile of z: choose from log_mass_density, "):
        ds.Profile.of(resolved, [0.0, 1.0, 2.0]).gradient("z")
    with pytest.raises(UserError, match="axis ratio 1.2: expected minor over major axis"):
        ds.Ellipse(0.0, 0.0, 1.2)
    with pytest.raises(UserError, match="has no celestial WCS, which the size of a pixel comes from"):
        make_resolved(disk, header=fits.Header())
    with pytest.raises(UserError, match="the maps are of cosmology Planck18, not FlatLambdaCDM"):
        make_resolved(disk, cosmology="Planck18")
    with pytest.raises(UserError, match="there are no draws at .*: expected draws.h5 .* --keep-draws"):
        ds.Resolved(tmp_path / "none.h5", resolved.maps)


def test_products_by_the_command_line(infer, run, make_cutout, tmp_path):
    folder = tmp_path / "out"
    cards = dict(wcs_of().to_header())
    assert infer(make_cutout(**cards), "--keep-draws", "--no-pictures", "--integrated")[0] == 0
    status, output, error = run(
        "products", folder, "--radii", "0,0.5,1,1.5", "--centre", "2.5,3", "--axis-ratio", 1
    )
    assert (status, error) == (0, "") and "half-mass radius" in output
    profile = Table.read(folder / "profile.ecsv")
    assert profile["r_out"].tolist() == [0.5, 1.0, 1.5] and profile.meta["centre_x"] == 3.0
    with h5py.File(folder / "draws.h5") as file:
        draws = file["draws/av"][()]
    share = (draws > 1.0).mean(axis=1).reshape(6, 7)
    assert np.array_equal(read_products(folder / "products.fits")["p_av"], np.float32(share))
    # summed and integrated, side by side
    both = Table.read(folder / "integrated.ecsv")
    totals = Table.read(folder / "summary.ecsv")
    assert both["quantity"].tolist() == totals["quantity"].tolist()
    np.testing.assert_allclose(both["pixels"], totals["independent_50"], rtol=1e-5)
    np.testing.assert_allclose(both["difference"], both["integrated"] - both["pixels"], atol=1e-4)
    assert set(both["n_summed"]) == {42}
    assert run("products", folder, "--centre", "3")[2].startswith("error: --centre 3: expected y,x in pixels")
    assert run("products", folder, "--radii", "a,b")[2].startswith("error: --radii a,b: expected numbers")
    (folder / "draws.h5").unlink()
    assert "there are no draws at" in run("products", folder)[2]


def test_the_integrated_fit_is_that_of_the_summed_light(tiny_posterior, make_cube):
    cube = make_cube(header=wcs_of().to_header())
    result = tiny_posterior.infer(cube, n_draws=50, seed=3)
    table = ds.side_by_side(tiny_posterior, cube, result, n_draws=50, seed=3)
    flux, sigma = cube.flux_ujy.astype(float), cube.sigma_ujy.astype(float)
    light = ds.Catalogue(flux.sum(axis=0)[None], np.sqrt((sigma**2).sum(axis=0))[None], cube.filters, [2.0])
    with warnings.catch_warnings():
        # a network that nobody trained may put it at the edge of the prior
        warnings.simplefilter("ignore", UserWarning)
        expected = tiny_posterior.infer(light, n_draws=50, seed=3)
    (row,) = table[table["quantity"] == "log_mass"]
    np.testing.assert_allclose(
        [row["integrated_p16"], row["integrated"], row["integrated_p84"]],
        expected.percentiles("log_mass")[:, 0],
        atol=2e-3,
    )
    assert table.meta["integrated_trust"] == "unchecked"
