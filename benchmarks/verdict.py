"""Does the verdict stand still, see errors that are too large, and say what the prior decides?

``mocks.*`` are galaxies of the prior at S/N > 5, ``candels.*`` the galaxies of CANDELS/GOODS-S at z =
1.0-1.1 of Pacifici et al. (2023) in the ACS bands that the bundle has. ``flips_refined`` is the share of
the objects whose refined verdict is not the same for all seeds, ``flips`` that of weighed answers,
``flips_p`` that of the rule of the p-value alone. ``failed_at_first`` is the share that gets more draws.
``ks_p`` and ``ks_two_sided`` are p-values of
Kolmogorov and Smirnov's test of uniformity.

``scale_*``: stated errors of mocks that are too small or too large, so that the true ones are that many
times as large: the scale that the summary tells at once (``told``), and the one that is fitted.

``field.*``: the pixels at S/N > 5 of the cutout around JADES-GS-z14-0, at the redshift of the galaxy
in front (most others lie elsewhere): as stated, and with fitted errors (``fitted_``).

``informed_*``: shares of mocks whose mass is told by the data and not the prior: with all bands as in
training, with ACS alone at z = 1.9-3.7, with three bands at S/N 1. ``candels.offset_*``: median of log10 of
the mass less that of Prospector, of trusted galaxies and of those that are informed beside.

``metal_poor.*``: galaxies of FSPS ([M/H] < -1.2, S/N > 100, errors of the sky alone), with bands and
definitions mended as in ``other_universe.py``: how often 68 % intervals of trusted answers hold the truth.
"""

import time
from pathlib import Path

import _fsps
import _fsps_truths
import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms
from _exact import likelihood_of
from _trust import mocks_above
from scipy import stats

import dsps_sbi as ds
from dsps_sbi.inference.engine import Engine
from dsps_sbi.inference.error_summary import ErrorSummary
from dsps_sbi.inference.misfit import two_sided
from dsps_sbi.inference.trust import SMALLEST_P, Informed, weights_reliable
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.photometry.catalogue import posteriors_of
from dsps_sbi.photometry.quantities import theta_of

N_DRAWS, SNR_MIN = 500, 5.0
SCALES = (0.4, 0.7, 1.5, 2.5)
FIELD_SHAPE, FIELD_Z = (110, 195), 3.475
# As the catalogue of CANDELS calls them
ACS = ("ACS_F435W", "ACS_F606W", "ACS_F775W", "ACS_F814W", "ACS_F850LP")


def prepared(post, mocks):
    """Mocks as the network takes them."""
    d = mocks.data
    return post.prepared(d.flux, d.sigma, d.z, d.valid, d.upper)


def rows_of(data, rows):
    """Some of the objects."""
    return jax.tree.map(lambda a: np.asarray(a)[rows], data)


def order_of(z, seed):
    """Numbers of objects in an order that has nothing to do with their redshifts."""
    return np.random.default_rng(seed).permutation(len(z))


def changing(verdicts):
    """Share of objects whose verdicts (Seed, Object) are not all the same."""
    return float(np.mean(verdicts.any(axis=0) & ~verdicts.all(axis=0)))


def timed_answers(likelihood, data, seeds):
    """Weighed answers with each seed, which share gets more draws, and CPU seconds without compiling."""
    post, draw_more, whole, failed = likelihood.post, Engine._draw_more, 0.0, []

    def noted(self, columns, *batch):
        failed.append(~weights_reliable(columns["ess"], columns["pareto_k"]))
        return draw_more(self, columns, *batch)

    Engine._draw_more, answers = noted, []
    try:
        for seed in seeds:
            start = time.process_time()
            answers.append(posteriors_of(post, likelihood, data, n_draws=N_DRAWS, seed=seed))
            whole += time.process_time() - start
            if len(answers) == 1:
                whole = 0.0
    finally:
        Engine._draw_more = draw_more
    cpu = whole / (len(answers) - 1) / len(data.z)
    return answers, {"failed_at_first": np.concatenate(failed).mean(), "cpu_seconds_per_object": cpu}


def scatter_of_medians(answers):
    """99th percentile of the scatter of medians over seeds, in standard deviations of the posterior.

    Of objects that are trusted with all seeds. A mode that some seeds miss would show here.
    """
    median = np.stack([np.median(one.u, axis=1) for one in answers])
    width = np.mean([one.u.std(axis=1) for one in answers], axis=0)
    always = np.all([one.trusted for one in answers], axis=0)
    return np.quantile((median.std(axis=0, ddof=1) / width)[always], 0.99) if always.any() else np.nan


def flips(likelihood, data, seeds, n_refined):
    """Shares of verdicts that change with the seed, and the answers of the first one, weighed and refined.

    All objects are refined once, the first n_refined of them with each seed.
    """
    post = likelihood.post
    weighed, cost = timed_answers(likelihood, data, seeds)
    some = rows_of(data, slice(0, n_refined))
    refined = [posteriors_of(post, likelihood, some, n_draws=N_DRAWS, seed=s, refine=True) for s in seeds]
    passes = np.array([two_sided(one.ppc_p) > SMALLEST_P for one in weighed])
    metrics = {
        **cost,
        "median_scatter": scatter_of_medians(weighed),
        "flips_p": changing(passes),
        "flips": changing(np.array([one.trusted for one in weighed])),
        "flips_refined": changing(np.array([one.trusted for one in refined])),
        "trusted": np.mean([one.trusted for one in weighed]),
        "odd_p": np.mean(~passes),
    }
    whole = posteriors_of(post, likelihood, data, n_draws=N_DRAWS, seed=seeds[0], refine=True)
    metrics["trusted_refined"] = whole.trusted.mean()
    return metrics, weighed[0], whole


def uniformity(answers, suffix=""):
    """Tests of p-values that are uniform if all is right."""
    p = np.asarray(answers.ppc_p, float)
    return {
        f"ks_p{suffix}": stats.kstest(p, "uniform").pvalue,
        f"ks_two_sided{suffix}": stats.kstest(two_sided(p), "uniform").pvalue,
    }


def catalogue(post, data):
    """Prepared photometry as an observer has it."""
    flux = np.where(data.valid, data.flux, np.nan)
    return ds.Catalogue(flux, data.sigma, post.filters, data.z, upper=data.upper)


def scales(likelihood, data):
    """What is told of errors that are not what is stated."""
    metrics, post = {}, likelihood.post
    for true in SCALES:
        stated = catalogue(post, data._replace(sigma=data.sigma / np.float32(true)))
        told = post.infer(stated, model=likelihood, n_draws=N_DRAWS).errors
        fitted = post.infer(stated, model=likelihood, n_draws=N_DRAWS, error_scale="fit").meta
        half = 0.5 * (fitted["error_scale_high"] - fitted["error_scale_low"])
        metrics |= {
            f"scale_{true}.told": told.scale,
            f"scale_{true}.fitted": fitted["error_scale"],
            f"scale_{true}.fitted_err": half,
            f"scale_{true}.off": abs(fitted["error_scale"] / true - 1.0),
        }
    return metrics


def field(post, likelihood, folder, step):
    """The real field, with errors as stated and as fitted."""
    flux, error = np.load(folder / "full_phot_.npy"), np.load(folder / "full_err_.npy")
    mask = np.arange(len(flux)) % step > 0
    cube = ds.PixelCube(flux, error, JADES_BANDS, FIELD_Z, FIELD_SHAPE, mask=mask)
    metrics = {}
    for prefix, scale in (("", None), ("fitted_", "fit")):
        result = post.infer(cube, model=likelihood, n_draws=N_DRAWS, error_scale=scale)
        errors, n = ErrorSummary.of(result.columns), int(result.fitted.sum())
        metrics |= {
            f"field.{prefix}pixels": n,
            f"field.{prefix}p_median": errors.median,
            f"field.{prefix}p_above_0.975": errors.high,
            f"field.{prefix}trusted": result.meta["n_trust_trusted"] / n,
            f"field.{prefix}scale_seen": errors.scale,
        }
    return metrics | {"field.fitted_scale": result.meta["error_scale"]}


def candels(post, folder):
    """Prepared photometry of real galaxies with three ACS bands or more, and masses of Prospector."""
    path = folder / "CANDELS_GDSS_workshop_z1_fluxes_Jy_UVtoIR.dat"
    names = path.read_text().splitlines()[0].lstrip("# ").split()
    table = np.loadtxt(path, ndmin=2)
    column = {name: table[:, i] for i, name in enumerate(names[: table.shape[1]])}
    flux, sigma = (np.stack([column[start + band] for band in ACS], axis=1) for start in ("", "e"))
    # in Jy; -99 where a band was not observed
    seen = (flux > -98.0) & (sigma > 0.0)
    rows = np.flatnonzero(seen.sum(axis=1) >= 3)
    flux, sigma = (np.where(seen, 1e6 * a, np.nan)[rows] for a in (flux, sigma))
    # redshifts are told to a thousandth; fewer of them are fewer tables of bands
    z = np.round(column["zz"][rows], 2)
    filters = ["acs_wfc_" + band.removeprefix("ACS_").lower() for band in ACS]
    flux, sigma = post.align(filters, flux, sigma)
    lines = (folder / "codes" / "prospector_output_z1.dat").read_text().splitlines()[1:]
    masses = {int(line.split(",")[0]): float(line.split(",")[1]) for line in lines}
    known = np.array([masses.get(int(name), np.nan) for name in column["ID"][rows]])
    return post.prepared(flux, sigma, np.float32(z)), known


def masses(post, answers, z):
    """Median of log10 of the surviving mass (Object,)."""
    parts = [
        post.derived_draws(answers.u[i : i + 25], z[i : i + 25], ("log_mass",))[0]
        for i in range(0, len(z), 25)
    ]
    return np.median(np.concatenate(parts), axis=1)


def offsets(post, answers, data, known):
    """Masses beside those of another code, by what is said of them."""
    off = masses(post, answers, np.asarray(data.z)) - known
    told, word = np.isfinite(known), answers.informed == Informed.YES
    groups = {"trusted": answers.trusted, "informed": answers.trusted & word}
    groups["uninformed"] = answers.trusted & ~word
    metrics = {"informed": word.mean()}
    for name, chosen in groups.items():
        chosen = chosen & told
        metrics[f"n_{name}"] = int(chosen.sum())
        metrics[f"offset_{name}"] = float(np.median(off[chosen])) if chosen.any() else 0.0
    return metrics


def informed(likelihood, data, seed):
    """Shares of mocks whose mass the data tell, for data that tell less and less."""
    post, z = likelihood.post, np.asarray(data.z)
    acs = np.array([name.startswith("acs") for name in post.filters])
    # a quarter of the redshifts of the prior: some are among any four or more
    chosen = (z > 1.88) & (z < 3.75) & ((data.valid & acs).sum(axis=1) >= 3)
    chosen = rows_of(data, np.flatnonzero(chosen)[:50])
    alone = chosen._replace(valid=chosen.valid & acs, upper=chosen.upper & acs)
    faint = rows_of(data, slice(0, 50))
    three = np.isin(post.filters, ("jwst_f115w", "jwst_f200w", "jwst_f444w"))
    noise = np.random.default_rng(seed).standard_normal(faint.flux.shape)
    ones = faint._replace(
        valid=np.broadcast_to(three, faint.valid.shape),
        sigma=np.broadcast_to(np.float32(post.noise.depth_ujy), faint.flux.shape),
        upper=np.zeros_like(faint.upper),
    )
    ones = ones._replace(flux=np.float32(np.where(three, (1.0 + noise) * ones.sigma, 0.0)))
    metrics = {}
    for name, some in (("acs", alone), ("snr_1", ones)):
        some = post.prepared(some.flux, some.sigma, some.z, some.valid, some.upper)
        found = posteriors_of(post, likelihood, some, n_draws=N_DRAWS, refine=True)
        metrics[f"informed_{name}"] = np.mean(found.informed == Informed.YES)
        metrics[f"trusted_{name}"] = found.trusted.mean()
        metrics[f"objects_{name}"] = len(some.z)
    return metrics


def metal_poor(likelihood, path, n, seed):
    """Coverage of trusted answers on metal-poor galaxies of FSPS, their bands and definitions mended."""
    post = likelihood.post
    # the atlas has gas of log U = -2 and all of Lyman alpha
    own = ds.GalaxyModel.preset("jades-pixels")
    data = _fsps.atlas(path)
    snr = (data["sed"] * (1.0 + data["zval"]) / post.noise.depth_ujy)[:, np.asarray(post.snr_bands)].mean(
        axis=1
    )
    rows = np.flatnonzero((data["met"].ravel() + _fsps.SOLAR_DEX < -1.2) & (snr > 100.0))
    some = {name: data[name][rows] for name in ("zval", "sfh_tuple", "met", "dust", "sed")}
    truths = _fsps_truths.tau_truths(own, some)
    low, high = post.network.prior.z
    chosen = np.flatnonzero(truths.sane & (truths.z > low) & (truths.z < high))[:n]
    flux, z = truths.flux[chosen], np.float32(truths.z[chosen])
    sigma = np.broadcast_to(np.asarray(post.noise.depth_ujy), flux.shape)
    noisy = flux + sigma * np.random.default_rng(seed).standard_normal(flux.shape)
    answers = posteriors_of(post, likelihood, post.prepared(noisy, sigma, z), refine=True)
    theta = np.asarray(theta_of(post.network, post.grey, answers.u, jnp.float32(z)))
    metrics = {"objects": len(chosen), "trusted": answers.trusted.mean()}
    if answers.trusted.any():
        for name in ("log_mass_formed", "metallicity", "av"):
            drawn, true = theta[..., post.names.index(name)], truths.values[name][chosen]
            inside = np.abs(np.mean(drawn < true[:, None], axis=1) - 0.5) < 0.34
            metrics[f"{name}.coverage68"] = inside[answers.trusted].mean()
            metrics[f"{name}.bias"] = np.median((np.median(drawn, axis=1) - true)[answers.trusted])
    return {f"metal_poor.{key}": value for key, value in metrics.items()}


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    parser.add_argument("--seed", type=int, default=23)
    parser.add_argument("--data", type=Path, help="folder with catalogues/ and jades/")
    args = parser.parse_args()
    root = data_folder(parser, args.data)
    post = ds.load_bundle(args.bundle)
    # a bundle for any filters
    post = post.for_filters(JADES_BANDS) if post.filters is None else post
    likelihood = likelihood_of(parser, post)
    n_z, n_per_z, n_seeds, n_refined, step = (2, 25, 2, 10, 37) if args.quick else (4, 100, 10, 50, 1)
    mocks = mocks_above(post.simulator(likelihood.model), SNR_MIN, n_z, n_per_z, args.seed)
    # in an order of their own, so that the first ones are of all redshifts
    data = rows_of(prepared(post, mocks), order_of(mocks.z, args.seed))
    real, known = candels(post, root / "catalogues" / "candels_z1")
    chosen = order_of(real.z, args.seed)[: 20 if args.quick else 100]
    real, known = rows_of(real, chosen), known[chosen]
    seeds = range(n_seeds)
    found, weighed, refined = flips(likelihood, data, seeds, n_refined)
    found |= uniformity(weighed) | uniformity(refined, "_refined")
    found["informed"] = np.mean(weighed.informed == Informed.YES)
    metrics = {f"mocks.{key}": value for key, value in found.items()}
    found, _, refined = flips(likelihood, real, seeds, n_refined)
    found |= offsets(post, refined, real, known)
    metrics |= {f"candels.{key}": value for key, value in found.items()}
    metrics |= scales(likelihood, rows_of(data, slice(0, 200)))
    metrics |= field(post, likelihood, root / "jades" / "gsz14", step)
    metrics |= informed(likelihood, data, args.seed)
    atlas = root / "jades" / "fsps_atlas" / "atlas_obs_jades_1000_Nparam_2.dbatlas"
    metrics |= metal_poor(likelihood, atlas, 5 if args.quick else 60, args.seed)
    report(
        args.json,
        terms(
            objects={"mocks": len(data.z), "candels": len(real.z), "refined with each seed": n_refined},
            draws=N_DRAWS,
            seeds=n_seeds,
            seed=args.seed,
            bundle=str(post.meta["name"]),
            selection=f"mocks: observed S/N > {SNR_MIN:g}; candels: 3 ACS bands or more, redshifts to 0.01",
            noise="mocks: masks, depths and upper limits as in training",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
