"""What do answers hold for galaxies that are not of our model? Galaxies made by FSPS, through a bundle.

Galaxies of two atlases released with SBIPIX (delayed-tau and Dirichlet histories, MIST tracks, Chabrier IMF,
nebular emission with all of Lyman alpha), seen in the 19 JADES bands: at JADES depth and an observed S/N > 5
(mean of F277W, F356W, F444W), and with the noise scaled to a S/N of 10, 30 and 100. Defects of their making
are undone and their quantities are brought to our definitions: IMF, remnants, solar metallicity, dust, time
over which star formation counts (:mod:`_fsps`, :mod:`_fsps_truths`; ``evidence.*`` is how we know). Bands
with light beyond 3 micron at rest are left out: FSPS has dust emission there. Answers are refined.

``fsps_mass_coverage68`` and ``_coverage95`` are shares of galaxies of both atlases at JADES depth whose
central interval of log M* holds the truth, ``fsps_trusted_*`` the same of trusted answers, ``fsps_ppc_low``
the share with a predictive p below 0.005. ``SET.QUANTITY.coverage68`` has the sets apart: ``tau``,
``dirichlet``, ``sn_10``..., and ``released``, tau galaxies whose fluxes are as released but for 1 + z
(``naive_log_mass``: and whose masses are the atlas's), and ``no_lya``, bands that Lyman alpha lies in left
out: the atlases have all of it, ``photometry`` has none. ``.bias`` and ``.nmad`` are of medians less truths,
``by_*`` the same of log M* by what the galaxies are. ``pit_*`` scores give ties at the edges of a prior a
random place.

``width_ratio`` is what errors of the model cost: half the 68 % interval of log M* with them over that
without, median over mocks of our own at JADES depth and S/N > 5, made without such errors.
"""

from dataclasses import replace
from pathlib import Path

import _fsps
import _fsps_truths
import numpy as np
from _contract import data_folder, options, report, terms
from _exact import likelihood_of
from _surveys import bright_mocks, draws_of, through, with_error

import dsps_sbi as ds
from dsps_sbi.calibration.coverage import LEVELS, coverage
from dsps_sbi.calibration.sbc import randomised_pit
from dsps_sbi.inference.trust import SMALLEST_P
from dsps_sbi.instruments.jades import JADES_BANDS, JADES_DEPTH_UJY, SNR_BANDS
from dsps_sbi.noise import DepthNoise, UpperLimits
from dsps_sbi.photometry.catalogue import posteriors_of
from dsps_sbi.photometry.universal.survey_posterior import SurveyPosterior

SNR_MIN, N_DRAWS = 5.0, 500
SCALED = (10, 30, 100)
REDDEST_AA, LYA_AA = 30_000.0, 1215.67
ATLASES = {
    "tau": ("atlas_obs_jades_1000_Nparam_2.dbatlas", _fsps_truths.tau_truths),
    "dirichlet": ("atlas_obs_jades_1000_Nparam_3.dbatlas", _fsps_truths.dirichlet_truths),
}
QUANTITIES = (
    "log_mass",
    "log_mass_formed",
    "av",
    "metallicity",
    "log_sfr_100",
    "log_sfr_10",
    "t50",
)
SLICES = {
    "z": (0.0, 1.5, 3.0, 5.0, 7.5),
    "age": (0.0, 0.1, 0.5, 2.0, 14.0),
    "av": (0.0, 1.0, 2.0, 4.0),
    "metallicity": (-2.5, -1.2, -0.4, 0.0, 0.4),
}
FEWEST = 10


class Answers:
    """Answers to galaxies of one kind: quantities' draws, verdicts, and truths (by name)."""

    def __init__(self, draws, trusted, ppc_p, truths, about):
        self.draws, self.trusted, self.ppc_p = draws, np.asarray(trusted), np.asarray(ppc_p)
        self.truths, self.about = truths, about

    @classmethod
    def of(cls, post, likelihood, flux, sky, truths, rows, seed, lya=True):
        """Refined answers of galaxies ``rows``, whose data these are."""
        z = np.float32(truths.z[rows])
        seen = likelihood.model.filters.quantile_wave_aa(0.99)[None] < REDDEST_AA * (1.0 + z[:, None])
        if not lya:
            first, last = (likelihood.model.filters.quantile_wave_aa(q) for q in (0.005, 0.995))
            seen &= ~((first < LYA_AA * (1.0 + z[:, None])) & (last > LYA_AA * (1.0 + z[:, None])))
        data = post.prepared(np.float32(flux), np.float32(sky), z, seen)
        found = posteriors_of(post, likelihood, data, n_draws=N_DRAWS, seed=seed, refine=True)
        values = draws_of(post, found.u, z, QUANTITIES)
        known = {name: value[rows] for name, value in truths.values.items()}
        about = {"z": truths.z[rows], "age": truths.mean_age_gyr[rows]}
        about |= {name: known[name] for name in ("av", "metallicity")}
        return cls(dict(zip(QUANTITIES, values, strict=True)), found.trusted, found.ppc_p, known, about)

    @classmethod
    def joined(cls, parts):
        """Galaxies of several kinds together, with the quantities that all of them know."""

        def together(dicts):
            names = set.intersection(*(set(some) for some in dicts))
            return {name: np.concatenate([some[name] for some in dicts]) for name in sorted(names)}

        return cls(
            together([part.draws for part in parts]),
            np.concatenate([part.trusted for part in parts]),
            np.concatenate([part.ppc_p for part in parts]),
            together([part.truths for part in parts]),
            together([part.about for part in parts]),
        )

    def scores(self, name, rows, truth=None):
        """Coverage, bias and scatter of a quantity among some galaxies."""
        draws, truth = self.draws[name][rows], self.truths[truth or name][rows]
        pit = randomised_pit(draws, truth, np.random.default_rng(0).random(len(truth)))
        off = np.median(draws, axis=1) - truth
        low, high = np.quantile(draws, [0.16, 0.84], axis=1)
        metrics = {which: coverage(pit[:, None], level)[0] for which, level in LEVELS.items()}
        metrics |= {"bias": np.median(off), "nmad": 1.4826 * np.median(np.abs(off - np.median(off)))}
        return metrics | {"width": np.median(high - low) / 2.0}

    def summary(self, prefix):
        """Flat metrics of these galaxies."""
        metrics = {"n": len(self.trusted), "trusted": self.trusted.mean()}
        metrics["ppc_low"] = np.mean(self.ppc_p < SMALLEST_P)
        for name in QUANTITIES:
            if name not in self.truths:
                continue
            every = self.scores(name, np.ones(len(self.trusted), bool))
            metrics |= {f"{name}.{key}": value for key, value in every.items()}
            if self.trusted.sum() >= FEWEST:
                some = self.scores(name, self.trusted)
                metrics |= {f"trusted.{name}.{key}": value for key, value in some.items()}
        naive = self.scores("log_mass", np.ones(len(self.trusted), bool), "naive_log_mass")
        metrics |= {f"naive_log_mass.{key}": value for key, value in naive.items()}
        return {f"{prefix}.{key}": value for key, value in metrics.items()}

    def slices(self, prefix):
        """Coverage, bias and scatter of log M* by what the galaxies are, and misfits."""
        metrics = {}
        for key, edges in SLICES.items():
            for low, high in zip(edges[:-1], edges[1:], strict=True):
                rows = (self.about[key] >= low) & (self.about[key] < high)
                if rows.sum() < FEWEST:
                    continue
                found = self.scores("log_mass", rows) | {"n": rows.sum()}
                found["ppc_low"] = np.mean(self.ppc_p[rows] < SMALLEST_P)
                metrics |= {
                    f"{prefix}.by_{key}_{low:g}_{high:g}.{name}": value for name, value in found.items()
                }
        return metrics


def chosen(truths, snr, prior, n, seed):
    """Galaxies that were made as they should, within the prior, and bright enough: at most n of them."""
    inside = truths.sane & (snr > SNR_MIN)
    for name, value in (("z", truths.z), *truths.values.items()):
        limits = prior.z if name == "z" else prior.marginals.get(name)
        if limits is not None:
            low, high = limits if name == "z" else (limits.low, limits.high)
            inside &= (value > low) & (value < high)
    rows = np.flatnonzero(inside)
    return np.sort(np.random.default_rng(seed).permutation(rows)[:n]), len(rows)


def examine(post, likelihood, truths, n, n_scaled, n_released, seed):
    """Answers by the kind of the data, and how many galaxies could have been asked about."""
    rng = np.random.default_rng(seed)
    sky = np.broadcast_to(np.float32(JADES_DEPTH_UJY), truths.flux.shape)
    deviate = rng.standard_normal(sky.shape)
    bands = np.isin(JADES_BANDS, SNR_BANDS)
    flux = truths.flux + sky * deviate
    snr = np.mean((flux / sky)[:, bands], axis=1)
    prior = likelihood.model.prior
    rows, n_all = chosen(truths, snr, prior, n, seed)
    answers = {"jades": Answers.of(post, likelihood, flux[rows], sky[rows], truths, rows, seed)}
    some = rng.permutation(rows)[:n_scaled]
    true_snr = np.mean((truths.flux / sky)[:, bands], axis=1)
    for wanted in SCALED if len(some) else ():
        scaled = (sky * (true_snr / wanted)[:, None])[some]
        noisy = truths.flux[some] + scaled * deviate[some]
        answers[f"sn_{wanted}"] = Answers.of(post, likelihood, noisy, scaled, truths, some, seed)
    some = rows[:: max(len(rows) // n_scaled, 1)] if n_scaled else ()
    if len(some):
        told = flux[some], sky[some], truths, some, seed
        answers["no_lya"] = Answers.of(post, likelihood, *told, lya=False)
    some = rows[:n_released]
    if len(some):
        noisy = truths.released[some] + sky[some] * deviate[some]
        answers["released"] = Answers.of(post, likelihood, noisy, sky[some], truths, some, seed)
    return answers, n_all


def with_error_of(post, error):
    """A posterior with another error of its SSPs, in its network too where that knows of any."""
    if isinstance(post, SurveyPosterior):
        network = replace(post.network, network=replace(post.network.network, error=error))
        return replace(post, error=error, network=network)
    return replace(post, error=error)


def width_ratio(likelihood, n, seed):
    """Half width of log M* with errors of the model over that without (Object,)."""
    post, model = likelihood.post, likelihood.model
    error = model.error or ds.ModelError.shipped()
    plain = with_error(model, None)
    noise = DepthNoise.jades(offset_dex=(0.0, 0.0), jitter_dex=0.0, floor=post.noise.floor)
    jades = ds.PhotometrySimulator.jades_pixels(plain)
    masks = replace(jades.masks, p_all=1.0, p_pattern=0.0)
    simulator = replace(jades, noise=noise, masks=masks, limits=UpperLimits(0.0, 0.0))
    # one of each redshift, as above: little is compiled anew
    mocks = bright_mocks(simulator, SNR_MIN, n, 1, seed)
    widths = []
    for kind in (error, None):
        own = with_error_of(post, kind)
        d = mocks.data
        data = own.prepared(d.flux, d.sigma, d.z, d.valid, d.upper)
        with_kind = own.likelihood_of(with_error(model, kind))
        found = posteriors_of(own, with_kind, data, n_draws=N_DRAWS, seed=seed, refine=True)
        draws = draws_of(own, found.u, np.float32(d.z), ("log_mass",))[0]
        low, high = np.quantile(draws, [0.16, 0.84], axis=1)
        widths.append((high - low) / 2.0)
    return widths[0], widths[1]


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="jades-pixels", help="name or file")
    parser.add_argument("--dirichlet-bundle", help="for galaxies with Dirichlet histories; default: --bundle")
    parser.add_argument("--floor", type=float, help="error floor of a bundle for any filters")
    parser.add_argument("--atlas", type=Path, help="folder with the released FSPS atlases")
    parser.add_argument("--n", type=int, help="galaxies of each atlas")
    parser.add_argument("--seed", type=int, default=31)
    args = parser.parse_args()
    folder = data_folder(parser, args.atlas, "jades", "fsps_atlas")
    bundles = {"tau": args.bundle, "dirichlet": args.dirichlet_bundle or args.bundle}
    by = {}
    for name in dict.fromkeys(bundles.values()):
        answering = through(ds.load_bundle(name), JADES_BANDS, args.floor)
        by |= {
            atlas: (answering, likelihood_of(parser, answering))
            for atlas in bundles
            if bundles[atlas] == name
        }
    post, likelihood = by["tau"]
    n, n_scaled, n_released, n_own = (20, 5, 10, 8) if args.quick else (300, 40, 80, 60)
    n = args.n or n
    n_atlas = 60 if args.quick else None
    # the atlases have gas of log U = -2 and all of Lyman alpha, whatever the bundle has
    model = ds.GalaxyModel.preset("jades-pixels")
    answers, counts, metrics = {}, {}, {}
    for name, (file, read) in ATLASES.items():
        data = _fsps.atlas(folder / file)
        data = {key: value[:n_atlas] if len(value) > 1 else value for key, value in data.items()}
        own = model if name == "tau" else _fsps.dirichlet_model(model)
        truths = read(own, data)
        if name == "tau":
            metrics |= _fsps_truths.evidence(own, truths, data)
        released = n_released if name == "tau" else 0
        found, counts[name] = examine(*by[name], truths, n, n_scaled, released, args.seed)
        answers |= {(name, kind): part for kind, part in found.items()}
    whole = Answers.joined([answers[name, "jades"] for name in ATLASES])
    sets = {name: answers[name, "jades"] for name in ATLASES} | {"released": answers["tau", "released"]}
    for kind in [f"sn_{wanted}" for wanted in SCALED] + ["no_lya"]:
        sets[kind] = Answers.joined([answers[name, kind] for name in ATLASES])
    found = whole.summary("all")
    metrics = {
        "fsps_mass_coverage68": found["all.log_mass.coverage68"],
        "fsps_mass_coverage95": found["all.log_mass.coverage95"],
        "fsps_trusted_mass_coverage68": found.get("all.trusted.log_mass.coverage68", 0.0),
        "fsps_trusted_mass_coverage95": found.get("all.trusted.log_mass.coverage95", 0.0),
        "fsps_ppc_low": found["all.ppc_low"],
        **metrics,
        **found,
        **whole.slices("all"),
    }
    for name, part in sets.items():
        metrics |= part.summary(name)
    wide, narrow = width_ratio(likelihood, n_own, args.seed + 5)
    metrics |= {
        "width_ratio": np.median(wide / narrow),
        "width_with_error_dex": np.median(wide),
        "width_without_error_dex": np.median(narrow),
    }
    report(
        args.json,
        terms(
            objects={name: len(part.trusted) for name, part in sets.items()} | {"own mocks": len(wide)},
            eligible=counts,
            draws=N_DRAWS,
            seed=args.seed,
            bundle=str(post.meta["name"]),
            bundle_simulations=post.meta["simulations"],
            dirichlet_bundle=str(by["dirichlet"][0].meta["name"]),
            floor=float(post.noise.floor),
            model_error=likelihood.model.error is not None,
            selection=f"observed S/N > {SNR_MIN:g} at JADES depth, truths within the prior",
            noise="of the sky, Gaussian, JADES depth or scaled to a mean S/N",
            bands=f"99 % of the light below {REDDEST_AA / 1e4:g} micron at rest",
            answers="refined",
            definitions="masses: living stars and remnants, Kroupa; [M/H]: Z over 0.02; see _fsps_truths.py",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
