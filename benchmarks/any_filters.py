"""How near to the exact posterior is a network for any filters, in surveys that it was not trained on?

Eight surveys none of whose filters is among those of training (``EXAMINATION``), beside LSST the bands Y, J
and H of Euclid: no curves of these come with sedpy, top hats between the wavelengths at which they open and
close (Schirmer et al. 2022, A&A 662, A92) stand for them. Depths, missing bands and upper limits are as in
training, redshifts those of the prior (SDSS: below 0.3), observed S/N > 5. ``jades19`` is what
``exactness_pixels`` asks of a network for the JADES bands alone: the same mocks.

Of each survey, under its name:

- ``ess_median``: effective share of the network's draws, the mass integrated out;
- ``kl_gap_nats``: mean of log p(truth | x) - log q(truth | x), the evidence by weights; where these are not
  reliable, by those of the refined answer;
- ``trusted_before_refine`` and ``trusted_after_refine``;
- ranks (SBC), TARP and coverage of the network's draws, and of refined answers (suffix ``_refined``), named
  as in ``calibration_pixels``.

``worst_*`` and ``trusted_after_refine_min`` are over the eight surveys. ``sbc_min_p`` is Holm-corrected over
surveys and parameters. ``tarp_max_deviation`` is that of all surveys' mocks together, and
``tarp_chance99`` what it stays below by chance in 99 % of all cases if all is right.

``--specialist SURVEY`` trains a network for that survey alone, on as many mocks as ``--specialist-steps``
says. ``gap_to_specialist_nats`` is what the gap of the network for any filters is larger by on the same
mocks.
"""

import time
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms
from _exact import effective_share, likelihood_of, log_mean_exp
from _surveys import bright_mocks, filled_up, resampled, rows_of, with_bands

import dsps_sbi as ds
from dsps_sbi.calibration.compare import compare
from dsps_sbi.calibration.draws import raw_draws
from dsps_sbi.calibration.scores import METHODS, Calibration, score
from dsps_sbi.calibration.tarp import expected_coverage
from dsps_sbi.inference.trust import Method, weights_reliable
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.photometry.catalogue import posteriors_of
from dsps_sbi.photometry.likelihood import PhotometryLikelihood
from dsps_sbi.photometry.universal.surveys import EXAMINATION
from dsps_sbi.training.trainer import TrainConfig

SNR_MIN = 5.0
# Draws whose worth is measured, of answers, and of the network for ranks
N_WEIGHED, N_DRAWS, N_RAW = 1000, 500, 200
# A batch of the engine is a power of four
N_PER_Z = 16
# Wavelengths [Angstrom] at which the filters reach half of their peak
EUCLID_AA = {
    "euclid_y": (9496.0, 12123.0),
    "euclid_j": (11676.0, 15670.0),
    "euclid_h": (15215.0, 20214.0),
}
Z_RANGES = {"sdss": (0.001, 0.3)}
JADES = "jades19"
# Numbers of bands to which surveys are filled up: compiled once for each
N_BANDS = (14, 30)


def filled_to(name):
    """How many bands a survey is filled up to."""
    return next(n for n in N_BANDS if n >= len(survey_filters(name).names))


def survey_filters(name):
    """Curves of a survey."""
    if name == JADES:
        return ds.FilterSet.from_names(JADES_BANDS)
    known = ds.FilterSet.from_names(EXAMINATION[name])
    if name != "lsst":
        return known
    waves = [np.linspace(low, high, 101) for low, high in EUCLID_AA.values()]
    return ds.FilterSet(
        (*known.names, *EUCLID_AA),
        (*known.wave_aa, *waves),
        (*known.trans, *(np.ones_like(wave) for wave in waves)),
    )


@partial(jax.jit, static_argnames="n_draws")
def weigh(likelihood, data, u, table, key, n_draws):
    """What the draws about objects of one redshift are worth, and how likely the truth is (Object,)."""
    proposal, n_shape = likelihood.proposal, likelihood.n_shape
    network, weights = proposal.network, proposal.weights
    condition = network.condition(weights, *data)
    noise = jax.random.normal(key, (len(u), n_draws, n_shape))
    draws, log_q = network.draw_shape(weights, condition, noise)
    truth = u[:, :n_shape]
    both = jnp.concatenate([draws, truth[:, None]], axis=1)
    log_p = likelihood.log_target(both, data, table)
    log_w = log_p[:, :-1] - log_q
    return {
        "ess": effective_share(log_w),
        "log_z": log_mean_exp(log_w),
        "log_p": log_p[:, -1],
        "log_q": network.log_prob_shape(weights, condition, truth),
    }


def prepared(post, mocks):
    """Mocks as the network takes them."""
    d = mocks.data
    return post.prepared(d.flux, d.sigma, d.z, d.valid, d.upper)


@dataclass(frozen=True, eq=False)
class Survey:
    """A survey as it is, and as one of :data:`N_BANDS` bands, which is what answers are made with.

    Parameters
    ----------
    name : str
    post : SurveyPosterior
    model : GalaxyModel
    simulator : PhotometrySimulator
    likelihood : PhotometryLikelihood
        Of the bands that it is filled up to.
    """

    name: str
    post: object
    model: object
    simulator: object
    likelihood: PhotometryLikelihood

    @classmethod
    def of(cls, name, universal):
        """Of a bundle for any filters."""
        filters = resampled(survey_filters(name))
        post, model = universal.for_filters(filters), universal.model(filters=filters)
        simulator = ds.PhotometrySimulator.jades_pixels(model) if name == JADES else post.simulator(model)
        whole = filled_up(filters, filled_to(name))
        likelihood = universal.for_filters(whole).likelihood_of(universal.model(filters=whole))
        return cls(name, post, model, simulator, likelihood)

    def mocks(self, n_z, seed):
        """Mocks, and their data in all bands that it is filled up to."""
        mocks = bright_mocks(self.simulator, SNR_MIN, n_z, N_PER_Z, seed, Z_RANGES.get(self.name))
        return mocks, with_bands(prepared(self.post, mocks), filled_to(self.name))


def worth(likelihood, data, u, seed):
    """Columns (Object,) of :func:`weigh`."""
    columns, key = {}, jax.random.key(seed)
    for view_rows, view in likelihood.views(data):
        for first in range(0, len(view_rows), N_PER_Z):
            rows = view_rows[first : first + N_PER_Z]
            # of one size: compiled once
            batch = np.resize(rows, N_PER_Z)
            part = jax.tree.map(np.asarray, likelihood.post.filled(rows_of(data, batch)))
            seen, own = likelihood.view_of(view, part), jax.random.fold_in(key, rows[0])
            found = weigh(likelihood, part, u[batch], seen, own, n_draws=N_WEIGHED)
            for name, values in found.items():
                columns.setdefault(name, np.full(len(u), np.nan))[rows] = np.asarray(values)[: len(rows)]
    return columns


def gaps(columns, refined=None):
    """Log p(truth | x) - log q(truth | x) (Object,), the evidence by the better weights."""
    log_z = columns["log_z"]
    if refined is not None:
        poor = ~weights_reliable(columns["ess"] * N_WEIGHED, np.zeros(len(log_z)))
        log_z = np.where(poor & (refined.method == Method.IS), refined.log_evidence, log_z)
    return columns["log_p"] - log_z - columns["log_q"]


def examine(survey, sizes, seed):
    """Metrics of a survey, scores of its ranks by the method, columns of these, and its mocks."""
    (n_z, n_z_raw), name, likelihood = sizes, survey.name, survey.likelihood
    post = likelihood.post
    mocks, data = survey.mocks(n_z, seed)
    columns = worth(likelihood, data, mocks.u, seed + 2)
    weighed = posteriors_of(post, likelihood, data, n_draws=N_DRAWS, seed=seed)
    refined = posteriors_of(post, likelihood, data, n_draws=N_DRAWS, seed=seed, refine=True)
    gap = gaps(columns, refined)
    metrics = {
        "n": len(gap),
        "ess_median": np.median(columns["ess"]),
        "ess_p16": np.quantile(columns["ess"], 0.16),
        "kl_gap_nats": gap.mean(),
        "kl_gap_error": gap.std() / np.sqrt(len(gap)),
        "kl_gap_median_nats": np.median(gap),
        "trusted_before_refine": weighed.trusted.mean(),
        "trusted_after_refine": refined.trusted.mean(),
    }
    metrics |= {f"method_{m.name.lower()}": np.mean(refined.method == m) for m in Method if m > 0}
    several, data = survey.mocks(n_z_raw, seed + 10)
    raw = raw_draws(post, data, N_RAW, jax.random.key(seed + 11))
    rng, columns = np.random.default_rng(seed), {}
    columns["flow"] = compare(raw, several.u, rng, lambda n: None)
    columns["refined"] = compare([(np.arange(len(gap)), refined)], mocks.u, rng, lambda n: None)
    scores = [score(name, name, method, **found) for method, found in columns.items()]
    return {f"{name}.{key}": value for key, value in metrics.items()}, scores, columns, mocks


def joint(columns, surveys):
    """TARP of the mocks of all surveys together, by the method."""
    metrics = {}
    for method, (suffix, _) in METHODS.items():
        found = np.concatenate([columns[name][method]["credibilities"] for name in surveys])
        tarp = expected_coverage(found[np.isfinite(found).all(axis=1)])
        metrics |= {
            f"tarp_max_deviation{suffix}": tarp.max_deviation,
            f"tarp_chance99{suffix}": tarp.chance,
        }
    return metrics


def gap_to_specialist(survey, mocks, gap, steps, seed):
    """The gap of a network that is trained for these filters alone, and what ours is larger by."""
    config = TrainConfig(steps=steps, seed=seed)
    start = time.process_time()
    guess_steps = max(steps // 5, 10)
    post = ds.train(survey.model, simulator=survey.simulator, config=config, guess_steps=guess_steps)
    seconds = time.process_time() - start
    likelihood = PhotometryLikelihood(post, survey.model)
    own = gaps(worth(likelihood, prepared(post, mocks), mocks.u, seed + 2)).mean()
    return {
        "specialist.kl_gap_nats": own,
        "specialist.simulations": steps * config.batch,
        "specialist.cpu_seconds": seconds,
        "gap_to_specialist_nats": gap - own,
    }


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="photometry", help="name or folder of one for any filters")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--surveys", nargs="+", choices=(*EXAMINATION, JADES), help="some of them alone")
    parser.add_argument("--redshifts", type=int, default=13, help="of the mocks of a survey, 16 at each")
    parser.add_argument("--specialist", choices=(*EXAMINATION, JADES), help="train a network for this one")
    parser.add_argument("--specialist-steps", type=int, default=4000)
    args = parser.parse_args()
    universal = ds.load_bundle(args.bundle)
    likelihood_of(parser, universal)
    surveys = args.surveys or (("hsc", JADES) if args.quick else (*EXAMINATION, JADES))
    sizes = (2, 10) if args.quick else (args.redshifts, 5 * args.redshifts)
    metrics, scores, columns, gap = {}, [], {}, {}
    for i, name in enumerate(surveys):
        start = time.process_time()
        survey, seed = Survey.of(name, universal), args.seed + 100 * i
        found, own, columns[name], mocks = examine(survey, sizes, seed)
        metrics |= found | {f"{name}.cpu_seconds": time.process_time() - start}
        scores += own
        gap[name] = found[f"{name}.kl_gap_nats"]
        if name == args.specialist:
            steps = 20 if args.quick else args.specialist_steps
            metrics |= gap_to_specialist(survey, mocks, gap[name], steps, seed)
    withheld = [name for name in surveys if name != JADES]
    known = Calibration(universal.label, universal.names, tuple(scores), {})
    headline = joint(columns, surveys)
    if withheld:
        headline |= {
            "worst_ess_median": min(metrics[f"{name}.ess_median"] for name in withheld),
            "worst_kl_gap_nats": max(gap[name] for name in withheld),
            "trusted_before_refine_min": min(metrics[f"{name}.trusted_before_refine"] for name in withheld),
            "trusted_after_refine_min": min(metrics[f"{name}.trusted_after_refine"] for name in withheld),
        }
    if JADES in surveys:
        headline |= {
            "jades19_kl_gap_nats": gap[JADES],
            "jades19_ess_median": metrics[f"{JADES}.ess_median"],
        }
    # over all surveys TARP is that of all mocks together, ESS that of the whole set of draws
    more = {k: v for k, v in known.metrics.items() if k not in headline and k not in metrics}
    report(
        args.json,
        terms(
            objects={"weighed and refined": sizes[0] * N_PER_Z, "ranks of the network": sizes[1] * N_PER_Z},
            draws={"worth": N_WEIGHED, "answers": N_DRAWS, "ranks of the network": N_RAW},
            seed=args.seed,
            bundle=str(universal.meta["name"]),
            bundle_simulations=universal.meta["simulations"],
            surveys={name: list(survey_filters(name).names) for name in surveys},
            withheld="no filter of these but those of jades19 is among those of training",
            euclid="top hats " + ", ".join(f"{a:g}-{b:g} A" for a, b in EUCLID_AA.values()),
            noise="depths, missing bands and limits as in training, floor 0.05; jades19: those of JADES",
            selection=f"observed S/N > {SNR_MIN:g}",
            redshifts={name: list(value) for name, value in Z_RANGES.items()} | {"others": "prior"},
            specialist=args.specialist or "none",
        ),
        {name: float(value) for name, value in (headline | metrics | more).items()},
    )


if __name__ == "__main__":
    main()
