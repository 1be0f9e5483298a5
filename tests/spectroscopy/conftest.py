import dataclasses
import hashlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.table import QTable

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.spectrum import Spectrum
from dsps_sbi.io.spectrum_columns import FLUX_UNIT
from dsps_sbi.sfh import Burst, DelayedTau
from dsps_sbi.spectroscopy import likelihood as likelihood_module
from dsps_sbi.spectroscopy.compressed import find_subspace, mixing
from dsps_sbi.spectroscopy.fingerprint import reference_spectra
from dsps_sbi.spectroscopy.likelihood import SpectrumLikelihood
from dsps_sbi.spectroscopy.network import SpectrumNetwork
from dsps_sbi.ssp import SSPGrid

# Air wavelengths of lines, of both signs, and their sigma [Angstrom]: that of the library
LINES = (4400.0, 4700.0, 4861.3, 5175.0, 5350.0)
FWHM = 2.5


def ssp_flux(wave, age, met):
    """L_lambda of a made-up population: a slope that depends on age, lines that depend on both."""
    slope = 1e-4 / age * (wave / 5000.0) ** (-1.0 / (0.3 + age))
    depth = 0.5 * (1.0 + 0.3 * met) / (1.0 + 0.2 / age)
    out = np.ones_like(wave)
    for i, line in enumerate(LINES):
        sigma = np.hypot(FWHM / 2.3548, 0.7 * i)
        out = out - depth * (0.5 + 0.1 * i) * np.exp(-0.5 * ((wave - line) / sigma) ** 2)
    return slope * out


@pytest.fixture(scope="session", autouse=True)
def one_window():
    """Windows of observed spectra and of mocks are filled up to one size: the same programs serve both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likelihood_module, "_WINDOW", 40)
        yield


@pytest.fixture(scope="session")
def curve():
    """The function of air wavelength [Angstrom], age and [M/H] that `line_grid` samples."""
    return ssp_flux


def make_line_grid():
    """SSPs of 3 metallicities and 4 ages, 4300-5500 Angstrom in steps of 0.9, FWHM 2.5."""
    wave = np.arange(4300.0, 5500.0, 0.9)
    age, met = np.array([0.5, 2.0, 6.0, 13.0]), np.array([-1.0, 0.0, 0.4])
    flux = np.stack([[ssp_flux(wave, a, m) for a in age] for m in met])
    return SSPGrid("lines", wave, age, met, flux, wave_medium="air", fwhm_aa=FWHM)


@pytest.fixture(scope="session")
def line_grid():
    """That of :func:`make_line_grid`."""
    return make_line_grid()


@pytest.fixture(scope="session")
def spectrograph():
    """720 pixels of 1.5 Angstrom, FWHM 4."""
    return ds.Spectrograph(np.arange(4350.0, 5430.0, 1.5), ds.LSF("fwhm_aa", 4.0), mask_lines=("Hbeta",))


@pytest.fixture(scope="session")
def burst_model(line_grid, spectrograph):
    prior = ds.spectrum_prior(Burst(), metallicity=(-1.0, 0.4))
    return ds.SpectrumModel(line_grid, spectrograph, prior, Burst(), continuum=ds.Continuum(3, 0.1))


@pytest.fixture(scope="session")
def dirichlet_model(line_grid, spectrograph):
    prior = ds.spectrum_prior(metallicity=(-1.0, 0.4))
    return ds.SpectrumModel(line_grid, spectrograph, prior, continuum=ds.Continuum(3, 0.1))


TRUTH = ((-0.4, 150.0), (0.2, 250.0), (-0.7, 320.0))
ARCH = ds.SpectrumArchitecture(
    conv_width=4, n_latent=4, width=32, n_blocks=1, n_context=24, flow_width=24, n_layers=2, n_bins=4,
    guess_width=48, n_component=16, n_light=12, n_node=8,
)  # fmt: skip


@pytest.fixture(scope="session")
def truth():
    """Metallicity and velocity dispersion of the `galaxies`."""
    return TRUTH


@pytest.fixture(scope="session")
def small_arch():
    """The smallest network that still has all parts."""
    return ARCH


def make_tau_model(grid):
    """What networks of the tests are trained on: at rest, in pixels of 90 km/s."""
    wave = np.exp(np.arange(np.log(4400.0), np.log(5350.0), 3e-4))
    frame = ds.Spectrograph(wave, ds.LSF("fwhm_aa", 3.5))
    prior = ds.spectrum_prior(DelayedTau(), metallicity=(-1.0, 0.4))
    return ds.SpectrumModel(grid, frame, prior, DelayedTau(), continuum=ds.Continuum(2, 0.1))


@pytest.fixture(scope="session")
def tau_model(line_grid):
    """That of :func:`make_tau_model`."""
    return make_tau_model(line_grid)


@jax.jit
def _observed(model, key, theta, view):
    """Flux and errors of a galaxy at S/N 60: one program, where its operations one by one are many."""
    sigma = model.predict_fast(theta, view) / 60.0
    return model.simulate(key, theta, view, sigma), sigma


@pytest.fixture(scope="session")
def galaxies(line_grid):
    """Spectra of the TRUTH at z = 0.05 in pixels of another spectrograph, less sharp than the network's."""
    z, out = 0.05, []
    for i, (metallicity, sigma_v) in enumerate(TRUTH):
        wave = np.arange(4620.0, 5600.0, 1.3)
        lsf = ds.LSF("fwhm_aa", 5.5)
        blank = Spectrum(wave, np.ones_like(wave), np.ones_like(wave), "air", z, lsf=lsf)
        prior = ds.spectrum_prior(DelayedTau(), metallicity=(-1.0, 0.4))
        own = ds.SpectrumModel.for_spectrum(
            line_grid, blank, prior, sfh=DelayedTau(), continuum=ds.Continuum(2, 0.1)
        )
        theta = jnp.array([0.3, 1.0, metallicity, sigma_v, -2.5, 10.5])
        flux, sigma = _observed(own, jax.random.key(i + 7), theta, own.view(z))
        out.append(dataclasses.replace(blank, flux=np.asarray(flux), sigma=np.asarray(sigma)))
    return out


def make_untrained(tau_model):
    """A posterior of `tau_model` whose network nobody trained: quick to make, for what is done with draws."""
    simulator = ds.SpectrumSimulator(tau_model, snr=(10.0, 200.0))
    view = simulator.view
    subspace = find_subspace(tau_model, view, n_component=16, n_light=12, n_node=8, n_draw=400)
    parts = tau_model.prior, tau_model.sfh, tau_model.cosmology, subspace, view.basis
    network = SpectrumNetwork(ARCH, *parts, tau_model.continuum.sigma)
    meta = {"name": "tiny-spectra", "ssp": {"name": ["lines"], "sha": [tau_model.ssp.sha]}}
    meta["reference"] = reference_spectra(tau_model)
    own = {"noise": simulator.options, "meta": meta, "mixture_seed": 0}
    own["mixture"] = mixing(subspace, tau_model, view, 400, 0)
    own |= {name: getattr(tau_model, name) for name in ("continuum", "model_error", "sharper", "rest_aa")}
    return ds.SpectrumPosterior(
        network, network.init(0), tau_model.spectrograph, np.asarray(view.valid), **own
    )


@pytest.fixture(scope="session")
def untrained(tau_model):
    """That of :func:`make_untrained`."""
    return make_untrained(tau_model)


@pytest.fixture(scope="session")
def trained(line_grid):
    """A posterior of `tau_model` that was trained a little, by ``make_trained.py``."""
    try:
        return ds.load_bundle(Path(__file__).parent / "trained", line_grid)
    except UserError as error:
        pytest.fail(f"run python tests/spectroscopy/make_trained.py, and commit what it makes: {error}")


@pytest.fixture(scope="session")
def anew():
    """Makes posterior and model like `untrained` and `tau_model`, of parts that share nothing with these."""

    def anew():
        model = make_tau_model(make_line_grid())
        return make_untrained(model), model

    return anew


@pytest.fixture(scope="session")
def likelihood(untrained, tau_model):
    """Of `untrained`; compiled once for all tests: let them ask for 200 draws of the `galaxies`."""
    return SpectrumLikelihood(untrained, tau_model)


@pytest.fixture(scope="session")
def found(untrained, likelihood, galaxies):
    """Posteriors on the `galaxies`, weighed; too few draws count for trust."""
    return ds.weigh(untrained, galaxies, model=likelihood, n_draws=200, labels=("a", "b", "c"))


@pytest.fixture
def files(galaxies, tmp_path):
    """Names and files of the `galaxies`: without LSF, in air."""
    paths = {}
    for name, galaxy in zip("abc", galaxies, strict=True):
        table = QTable({"wavelength": galaxy.wave_aa, "flux": galaxy.flux, "error": galaxy.sigma})
        table["wavelength"].info.unit = "AA"
        for column in ("flux", "error"):
            table[column].info.unit = FLUX_UNIT
        table.meta["redshift"] = galaxy.redshift
        paths[name] = tmp_path / f"{name}.ecsv"
        table.write(paths[name], format="ascii.ecsv")
    return paths


@pytest.fixture(scope="session")
def by_prior():
    """The exact posterior of an observed spectrum, by weighing draws of the prior."""
    known = {}

    def by_prior(model, observed, n=20_000):
        """Parameters (Draw, Param) of draws of the prior and weights (Draw,): owes nothing to the network."""
        leaves, structure = jax.tree.flatten(observed)
        content = hashlib.blake2b(b"".join(np.asarray(leaf).tobytes() for leaf in leaves)).digest()
        if (structure, content, n) not in known:
            known[structure, content, n] = weighed(model, observed, n)
        return known[structure, content, n]

    def weighed(model, observed, n):
        view = observed.target.view
        theta = model.prior.from_normal(
            jax.random.normal(jax.random.key(4), (n, len(model.names))), view.universe_gyr
        )
        run = jax.jit(lambda part: observed.target.log_marginal(part)[0])
        log_p = np.concatenate([np.asarray(run(part)) for part in np.split(np.asarray(theta), n // 500)])
        weight = np.exp(log_p - log_p.max())
        return np.asarray(theta), weight / weight.sum(), np.log(np.mean(weight)) + log_p.max()

    return by_prior
