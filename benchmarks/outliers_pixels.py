"""Are outliers found out, compared with the best that the exact likelihood could do?

Objects at observed S/N > 20 in at least 10 bands. Five kinds of outliers (:mod:`_outliers`): a star, an
active nucleus, one band off by 10 sigma (floor included), a redshift wrong by more than 0.3 (1+z), and
flux units wrong by 1000 in one of two instruments. Beside the flags the smallest chi2 over all
parameters (:mod:`_best_fit`), with a threshold for each number of bands, set on galaxies of the model,
at which it raises as many false alarms as the flags do (2 % at most).

What is flagged: objects whose posterior-predictive p-value of chi2 is below 1 %, averaged over draws
weighed by the exact likelihood.
"""

import jax
import jax.numpy as jnp
import numpy as np
from _best_fit import best_chi2, chi2
from _contract import options, report, terms
from _exact import evidence, log_prior, unit_fluxes
from _outliers import FEWEST_BANDS, KINDS, SNR_MIN, Outliers, with_many_bands

import dsps_sbi as ds
from dsps_sbi.kernels.mass import draw_mass

N_DRAWS = 500
P_MIN = 0.01
# Chi2 is not allowed more false alarms than this, whatever the flags raise
FALSE_MAX = 0.02
# Numbers of bands that share a threshold begin here
GROUPS = np.array([FEWEST_BANDS, 13, 16, 19])


def predictive_p(model, floor, data, draws, log_q, table, key):
    """Posterior-predictive p-values (Object,) of chi2, from draws (Object, Draw, Param - 1)."""
    wide = tuple(a[:, None] for a in data)
    unit_flux = unit_fluxes(model, draws, table)
    log_like, grid, cdf = evidence(model, floor, wide, unit_flux)
    weights = jax.nn.softmax(log_like + log_prior(draws) - log_q, axis=1)
    mass = draw_mass(jax.random.uniform(key, log_like.shape), grid, cdf)
    misfit = chi2(wide, unit_flux * 10.0 ** mass[..., None], floor)
    # the data of a galaxy scatter about its own fluxes with as many degrees of freedom as bands
    n_band = wide[2].sum(axis=-1)
    return jnp.sum(weights * jax.scipy.stats.chi2.sf(misfit, n_band), axis=1)


def assessment(post, model):
    """Compiled function of one redshift's objects: smallest chi2, the truth's, whether flagged."""
    network, floor, n_shape = post.network, post.noise.floor, len(model.names) - 1

    @jax.jit
    def run(mocks, table, key):
        n = len(mocks.z)
        draw_key, prior_key, mass_key = jax.random.split(key, 3)
        data = (mocks.flux, mocks.sky, mocks.valid)
        condition = network.condition(post.weights, *data, mocks.z)
        noise = jax.random.normal(draw_key, (n, N_DRAWS, n_shape))
        draws, log_q = network.draw_shape(post.weights, condition, noise)
        wide = jnp.broadcast_to(jax.random.normal(prior_key, (N_DRAWS, n_shape)), draws.shape)
        best = best_chi2(model, floor, data, (draws, wide), table)
        at_truth = chi2(data, model.predict_fast(mocks.theta, table), floor)
        return best, at_truth, predictive_p(model, floor, data, draws, log_q, table, mass_key) < P_MIN

    return run


def far_away(pool_z, i, rng):
    """A true redshift for which that of table i is wrong by more than 0.3 (1+z)."""
    wrong = np.abs(pool_z - pool_z[i]) > 0.3 * (1.0 + pool_z)
    return int(rng.choice(np.flatnonzero(wrong)))


def measure(post, model, n_z, n_keep, n_galaxies, seed):
    """Per kind: smallest chi2, the truth's, bands and flag of every object; kind "" are galaxies."""
    simulator = with_many_bands(ds.Simulator.jades_pixels(model))
    draw = Outliers(simulator, 8 * n_keep, n_keep)
    assess = assessment(post, model)
    rng = np.random.default_rng(seed)
    pool = simulator.table_pool(jax.random.key(seed), n_z)
    pool_z = np.asarray(pool.z)
    rows = {kind: [] for kind in ("", *KINDS)}
    for i in range(n_z):
        table, other = (jax.tree.map(lambda leaf, j=j: leaf[j], pool) for j in (i, far_away(pool_z, i, rng)))
        for k, kind in enumerate([""] * n_galaxies + list(KINDS)):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed + 1), i), k)
            draw_key, assess_key = jax.random.split(key)
            mocks, keep = draw(kind, draw_key, table, other)
            best, at_truth, flagged = assess(mocks, table, assess_key)
            columns = np.stack([best, at_truth, mocks.valid.sum(axis=1), flagged], axis=1)
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
    model = ds.GalaxyModel.preset("jades-pixels")
    ds.check_match(post, model)
    n_z, n_keep, n_galaxies = (6, 16, 3) if args.quick else (40, 32, 6)
    rows = measure(post, model, n_z, n_keep, n_galaxies, args.seed)
    scored = {
        kind: (normal_score(best, n_band, len(model.names)), np.digitize(n_band, GROUPS), flagged)
        for kind, (best, _, n_band, flagged) in ((kind, part.T) for kind, part in rows.items())
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
            noise="masks and depths as in training",
            flag=f"posterior-predictive p-value of chi2 below {P_MIN:g}",
            chi2="best of 500 flow and 500 prior draws, 4 of each polished; thresholds per number of bands",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
