import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.sfh import Burst
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


@pytest.fixture(scope="session")
def curve():
    """The function of air wavelength [Angstrom], age and [M/H] that `line_grid` samples."""
    return ssp_flux


@pytest.fixture(scope="session")
def line_grid():
    """SSPs of 3 metallicities and 4 ages, 4300-5500 Angstrom in steps of 0.9, FWHM 2.5."""
    wave = np.arange(4300.0, 5500.0, 0.9)
    age, met = np.array([0.5, 2.0, 6.0, 13.0]), np.array([-1.0, 0.0, 0.4])
    flux = np.stack([[ssp_flux(wave, a, m) for a in age] for m in met])
    return SSPGrid("lines", wave, age, met, flux, wave_medium="air", fwhm_aa=FWHM)


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
