"""What share of answers can be trusted, before and after refining, and what does refining cost?

The verdicts are those of :mod:`dsps_sbi.inference.trust`. The mocks are of the model itself, so that
whatever the p-values reject is a false alarm. Seconds are those of the second run over the same mocks, in
which nothing is compiled, per object that was refined.
"""

import time

import jax
import numpy as np
from scipy import stats

from dsps_sbi.inference.trust import SMALLEST_P, Method, weights_reliable
from dsps_sbi.photometry.catalogue import posteriors_of


def mocks_above(simulator, snr_min, n_z, n_per_z, seed):
    """Mocks of n_z redshifts above a cut in observed S/N, at most n_per_z each."""
    pool = simulator.table_pool(jax.random.key(seed), n_z)
    mocks = []
    for i in range(n_z):
        table = jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], pool)
        some = simulator.mocks(jax.random.fold_in(jax.random.key(seed + 1), i), table, 1, 4 * n_per_z)
        keep = np.flatnonzero(np.asarray(simulator.snr(some)) > snr_min)[:n_per_z]
        mocks.append(jax.tree.map(lambda a, keep=keep: np.asarray(a)[keep], some))
    return jax.tree.map(lambda *parts: np.concatenate(parts), *mocks)


def timed(function, *arguments, **options):
    """What a function returns, and the seconds of the second of two runs."""
    function(*arguments, **options)
    start = time.perf_counter()
    return function(*arguments, **options), time.perf_counter() - start


def trust(likelihood, mocks, n_draws):
    """Metrics of mocks: weighed as ``infer`` does, then what is left untrusted refined."""
    post, d = likelihood.post, mocks.data
    data = post.prepared(d.flux, d.sigma, d.z, d.valid, d.upper)
    weighed, seconds = timed(posteriors_of, post, likelihood, data, n_draws=n_draws)
    refined, seconds_refined = timed(posteriors_of, post, likelihood, data, n_draws=n_draws, refine=True)
    n_refined = max(int(np.sum(~weights_reliable(weighed.ess, weighed.pareto_k))), 1)
    odd = (refined.ppc_p <= SMALLEST_P) | (refined.typicality <= SMALLEST_P)
    metrics = {
        "trusted_fraction_flow": weighed.trusted.mean(),
        "trusted_fraction_after_refine": refined.trusted.mean(),
        "false_flag_rate": odd.mean(),
        "ppc_p_ks": stats.kstest(refined.ppc_p, "uniform").pvalue,
        "typicality_known_fraction": np.isfinite(refined.typicality).mean(),
        "refined_fraction": n_refined / len(mocks.z),
        "refine_seconds_per_object": (seconds_refined - seconds) / n_refined,
        "weigh_seconds_per_object": seconds / len(mocks.z),
        "ess_p16_after_refine": np.quantile(np.minimum(refined.ess / n_draws, 1.0), 0.16),
    }
    return metrics | {f"method_{m.name.lower()}": np.mean(refined.method == m) for m in Method if m > 0}
