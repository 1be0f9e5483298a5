"""Are errors right where spectra are sharper than the SSPs, and were smoothed to their resolution?

Mocks of galaxies of the bundle's prior at z = 0.02-0.3, S/N 20-30 per pixel, with white noise in the pixels
of an instrument: R = 2000, 3500 and 5500 in pixels of 0.8 Angstrom, and one with the resolution of SDSS
(``wdisp``). Errors tilt and bend along the spectrum, 3 % of the pixels have three times the noise of their
neighbours, 2 % are bad. The bundle's network proposes, the exact likelihood of the smoothed pixels weighs.
Answers of at least 20 effective draws (their share is ``converged``) are scored.

SSPs know no spectrum sharper than themselves. Where the galaxy's velocities make up for what the instrument
is sharper, its sharp spectrum follows from the model, and is what the instrument sees. Of slower galaxies
(their share is ``slow``) it does not: these have the spectrum that becomes the model's when smoothed. So the
way of noise, bad pixels and errors through the smoothing is tested with all galaxies, that of the light with
the faster ones. The error of the model is none, where the prior has 0.1 % at least: the smoothed noise is all
there is, and the likelihood does not know that.

Per instrument: coverage of sigma_v, t50 and [M/H]; p-values of Kolmogorov-Smirnov tests whether ``ppc_p`` and
``population_p`` are uniform, and the p-value of chi2 at the truth (``truth_p``); the share of trusted
answers; ``wave_used``; the share of smoothed pixels.
"""

import dataclasses
import math
import time

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms
from _exact import likelihood_of
from recovery_spectra import NAMES, quantities
from scipy.sparse.linalg import spsolve
from scipy.stats import kstest

import dsps_sbi as ds
from dsps_sbi.calibration.recovery import recovery
from dsps_sbi.constants import C_KM_S
from dsps_sbi.inference.importance import tail_probability

WAVE_AA = np.arange(3700.0, 8200.0, 0.8)
SDSS_AA = 10.0 ** np.arange(np.log10(3800.0), np.log10(9200.0), 1e-4)
SDSS_LSF = ds.LSF("fwhm_aa", np.interp(SDSS_AA, [3800.0, 5800.0, 9200.0], [2.0, 2.6, 3.7]))
INSTRUMENTS = {
    "r2000": (WAVE_AA, ds.LSF("resolving_power", 2000.0)),
    "r3500": (WAVE_AA, ds.LSF("resolving_power", 3500.0)),
    "r5500": (WAVE_AA, ds.LSF("resolving_power", 5500.0)),
    "sdss": (SDSS_AA, SDSS_LSF),
}
SCORED = ("sigma_v", "t50", "metallicity")
# Fewer effective draws have no percentiles
_FEWEST = 20.0
# Shares of noisy and of bad pixels
_NOISY, _BAD = 0.03, 0.02


@jax.jit
def _template(model, theta, view):
    return model.predict_fast(theta, view)


@jax.jit
def _misfit(target, theta):
    return target.misfit(theta)


def mock(likelihood, wave, lsf, seed):
    """A spectrum of one galaxy, its parameters (Param,), and whether it is a slow one."""
    model, rng = likelihood.model, np.random.default_rng(seed)
    z = rng.uniform(0.02, 0.3)
    blank = ds.Spectrum(wave, np.ones_like(wave), np.ones_like(wave), "vacuum", z, lsf=lsf)
    whole = likelihood.at_library(blank)
    smooth = dataclasses.replace(model.geometry, spectrograph=whole.spectrum.spectrograph())
    view, n = smooth.view(z), len(wave)
    u = rng.standard_normal(len(model.names)).astype(np.float32)
    theta = model.prior.from_normal(jnp.asarray(u), view.universe_gyr)
    i = model.names.index("log_model_error")
    theta = theta.at[i].set(model.prior.marginals["log_model_error"].low)
    lack = whole.spectrum.spectrograph().ln_variance - blank.spectrograph().ln_variance
    covered = np.asarray(view.covered)
    fast = 1.001 * C_KM_S * math.sqrt(max(lack[covered].max(), 0.0))
    slow = float(theta[model.names.index("sigma_v")]) < fast
    if not slow:
        high = model.sigma_v_km_s[1]
        sharp = dataclasses.replace(
            model.geometry, spectrograph=blank.spectrograph(), sigma_v_km_s=(fast, high)
        )
    light = np.asarray(_template(model, theta, view if slow else sharp.view(z)), float)
    light = _filled(light, covered)
    terms = model.continuum.sigma * rng.standard_normal(view.basis.shape[-1])
    flux = light * (1.0 + np.asarray(view.basis, float) @ terms)
    if slow:
        flux = spsolve(whole.shares.tocsc(), flux)
    x = np.linspace(-1.0, 1.0, n)
    tilt = np.exp(0.4 * (rng.standard_normal() * x + rng.standard_normal() * (1.5 * x**2 - 0.5)))
    sigma = np.median(light[covered]) / rng.uniform(20.0, 30.0) * tilt
    sigma = sigma * np.where(rng.random(n) < _NOISY, 3.0, 1.0)
    bad = rng.random(n) < _BAD
    flux = np.where(bad, np.nan, flux + sigma * rng.standard_normal(n))
    observed = dataclasses.replace(blank, flux=flux, sigma=sigma)
    return observed, np.asarray(theta), slow


def _filled(light, covered):
    """Light (Pixel,) where the SSPs reach, beyond that its last values."""
    at = np.flatnonzero(covered)
    return np.interp(np.arange(light.size), at, light[at])


def scored(likelihood, wave, lsf, n, n_draws, seed) -> tuple[dict, dict]:
    """Metrics of an instrument, and its draws and truths by quantity."""
    post = likelihood.post
    start = time.perf_counter()
    spectra, theta, slow = zip(*(mock(likelihood, wave, lsf, [seed, i]) for i in range(n)), strict=True)
    made = time.perf_counter() - start
    result = post.infer(spectra, model=likelihood, n_draws=n_draws, seed=seed)
    seconds = time.perf_counter() - start - made
    drawn = quantities(post, result.theta, result.z)
    truth = quantities(post, np.stack(theta)[:, None], result.z)[:, 0]
    columns = result.columns
    good = columns["ess"] >= _FEWEST
    places = {name: NAMES.index(name) for name in SCORED}
    one = {name: (drawn[good, :, k], truth[good, k]) for name, k in places.items()}
    smoothed = [likelihood.at_library(spectrum).smoothed.mean() for spectrum in spectra]
    misfits = [
        _misfit(likelihood.observed(one, 0.0).target, true) for one, true in zip(spectra, theta, strict=True)
    ]
    truth_p = tail_probability(*np.array(misfits, float).T)
    metrics = {
        "truth_p_ks": kstest(truth_p, "uniform").pvalue,
        "truth_p_mean": np.mean(truth_p),
        "ppc_p_ks": kstest(columns["ppc_p"], "uniform").pvalue,
        "ppc_p_mean": np.mean(columns["ppc_p"]),
        "population_p_ks": kstest(columns["population_p"], "uniform").pvalue,
        "population_p_mean": np.mean(columns["population_p"]),
        "converged": np.mean(good),
        "ess_median": np.median(columns["ess"]),
        "trusted": np.mean(result.posteriors.trusted),
        "wave_used_min": np.min(columns["wave_used"]),
        "smoothed": np.mean(smoothed),
        "slow": np.mean(slow),
        "seconds_per_spectrum": seconds / n,
    }
    print({key: round(float(value), 3) for key, value in metrics.items()}, flush=True)
    return metrics, one | {"columns": columns}


def coverage(draws, truth) -> dict[str, float]:
    """Share of truths in the middle 68 and 95 % of draws, and the error of the former by chance."""
    scores = recovery(draws, truth)
    chance = math.sqrt(0.68 * 0.32 / len(truth))
    return {"coverage68": scores["coverage68"], "coverage95": scores["coverage95"], "coverage68_err": chance}


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="miles-optical")
    parser.add_argument("--seed", type=int, default=23)
    parser.add_argument("--mocks", type=int, help="mocks of each instrument")
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    likelihood = likelihood_of(parser, post)
    n = args.mocks or (4 if args.quick else 200)
    names = ("r3500",) if args.quick else tuple(INSTRUMENTS)
    n_draws, metrics, kept = 1000, {}, {}
    for i, name in enumerate(names):
        own, kept[name] = scored(likelihood, *INSTRUMENTS[name], n, n_draws, args.seed + i)
        metrics |= {f"{key}_{name}": value for key, value in own.items()}
        for quantity in SCORED:
            scores = coverage(*kept[name][quantity])
            metrics |= {f"{quantity}.{score}_{name}": value for score, value in scores.items()}
            print(name, quantity, {score: round(value, 3) for score, value in scores.items()}, flush=True)
    for quantity in SCORED:
        both = (
            np.concatenate(parts) for parts in zip(*(kept[name][quantity] for name in names), strict=True)
        )
        metrics |= {f"{quantity}.{score}": value for score, value in coverage(*both).items()}
    for column in ("ppc_p", "population_p"):
        p = np.concatenate([kept[name]["columns"][column] for name in names])
        metrics[f"{column}_ks"] = kstest(p, "uniform").pvalue
    more = {"bundle": str(post.meta["name"]), "mocks_per_instrument": n, "draws": n_draws, "seed": args.seed}
    noise = (
        "white in the pixels of the instrument, S/N 20-30; 3 % noisy, 2 % bad pixels; no error of the model"
    )
    report(args.json, terms(**more, noise=noise, method="weighed"), metrics)


if __name__ == "__main__":
    main()
