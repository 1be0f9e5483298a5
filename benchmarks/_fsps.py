"""FSPS galaxies released with SBIPIX: reading them, and our model seen through their bands.

Three things in these atlases are not FSPS and are undone before anything is compared:

- the delayed-tau atlas lacks the factor 1 + z of f_nu (the Dirichlet one has it);
- the Dirichlet atlas was made with Dense Basis 0.1.9, whose ``convert_to_microjansky`` takes 3.48e33 erg/s
  for the Sun, FSPS 3.839e33: its galaxies are 0.11 mag too faint;
- their bands are not integrals. Dense Basis (``calc_fnu_sed_fast``) sums f_nu times transmission over the
  samples of FSPS's wavelengths and divides by the sum of the transmissions, without the widths of the
  samples. These lie 0.9 Angstrom apart where the MILES library is, and 20 Angstrom apart on both sides:
  a band across 3600 Angstrom at rest shows the 20 times denser half, the red side of the Balmer break.
  :func:`through_their_sums` gives our model the same bands.
"""

from dataclasses import replace

import h5py
import jax.numpy as jnp
import numpy as np

from dsps_sbi.kernels.photometry import pixel_edges
from dsps_sbi.priors import Prior
from dsps_sbi.sfh import Dirichlet
from dsps_sbi.ssp import SSPGrid, with_nebular

# Steps of FSPS's wavelengths with the MILES library [Angstrom]: those of BaSeL 3.1 outside MILES
_FROM_AA = (0.0, 2900.0, 3601.0, 7409.0, 1e4, 1.6e4, 3.2e4)
_STEP_AA = np.array([10.0, 20.0, 0.9, 20.0, 50.0, 100.0, 200.0])
# Magnitudes per unit of optical depth
AV_PER_TAU = 2.5 / np.log(10.0)
# Solar luminosity [erg/s] of FSPS over that of Dense Basis 0.1.9
LUMINOSITY_RATIO = 3.839 / 3.48
# log10 of the solar metallicity of FSPS with MIST tracks (0.0142) over ours (0.02)
SOLAR_DEX = np.log10(0.0142 / 0.02)
# mass that makes the light of populations younger than 10 Gyr
LIGHT_MSUN = 1.0


def sample_step_aa(rest_aa):
    """Distance of FSPS's wavelength samples [Angstrom] at rest wavelengths [Angstrom]."""
    return _STEP_AA[np.searchsorted(_FROM_AA, rest_aa, side="right") - 1]


def atlas(path):
    """Arrays of a .dbatlas file, whose keys are quoted."""
    with h5py.File(path) as file:
        return {
            key.strip('"'): np.asarray(value)
            for key, value in file["data"].items()
            if hasattr(value, "shape")
        }


def tau_galaxies(data, age):
    """theta, fluxes [uJy], log SFR [Msun/yr] and whether they are sane, of the delayed-tau atlas."""
    _, formed, log_sfr, tau, start = data["sfh_tuple"][:, :5].T
    columns = (np.log10(tau), np.minimum(start, age - 1e-3), *_common(data), formed)
    # where its quadrature of the history failed, formed masses are far outside their prior
    sane = (formed > 4) & (formed < 12) & (log_sfr > -15)
    return np.stack(columns, axis=1), data["sed"] * (1.0 + data["zval"]), log_sfr, sane


def dirichlet_galaxies(data, age):
    """The same of the Dirichlet atlas, by the formation times that its histories really have."""
    formed, log_sfr, _, t25, t50, t75 = data["sfh_tuple_rec"].T
    sticks = (t25, (t50 - t25) / (1.0 - t25), (t75 - t50) / (1.0 - t50))
    columns = (*sticks, log_sfr - formed, *_common(data), formed)
    # its times are steps of 1/999 of the age: shorter last quarters are not resolved
    sane = (formed > 4) & (formed < 12) & (t75 < 0.98)
    return np.stack(columns, axis=1), data["sed"] * LUMINOSITY_RATIO, log_sfr, sane


def _common(data):
    return data["met"].ravel(), AV_PER_TAU * data["dust"].ravel()


def dirichlet_model(model):
    """The model with Dirichlet histories."""
    marginals = dict(model.prior.marginals)
    rest = {name: marginals[name] for name in ("metallicity", "av", "log_mass_formed")}
    sfh = Dirichlet()
    return replace(model, sfh=sfh, prior=Prior({**sfh.marginals(), **rest}))


def through_their_sums(model):
    """The model with every sample of FSPS's wavelengths counted alike, and its bands' norm.

    A sum over samples weighs f_nu by transmission over step, where photons weigh it by transmission
    over wavelength: light is multiplied by wavelength over step before it enters the bands.

    Returns
    -------
    model : GalaxyModel
        Its fluxes are to be divided by the norm.
    norm : callable
        Redshift -> (Band,).
    """
    grid = model.ssp
    light = grid.flux
    if model.log_u is not None:
        light, lines = with_nebular(grid, model.log_u)
        edges = pixel_edges(grid.wave_aa)
        pixel = np.clip(np.searchsorted(edges, grid.nebular.line_wave_aa) - 1, 0, len(grid.wave_aa) - 1)
        np.add.at(light, (slice(None), slice(None), pixel), lines / np.diff(edges)[pixel])
    # in thousands: as bright as stars, else the grid is refused
    counts = 1e-3 * grid.wave_aa / sample_step_aa(grid.wave_aa)
    words = {name: getattr(grid, name) for name in ("age_gyr", "metallicity", "imf", "tracks", "library")}
    words["wave_aa"] = grid.wave_aa
    weighed = SSPGrid(f"{grid.name}, by samples", flux=(light * counts).astype(np.float32), **words)

    def norm(z):
        values = []
        for wave, trans in zip(model.filters.wave_aa, model.filters.trans, strict=True):
            fine = np.linspace(wave[0], wave[-1], 4001)
            curve = np.interp(fine, wave, trans)
            rest = fine / (1.0 + z)
            sums = 1e-3 * np.trapezoid(curve / sample_step_aa(rest), fine) / (1.0 + z)
            values.append(sums / np.trapezoid(curve / fine, fine))
        return np.array(values)

    return replace(model, ssp=weighed, log_u=None), norm


def imf_mag(mass_msun=LIGHT_MSUN):
    """How much brighter Chabrier's IMF is than Kroupa's per mass formed where stars of one mass shine [mag].

    As FSPS has the first (Chabrier 2003, PASP 115, 763; 0.08-120 Msun) and BC03 the second (0.1-100).
    """

    def chabrier(m):
        low = np.exp(-0.5 * ((np.log10(m) - np.log10(0.08)) / 0.69) ** 2) / m
        return np.where(m < 1.0, low, np.exp(-0.5 * (np.log10(0.08) / 0.69) ** 2) * m**-2.3)

    def kroupa(m):
        return np.where(m < 0.5, m**-1.3, 0.5 * m**-2.3)

    def per_mass(imf, low, high):
        m = np.geomspace(low, high, 100_001)
        return imf(np.asarray(mass_msun)) / np.trapezoid(imf(m) * m**2, np.log(m))

    return 2.5 * np.log10(per_mass(chabrier, 0.08, 120.0) / per_mass(kroupa, 0.1, 100.0))


def mean_age(model, theta, age):
    """Mass-weighted mean ages (Object,) [Gyr]."""
    n = len(model.sfh.names)
    params, age = jnp.asarray(theta[:, :n], jnp.float32), jnp.asarray(age, jnp.float32)
    return np.asarray(model.sfh.mean_age(params, age))


def log_sfr_last_tenth(model, theta, age):
    """log10 SFR [Msun/yr] (Object,) over the last tenth of the age of the Universe, the atlas's own."""
    n = len(model.sfh.names)
    params, age = jnp.asarray(theta[:, :n], jnp.float32), jnp.asarray(age, jnp.float32)
    share = np.asarray(model.sfh.fraction_younger(params, 0.1 * age, age), float)
    with np.errstate(divide="ignore"):
        return np.log10(share / (0.1e9 * np.asarray(age))) + theta[:, -1]
