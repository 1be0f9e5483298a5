"""What share of answers can be trusted, before and after refining, and what does refining cost?

Mocks drawn from the prior at observed S/N > 5, with the masks, depths and limits of training: weighed as
``infer`` does, then what is left untrusted is refined. The verdicts are those of
:mod:`dsps_sbi.trust`; as the mocks are of the model itself, whatever the p-values reject is a false alarm.
Seconds are of the second run over the same mocks (nothing is compiled) per object that was refined.
"""

import time

import jax
import numpy as np
from _contract import options, report, terms
from scipy import stats

import dsps_sbi as ds
from dsps_sbi.trust import SMALLEST_P, Method, enough

SNR_MIN = 5.0


def mocks_above(simulator, n_z, n_per_z, seed):
    """Mocks of n_z redshifts above the cut."""
    pool = simulator.table_pool(jax.random.key(seed), n_z)
    draw = jax.jit(simulator.draw, static_argnums=(2, 3))
    mocks = []
    for i in range(n_z):
        table = jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], pool)
        some = draw(jax.random.fold_in(jax.random.key(seed + 1), i), table, 1, 4 * n_per_z)
        keep = np.flatnonzero(np.asarray(simulator.snr(some)) > SNR_MIN)[:n_per_z]
        mocks.append(jax.tree.map(lambda a, keep=keep: np.asarray(a)[keep], some))
    return jax.tree.map(lambda *parts: np.concatenate(parts), *mocks)


def timed(function, *arguments, **options):
    """Answers and seconds of the second of two runs."""
    function(*arguments, **options)
    start = time.perf_counter()
    return function(*arguments, **options), time.perf_counter() - start


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    parser.add_argument("--seed", type=int, default=27)
    parser.add_argument("--draws", type=int, default=500)
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    weigher = post.own_weigher
    if weigher is None:
        parser.error("needs the stellar populations of the bundle: dsps-sbi fetch bc03-miles")
    n_z, n_per_z = (2, 16) if args.quick else (40, 25)
    mocks = mocks_above(ds.Simulator.jades_pixels(weigher.model), n_z, n_per_z, args.seed)
    data = (mocks.flux, mocks.sky, mocks.z)
    more = {"valid": mocks.valid, "upper": mocks.upper, "n_draws": args.draws}
    flow, seconds = timed(ds.weigh, post, weigher, *data, **more)
    refined, seconds_refined = timed(ds.refine, post, weigher, *data, **more)
    n_refined = max(int(np.sum(~enough(flow.ess, flow.pareto_k))), 1)
    odd = (refined.ppc_p <= SMALLEST_P) | (refined.typicality <= SMALLEST_P)
    inside = (refined.u < mocks.u[:, None]).mean(axis=1)
    inside = (inside > 0.16) & (inside < 0.84)
    metrics = {
        "trusted_fraction_flow": flow.trusted.mean(),
        "trusted_fraction_after_refine": refined.trusted.mean(),
        "false_flag_rate": odd.mean(),
        "ppc_p_ks": stats.kstest(refined.ppc_p, "uniform").pvalue,
        "typicality_known_fraction": np.isfinite(refined.typicality).mean(),
        "refined_fraction": n_refined / len(mocks.z),
        "refine_seconds_per_object": (seconds_refined - seconds) / n_refined,
        "weigh_seconds_per_object": seconds / len(mocks.z),
        "ess_median_flow": np.median(flow.ess),
        "ess_p16_after_refine": np.quantile(refined.ess, 0.16),
    }
    metrics |= {f"method_{m.name.lower()}": np.mean(refined.method == m) for m in Method if m > 0}
    metrics |= {f"{name}.coverage68": x for name, x in zip(post.names, inside.mean(axis=0), strict=True)}
    report(
        args.json,
        terms(
            objects=len(mocks.z),
            draws=args.draws,
            seed=args.seed,
            bundle=str(post.meta["name"]),
            noise="masks, depths and limits as in training; observed S/N > 5",
            warm=True,
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
