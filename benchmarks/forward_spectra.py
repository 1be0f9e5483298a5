"""How fast and how good is the forward model of spectra: speed, and a real galaxy, NGC 3522."""

import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms
from scipy.optimize import minimize, nnls

import dsps_sbi as ds
from dsps_sbi.ssp import read_miles

# Resolution of SDSS-I spectra, FWHM [Angstrom]; the table of DR8 does not hold its own
SDSS_FWHM = 2.76


def best_seconds(call, repeats):
    """Shortest of several warm calls: other work on the machine only adds."""
    jax.block_until_ready(call())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return min(times)


@jax.jit
def predict(model, theta, view):
    """Spectra (Galaxy, Pixel) at the redshift of a view."""
    return model.predict_fast(theta, view)


@jax.jit
def simulate(model, key, theta, view, sigma):
    """Mock spectra (Galaxy, Pixel) with errors sigma (Galaxy, Pixel)."""
    return model.simulate(key, theta, view, sigma)


@jax.jit
def log_likelihoods(model, theta, data, view):
    """Log likelihoods (Galaxy,) of data: flux, sigma, valid, each (Galaxy, Pixel)."""
    return model.log_likelihood(theta, *data, view)[0]


@jax.jit
def slopes(model, theta, data, view):
    """Gradients (Galaxy, Param) of log likelihoods."""
    return jax.grad(lambda theta: jnp.sum(model.log_likelihood(theta, *data, view)[0]))(theta)


@jax.jit
def density_and_slope(target, u):
    """Log posterior density of normal coordinates u (Param,), and its gradient."""
    return jax.value_and_grad(target.log_density)(u)


@jax.jit
def best_log_mass(target, u):
    """Mean of log10 of the mass given all other parameters."""
    return target.log_marginal(target.theta(u))[1]


def speed(grid, n, repeats):
    """Spectra, likelihoods and gradients per second: pixels as those of MILES, at z = 0.01."""
    wave = np.arange(3600.0, 7410.0, 3810.0 / 4300)
    spectrograph = ds.Spectrograph(wave, ds.LSF("fwhm_aa", 3.0))
    model = ds.SpectrumModel(grid, spectrograph, ds.spectrum_prior())
    view = model.view(0.01)
    theta = model.prior.sample(jax.random.key(0), jnp.full(n, 0.01), view.universe_gyr)
    flux = predict(model, theta, view)
    sigma = 0.02 * jnp.median(flux, axis=1, keepdims=True) * jnp.ones_like(flux)
    mocks = simulate(model, jax.random.key(1), theta, view, sigma)
    data = mocks, sigma, jnp.ones(flux.shape, bool)
    return {
        "pixels": wave.size,
        "grid_points": model.geometry.grid.light.shape[-1],
        "spectra_per_s": n / best_seconds(lambda: predict(model, theta, view), repeats),
        "likelihoods_per_s": n / best_seconds(lambda: log_likelihoods(model, theta, data, view), repeats),
        "gradients_per_s": n / best_seconds(lambda: slopes(model, theta, data, view), repeats),
    }


def fit(target, starts):
    """Parameters of the highest posterior density that L-BFGS finds from random starts, and all densities."""
    prior, universe = target.model.prior, target.view.universe_gyr

    def down(u):
        value, slope = density_and_slope(target, jnp.asarray(u, jnp.float32))
        return -float(value), -np.asarray(slope, float)

    found = []
    for seed in range(starts):
        u = jnp.asarray(
            0.5 * np.random.default_rng(seed).standard_normal(len(target.model.names)), jnp.float32
        )
        u = prior.to_normal(target.theta(u).at[-1].set(best_log_mass(target, u)), universe)
        box = [(-4.5, 4.5)] * u.size
        done = minimize(down, np.asarray(u, float), jac=True, method="L-BFGS-B", bounds=box)
        found.append((done.fun, done.x))
    best = min(found, key=lambda pair: pair[0])
    return np.asarray(target.theta(jnp.asarray(best[1], jnp.float32))), [-value for value, _ in found]


def all_ssps(grid, spectrum, sigma_v, degree, iterations):
    """Non-negative weights of all SSPs times a polynomial: mean age, mean [M/H], rms of the residual.

    An answer without a star formation history, by another algorithm on the same predictions.
    """
    burst = ds.sfh.Burst()
    prior = ds.spectrum_prior(burst, sigma_v=(10.0, 450.0), log_model_error=None)
    lsf = ds.LSF("fwhm_aa", SDSS_FWHM)
    model = ds.SpectrumModel.for_spectrum(
        grid, spectrum, prior, lsf=lsf, sfh=burst, model_error=0.0, continuum=ds.Continuum(degree)
    )
    target = ds.SpectrumTarget.of(model, spectrum)
    age, met = (a.ravel() for a in np.meshgrid(grid.age_gyr, grid.metallicity, indexing="ij"))
    universe = float(target.view.universe_gyr)
    rows = [np.minimum(age, universe), met, np.full(age.size, sigma_v), np.full(age.size, 9.0)]
    theta = np.stack(rows, axis=1).astype(np.float32)
    use = np.asarray(target.used)
    light = np.asarray(predict(model, theta, target.view), float)[:, use]
    flux, sigma = (np.asarray(a, float)[use] for a in (spectrum.flux, spectrum.sigma))
    basis = np.c_[np.ones(use.sum()), np.asarray(target.view.basis, float)[use]]
    polynomial = np.ones(use.sum())
    for _ in range(iterations):
        weights, _ = nnls((light * polynomial / sigma).T, flux / sigma, maxiter=20_000)
        base = weights @ light
        terms = np.linalg.lstsq(base[:, None] * basis / sigma[:, None], flux / sigma, rcond=None)[0]
        polynomial = basis @ (terms / terms[0])
    share = weights / weights.sum()
    return share @ age, share @ met, np.std(flux / (base * polynomial) - 1.0)


def galaxy(grid, path, starts, iterations):
    """Fit of NGC 3522."""
    spectrum = ds.read_spectrum(path)
    prior = ds.spectrum_prior(sigma_v=(10.0, 450.0))
    model = ds.SpectrumModel.for_spectrum(grid, spectrum, prior, lsf=ds.LSF("fwhm_aa", SDSS_FWHM))
    target = ds.SpectrumTarget.of(model, spectrum)
    theta, densities = fit(target, starts)
    use = np.asarray(target.used)
    best = np.asarray(target.best_fit(theta))[use]
    flux, sigma = spectrum.flux[use], spectrum.sigma[use]
    value = dict(zip(model.names, theta.tolist(), strict=True))
    age = model.sfh.mean_age(jnp.asarray(theta[: len(model.sfh.names)]), target.view.universe_gyr)
    times = model.formation_times(theta, spectrum.redshift)
    ssp_age, ssp_met, ssp_rms = all_ssps(grid, spectrum, value["sigma_v"], model.continuum.degree, iterations)
    return {
        "ngc3522.pixels": use.sum(),
        "ngc3522.rms": np.std(flux / best - 1.0),
        "ngc3522.rms_of_errors": np.sqrt(np.mean((sigma / best) ** 2)),
        "ngc3522.chi2_per_pixel": np.mean(((flux - best) / sigma) ** 2),
        "ngc3522.mass_weighted_age": age,
        "ngc3522.t50": times[4],
        "ngc3522.t90": times[8],
        "ngc3522.metallicity": value["metallicity"],
        "ngc3522.sigma_v": value["sigma_v"],
        "ngc3522.model_error": 10.0 ** value["log_model_error"],
        "ngc3522.density_range": max(densities) - min(densities),
        "ngc3522.all_ssps.mass_weighted_age": ssp_age,
        "ngc3522.all_ssps.metallicity": ssp_met,
        "ngc3522.all_ssps.rms": ssp_rms,
    }


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--miles", type=Path, help="folder of MILES files; default: that of the test data")
    parser.add_argument("--sdss", type=Path, help="folder of SDSS spectra; default: that of the test data")
    args = parser.parse_args()
    grid = read_miles(data_folder(parser, args.miles, "ssp", "miles_basti_kb"))
    path = data_folder(parser, args.sdss, "spectra", "sdss") / "NGC3522_SDSS_DR8.fits"
    n, repeats, starts, iterations = (64, 3, 2, 2) if args.quick else (256, 7, 6, 8)
    metrics = speed(grid, n, repeats) | galaxy(grid, path, starts, iterations)
    report(
        args.json,
        terms(
            objects=n,
            repeats=repeats,
            statistic="fastest repeat, warm, parameters and view in memory",
            ssp=f"{grid.name}: {len(grid.age_gyr)} ages, {len(grid.metallicity)} metallicities",
            model="Dirichlet history, free dispersion and model error, polynomial of degree 8, sigma 0.1",
            ngc3522=f"SDSS DR8, FWHM {SDSS_FWHM} Angstrom, highest density of {starts} starts of L-BFGS",
            all_ssps="non-negative least squares of all SSPs, metallicities mixed freely",
            seed=0,
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
