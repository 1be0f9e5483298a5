"""How good are redshifts from photometry alone?

Mocks of the bundle's prior at redshifts that are uniform, seen by three surveys whose filters no network was
trained on, at an observed mean S/N above 5; their light is that of band tables. Every answer is that of
``infer(..., z_range=...)``. For each survey, with dz = (z - z_true) / (1 + z_true) of the medians: ``bias``
(median of dz), ``nmad`` (1.48 times the median distance from it), ``outliers`` (share of dz beyond 0.15), the
same of ``z_best``, ``pit_p`` and ``pit_max`` (are ranks of the truth among the draws uniform? p-value and
largest distance of Kolmogorov and Smirnov's test), ``coverage68`` and ``coverage95``, the share of trusted
answers, seconds for each object on the clock and of the processor. ``outliers_sure`` are those of answers
whose ``z_odds`` is above 0.9, ``sure`` the share of these.

``quadrature_*`` compare mocks of the first survey with dense quadrature: the exact likelihood with band
tables at each of some hundred redshifts, and draws of their own there. A first pass at every fourth redshift
finds where an object's evidence is within 15 nats of its best; there all redshifts count, with many draws.
``quadrature_cdf_difference_*`` is the largest distance of the two distribution functions of the redshift:
500 draws alone make 0.04 of it on average. ``quadrature_own_difference_*`` is the same between the two halves
of the quadrature's draws, ``quadrature_step_difference_*`` between all of its redshifts and every second one.
``quadrature_median_shift_*`` is the distance of medians in standard deviations,
``quadrature_log_evidence_*`` the difference of evidences [nat].

``hdfn.`` are the galaxies of Fernandez-Soto, Lanzetta & Yahil (1999, ApJ 513, 34) with spectroscopic
redshifts, in seven bands: WFPC2's curves are those of pyphot, IRIM's J, H and K are taken to be WFCAM's.
"""

import os
import tempfile
import time
import zipfile
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms
from _exact import likelihood_of
from _packages import archive
from astropy.io import ascii
from scipy.special import logsumexp
from scipy.stats import kstest

import dsps_sbi as ds
from dsps_sbi.inference.importance import propose
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.kernels.likelihood import mean_snr
from dsps_sbi.photometry.likelihood import PhotometryLikelihood
from dsps_sbi.photometry.redshift.sample import beyond
from dsps_sbi.photometry.universal.surveys import EXAMINATION

# Sky of one standard deviation [uJy], give or take 0.15 dex from band to band
DEPTHS = {"candels-goodss": 0.02, "lsst": 0.05, "medium": 0.01}
Z_RANGE = (0.01, 6.5)
SNR_MIN, N_PER_Z, SEED = 5.0, 24, 11
OUTLIER = 0.15
# Quadrature: draws of each object at a redshift of the first pass and of the second, steps of the second in
# one of the first, and nats below the best that are looked at again
N_FIRST, N_DENSE, FINER, NEAR_BEST = 64, 512, 4, 15.0
# Objects of the second pass come in multiples of this: few compilations
TOGETHER = 8
# Bands of the HDF-N in the order of its columns
WFPC2, NEAR_INFRARED = ("f300w", "f450w", "f606w", "f814w"), tuple(f"ukirt_wfcam_{b}" for b in "JHK")
PYPHOT = "2.1.1"


@jax.jit
def emitted(likelihood, u, amplitudes, table):
    """Fluxes (Object, Band) of normal coordinates u (Object, Param), with errors that bands share."""
    theta = likelihood.model.prior.from_normal(u, table.universe_gyr)
    parts = likelihood.fluxes(theta, table)
    shared = likelihood.shared_errors(parts, table, u)
    total = parts.sum(axis=1)
    return total if shared is None else total + (amplitudes[..., None] * shared).sum(axis=1)


def mocks(likelihood, depth, n, seed):
    """Fluxes, errors (Object, Band) and redshifts of n galaxies above the observed S/N."""
    rng = np.random.default_rng(seed)
    floor, names = likelihood.post.noise.floor, likelihood.post.names
    n_mode = 0 if likelihood.model.error is None else likelihood.model.error.n_mode
    found = []
    while sum(len(one[2]) for one in found) < n:
        z = np.float32(rng.uniform(*Z_RANGE))
        u = rng.standard_normal((N_PER_Z, len(names))).astype(np.float32)
        amplitudes = rng.standard_normal((N_PER_Z, n_mode)).astype(np.float32)
        flux = np.asarray(emitted(likelihood, u, amplitudes, likelihood.model.band_table(z, trim=False)))
        # light that is not modelled there: nothing is known of it
        flux = np.where(likelihood.post.coverage(z)[1], np.nan_to_num(flux), np.nan)
        sky = depth * 10.0 ** (0.15 * rng.standard_normal(flux.shape))
        noise = rng.standard_normal((2, *flux.shape))
        flux = flux + sky * noise[0] + floor * flux * noise[1]
        there = np.isfinite(flux)
        snr = mean_snr(np.nan_to_num(flux), sky, there, np.ones(flux.shape[1], bool))
        # one of each redshift: a choice by the data alone
        rows = np.flatnonzero((np.asarray(snr) > SNR_MIN) & (there.sum(axis=1) >= 3))[:1]
        found.append((flux[rows], sky[rows], np.full(len(rows), z)))
    flux, sky, z = (np.concatenate(parts)[:n] for parts in zip(*found, strict=True))
    return flux, sky, z


def scores(result, z) -> dict[str, float]:
    """Metrics of redshifts that are known to be z (Object,)."""
    draws = result.draws("z")
    out = {}
    for name, found in (("", np.median(draws, axis=1)), ("best.", np.asarray(result.columns["z_best"]))):
        dz = (found - z) / (1.0 + z)
        bias = np.median(dz)
        out |= {f"{name}bias": bias, f"{name}nmad": 1.4826 * np.median(np.abs(dz - bias))}
        out[f"{name}outliers"] = np.mean(np.abs(dz) > OUTLIER)
        sure = np.asarray(result.columns["z_odds"]) > 0.9
        out[f"{name}outliers_sure"] = np.mean(np.abs(dz[sure]) > OUTLIER) if sure.any() else np.nan
    pit = (draws < z[:, None]).mean(axis=1)
    test = kstest(pit, "uniform")
    out |= {"sure": np.mean(sure), "pit_p": test.pvalue, "pit_max": test.statistic}
    for level in (68, 95):
        out[f"coverage{level}"] = np.mean(np.abs(pit - 0.5) < level / 200.0)
    out["trusted"] = np.mean(result.trust == "trusted")
    out["ess_median"] = np.median(result.columns["ess"])
    out["peaks_mean"] = np.mean(result.columns["z_peaks"])
    return out


def timed(post, likelihood, flux, sky, filters):
    """The answer, and seconds of the clock and of the processor for each object, once all is compiled."""
    given = {"filters": filters, "model": likelihood, "z_range": Z_RANGE, "seed": SEED}
    post.infer(flux[:4], sky[:4], **given)
    start = time.perf_counter(), time.process_time()
    result = post.infer(flux, sky, **given)
    end = time.perf_counter(), time.process_time()
    return result, *((b - a) / len(flux) for a, b in zip(start, end, strict=True))


@partial(jax.jit, static_argnames="n_draws")
def _log_means(likelihood, data, view, key, n_draws):
    """Log of the mean weight (Object, 3): of all draws, and of each half of them."""
    weighted, _ = propose(likelihood, data, view, np.arange(len(data.z), dtype=np.uint32), key, n_draws)
    halves = weighted.log_weight.reshape(len(data.z), 2, -1)
    halves = jax.nn.logsumexp(halves, axis=2) - jnp.log(n_draws / 2)
    whole = jax.nn.logsumexp(halves, axis=1, keepdims=True) - jnp.log(2.0)
    return jnp.concatenate([whole, halves], axis=1)


def evidence_at(likelihood, flux, sky, z, key, n_draws):
    """Log evidence (Object, 3) of objects at one redshift, as :func:`_log_means` has it."""
    post = likelihood.post
    data = post.prepared(flux, sky, z)
    table = likelihood.model.band_table(z, trim=False)
    out = np.asarray(_log_means(likelihood, data, table, key, n_draws=n_draws), float)
    return out + beyond_of(post, flux, sky, data.valid)[:, None]


def dense_evidence(likelihood, flux, sky, x):
    """Log evidence (3, Object, Z) at all of x = ln(1+z) (Z,); what counts nothing is -inf."""
    n = len(flux)
    z, out = np.float32(np.expm1(x)), np.full((3, n, len(x)), -np.inf)
    first = np.full((n, len(x)), np.nan)
    for i in range(0, len(x), FINER):
        first[:, i] = evidence_at(likelihood, flux, sky, z[i], jax.random.key(i), N_FIRST)[:, 0]
    coarse = first[:, ::FINER]
    good = coarse > coarse.max(axis=1, keepdims=True) - NEAR_BEST
    good = np.repeat(good, FINER, axis=1)[:, : len(x)]
    # between two redshifts of the first pass if either is near the best
    near = good.copy()
    for step in range(1, FINER):
        near[:, :-step] |= good[:, step:]
    for i in range(len(x)):
        rows = np.flatnonzero(near[:, i])
        if rows.size:
            index = np.resize(rows, -(-len(rows) // TOGETHER) * TOGETHER)
            key = jax.random.key(len(x) + i)
            found = evidence_at(likelihood, flux[index], sky[index], z[i], key, N_DENSE)
            out[:, rows, i] = found[: len(rows)].T
    return out


def distribution(log_p, x):
    """Distribution function (Object, Z) at the middles between x (Z,) and the total log evidence (Object,).

    Of a redshift that is uniform; by trapezoids in x = ln(1+z).
    """
    log_p = log_p + x - np.log(np.ptp(Z_RANGE)) + np.log(x[1] - x[0])
    log_p[:, [0, -1]] -= np.log(2.0)
    total = logsumexp(log_p, axis=1)
    return np.cumsum(np.exp(log_p - total[:, None]), axis=1), total


def exact(likelihood, result, flux, sky, n_z) -> dict[str, float]:
    """Differences of an answer from quadrature with exact band tables at up to n_z redshifts."""
    x = np.linspace(*np.log1p(Z_RANGE), n_z)
    log_p = dense_evidence(likelihood, flux, sky, x)
    (cdf, total), *halves = (distribution(part, x) for part in log_p)
    middle = np.append(0.5 * (x[1:] + x[:-1]), x[-1])
    draws = np.log1p(result.draws("z")[: len(flux)])
    found = (draws[:, :, None] <= middle).mean(axis=1)
    sparse, _ = distribution(log_p[0][:, ::2], x[::2])
    ends = np.append(0.5 * (x[2::2] + x[:-2:2]), x[-1])
    between = np.stack([np.interp(ends, middle, row) for row in cdf])
    differences = {
        "cdf": np.abs(found - cdf).max(axis=1),
        "own": np.abs(halves[0][0] - halves[1][0]).max(axis=1),
        "step": np.abs(sparse - between).max(axis=1),
    }
    out = {}
    for name, far in differences.items():
        out |= {f"quadrature_{name}_difference_median": np.median(far)}
        out |= {f"quadrature_{name}_difference_p90": np.quantile(far, 0.9)}
        out |= {f"quadrature_{name}_difference_max": far.max()}
    medians = np.array([np.interp(0.5, row, middle) for row in cdf])
    shift = np.abs(np.median(draws, axis=1) - medians) / draws.std(axis=1)
    difference = result.posteriors.log_evidence[: len(flux)] - total
    return out | {
        "quadrature_median_shift_median": np.median(shift),
        "quadrature_median_shift_max": shift.max(),
        "quadrature_log_evidence_bias": np.mean(difference),
        "quadrature_log_evidence_rms": np.sqrt(np.mean(difference**2)),
    }


def beyond_of(post, flux, sky, valid):
    """As inference has it: evidence of bands that are measured, but not modelled at this redshift."""
    there = np.isfinite(flux)
    pivot = np.asarray(post.filter_set.pivot_aa)
    limits = np.zeros_like(there)
    return beyond(np.nan_to_num(flux), sky, there, limits, np.asarray(valid)[:, None], pivot)[:, 0]


def curves() -> FilterSet:
    """Curves of the HDF-N."""
    with tempfile.TemporaryDirectory() as folder:
        file = archive("pyphot", PYPHOT, Path(folder))
        with zipfile.ZipFile(file) as wheel:
            names = [f"pyphot/libs/ascii_sources/hst_wfpc2_{band}.csv" for band in WFPC2]
            tables = [ascii.read(wheel.read(name).decode(), format="csv", comment="#") for name in names]
    near = FilterSet.from_names(NEAR_INFRARED)
    waves = [np.asarray(table.columns[0], float) for table in tables]
    throughputs = [np.maximum(np.asarray(table.columns[1], float), 0.0) for table in tables]
    return FilterSet((*WFPC2, *NEAR_INFRARED), (*waves, *near.wave_aa), (*throughputs, *near.trans))


def hdfn(folder):
    """Galaxies with spectroscopic redshifts: fluxes, errors [uJy], redshifts."""
    table = np.loadtxt(folder / "hdfn_fs99_eazy.cat.zspec.only")
    z = table[:, -1].astype(np.float32)
    # AB zero point 25
    flux, sky = (table[:, i:15:2] * 10.0 ** (-0.4 * (25.0 - 23.9)) for i in (1, 2))
    rows = (z > Z_RANGE[0]) & (z < Z_RANGE[1])
    bad = (sky <= 0.0) | (flux < -90.0)
    return np.where(bad, np.nan, flux)[rows], np.where(bad, np.nan, sky)[rows], z[rows]


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="photometry")
    parser.add_argument("--data", type=Path, help="folder of the catalogue of the HDF-N")
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    quick = args.quick
    n, n_exact, n_z = (8, 2, 121) if quick else (120, 50, 257)
    metrics, seconds, load = {}, {}, round(os.getloadavg()[0], 2)

    def note(name, result, z, *each):
        seconds[name] = each
        metrics.update({f"{name}.{key}": value for key, value in scores(result, z).items()})
        metrics.update({f"{name}.n": len(z), f"{name}.seconds_per_object": each[0]})
        metrics[f"{name}.cpu_seconds_per_object"] = each[1]
        print(f"{name}: {each[0]:.3f} s, {each[1]:.3f} s of the processor for each object", flush=True)

    for i, (name, depth) in enumerate(DEPTHS.items()):
        if quick and i:
            break
        survey = post.for_filters(EXAMINATION[name])
        likelihood = likelihood_of(parser, survey)
        tables = PhotometryLikelihood(survey, likelihood.model)
        flux, sky, z = mocks(tables, depth, n, SEED + i)
        result, *each = timed(post, likelihood, flux, sky, EXAMINATION[name])
        note(name.replace("-", "_"), result, z, *each)
        if i == 0:
            metrics |= exact(tables, result, flux[:n_exact], sky[:n_exact], n_z)
            print("quadrature done", flush=True)
    if not quick:
        folder = data_folder(parser, args.data, "catalogues", "hdfn")
        (flux, sky, z), filters = hdfn(folder), curves()
        likelihood = likelihood_of(parser, post.for_filters(filters))
        result, *each = timed(post, likelihood, flux, sky, filters)
        note("hdfn", result, z, *each)
    for i, name in enumerate(("seconds_per_object", "cpu_seconds_per_object")):
        metrics[name] = max(each[i] for each in seconds.values())
    own = {"objects": n, "objects_quadrature": n_exact, "draws": 500, "seed": SEED}
    own |= {"redshifts_quadrature": n_z, "draws_quadrature": N_DENSE}
    own |= {"z_range": list(Z_RANGE), "depths_ujy": DEPTHS, "snr_min": SNR_MIN}
    own |= {"bands": {name: len(EXAMINATION[name]) for name in DEPTHS}, "load_average_at_start": load}
    own |= {"bundle": post.label, "error_floor": 0.05, "warm": True, "io": False}
    report(args.json, terms(**own), metrics)


if __name__ == "__main__":
    main()
