"""Does the forward model keep to closed forms, to quadrature and to astropy?

- ``sfh.*``: shares of mass per age bin (:func:`dsps_sbi.sfh.mass_weights`) of 200 prior draws at four ages
  of the Universe: ``mass_error`` is how far their sum is from 1, for every family; ``quadrature_error`` the
  largest difference from scipy's quadrature of the star formation rate, delayed tau and constant, 20 draws;
- ``uv_log_nu_lnu``: log nu L_nu [erg/s] at 1550 Angstrom of 1 Msun/yr after 100 Myr, stars only;
- ``dust.*``: largest relative error of the 2175 Angstrom bump against dust_extinction's FM90, and of
  Calzetti et al. (2000) against its printed eq. 4;
- ``cosmology.*``: largest relative error of luminosity distances and ages against astropy, z = 0.001 to 12;
- ``photometry_error``: largest relative error of 19 bands of a smooth spectrum, at four redshifts, against
  float64 quadrature of the filter curves.
"""

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms
from astropy import constants
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM
from dust_extinction.shapes import FM90
from scipy.integrate import quad

import dsps_sbi as ds
from dsps_sbi.constants import L_SUN_ERG_S
from dsps_sbi.cosmology import Cosmology
from dsps_sbi.dust import Calzetti
from dsps_sbi.instruments.filter_names import JADES_BANDS
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.kernels import photometry as phot
from dsps_sbi.kernels.attenuation import bump_profile
from dsps_sbi.priors import Prior
from dsps_sbi.sfh import FAMILIES, Constant, age_edges, mass_weights

UNIVERSES = (0.7, 2.0, 6.0, 13.0)


def sfr(name, params):
    """Star formation rate at t [Gyr], up to a constant, from parameters by their definition."""
    tau, start = (10.0 ** params[0], params[1]) if name == "delayed_tau" else (None, params[0])
    return start, lambda t: (t - start) * np.exp(-(t - start) / tau) if tau else 1.0


def histories(edges, n):
    metrics = {}
    for name, kind in FAMILIES.items():
        sfh = kind()
        prior = Prior(sfh.marginals())
        mass, shape = [], []
        for age in UNIVERSES:
            draws = jax.random.normal(jax.random.key(3), (n, len(sfh.names)))
            params = prior.from_normal(draws, jnp.full(n, age))
            shares = jax.vmap(lambda p, sfh=sfh, age=age: mass_weights(sfh, p, edges, age))(params)
            mass.append(np.abs(np.asarray(shares, float).sum(axis=1) - 1.0).max())
            if name not in ("delayed_tau", "constant"):
                continue
            for row, share in zip(np.asarray(params, float)[:20], np.asarray(shares, float), strict=False):
                start, rate = sfr(name, row)
                times = np.clip(age - np.asarray(edges, float), start, age)
                parts = [
                    quad(rate, low, high, epsrel=1e-9)[0]
                    for high, low in zip(times[:-1], times[1:], strict=True)
                ]
                shape.append(np.abs(share - np.array(parts) / np.sum(parts)).max())
        metrics[f"sfh.{name}.mass_error"] = max(mass)
        if shape:
            metrics[f"sfh.{name}.quadrature_error"] = max(shape)
    return metrics


def ultraviolet(grid):
    band = (grid.wave_aa > 1500) & (grid.wave_aa < 1600)
    solar = int(np.argmin(np.abs(grid.metallicity)))
    light = grid.flux[solar][:, band].mean(axis=1) * 1550.0
    shares = mass_weights(Constant(), jnp.array([12.9]), age_edges(grid.age_gyr), 13.0)
    return {"uv_log_nu_lnu": np.log10(np.asarray(shares, float) @ light * 1e8 * L_SUN_ERG_S)}


def dust():
    wave, centre = np.linspace(1250.0, 3000.0, 500), 1e4 / 2175.0
    width = 350.0 / 1e4 * centre**2
    drude = FM90(C1=0.0, C2=0.0, C3=width**2, C4=0.0, xo=centre, gamma=width)(wave * u.AA)
    bump = np.asarray(bump_profile(wave.astype(np.float32)), float)
    aa = np.r_[np.linspace(1200.0, 6290.0, 300), np.linspace(6310.0, 22000.0, 200)]
    um = aa / 1e4
    blue = 2.659 * (-2.156 + 1.509 / um - 0.198 / um**2 + 0.011 / um**3) + 4.05
    k = np.where(aa < 6300.0, blue, 2.659 * (-1.857 + 1.040 / um) + 4.05) / 4.05
    law = np.asarray(Calzetti()(aa.astype(np.float32)), float)
    return {
        "dust.bump_error": np.abs(bump / drude - 1.0).max(),
        "dust.calzetti_error": np.abs(law / k - 1.0).max(),
    }


def cosmology():
    z = np.geomspace(1e-3, 12.0, 500).astype(np.float32)
    ours, theirs = Cosmology.from_astropy(), FlatLambdaCDM(H0=70.0, Om0=0.3)
    distance = np.asarray(ours.distance_mpc(z), float) / theirs.luminosity_distance(z.astype(float)).value
    age = np.asarray(ours.age(z), float) / theirs.age(z.astype(float)).value
    return {
        "cosmology.distance_error": np.abs(distance - 1).max(),
        "cosmology.age_error": np.abs(age - 1).max(),
    }


def photometry():
    wave = np.geomspace(300.0, 60_000.0, 40_000)
    filters, distance, errors = FilterSet.from_names(JADES_BANDS), 4321.0, []
    edges = jnp.asarray(phot.pixel_edges(wave), jnp.float32)

    def smooth(aa):
        return 1e-4 * (aa / 5000.0) ** -1.5 * (1.0 + 0.3 * np.sin(aa / 700.0))

    area = (4 * np.pi * (distance * u.Mpc) ** 2).to_value("cm2")
    for z in (0.05, 1.0, 3.0, 7.0):
        scale = phot.flux_scale_ujy(z, distance, jnp.asarray(filters.pivot_aa, jnp.float32))
        curves = zip(filters.running, filters.wave_aa, filters.trans, np.asarray(scale, float), strict=True)
        for (aa, _, running), at, trans, unit in curves:
            share = phot.pixel_weights(
                edges, z, jnp.asarray(aa, jnp.float32), jnp.asarray(running, jnp.float32)
            )
            got = float(share @ jnp.asarray(smooth(wave), jnp.float32)) * unit
            fine = np.unique(np.r_[np.linspace(at[0], at[-1], 400_001), at])
            t = np.interp(fine, at, trans)
            energy = smooth(fine / (1 + z)) * L_SUN_ERG_S / area / (1 + z)
            photons = np.trapezoid(energy * fine * t, fine)
            expected = photons / (constants.c.to_value("AA/s") * np.trapezoid(t / fine, fine)) / 1e-29
            errors.append(abs(got / expected - 1.0))
    return {"photometry_error": max(errors)}


def main():
    parser = options(__doc__)
    args = parser.parse_args()
    if not ds.ssp.available("bc03-miles"):
        parser.error("needs the stellar populations: dsps-sbi fetch bc03-miles")
    grid = ds.ssp.load("bc03-miles")
    n = 50 if args.quick else 200
    metrics = histories(age_edges(grid.age_gyr), n) | ultraviolet(grid) | dust() | cosmology() | photometry()
    report(args.json, terms(histories=n, ssp=grid.name), {name: float(v) for name, v in metrics.items()})


if __name__ == "__main__":
    main()
