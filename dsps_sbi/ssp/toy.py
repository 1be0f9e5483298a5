"""A made-up SSP grid: quick, offline, and roughly like a real one. For tests and examples only."""

import numpy as np

from dsps_sbi.constants import L_SUN_ERG_S
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.nebular import LYMAN_LIMIT_AA, NebularGrid
from dsps_sbi.ssp.remnants import surviving_fraction

# astropy.constants: (h * c / k_B).to("AA K").value and (h * c).to("erg AA").value
_HC_K = 1.438776877e8
_HC = 1.986445857e-8
# Absorption lines of hydrogen, strong in stars of ~10^4 K, and of metals, strong in cool stars (Angstrom).
_HYDROGEN = (3889.0, 3970.1, 4101.7, 4340.5, 4861.3, 6562.8)
_METALS = (3933.7, 4227.0, 4305.0, 4383.0, 5175.0, 5270.0, 5893.0, 8498.0, 8542.0, 8662.0)
# Lines: name, wavelength (air, Angstrom), ratio to H-alpha of case B, or of an O/H-dependent metal line.
_LINES = (
    ("H 1 1215.67A", 1215.67, 8.7),
    ("O 2 3727.42A", 3727.42, 0.6),
    ("H 1 4861.32A", 4861.32, 1 / 2.86),
    ("O 3 4958.91A", 4958.91, 0.45 / 2.98),
    ("O 3 5006.84A", 5006.84, 0.45),
    ("H 1 6562.80A", 6562.80, 1.0),
)


def toy_grid(seed: int = 0) -> SSPGrid:
    """Make a toy grid: black bodies with breaks, absorption lines and nebular emission.

    24 ages from 1 Myr to 14 Gyr, 5 metallicities from -2.3 to 0.7, 600 wavelengths from 91
    Angstrom to 10 micron. Light per mass, ultraviolet output and mass loss are within a
    factor of ~2 of real grids; colours and lines are only similar in kind.

    Parameters
    ----------
    seed : int
        Changes the depths of the absorption lines.

    Returns
    -------
    SSPGrid
        The grid, float32, L_sun / Angstrom / M_sun formed.
    """
    blue, optical = np.geomspace(91, 3000, 151)[:-1], np.geomspace(3000, 7500, 301)[:-1]
    wave = np.concatenate([blue, optical, np.geomspace(7500, 1e5, 150)])
    age = np.geomspace(1e-3, 14.0, 24)
    metallicity = np.array([-2.3, -1.5, -0.7, 0.0, 0.7])
    depth = np.random.default_rng(seed).uniform(0.7, 1.3, len(_HYDROGEN) + len(_METALS))
    flux = _stars(wave, age, metallicity, depth)

    fall = 0.145 * np.log10(1.0 + age / 2e-3)
    living = 1.0 - fall * (1.0 + 0.02 * metallicity[:, None])
    return SSPGrid(
        name=f"toy-{seed}",
        wave_aa=wave,
        age_gyr=age,
        metallicity=metallicity,
        flux=flux,
        living_fraction=living,
        surviving_fraction=surviving_fraction(living),
        imf="Kroupa (2001), 0.1-100 Msun",
        tracks="toy",
        library="toy",
        wave_medium="air",
        fwhm_aa=None,
        nebular=_gas(wave, metallicity, depth),
    )


def _black_body(wave, kelvin):
    """Fraction of the luminosity per Angstrom."""
    x = np.minimum(_HC_K / (wave * kelvin), 600.0)
    return 15.0 / np.pi**4 * x**4 / np.expm1(x) / wave


def _step(x):
    """Smooth step from 0 to 1."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _stars(wave, age_gyr, metallicity, depth):
    """Spectra (Met, Age, Wave), L_sun / Angstrom / M_sun formed."""
    met = metallicity[:, None, None]
    age = age_gyr[:, None]
    log_age = np.log10(age / 1e-3)
    luminosity = 1250.0 / (1.0 + (age / 3e-3) ** 1.05)
    hot = np.clip(40000.0 * (age / 3e-3) ** -0.28, 5600.0, 42000.0) * 10 ** (-0.03 * met)
    cool = 4300.0 * 10 ** (-0.03 * met)
    giants = 0.004 + 0.14 * log_age
    ember = 3e-3 * log_age / 4.0
    light = (1 - giants - ember) * _black_body(wave, hot) * _lyman_edge(wave, hot)
    light += giants * _black_body(wave, cool) + ember * _black_body(wave, 80000.0)

    # Weights of A stars and of cool stars in the optical.
    balmer = np.exp(-0.5 * ((np.log10(hot) - 4.0) / 0.2) ** 2)
    metals = 10 ** (0.3 * met) / (1.0 + (hot / 7500.0) ** 4)
    drop = 0.45 * balmer * _step((3700.0 - wave) / 12.0)
    drop = drop + 0.35 * np.tanh(metals) * _step((3990.0 - wave) / 12.0)
    light *= 1.0 - drop
    centres = _HYDROGEN + _METALS
    for i, centre in enumerate(centres):
        strength, width = (balmer, 12.0) if i < len(_HYDROGEN) else (np.tanh(metals), 10.0)
        light *= 1.0 - 0.3 * depth[i] * strength * np.exp(-0.5 * ((wave - centre) / width) ** 2)
    return luminosity * light


def _lyman_edge(wave, kelvin):
    """Drop of stellar light below the Lyman limit, deep in stars below 30000 K."""
    through = 1.0 / (1.0 + (30000.0 / kelvin) ** 6)
    return np.where(wave < LYMAN_LIMIT_AA, through, 1.0)


def _gas(wave, metallicity, depth):
    """Nebular grid of the ionising photons of the toy stars."""
    age = np.geomspace(1e-3, 2e-2, 6)
    log_u = np.array([-4.0, -2.5, -1.0])
    ionising = wave < LYMAN_LIMIT_AA
    stars = _stars(wave, age, metallicity, depth)[..., ionising] * wave[ionising] * L_SUN_ERG_S / _HC
    photons = np.trapezoid(stars, wave[ionising], axis=-1)
    # Osterbrock & Ferland (2006), case B at 10^4 K: H-alpha in erg for each ionising photon.
    h_alpha = (1.37e-12 / L_SUN_ERG_S * photons)[:, None, :, None]
    ratio = np.array([line[2] for line in _LINES])
    met, u = metallicity[:, None, None, None], log_u[:, None, None]
    oxygen = 3.0 * np.exp(-0.5 * ((met + 0.7) / 0.8) ** 2)
    high = oxygen / (1.0 + 10 ** (-2.5 - u))
    low = oxygen / (1.0 + 10 ** (2.5 + u))
    is_high = np.array([line[0].startswith("O 3") for line in _LINES])
    is_low = np.array([line[0].startswith("O 2") for line in _LINES])
    lines = h_alpha * ratio * np.where(is_high, high, np.where(is_low, low, 1.0))
    # Two-photon and free-bound light: a smooth hump, twice as bright as H-alpha, redward of Lyman-alpha.
    shape = _black_body(wave, 15000.0) * _step((wave - 1216.0) / 20.0)
    continuum = 2.0 * h_alpha * shape * np.ones((1, log_u.size, 1, 1))
    return NebularGrid(
        age_gyr=age,
        metallicity=metallicity,
        log_u=log_u,
        line_wave_aa=np.array([line[1] for line in _LINES]),
        line_names=tuple(line[0] for line in _LINES),
        line_lum=lines,
        continuum=continuum,
    )
