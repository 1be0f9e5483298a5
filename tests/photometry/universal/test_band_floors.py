"""Error floors of images and of single bands: errors grow by them, masses widen, headers tell them."""

import jax
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.inference.derived import MassTable
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.photometry.band_floors import floor_of_words, floors_of

NAMES = ("bessell_V", "jwst_f182m", "hsc_i", "jwst_f277w")
Z = 0.7
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def post(plain_model, any_filters):
    network, table = any_filters.network, MassTable.from_grid(plain_model.ssp)
    meta = {"name": "untrained"}
    return ds.UniversalPosterior(network, network.init(0), any_filters.noise, table, meta, lya_escape=0.0)


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    flux = (1.0 + 0.1 * rng.standard_normal((4, 4))).astype(np.float32)
    upper = np.zeros((4, 4), bool)
    upper[0, 1] = True
    return ds.PixelCube(flux, np.full((4, 4), 0.1, np.float32), NAMES, Z, (2, 2), upper=upper)


def test_floors_of_bands():
    assert floors_of(0.07, NAMES, 0.05) == (0.07, None)
    base, extra = floors_of({"F277W": 0.1, "others": 0.06}, NAMES, 0.05)
    assert base == 0.06 and extra == pytest.approx((0.0, 0.0, 0.0, 0.08))
    assert floors_of({"hsc_i": 0.05}, NAMES, 0.05) == (0.05, None)
    assert floor_of_words("0.1") == 0.1 and floor_of_words("F277W=0.1") == {"F277W": 0.1}
    assert floor_of_words("0.05, F277W = 0.1") == {"others": 0.05, "F277W": 0.1}
    for text in ("a", "F277W=", "=0.1", "0.1,0.2", "F277W=x"):
        with pytest.raises(UserError, match="expected a number, or bands too, such as"):
            floor_of_words(text)
    for floor, match in (({"F444W": 0.1}, "no such band"), ({"hsc_i": -1.0}, "error floor -1.0 of hsc_i")):
        with pytest.raises(UserError, match=match):
            floors_of(floor, NAMES, 0.05)


def test_errors_grow_and_masses_widen(post, image, plain_model):
    bound = {floor: post.for_filters(NAMES, floor) for floor in (0.05, 0.2)}
    bound["band"] = post.for_filters(NAMES, {"jwst_f277w": 0.2, "bessell_V": 0.13})
    assert post.for_filters(NAMES, {"bessell_V": 0.13, "jwst_f277w": 0.2}) is bound["band"]
    data = {
        key: one.prepared(image.flux_ujy, image.sigma_ujy, Z, upper=image.upper) for key, one in bound.items()
    }
    np.testing.assert_array_equal(data[0.05].sigma, image.sigma_ujy)
    extra = np.sqrt(np.array([0.13, 0.05, 0.05, 0.2]) ** 2 - 0.05**2)
    np.testing.assert_allclose(
        data["band"].sigma, np.hypot(image.sigma_ujy, extra * image.flux_ujy), rtol=1e-5
    )
    # limits stay what they are: k times their error
    one = post.for_filters(NAMES, {"jwst_f182m": 0.2, "others": 0.05})
    sigma = one.prepared(image.flux_ujy, image.sigma_ujy, Z, upper=image.upper).sigma
    assert sigma[0, 1] == np.float32(0.1) and (sigma[1:, 1] > 0.15).all()
    # galaxies of S/N 10 in all bands, seen with the shapes that they have
    u = jax.random.normal(jax.random.key(0), (4, 1, len(post.names) - 1))
    width = {}
    for key, one in bound.items():
        model = ds.GalaxyModel(plain_model.ssp, one.filter_set, plain_model.prior, lya_escape=0.0)
        likelihood = one.likelihood_of(model)
        view = likelihood.view_of(None, one.filled(data[key]))
        flux = 1e9 * np.asarray(likelihood.unit_fluxes(u, view)).sum(axis=-2)[:, 0, : len(NAMES)]
        filled = one.filled(one.prepared(flux, 0.1 * flux, Z))
        _, grid, cdf = (np.asarray(a) for a in likelihood.shape_evidence(u, filled, view))
        pairs = zip(cdf[:, 0], grid[:, 0], strict=True)
        width[key] = np.array([np.diff(np.interp([0.16, 0.84], *pair))[0] for pair in pairs])
    # errors of 0.11, then of 0.22 in all bands, or in one and of 0.16 in another
    assert (width[0.2] > 1.6 * width[0.05]).all() and (width["band"] > 1.1 * width[0.05]).all()


def test_headers_tell_them(post, image, tmp_path):
    options = {"weigh": False, "n_draws": 20}
    result = post.infer(image, floor={"F277W": 0.1, "others": 0.06}, **options)
    assert result.meta["noise_floor"] == pytest.approx(0.06)
    assert result.meta["noise_floor_bands"] == "jwst_f277w 0.1"
    result.write(tmp_path)
    assert ds.Maps.read(tmp_path / "maps.fits").meta["noise_floor_bands"] == "jwst_f277w 0.1"
    assert "noise_floor_bands" not in post.infer(image, floor=0.1, **options).meta


@pytest.fixture
def file(image, tmp_path):
    """The image under the names of its own: one is a curve in a file, one another name of a filter."""
    curve = FilterSet.from_names(("hsc_i",))
    np.savetxt(tmp_path / "wide.dat", np.c_[curve.wave_aa[0], curve.trans[0]])
    header = fits.Header({"BUNIT": "uJy", "FILTERS": "B1,F182M,wide,F277W"})
    hdus = [fits.PrimaryHDU()]
    for name, values in (("FLUX", image.flux_ujy), ("ERROR", image.sigma_ujy)):
        hdus.append(fits.ImageHDU(values.T.reshape(4, 2, 2), header, name))
    fits.HDUList(hdus).writeto(tmp_path / "g.fits")
    (tmp_path / "bands.toml").write_text('filters = {B1 = "bessell_V"}\ncurves = {wide = "wide.dat"}\n')
    return tmp_path / "g.fits"


def test_names_and_curves_of_an_image(file, post, image, run, tmp_path, monkeypatch):
    monkeypatch.setattr("dsps_sbi.bundle.load.load_bundle", lambda name: post)
    argv = ["infer", "--bundle", "any", file, "--unweighted", "--draws", 20, "--snr-min", 1]
    argv += ["--layout", tmp_path / "bands.toml", "-o", tmp_path / "out"]
    status, output, error = run(*argv, "--z", Z, "--floor", "0.06,F277W=0.1")
    assert status == 0, error
    maps = ds.Maps.read(tmp_path / "out" / "maps.fits")
    assert (
        maps.meta["noise_floor"] == pytest.approx(0.06) and maps.meta["noise_floor_bands"] == "jwst_f277w 0.1"
    )
    plain = ds.PixelCube(image.flux_ujy, image.sigma_ujy, NAMES, Z, (2, 2))
    same = post.infer(plain, floor={"F277W": 0.1, "others": 0.06}, weigh=False, n_draws=20, snr_min=1.0)
    np.testing.assert_allclose(
        maps.median("av").ravel(), same.quantiles[same.names.index("av"), 1], atol=0.03
    )
    catalogue = Table.read(tmp_path / "out" / "catalogue.ecsv")
    assert catalogue["z"][0] == Z and "z_p16" not in catalogue.colnames
    # another floor is another run
    status, _, error = run(*argv, "--z", Z, "--floor", 0.1, "--resume")
    assert status == 1 and "holds a run with" in error and error.count("\n") == 1
    for more, message in (
        (["--z", Z, "--floor", 0.9], "error floor 0.9: the bundle was trained for 0.01 to 0.2"),
        (["--z", Z, "--floor", "F444W=0.1"], "error floor of F444W: no such band"),
        ([], "has no redshift: expected the card REDSHIFT"),
        (["--z-range", "0.1,3"], "redshifts that are not exact need the stellar populations"),
        (["--z-err", "dz"], "--z-err dz: expected a number for images"),
        (["--z", 1, "--z-range", "0.1,3"], "--z was given with --z-range"),
    ):
        status, _, error = run(*argv, *more)
        assert status == 1 and message in error and error.count("\n") == 1, error
    (tmp_path / "bands.toml").write_text('filters = {B2 = "bessell_V"}\n')
    status, _, error = run(*argv, "--z", Z)
    assert status == 1 and "B2 is no band of the image, which has B1, F182M, wide, F277W" in error
    (tmp_path / "bands.toml").write_text('redshift = "z"\n')
    status, _, error = run(*argv, "--z", Z)
    assert status == 1 and "redshift of an image: expected filters, curves" in error
