"""How good are redshifts from photometry alone?

Mocks of the bundle's prior at redshifts that are uniform, seen by three surveys whose filters no network was
trained on, at an observed mean S/N above 5. Every answer is that of ``infer(..., z_range=...)``. For each
survey, with dz = (z - z_true) / (1 + z_true) of the medians: ``bias`` (median of dz), ``nmad`` (1.48 times
the median distance from it), ``outliers`` (share of dz beyond 0.15), the same of ``z_best``, ``pit_p`` and
``pit_max`` (are ranks of the truth among the draws uniform? p-value and largest distance of Kolmogorov and
Smirnov's test), ``coverage68`` and ``coverage95``, the share of trusted answers, seconds for each object.
``outliers_sure`` are those of answers whose ``z_odds`` is above 0.9, ``sure`` the share of these.

``exact.`` compares some of the mocks of the first survey with dense quadrature: the exact likelihood with
band tables at hundreds of redshifts for all objects, and draws of their own at each. ``cdf_max`` is the
largest distance of the two distribution functions of the redshift, which 500 draws alone make 0.04 on
average, ``median_shift`` the distance of medians in standard deviations, ``log_evidence`` the difference of
evidences [nat].

``hdfn.`` are the galaxies of Fernandez-Soto, Lanzetta & Yahil (1999, ApJ 513, 34) with spectroscopic
redshifts, in seven bands: WFPC2's curves are those of pyphot, IRIM's J, H and K are taken to be WFCAM's.
"""

import tempfile
import time
import zipfile
from pathlib import Path

import jax
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
from dsps_sbi.photometry.universal.surveys import EXAMINATION

# Sky of one standard deviation [uJy], give or take 0.15 dex from band to band
DEPTHS = {"candels-goodss": 0.02, "lsst": 0.05, "medium": 0.01}
Z_RANGE = (0.01, 6.5)
SNR_MIN, N_PER_Z, SEED = 5.0, 24, 11
OUTLIER = 0.15
# Draws of each object at each redshift of the quadrature
N_DENSE = 1000
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
    """The answer, and seconds for each object once all is compiled."""
    given = {"filters": filters, "model": likelihood, "z_range": Z_RANGE, "seed": SEED}
    post.infer(flux[:1], sky[:1], **given)
    start = time.perf_counter()
    result = post.infer(flux, sky, **given)
    return result, (time.perf_counter() - start) / len(flux)


@jax.jit
def _evidence(likelihood, data, view, key):
    weighted, _ = propose(likelihood, data, view, np.arange(len(data.z), dtype=np.uint32), key, N_DENSE)
    return weighted.log_evidence


def exact(likelihood, result, flux, sky, n_z) -> dict[str, float]:
    """Differences from quadrature with exact band tables at n_z redshifts."""
    post = likelihood.post
    x = np.linspace(*np.log1p(Z_RANGE), n_z)
    log_p = []
    for i, z in enumerate(np.float32(np.expm1(x))):
        data = post.prepared(flux, sky, z)
        table = likelihood.model.band_table(z, trim=False)
        log_p.append(np.asarray(_evidence(likelihood, data, table, jax.random.key(i)), float))
        log_p[-1] += beyond_of(post, flux, sky, data.valid)
    # uniform in redshift; trapezoids in ln(1+z)
    log_p = np.stack(log_p, axis=1) + x - np.log(np.ptp(Z_RANGE)) + np.log(x[1] - x[0])
    log_p[:, [0, -1]] -= np.log(2.0)
    total = logsumexp(log_p, axis=1)
    cdf = np.cumsum(np.exp(log_p - total[:, None]), axis=1)
    middle = np.append(0.5 * (x[1:] + x[:-1]), x[-1])
    draws = np.log1p(result.draws("z"))
    found = (draws[:, :, None] <= middle).mean(axis=1)
    far = np.abs(found - cdf).max(axis=1)
    medians = np.array([np.interp(0.5, row, middle) for row in cdf])
    shift = np.abs(np.median(draws, axis=1) - medians) / draws.std(axis=1)
    difference = result.posteriors.log_evidence - total
    return {
        "exact.cdf_max_median": np.median(far),
        "exact.cdf_max_p90": np.quantile(far, 0.9),
        "exact.cdf_max_worst": far.max(),
        "exact.median_shift_median": np.median(shift),
        "exact.median_shift_worst": shift.max(),
        "exact.log_evidence_bias": np.mean(difference),
        "exact.log_evidence_rms": np.sqrt(np.mean(difference**2)),
    }


def beyond_of(post, flux, sky, valid):
    """As inference has it: evidence of bands that are measured, but not modelled at this redshift."""
    from dsps_sbi.photometry.redshift.sample import beyond

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
    n, n_exact, n_dense = (8, 4, 40) if quick else (300, 50, 400)
    metrics, seconds = {}, []
    for i, (name, depth) in enumerate(DEPTHS.items()):
        if quick and name != "candels-goodss":
            continue
        survey = post.for_filters(EXAMINATION[name])
        likelihood = likelihood_of(parser, survey)
        tables = PhotometryLikelihood(survey, likelihood.model)
        flux, sky, z = mocks(tables, depth, n, SEED + i)
        result, each = timed(post, likelihood, flux, sky, EXAMINATION[name])
        seconds.append(each)
        prefix = name.replace("-", "_")
        metrics |= {f"{prefix}.{key}": value for key, value in scores(result, z).items()}
        metrics[f"{prefix}.seconds_per_object"] = each
        if i == 0:
            some = slice(n_exact)
            again = post.infer(
                flux[some], sky[some], filters=EXAMINATION[name], model=likelihood, z_range=Z_RANGE
            )
            metrics |= exact(tables, again, flux[some], sky[some], n_dense)
    if not quick:
        folder = data_folder(parser, args.data, "catalogues", "hdfn")
        (flux, sky, z), filters = hdfn(folder), curves()
        likelihood = likelihood_of(parser, post.for_filters(filters))
        result, each = timed(post, likelihood, flux, sky, filters)
        metrics |= {f"hdfn.{key}": value for key, value in scores(result, z).items()}
        metrics |= {"hdfn.n": len(z), "hdfn.seconds_per_object": each}
    metrics["seconds_per_object"] = float(np.max(seconds))
    own = {"objects": n, "objects_exact": n_exact, "redshifts_exact": n_dense, "draws": 500, "seed": SEED}
    own |= {"draws_exact": N_DENSE, "z_range": list(Z_RANGE), "depths_ujy": DEPTHS, "snr_min": SNR_MIN}
    own |= {"bundle": post.label, "error_floor": 0.05, "warm": True, "io": False}
    report(args.json, terms(**own), metrics)


if __name__ == "__main__":
    main()
