"""Are errors right where spectra are sharper than the SSPs, and were smoothed to their resolution?

Mocks of galaxies of the bundle's prior at z = 0.02-0.3, S/N 20-30 per pixel, with white noise in the pixels
of an instrument: R = 2000, 3500 and 5500 in pixels of 0.8 Angstrom, and one with the resolution of SDSS
(``wdisp``). Errors tilt and bend along the spectrum, 3 % of the pixels have three times the noise of their
neighbours, 2 % are bad. The bundle's network proposes, the exact likelihood of the smoothed pixels weighs,
and repairs (``refine``) where fewer than 20 draws are effective; their share is ``refined``. All answers are
scored, also those that are not converged then (``converged`` is the share of the others,
``converged_coverage68`` what they cover, ``trusted_coverage68`` what those do that are trusted, too).

SSPs know no spectrum sharper than themselves. Where the galaxy's velocities make up for what the instrument
is sharper, its sharp spectrum follows from the model, and is what the instrument sees. Of slower galaxies
(their share is ``slow``) it does not: these have a spectrum that becomes the model's when smoothed, within
0.1 % (rms; see ``_sharpened``). So the way of noise, bad pixels and errors through the smoothing is tested
with all galaxies, that of the light with the faster ones. The error of the model is none, where the prior
has 0.1 % at least: the smoothed noise is all there is, and the likelihood does not know that.

Two more instruments are no sharper than the SSPs, and nothing is smoothed: ``library`` has no error of the
model either, ``library_error`` has one that is drawn from the prior, as coverage of exactly 68 % asks for.

Per instrument: coverage of sigma_v, t50 and [M/H]; p-values of Kolmogorov-Smirnov tests whether ``ppc_p``
and ``population_p`` are uniform, and the p-value of chi2 at the truth (``truth_p``); the share of trusted
answers; ``wave_used``; the share of smoothed pixels. Metrics without the name of an instrument are of the
four that are sharper.

``coverage68_lowest_error`` is the coverage of those draws whose error of the model is within 0.3 dex of the
lowest, where it is in these mocks: what is left there of a coverage that is too large is not the likelihood's
freedom to have an error of the model. ``width_of_lowest_error``: their interval over that of all draws.

``--keep FOLDER`` keeps each mock's answer: a run that was cut off goes on there.
"""

import dataclasses
import math
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms
from _exact import likelihood_of
from recovery_spectra import NAMES, quantities
from scipy.sparse import identity
from scipy.sparse.linalg import splu
from scipy.stats import chi2, kstest

import dsps_sbi as ds
from dsps_sbi.calibration.recovery import recovery
from dsps_sbi.constants import C_KM_S

WAVE_AA = np.arange(3700.0, 8200.0, 0.8)
SDSS_AA = 10.0 ** np.arange(np.log10(3800.0), np.log10(9200.0), 1e-4)
SDSS_LSF = ds.LSF("fwhm_aa", np.interp(SDSS_AA, [3800.0, 5800.0, 9200.0], [2.0, 2.6, 3.7]))
COARSE = ds.LSF("fwhm_aa", 3.6)
SHARP = {
    "r2000": (WAVE_AA, ds.LSF("resolving_power", 2000.0)),
    "r3500": (WAVE_AA, ds.LSF("resolving_power", 3500.0)),
    "r5500": (WAVE_AA, ds.LSF("resolving_power", 5500.0)),
    "sdss": (SDSS_AA, SDSS_LSF),
}
INSTRUMENTS = SHARP | {"library": (WAVE_AA, COARSE), "library_error": (WAVE_AA, COARSE)}
SCORED = ("sigma_v", "t50", "metallicity")
# What is kept of all draws
_OF_DRAWS = ("drawn", "theta", "error")
# Fewer effective draws are not converged
_FEWEST = 20.0
# Errors of the model this near to the lowest of the prior [dex]
_NEAR = 0.3
_COLUMNS = ("ess", "ppc_p", "population_p", "wave_used")
_OF_ALL = ("ppc_p_ks", "population_p_ks", "truth_p_ks", "converged", "trusted", "refined", "mocks")
# Of waves that smoothing leaves less of, slow galaxies are not given more
_LEAST_LEFT = 0.03
# Shares of noisy and of bad pixels
_NOISY, _BAD = 0.03, 0.02


@jax.jit
def _template(model, theta, view):
    return model.predict_fast(theta, view)


@jax.jit
def _misfit(target, theta):
    return target.misfit(theta)[:2]


def mock(likelihood, wave, lsf, seed, with_error=False):
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
    if not with_error:
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
        flux = _sharpened(flux, whole.shares)
    x = np.linspace(-1.0, 1.0, n)
    tilt = np.exp(0.4 * (rng.standard_normal() * x + rng.standard_normal() * (1.5 * x**2 - 0.5)))
    sigma = np.median(light[covered]) / rng.uniform(20.0, 30.0) * tilt
    sigma = sigma * np.where(rng.random(n) < _NOISY, 3.0, 1.0)
    bad = rng.random(n) < _BAD
    error = 10.0 ** float(theta[i]) * light if with_error else 0.0
    flux = np.where(bad, np.nan, flux + np.hypot(sigma, error) * rng.standard_normal(n))
    observed = dataclasses.replace(blank, flux=flux, sigma=sigma)
    return observed, np.asarray(theta), slow


def _filled(light, covered):
    """Light (Pixel,) where the SSPs reach, beyond that its last values."""
    at = np.flatnonzero(covered)
    return np.interp(np.arange(light.size), at, light[at])


def _sharpened(flux, shares):
    """Flux (Pixel,) that ``shares`` smooth to what is given, but for waves that smoothing all but removes.

    The shortest waves keep 1e-4 and less of their height. What SSPs have there is the noise of their stars:
    undone exactly, smoothing makes that several times as high as the light.
    """
    smooth = shares.tocsc()
    damped = smooth.T @ smooth + _LEAST_LEFT**2 * identity(flux.size, format="csc")
    return flux + splu(damped.tocsc()).solve(smooth.T @ (flux - smooth @ flux))


def answered(likelihood, name, number, n_draws, seed) -> dict[str, np.ndarray]:
    """What is known of one mock: draws (Draw,) and truths of the quantities, columns, seconds."""
    post, wave_lsf = likelihood.post, INSTRUMENTS[name]
    spectrum, theta, slow = mock(likelihood, *wave_lsf, [seed, number], with_error=name == "library_error")
    start = time.perf_counter()
    for refine in (False, True):
        options = {"n_draws": n_draws, "seed": seed, "refine": refine, "ids": [number]}
        result = post.infer(spectrum, model=likelihood, **options)
        if result.posteriors.ess[0] >= _FEWEST:
            break
    seconds = time.perf_counter() - start
    drawn = quantities(post, result.theta, result.z)[0]
    truth = quantities(post, theta[None, None], result.z)[0, 0]
    columns = {key: result.columns[key][0] for key in _COLUMNS}
    at = [NAMES.index(quantity) for quantity in SCORED]
    return columns | {
        "drawn": drawn[:, at],
        "theta": result.theta[0],
        "error": result.theta[0, :, post.names.index("log_model_error")],
        "truth": truth[at],
        "truth_misfit": np.array(_misfit(likelihood.observed(spectrum, 0.0).target, theta), float),
        "refined": refine,
        "trusted": result.posteriors.trusted[0],
        "smoothed": likelihood.at_library(spectrum).smoothed.mean(),
        "slow": slow,
        "seconds": seconds,
    }


def kept(folder, likelihood, name, number, n_draws, seed) -> dict[str, np.ndarray]:
    """As :func:`answered`, from the folder where it is there."""
    if folder is None:
        return answered(likelihood, name, number, n_draws, seed)
    path = folder / f"{name}_{seed}_{number}_{n_draws}.npz"
    if not path.exists():
        np.savez(path, **answered(likelihood, name, number, n_draws, seed))
    with np.load(path) as file:
        return dict(file)


def scores_of(mocks) -> dict[str, float]:
    """Metrics of some answers but for coverage."""
    m = {key: np.array([one[key] for one in mocks]) for key in mocks[0] if key not in _OF_DRAWS}
    p = {key: m[key] for key in ("ppc_p", "population_p")}
    p["truth_p"] = chi2.sf(*m["truth_misfit"].T)
    metrics = {f"{key}_ks": kstest(value, "uniform").pvalue for key, value in p.items()}
    metrics |= {f"{key}_mean": np.mean(value) for key, value in p.items()}
    metrics |= {key: np.mean(m[key]) for key in ("trusted", "smoothed", "slow", "refined")}
    return metrics | {
        "mocks": len(mocks),
        "converged": np.mean(m["ess"] >= _FEWEST),
        "ess_median": np.median(m["ess"]),
        "wave_used_min": np.min(m["wave_used"]),
        "seconds_per_spectrum": np.median(m["seconds"]),
    }


def covered(mocks, lowest=None) -> dict[str, float]:
    """Coverage of the quantities; and of the draws whose error of the model is about the lowest."""
    found = {}
    for k, name in enumerate(SCORED):
        drawn, truth = [one["drawn"][:, k] for one in mocks], np.array([one["truth"][k] for one in mocks])
        found |= {f"{name}.{key}": value for key, value in coverage(np.stack(drawn), truth).items()}
        if lowest is None:
            continue
        low = [one["error"] < lowest + _NEAR for one in mocks]
        some = [i for i, near in enumerate(low) if near.sum() >= _FEWEST]
        inside = [np.diff(np.quantile(drawn[i][low[i]], (0.16, 0.84)) >= truth[i])[0] for i in some]
        found[f"{name}.coverage68_lowest_error"] = np.mean(inside)
        widths = [np.ptp(np.quantile(drawn[i][low[i]], (0.16, 0.84))) for i in some]
        whole = [np.ptp(np.quantile(drawn[i], (0.16, 0.84))) for i in some]
        found[f"{name}.width_of_lowest_error"] = np.median(np.array(widths) / whole)
        found["mocks_lowest_error"] = len(some)
    return found


def by_verdict(mocks, end="") -> dict[str, float]:
    """Coverage of the answers that have converged, and of those that are trusted."""
    found = {}
    for word, told in (
        ("converged", lambda one: one["ess"] >= _FEWEST),
        ("trusted", lambda one: one["trusted"]),
    ):
        some = [one for one in mocks if told(one)]
        if some:
            found |= {key.replace(".", f".{word}_"): value for key, value in covered(some).items()}
    return {f"{key}{end}": value for key, value in found.items()}


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
    parser.add_argument("--instruments", nargs="+", choices=INSTRUMENTS, help="instead of all")
    parser.add_argument("--keep", type=Path, help="folder for answers of single mocks, to go on from")
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    likelihood = likelihood_of(parser, post)
    n = args.mocks or (2 if args.quick else 50)
    names = ("r3500",) if args.quick else tuple(args.instruments or INSTRUMENTS)
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
    n_draws, mocks = 1000, {name: [] for name in names}
    for number in range(n):
        for name in names:
            i = list(INSTRUMENTS).index(name)
            mocks[name].append(kept(args.keep, likelihood, name, number, n_draws, args.seed + i))
            print(number, name, f"{float(mocks[name][-1]['ess']):.0f} effective draws", flush=True)
    metrics = {}
    for name, some in mocks.items():
        metrics |= {f"{key}_{name}": value for key, value in (scores_of(some) | covered(some)).items()}
        metrics |= by_verdict(some, f"_{name}")
    sharp = [one for name in names if name in SHARP for one in mocks[name]]
    if sharp:
        lowest = likelihood.model.prior.marginals["log_model_error"].low
        metrics |= covered(sharp, lowest) | by_verdict(sharp)
        metrics |= {key: value for key, value in scores_of(sharp).items() if key in _OF_ALL}
    more = {"bundle": str(post.meta["name"]), "mocks_per_instrument": n, "draws": n_draws, "seed": args.seed}
    noise = (
        "white in the pixels of the instrument, S/N 20-30; 3 % noisy, 2 % bad pixels; no error of the model "
        "but in library_error"
    )
    report(
        args.json,
        terms(
            **more, noise=noise, method="weighed, refined below 20 effective draws; all answers are scored"
        ),
        metrics,
    )


if __name__ == "__main__":
    main()
