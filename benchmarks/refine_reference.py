"""Are refined answers right? Marginals against long chains on the exact posterior, object by object.

Twenty mocks at observed S/N > 5 (masks, depths, limits as in training) and twenty pixels of the z = 3.475
galaxy of field_gsz14.py. The reference is NUTS (blackjax, 4 chains, window adaptation with a dense mass
matrix) on the exact posterior of the shape, the mass integrated out and then drawn exactly. It runs in
the flow's base space, where posteriors that are curved or cut by the prior come close to a unit normal:
this changes the coordinates, not the target. What the reference itself is worth is measured in three ways:

- split R-hat and effective draws of the chains;
- a dense importance-sampling run must give the same marginals (``is_``), and is a reference of its own
  (``dense_``): also where chains did not mix, which says nothing;
- both stand on the flow and could miss what it misses. The evidence from draws of the *prior* owes
  nothing to it: a mode without draws would show as evidence that is missing (``prior_log_evidence_``).

Under test are the answers of ``ds.refine``, as users get them. A marginal agrees if its median lies within
0.1 sigma + 3 standard errors and its width (half of 16-84 %) within 10 % + 3 standard errors of the
reference. ``_max_sigma`` and ``width_ratio_max`` are what is left of the worst difference after 3 standard
errors: at most 0.1 where all agree.
"""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms
from _exact import effective_share, likelihood_of, log_mean_exp
from _exact_draws import N_CHAINS, ExactDraws
from field_gsz14 import REDSHIFT, isolate
from tqdm.auto import tqdm

import dsps_sbi as ds
from dsps_sbi.inference.trust import Method
from dsps_sbi.instruments.filter_names import JADES_BANDS
from dsps_sbi.kernels.likelihood import mean_snr
from dsps_sbi.photometry.catalogue import posteriors_of
from dsps_sbi.photometry.data import PhotometryData

SNR_MIN = 5.0
N_DRAWS = 1000
# Objects whose chains run side by side
GROUP = 5
LEVELS = np.array([0.16, 0.5, 0.84])


def stack(trees):
    """Equal trees as one, with a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def mocks(simulator, n, seed):
    """Data of mocks, each at its own redshift, and their stacked band tables."""
    pool = simulator.table_pool(jax.random.key(seed), n)
    rows = []
    for i in range(n):
        one = jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], pool)
        some = simulator.mocks(jax.random.fold_in(jax.random.key(seed + 1), i), one, 1, 64)
        first = int(np.argmax(simulator.snr(some) > SNR_MIN))
        rows.append(jax.tree.map(lambda a, row=first: a[row], some.data))
    return stack(rows), pool


def pixels(folder, post, model, n, seed):
    """The same of pixels of a real galaxy, picked at random above the cut."""
    flux, error = np.load(folder / "full_phot_.npy"), np.load(folder / "full_err_.npy")
    error = isolate(flux, error)[0]
    data = post.prepared(*post.align(JADES_BANDS, flux, error), REDSHIFT)
    snr = mean_snr(*(jnp.asarray(a) for a in (data.flux, data.sigma, data.valid, post.snr_bands)))
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(snr > SNR_MIN))[:n]
    data = PhotometryData(*(jnp.asarray(a[chosen]) for a in data))
    # of the shape of the mocks' tables: what is compiled for these serves here too
    return data, stack([model.band_table(REDSHIFT, trim=False)] * n)


def quantities(post, u, z):
    """The package's quantities (Object, Draw, Quantity) of draws u (Object, Draw, Param)."""
    # object by object: dense runs are large
    parts = [post.derived_draws(one[None], at[None])[:, 0].T for one, at in zip(u, z, strict=True)]
    return np.stack([np.asarray(part) for part in parts])


def equal_weights(u):
    """Weights (Object, Draw) of draws that count the same."""
    return np.full(u.shape[:2], 1.0 / u.shape[1])


def summarise(values, weights, ess):
    """Median, half width, and the standard error of each, of weighted draws of one marginal.

    Standard errors from order statistics: a quantile of n draws lies between those one binomial
    standard deviation of n away from it, whatever the shape of the marginal.
    """
    order, weights = np.argsort(values), np.asarray(weights, float)
    values, below = values[order], np.cumsum(weights[order]) - 0.5 * weights[order]
    spread = np.sqrt(LEVELS * (1.0 - LEVELS) / ess)
    low, at, high = (
        np.interp(np.clip(LEVELS + side * spread, 0.0, 1.0), below, values) for side in (-1, 0, 1)
    )
    error = 0.5 * (high - low)
    # two quantiles of one sample: correlation of their errors 0.16 / 0.84
    width_error = 0.5 * math.sqrt(error[0] ** 2 + error[2] ** 2 - 2.0 * 0.16 / 0.84 * error[0] * error[2])
    return at[1], 0.5 * (at[2] - at[0]), error[1], width_error


def compare(one, other):
    """Differences of median and width from a reference's, in its widths, left after 3 standard errors.

    Each side is values (Object, Draw, Quantity), weights (Object, Draw), effective draws (Object,).
    Returns an array (2, Object, Quantity).
    """
    sides = [
        np.array(
            [[summarise(v[:, q], w, n) for q in range(v.shape[1])] for v, w, n in zip(*side, strict=True)]
        )
        for side in (one, other)
    ]
    (median, width, median_error, width_error), reference = (np.moveaxis(side, -1, 0) for side in sides)
    median_left = np.abs(median - reference[0]) - 3.0 * np.hypot(median_error, reference[2])
    width_left = np.abs(width - reference[1]) - 3.0 * np.hypot(width_error, reference[3])
    return np.maximum(np.stack([median_left, width_left]) / np.maximum(reference[1], 1e-3), 0.0)


def scores(left, is_parameter, prefix):
    """Metrics of what :func:`compare` left, for parameters and (``_derived``) all other quantities."""
    metrics = {}
    for suffix, which in (("", is_parameter), ("_derived", ~is_parameter)):
        median, width = left[:, :, which]
        metrics |= {
            f"{prefix}median_offset_max_sigma{suffix}": median.max(),
            f"{prefix}width_ratio_max{suffix}": width.max(),
            f"{prefix}share_within{suffix}": np.mean((median <= 0.1) & (width <= 0.1)),
        }
    return metrics


def in_groups(exact, data, tables, sizes, seed):
    """Everything known of each object, computed for a few at a time: a dict of arrays (Object, ...)."""
    n = len(data.z)
    size = min(GROUP, n)
    parts = []
    for first in tqdm(range(0, n - size + 1, size), desc="objects", unit="group"):
        some = [jax.tree.map(lambda a, i=first: a[i : i + size], part) for part in (data, tables)]
        parts.append(study(exact, *some, sizes, np.arange(first, first + size), seed))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def study(exact, data, tables, sizes, ids, seed):
    """Chains, weighted draws of flow and prior, and the answers under test, of a few objects."""
    post, z = exact.post, data.z
    # what depends on the data alone, once
    objects = data, exact.conditions(data), tables
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), int(ids[0])), 3)
    found = {}
    if sizes["keep"]:
        u, ess, rhat, divergent = exact.reference(keys[0], objects, sizes["warm"], sizes["keep"])
        found = {"chains": quantities(post, u, z), "ess": ess, "rhat": rhat, "divergent": divergent}
    u, log_w = exact.weighted(keys[1], objects, sizes["dense"])
    found |= {
        "dense": quantities(post, u, z),
        "dense_weights": np.asarray(jax.nn.softmax(log_w, axis=1)),
        "dense_ess": np.asarray(effective_share(log_w)) * log_w.shape[1],
    }
    of_prior = exact.weighted(keys[2], objects, sizes["prior"], of_prior=True)[1]
    found["prior_ess"] = np.asarray(effective_share(of_prior)) * of_prior.shape[1]
    found["missing"] = np.asarray(log_mean_exp(of_prior) - log_mean_exp(log_w))
    prepared = post.prepared(data.flux, data.sigma, z, data.valid, data.upper)
    options = {"n_draws": N_DRAWS, "seed": seed, "ids": ids, "refine": True}
    answers = posteriors_of(post, exact.likelihood, prepared, **options)
    return found | {
        "answers": quantities(post, answers.u, z),
        # resampling makes no draw worth more than itself
        "answer_ess": np.minimum(answers.ess, N_DRAWS),
        "trusted": answers.trusted,
        "method": answers.method,
    }


def metrics_of(post, found, prefix):
    """Metrics of what was found out about one set of objects."""
    tested = found["answers"], equal_weights(found["answers"]), found["answer_ess"]
    dense = found["dense"], found["dense_weights"], found["dense_ess"]
    missing_sigma = found["missing"] / np.hypot(found["prior_ess"] ** -0.5, found["dense_ess"] ** -0.5)
    is_parameter = np.isin(post.quantities, post.names)
    metrics = {
        **scores(compare(tested, dense), is_parameter, f"{prefix}dense_"),
        f"{prefix}answer_ess_min": found["answer_ess"].min(),
        f"{prefix}answer_trusted_fraction": found["trusted"].mean(),
        **{f"{prefix}answer_{m.name.lower()}": np.mean(found["method"] == m) for m in Method if m > 0},
        f"{prefix}is_ess_min": found["dense_ess"].min(),
        f"{prefix}prior_ess_min": found["prior_ess"].min(),
        f"{prefix}prior_log_evidence_max_sigma": missing_sigma.max(),
        f"{prefix}prior_log_evidence_mean_sigma": missing_sigma.mean(),
    }
    if "chains" not in found:
        return metrics
    chains = found["chains"], equal_weights(found["chains"]), found["ess"]
    return metrics | {
        **scores(compare(tested, chains), is_parameter, prefix),
        f"{prefix}reference_ess_min": found["ess"].min(),
        f"{prefix}reference_ess_median": np.median(found["ess"]),
        f"{prefix}reference_rhat_max": found["rhat"].max(),
        f"{prefix}reference_divergent": found["divergent"].mean(),
        **scores(compare(dense, chains), is_parameter, f"{prefix}is_"),
    }


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    parser.add_argument("--field", type=Path, help="folder with full_phot_.npy and full_err_.npy")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--no-chains", action="store_true", help="only dense importance sampling as reference: minutes"
    )
    args = parser.parse_args()
    folder = data_folder(parser, args.field, "jades", "gsz14")
    post = ds.load_bundle(args.bundle)
    likelihood = likelihood_of(parser, post)
    model = likelihood.model
    n = 2 if args.quick else 20
    sizes = {"warm": 300, "keep": 800, "dense": 100_000, "prior": 300_000}
    if args.quick:
        sizes = {"warm": 100, "keep": 200, "dense": 5_000, "prior": 20_000}
    if args.no_chains:
        sizes |= {"warm": 0, "keep": 0}
    metrics, exact = {}, ExactDraws(likelihood)
    simulator = ds.PhotometrySimulator.jades_pixels(model)
    for prefix, objects in (
        ("mocks.", mocks(simulator, n, args.seed)),
        ("pixels.", pixels(folder, post, model, n, args.seed)),
    ):
        metrics |= metrics_of(post, in_groups(exact, *objects, sizes, args.seed), prefix)
    report(
        args.json,
        terms(
            objects={"mocks": n, "pixels": n},
            draws={"answer": N_DRAWS, **sizes, "chains": N_CHAINS},
            seed=args.seed,
            bundle=str(post.meta["name"]),
            selection="S/N > 5; pixels of the z = 3.475 galaxy of field_gsz14.py",
            noise="mocks: masks, depths, limits as in training; pixels: as released, 5 % floor",
            answer="ds.refine: weights, population Monte Carlo, chains where needed",
            reference="dense importance sampling; NUTS in the flow's base space unless keep is 0; standard "
            "errors from order statistics",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
