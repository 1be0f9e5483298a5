"""Are outliers found out, compared with the best that the exact likelihood could do?

Objects at observed S/N > 20 in at least 10 bands. Five kinds of outliers (:mod:`_outliers`): a star, an
active nucleus, one band off by 10 sigma (floor included), a redshift wrong by more than 0.3 (1+z), and
flux units wrong by 1000 in one of two instruments. Two more kinds have the units of all bands wrong alike:
1000 times too large (nJy called uJy) or too small; the smallest over kinds leaves these out, as a brighter
galaxy is a galaxy too. Beside the flags the smallest chi2 over all
parameters (:mod:`_best_fit`), with a threshold for each number of bands, set on galaxies of the model,
at which it raises as many false alarms as the flags do (2 % at most).

What is flagged: objects whose refined answer is not trusted, by the rule of :mod:`dsps_sbi.inference.trust`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from _best_fit import best_chi2, chi2
from _contract import options, report, terms
from _exact import likelihood_of
from _outliers import FACTORS, FEWEST_BANDS, KINDS, SNR_MIN, Outliers, with_many_bands

import dsps_sbi as ds
from dsps_sbi.inference.engine import Engine

N_DRAWS = 500
# Chi2 is not allowed more false alarms than this, whatever the flags raise
FALSE_MAX = 0.02
# Numbers of bands that share a threshold begin here
GROUPS = np.array([FEWEST_BANDS, 13, 16, 19])


@jax.jit
def assess(likelihood, mocks, table, key):
    """Smallest chi2 (Object,) of one redshift's objects, and that of the truth."""
    post, model = likelihood.post, likelihood.model
    draw_key, prior_key = jax.random.split(key)
    data = mocks.data[:3]
    condition = post.network.condition(post.weights, *mocks.data)
    noise = jax.random.normal(draw_key, (len(mocks.z), N_DRAWS, likelihood.n_shape))
    draws, _ = post.network.draw_shape(post.weights, condition, noise)
    wide = jnp.broadcast_to(jax.random.normal(prior_key, noise.shape[1:]), draws.shape)
    at_truth = chi2(data, model.predict_fast(mocks.theta, table), post.noise.floor)
    return best_chi2(likelihood, data, (draws, wide), table), at_truth


def far_away(pool_z, i, rng):
    """A true redshift for which that of table i is wrong by more than 0.3 (1+z)."""
    wrong = np.abs(pool_z - pool_z[i]) > 0.3 * (1.0 + pool_z)
    return int(rng.choice(np.flatnonzero(wrong)))


def measure(likelihood, n_z, n_keep, n_galaxies, seed):
    """Per kind: smallest chi2, the truth's, bands, flag, and whether errors are in range, of every object.

    Kind "" are galaxies.
    """
    post = likelihood.post
    simulator = with_many_bands(ds.PhotometrySimulator.jades_pixels(likelihood.model))
    draw = Outliers(simulator, 8 * n_keep, n_keep)
    engine = Engine(post, likelihood, refine=True)
    rng = np.random.default_rng(seed)
    pool = simulator.table_pool(jax.random.key(seed), n_z)
    pool_z = np.asarray(pool.z)
    rows = {kind: [] for kind in ("", *KINDS, *FACTORS)}
    for i in range(n_z):
        table, other = (jax.tree.map(lambda leaf, j=j: leaf[j], pool) for j in (i, far_away(pool_z, i, rng)))
        for k, kind in enumerate([""] * n_galaxies + [*KINDS, *FACTORS]):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed + 1), i), k)
            draw_key, assess_key = jax.random.split(key)
            mocks, keep = draw(kind, draw_key, table, other)
            best, at_truth = assess(likelihood, mocks, table, assess_key)
            d = mocks.data
            data = post.prepared(d.flux, d.sigma, d.z, d.valid, d.upper)
            # the pool's tables have one shape: what is compiled serves all redshifts
            started = engine.start(data, table, np.arange(len(mocks.z)), assess_key, N_DRAWS)
            flagged = ~engine.finish(started, len(mocks.z)).trusted
            columns = [best, at_truth, d.valid.sum(axis=1), flagged, post.in_range(data)]
            columns = np.stack(columns, axis=1)
            rows[kind].append(columns[np.asarray(keep)])
    return {kind: np.concatenate(part) for kind, part in rows.items()}


def normal_score(best, n_band, n_parameters):
    """Chi2 with bands less parameters degrees of freedom as a normal score (Wilson & Hilferty 1931)."""
    spread = 2.0 / (9.0 * (n_band - n_parameters))
    return (np.cbrt(best / (n_band - n_parameters)) - 1.0 + spread) / np.sqrt(spread)


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    parser.add_argument("--seed", type=int, default=17)
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    likelihood = likelihood_of(parser, post)
    n_z, n_keep, n_galaxies = (3, 16, 2) if args.quick else (20, 16, 6)
    rows = measure(likelihood, n_z, n_keep, n_galaxies, args.seed)
    scored = {
        kind: (normal_score(best, n_band, len(post.names)), np.digitize(n_band, GROUPS), flagged)
        for kind, (best, _, n_band, flagged, _) in ((kind, part.T) for kind, part in rows.items())
    }
    # every second galaxy sets the thresholds, the others measure the false alarms of chi2
    score, group, flagged = scored.pop("")
    false_rate = min(flagged.mean(), FALSE_MAX)
    sets = slice(None, None, 2), slice(1, None, 2)
    threshold = np.full(len(GROUPS) + 1, np.inf)
    for g in np.unique(group[sets[0]]):
        threshold[g] = np.quantile(score[sets[0]][group[sets[0]] == g], 1.0 - false_rate)
    metrics = {
        "false_flag_rate": flagged.mean(),
        "chi2_false_flag_rate": np.mean(score[sets[1]] > threshold[group[sets[1]]]),
        # a minimum above what the truth reaches was not the minimum
        "chi2_above_truth_share": np.mean(rows[""][:, 0] > rows[""][:, 1] + 0.01),
    }
    for kind, (score, group, flagged) in scored.items():
        exact = np.mean(score > threshold[group])
        metrics |= {
            f"{kind}.flag_rate": flagged.mean(),
            f"{kind}.chi2_flag_rate": exact,
            f"{kind}.flag_rate_relative": flagged.mean() / max(exact, 1e-9),
        }
    for kind in FACTORS:
        flagged, in_range = rows[kind][:, 3], rows[kind][:, 4] == 1.0
        metrics[f"{kind}.in_range_share"] = in_range.mean()
        # no number where there is none of them
        if in_range.any():
            metrics[f"{kind}.in_range_flag_rate"] = flagged[in_range].mean()
    for name in ("flag_rate", "chi2_flag_rate", "flag_rate_relative"):
        metrics[f"{name}_min"] = min(metrics[f"{kind}.{name}"] for kind in KINDS)
    report(
        args.json,
        terms(
            objects={kind or "galaxies": len(part) for kind, part in rows.items()},
            draws=N_DRAWS,
            seed=args.seed,
            bundle=str(post.meta["name"]),
            selection=f"observed S/N > {SNR_MIN:g}, at least {FEWEST_BANDS} bands",
            noise="masks and depths as in training, no upper limits",
            flag="answer not trusted after refining",
            chi2="best of 500 flow and 500 prior draws, 4 of each polished; thresholds per number of bands",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
