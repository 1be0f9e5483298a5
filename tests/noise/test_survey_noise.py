"""Noise that images tell of themselves, against noise whose correlation is known in closed form."""

import warnings

import jax
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from scipy import ndimage
from scipy.signal import convolve2d, correlate2d
from scipy.stats import norm

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.io.draws import DrawWriter
from dsps_sbi.io.summary import TotalAccumulator
from dsps_sbi.noise.empty import EDGES
from dsps_sbi.photometry.correlated import with_noise
from dsps_sbi.photometry.maps import Maps

SHAPE, FILTERS = (300, 320), ("jwst_f277w", "jwst_f444w")
SKY = np.array([1e-3, 4e-3])
ECSV = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\na\n1\n"
# An odd one, along a diagonal too: as of drizzling and PSF matching
KERNELS = [
    np.array([[0.1, 0.5, 0.2], [0.5, 1.0, 0.3], [0.0, 0.3, 0.2]]),
    np.outer(*[np.exp(-0.5 * (np.arange(-3, 4) / 1.1) ** 2)] * 2),
]


def correlated(rng, sky, kernel, shape=SHAPE):
    white = rng.standard_normal((shape[0] + 12, shape[1] + 12))
    return sky * convolve2d(white, kernel, mode="same")[6:-6, 6:-6]


def known_correlation(kernel, lags):
    """Of white noise convolved with a kernel: its autocorrelation."""
    full = correlate2d(kernel, kernel)
    middle, out = np.array(full.shape) // 2, np.zeros((2 * lags + 1,) * 2)
    for dy in range(-min(lags, middle[0]), min(lags, middle[0]) + 1):
        for dx in range(-min(lags, middle[1]), min(lags, middle[1]) + 1):
            out[lags + dy, lags + dx] = full[middle[0] + dy, middle[1] + dx]
    return out / (kernel**2).sum()


@pytest.fixture(scope="module")
def image():
    """Fluxes and stated errors (Band, ny, nx), the map of the sources."""
    rng = np.random.default_rng(3)
    flux = np.stack([correlated(rng, sky, k) for sky, k in zip(SKY, KERNELS, strict=True)])
    y, x = np.indices(SHAPE)
    segmentation = np.zeros(SHAPE, int)
    light = np.zeros(SHAPE)
    for number, (y0, x0) in enumerate(rng.uniform(20, 280, (25, 2)), 1):
        radius = np.hypot(y - y0, x - x0)
        light += 2000.0 * np.exp(-radius / 2.0)
        segmentation[radius < 25.0] = number
    # a fainter error where there is light: that of photons
    sigma = np.sqrt(SKY[:, None, None] ** 2 * (1.0 + 0.02 * light))
    flux += SKY[:, None, None] * light + 0.3 * SKY[:, None, None]
    return flux, sigma, segmentation


@pytest.fixture(scope="module")
def cube(image):
    return cube_of(*image[:2])


def cube_of(flux, sigma, filters=FILTERS, **more):
    n = len(filters)
    return ds.PixelCube(flux.reshape(n, -1).T, sigma.reshape(n, -1).T, filters, 2.0, flux.shape[1:], **more)


@pytest.fixture(scope="module")
def noise(image, cube):
    return ds.learn_noise([cube], image[2], lags=6)


def test_scatter_and_correlation_are_those_of_the_kernel(noise):
    for b, kernel in enumerate(KERNELS):
        norm_ = np.sqrt((kernel**2).sum())
        assert noise.error_ratio[b] == pytest.approx(norm_, rel=0.02)
        assert noise.depth_ujy[b] == pytest.approx(SKY[b] * norm_, rel=0.02)
        np.testing.assert_allclose(noise.correlation[b], known_correlation(kernel, 6), atol=0.03)
    assert (noise.n_empty > 0.4 * SHAPE[0] * SHAPE[1]).all() and (noise.depth_sd_dex < 0.01).all()


def test_factor_of_empty_apertures_is_that_of_the_kernel(noise):
    y, x = np.mgrid[-15:16, -15:16]
    for k, radius in enumerate((0.5, 1.0, 2.0, 3.0, 4.5)):
        disk = (np.hypot(y, x) <= radius).astype(float)
        assert noise.n_pixels[k] == disk.sum()
        for b, kernel in enumerate(KERNELS):
            # the variance of a sum: white noise seen through the kernel summed over the disk
            seen = convolve2d(np.pad(disk, 5), kernel)
            expected = np.sqrt((seen**2).sum() / (disk.sum() * (kernel**2).sum()))
            assert noise.factor[b, k] == pytest.approx(expected, rel=0.06)
    # no background that varies: nothing is correlated from afar
    assert (noise.far < 1e-3).all()


def test_sources_are_found_without_a_map(image, noise):
    found = ds.learn_noise([cube_of(*image[:2])], lags=6)
    np.testing.assert_allclose(found.error_ratio, noise.error_ratio, rtol=0.03)
    np.testing.assert_allclose(found.correlation, noise.correlation, atol=0.05)


def test_bands_without_data_are_left_out(image, noise):
    flux, sigma, segmentation = image
    filters = (FILTERS[0], "jwst_f430m", FILTERS[1])
    flux, sigma = (np.stack([a[0], 0.0 * a[0], a[1]]) for a in (flux, sigma))
    cube = cube_of(flux, sigma, filters)
    found = ds.learn_noise([cube], segmentation, lags=6)
    assert found.filters == FILTERS and found.digest == noise.digest
    # and need no noise
    learned = cube.with_noise(found)
    assert learned.noise.filters == filters and learned.noise.error_ratio[1] == 1.0
    errors = learned.sum_error(np.arange(6), [0, 2])
    np.testing.assert_allclose(errors, cube_of(*image[:2]).with_noise(noise).sum_error(np.arange(6)))


def test_a_varying_background_correlates_from_afar(image):
    rng = np.random.default_rng(5)
    kernel = KERNELS[1]
    waves = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 25.0, mode="wrap")
    waves *= 0.3 * np.sqrt((kernel**2).sum()) * SKY[1] / waves.std()
    flux = correlated(rng, SKY[1], kernel) + waves
    sigma = np.full(SHAPE, SKY[1])
    found = ds.learn_noise([cube_of(flux[None], sigma[None], FILTERS[1:])], np.zeros(SHAPE, int), lags=6)
    # its share of the variance: 0.09 / 1.09
    assert found.far[0] == pytest.approx(0.083, rel=0.4)
    square = np.zeros(SHAPE)
    square[100:115, 100:115] = 1.0
    sums = [np.roll(flux, shift, (0, 1))[100:115, 100:115].sum() for shift in rng.integers(0, 300, (600, 2))]
    expected = np.std(sums) / np.std(flux) / 15.0
    assert found.sum_ratio(square)[0] == pytest.approx(expected, rel=0.15)


def test_errors_of_sums_are_those_of_all_pairs_of_pixels(noise):
    """Against the whole covariance matrix of pixels of any errors, in any shape."""
    rng = np.random.default_rng(1)
    sigma = rng.uniform(0.5, 2.0, (14, 11)) * (rng.uniform(size=(14, 11)) < 0.6)
    pixels = np.argwhere(sigma > 0)
    dy, dx = (pixels[:, None] - pixels[None]).transpose(2, 0, 1)
    near = (np.abs(dy) <= 6) & (np.abs(dx) <= 6)
    s = sigma[tuple(pixels.T)]
    for b in range(2):
        rho = np.where(near, noise.correlation[b, 6 + dy * near, 6 + dx * near], noise.far[b])
        expected = np.sqrt(s @ rho @ s / (s @ s))
        assert noise.sum_ratio(sigma)[b] == pytest.approx(expected, rel=1e-6)
        assert expected > 1.5


def test_random_fields_correlate_as_the_noise(noise):
    fields = noise.fields((40, 50), 400, np.random.default_rng(2))
    assert fields.std() == pytest.approx(1.0, rel=0.02)
    mean = noise.correlation.mean(axis=0)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (0, 3), (2, -1)):
        one, other = fields[:, 5:30, 10:40], fields[:, 5 + dy : 30 + dy, 10 + dx : 40 + dx]
        assert np.mean(one * other) == pytest.approx(mean[6 + dy, 6 + dx], abs=0.02)


def test_errors_by_flux(image, noise):
    _, sigma, _ = image
    light = (sigma[0] / SKY[0]) ** 2 - 1.0
    # of that many skies: bins of 3 to 10, 30 to 100 ...
    for b, ratio in ((2, 3.0), (4, 30.0), (6, 300.0)):
        low, high = np.log10(np.sqrt(1.0 + 0.02 * np.array(EDGES)[b : b + 2]))
        assert low - 0.02 < noise.log_sigma[0, b] < high + 0.02 and ratio == EDGES[b]
    assert light.max() > 20 and noise.log_sigma[0, 0] == pytest.approx(0.0, abs=0.02)
    flux = np.full((4000, 2), 50.0) * noise.stated_ujy
    drawn = np.log10(np.asarray(noise.sample_sigma(jax.random.key(0), flux)) / noise.stated_ujy)
    assert drawn.mean(axis=0) == pytest.approx(noise.log_sigma[:, 4], abs=0.003)
    assert drawn.std(axis=0) == pytest.approx(noise.log_sigma_sd[:, 4], rel=0.05)
    # brighter than any pixel: as the brightest
    top = np.asarray(noise.sample_sigma(jax.random.key(0), 1e6 * flux))
    assert np.isfinite(top).all() and top.mean() > 2 * noise.stated_ujy.mean()


def test_training_takes_the_depths_and_covers_the_errors(noise):
    trained = noise.for_training(FILTERS[::-1], floor=0.03)
    np.testing.assert_allclose(trained.depth_ujy, noise.depth_ujy[::-1])
    assert trained.floor == 0.03 and trained.offset_dex == (-0.5, 2.5)
    sky = np.median(np.asarray(trained.sample_sky(jax.random.key(1), 4000)), axis=0)
    np.testing.assert_allclose(sky, noise.depth_ujy[::-1] * 10.0, rtol=0.2)
    with pytest.raises(UserError, match="the noise of jwst_f115w is not in .*, which has jwst_f277w"):
        noise.for_training(("jwst_f115w",))


def test_written_noise_is_read_back(noise, tmp_path):
    path = tmp_path / "noise.ecsv"
    ds.write_noise(path, noise)
    back = ds.read_noise(path)
    assert back.digest == noise.digest and back.filters == FILTERS and back.source == str(path)
    table = Table.read(path)
    assert table["depth_ujy"].unit == "uJy" and list(table["filter"]) == list(FILTERS)
    other = ds.SurveyNoise(**{**vars(noise), "error_ratio": 1.01 * noise.error_ratio})
    assert other.digest != noise.digest
    (tmp_path / "other.ecsv").write_text(ECSV)
    with pytest.raises(UserError, match="other.ecsv is not the noise of a survey, it has no column filter"):
        ds.read_noise(tmp_path / "other.ecsv")
    (tmp_path / "none.ecsv").write_text("a b\n1 2\n")
    with pytest.raises(UserError, match="none.ecsv is no table of ECSV .*: expected what dsps-sbi"):
        ds.read_noise(tmp_path / "none.ecsv")


def test_errors_of_an_image_and_of_sums_of_it(noise):
    rng = np.random.default_rng(8)
    shape = (12, 13)
    errors = []
    for _ in range(150):
        flux = np.stack([correlated(rng, s, k, shape) for s, k in zip(SKY, KERNELS, strict=True)])
        errors.append(flux[:, 3:9, 2:10].sum(axis=(1, 2)))
    sigma = np.broadcast_to(SKY[:, None, None], flux.shape)
    stated = cube_of(flux + 1.0, sigma)
    pixels = np.arange(156).reshape(shape)[3:9, 2:10].ravel()
    np.testing.assert_allclose(stated.sum_error(pixels), SKY * np.sqrt(48), rtol=1e-5)
    cube = stated.with_noise(noise)
    np.testing.assert_allclose(cube.sigma_ujy[0], SKY * noise.error_ratio, rtol=1e-5)
    # what sums of such pixels scatter by
    np.testing.assert_allclose(cube.sum_error(pixels), np.std(errors, axis=0), rtol=0.15)
    assert cube.sum_error(pixels, [1])[0] == pytest.approx(cube.sum_error(pixels)[1])
    with pytest.raises(UserError, match="has the noise of .* already: expected errors as stated"):
        cube.with_noise(noise)
    with pytest.raises(UserError, match="the noise of jwst_f356w is not in"):
        cube_of(flux, sigma, ("jwst_f277w", "jwst_f356w")).with_noise(noise)
    catalogue, bins = ds.binned(cube, [True, True], 500.0)
    whole = np.flatnonzero(bins.ravel() == 0)
    np.testing.assert_allclose(catalogue.sigma_ujy[0], cube.sum_error(whole), rtol=1e-5)


def test_totals_state_correlated_errors(noise, tmp_path):
    """Pixels whose posteriors are as wide as their noise: the total scatters as sums of that noise do."""
    shape, rng = (20, 22), np.random.default_rng(4)
    # both bands tell as much
    noise = ds.SurveyNoise(**{**vars(noise), "error_ratio": np.ones(2)})
    y, x = np.indices(shape)
    median = 7.0 - np.hypot(y - 9, x - 11).ravel() / 15.0
    width = rng.uniform(0.02, 0.06, median.size)
    draws = median[:, None] + width[:, None] * norm.ppf((np.arange(500) + 0.5) / 500)
    draws = rng.permuted(draws, axis=1).astype(np.float32)
    maps = np.percentile(draws, (16, 50, 84), axis=1)[None]
    light = np.repeat(10.0 ** (median[:, None] - 7.0), 2, axis=1)
    cube = ds.PixelCube(light, 0.1 * light, FILTERS, 2.0, shape).with_noise(noise)
    totals, trusted = TotalAccumulator(), median > 6.5
    totals.add("log_mass", draws, trusted=trusted)
    table, meta = with_noise(totals.table(), cube, ("log_mass",), maps, trusted)
    spread = {
        kind: float(table[f"{kind}_84"][0] - table[f"{kind}_16"][0]) for kind in ("independent", "noise")
    }
    linear = (10.0**median * np.log(10.0) * width).reshape(shape)
    expected = np.sqrt(np.mean(noise.sum_ratio(linear) ** 2))
    assert spread["noise"] / spread["independent"] == pytest.approx(expected, rel=0.01) and expected > 2
    assert meta["noise_ratio_log_mass"] == pytest.approx(expected, rel=0.01)
    assert table["noise_50"][0] == table["independent_50"][0]
    own = float(table["trusted_noise_84"][0] - table["trusted_noise_16"][0])
    few = np.sqrt(np.mean(noise.sum_ratio(np.where(trusted.reshape(shape), linear, 0.0)) ** 2))
    independent = float(table["trusted_independent_84"][0] - table["trusted_independent_16"][0])
    assert own / independent == pytest.approx(few, rel=0.01)
    # without noise nothing changes
    plain = ds.PixelCube(light, 0.1 * light, FILTERS, 2.0, shape)
    assert with_noise(totals.table(), plain, ("log_mass",), maps, trusted)[1] == {}
    # the same by draws in another order, for products
    with DrawWriter(
        tmp_path / "draws.h5", ("log_mass",), np.arange(440), 500, shape, {"redshift": 1.0}
    ) as writer:
        writer.add(draws[None])
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -1e-5, "CDELT2": 1e-5})
    found = Maps(
        ("log_mass",), np.zeros((1, 3, *shape)), np.zeros(shape), header=header, meta={"redshift": 1.0}
    )
    resolved = ds.Resolved(tmp_path / "draws.h5", found, noise=noise)
    ordered = resolved.draws("log_mass")
    np.testing.assert_array_equal(np.sort(ordered, axis=1), np.sort(draws, axis=1))
    total = np.log10((10.0 ** ordered.astype(float)).sum(axis=0))
    assert np.ptp(np.percentile(total, (16, 84))) == pytest.approx(spread["noise"], rel=0.12)
    assert resolved.errors_of_sums.startswith("errors of pixels correlated as the noise of")


def test_command_line(run, infer, make_cutout, image, tmp_path):
    flux, sigma, segmentation = image
    header = fits.Header({"BUNIT": "uJy", "REDSHIFT": 2.0})
    header.update({f"FILTER{i}": name for i, name in enumerate(FILTERS, 1)})
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(flux, header, "FLUX"), fits.ImageHDU(sigma, header, "ERROR")]
    fits.HDUList(hdus).writeto(tmp_path / "sky.fits")
    fits.writeto(tmp_path / "seg.fits", segmentation.astype(np.int32))
    path = tmp_path / "noise.ecsv"
    of = ("--segmentation", tmp_path / "seg.fits", "--lags", 6, "--radii", "0.5,2,5")
    status, output, error = run("noise", "learn", tmp_path / "sky.fits", "-o", path, *of)
    assert status == 0 and error == "" and "noise.ecsv: 2 bands" in output
    assert ds.read_noise(path).n_pixels.tolist() == [1, 13, 81]
    status, _, error = run("noise", "learn", tmp_path / "sky.fits", "-o", tmp_path / "noise.txt")
    assert status == 1 and "expected a name that ends in .ecsv" in error
    status, _, error = run("noise", "learn", tmp_path / "sky.fits", "-o", path, "--radii", "a")
    assert status == 1 and "--radii a: give numbers with commas" in error
    # mosaics: the map is named in the list, and the whole of them is one part
    for b, name in enumerate(FILTERS):
        fits.writeto(tmp_path / f"{name}.fits", flux[b], fits.Header({"BUNIT": "uJy"}))
        fits.writeto(tmp_path / f"{name}_err.fits", sigma[b], fits.Header({"BUNIT": "uJy"}))
    bands = "".join(
        f'[[band]]\nfilter = "{name}"\nflux = "{name}.fits"\nerror = "{name}_err.fits"\n' for name in FILTERS
    )
    (tmp_path / "mosaic.toml").write_text(f'segmentation = "seg.fits"\n{bands}')
    mosaic = ds.learn_noise([tmp_path / "mosaic.toml"], lags=6, radii=(0.5, 2, 5))
    np.testing.assert_allclose(mosaic.correlation, ds.read_noise(path).correlation, atol=1e-6)


@pytest.fixture
def of_jades(noise):
    """The noise of one band in all 19, errors twice as large as the scatter."""
    rows = [0] * len(JADES_BANDS)
    arrays = ("stated_ujy", "error_ratio", "depth_sd_dex", "correlation", "far", "factor", "log_sigma")
    parts = {name: getattr(noise, name)[rows] for name in (*arrays, "log_sigma_sd", "n_empty")}
    parts["error_ratio"] = np.full(len(JADES_BANDS), 0.5)
    return ds.SurveyNoise(JADES_BANDS, **parts, n_pixels=noise.n_pixels, flux_edges=noise.flux_edges)


def test_a_simulator_takes_noise(of_jades, toy_model, run, tmp_path):
    simulator = ds.PhotometrySimulator.of_survey(toy_model, of_jades)
    np.testing.assert_allclose(simulator.noise.depth_ujy, of_jades.depth_ujy)
    usual = ds.PhotometrySimulator.jades_pixels(toy_model)
    # other depths are another training
    assert "depth_ujy" in simulator.identity() and "depth_ujy" not in usual.identity()
    options = ("--name", "x", "-o", tmp_path / "x", "--noise", tmp_path / "noise.ecsv")
    status, _, error = run("train", "--preset", "any-filters", *options)
    assert status == 1 and "was given with any-filters, which knows any depth" in error


def test_infer_takes_noise(infer, run, make_cutout, tmp_path, of_jades):
    path = tmp_path / "noise.ecsv"
    ds.write_noise(path, of_jades)
    cutout = make_cutout()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for out, more in (("plain", ()), ("noise", ("--noise", path))):
            status, _, error = infer(cutout, "--unweighted", "--no-pictures", *more, out=tmp_path / out)
            assert status == 0, error
    plain, found = (Table.read(tmp_path / out / "summary.ecsv") for out in ("plain", "noise"))
    assert "noise_50" not in plain.colnames and "trusted_noise_84" in found.colnames
    ratio = found.meta["noise_ratio_log_mass"]
    widths = [float(found[f"{kind}_84"][0] - found[f"{kind}_16"][0]) for kind in ("noise", "independent")]
    assert ratio > 1.2 and widths[0] == pytest.approx(ratio * widths[1], rel=1e-3)
    row = Table.read(tmp_path / "noise" / "catalogue.ecsv")[0]
    assert row["log_mass_p84"] == pytest.approx(float(found["noise_84"][0]), abs=1e-3)
    # errors are half of those stated: S/N is twice as large
    snr = [ds.Maps.read(tmp_path / out / "maps.fits").snr for out in ("plain", "noise")]
    np.testing.assert_allclose(snr[1], 2.0 * snr[0], rtol=1e-4)
    # other noise is another run
    again = ("--unweighted", "--no-pictures", "--resume")
    status, _, error = infer(cutout, *again, out=tmp_path / "noise")
    assert status == 1 and "noise" in error


def test_what_is_refused(image, noise, tmp_path):
    flux, sigma, segmentation = image
    cube = cube_of(flux, sigma)
    with pytest.raises(UserError, match="no image is given to learn the noise from"):
        ds.learn_noise([])
    with pytest.raises(UserError, match=r"the segmentation map has shape \(3, 4\): expected \(300, 320\)"):
        ds.learn_noise([cube], np.zeros((3, 4), int))
    with pytest.raises(UserError, match=r"too few empty pixels in jwst_f277w \(0\), jwst_f444w \(0\)"):
        ds.learn_noise([cube], np.ones(SHAPE, int))
    with pytest.raises(UserError, match="a segmentation map was given with 2 images: expected one"):
        ds.learn_noise([cube, cube], segmentation)
    other = cube_of(flux, sigma, ("jwst_f277w", "jwst_f356w"))
    with pytest.raises(UserError, match="has bands jwst_f277w, jwst_f356w: expected jwst_f277w, jwst_f444w"):
        ds.learn_noise([cube, other])
    with pytest.raises(UserError, match="correlations up to 0 pixels: expected 1 or more"):
        ds.learn_noise([cube], segmentation, lags=0)
    with pytest.raises(UserError, match="of apertures: expected numbers above 0"):
        ds.learn_noise([cube], segmentation, radii=(0.0, 1.0))
    with pytest.raises(UserError, match="far has shape .*: expected .2,. for 2 bands"):
        ds.SurveyNoise(**{**vars(noise), "far": np.zeros(3)})
    with pytest.raises(UserError, match="error_ratio is .*: expected positive numbers"):
        ds.SurveyNoise(**{**vars(noise), "error_ratio": np.array([1.0, np.nan])})
    with pytest.raises(UserError, match="the correlation of the noise is not 1 at distance 0"):
        ds.SurveyNoise(**{**vars(noise), "correlation": 0.5 * noise.correlation})
