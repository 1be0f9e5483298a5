"""Star formation histories that the prior does not have: what is recovered of them, and is it flagged?

The histories are delta functions, a young burst on top of an old population, two bursts, and Lorentzian
peaks in time: mock spectra at z = 0 and S/N 100 per pixel, several realisations of the noise of each. The
metrics of each history are the bias of t50 and t90 [Gyr] and of [M/H] against the truth, in units of the
posterior's own width too (``_pull``), and the columns of trust: ``trusted``, ``ppc_p``, ``population_p``.
The posteriors are refined. ``flagged`` is the share that is untrusted or has a population_p of at most
0.005. ``prior.flagged`` is the same share of mocks of the prior, which the model is made for.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms
from _exact import likelihood_of
from recovery_spectra import NAMES, parameters, quantities
from scipy.stats import kstest

import dsps_sbi as ds
from dsps_sbi.calibration.draws import refined_draws
from dsps_sbi.inference.trust import SMALLEST_P
from dsps_sbi.kernels.amplitude import amplitude
from dsps_sbi.sfh import formation_time_by_bisection
from dsps_sbi.spectroscopy.data import SpectrumData
from dsps_sbi.spectroscopy.held_out import draw_mocks
from dsps_sbi.spectroscopy.simulator import SpectrumMocks

SNR, METALLICITY, SIGMA_V, LOG_ERROR, LOG_MASS = 100.0, 0.0, 200.0, -2.5, 10.5
SHOWN = ("t50", "t90", "metallicity")


@dataclass(frozen=True)
class Fixed:
    """A history without parameters: the share of mass younger than a lookback age [Gyr]."""

    younger: Callable
    names: tuple = ()

    def marginals(self):
        """No parameters, no priors."""
        return {}

    def fraction_younger(self, params, age_gyr, universe_gyr):
        """Share of the mass formed in the last ``age_gyr``."""
        return self.younger(jnp.asarray(age_gyr), universe_gyr)


def delta(age):
    """All stars of one age [Gyr], spread over a hundredth of it."""
    return lambda a, _: jnp.clip((a - 0.995 * age) / (0.01 * age), 0.0, 1.0)


def constant(start, end):
    """Constant star formation between two lookback times [Gyr]."""
    return lambda a, _: jnp.clip((a - end) / (start - end), 0.0, 1.0)


def lorentzian(peak, width):
    """SFR proportional to 1 / ((age - peak)^2 + width^2) within the age of the Universe."""

    def younger(a, universe):
        angle = lambda age: jnp.arctan((age - peak) / width)  # noqa: E731
        low = angle(0.0)
        return (angle(jnp.clip(a, 0.0, universe)) - low) / (angle(universe) - low)

    return younger


def mixture(*parts):
    """Histories with shares of the mass: pairs of (share, history)."""
    return lambda a, universe: sum(share * younger(a, universe) for share, younger in parts)


HISTORIES = {
    "delta_1gyr": delta(1.0),
    "delta_4gyr": delta(4.0),
    "delta_10gyr": delta(10.0),
    "old_and_burst_5_percent": mixture((0.95, constant(13.0, 9.0)), (0.05, delta(0.5))),
    "old_and_burst_30_percent": mixture((0.7, constant(13.0, 9.0)), (0.3, delta(2.0))),
    "two_bursts": mixture((0.5, delta(12.0)), (0.5, delta(3.0))),
    "lorentzian_9gyr": lorentzian(9.0, 0.5),
    "lorentzian_5gyr": lorentzian(5.0, 1.0),
    "lorentzian_2gyr": lorentzian(2.0, 0.3),
}


def mocks_of(model, history, n, seed) -> tuple[SpectrumMocks, np.ndarray]:
    """Mock spectra of a history, and the truth of :data:`SHOWN`."""
    sfh = Fixed(history)
    low, high = model.prior.marginals["metallicity"].low, model.prior.marginals["metallicity"].high
    own = replace(model, sfh=sfh, prior=ds.spectrum_prior(sfh, metallicity=(low, high), z=model.prior.z))
    view = own.view(0.0)
    theta = jnp.tile(jnp.array([METALLICITY, SIGMA_V, LOG_ERROR, LOG_MASS]), (n, 1))
    template = own.predict_fast(theta, view)
    sigma = amplitude(template) / SNR * jnp.ones_like(template)
    flux = own.observe(jax.random.key(seed), template, theta, view, sigma)
    z = np.full(n, model.prior.z[0], np.float32)
    valid = np.broadcast_to(np.asarray(view.valid), flux.shape)
    times = [float(formation_time_by_bisection(sfh, jnp.zeros(0), f, view.universe_gyr)) for f in (0.5, 0.9)]
    unknown = np.zeros((n, len(model.names)))
    data = SpectrumData(np.asarray(flux), np.asarray(sigma), valid, z)
    return SpectrumMocks(unknown, unknown, data), np.array([*times, METALLICITY])


def verdicts(likelihood, mocks, n_draws, seed):
    """Draws (Object, Draw, Param), and of each object trusted, ppc_p, population_p (Object,)."""
    drawn, judged, key = [], [], jax.random.key(seed)
    refined, views = refined_draws(likelihood, mocks.data, n_draws, key), likelihood.views(mocks.data)
    for (rows, posteriors), (_, view) in zip(refined, views, strict=True):
        p = likelihood.population_p(posteriors.u, view, rows, key)[0]
        drawn.append(posteriors.u)
        judged.append((posteriors.trusted[0], posteriors.ppc_p[0], float(p)))
    return np.concatenate(drawn), *np.transpose(judged)


def of_prior(likelihood, n, n_draws, seed):
    """What is said of galaxies that the model is for, at the same S/N."""
    simulator = ds.SpectrumSimulator(likelihood.model, snr=(SNR, SNR), p_whole=1.0)
    mocks = draw_mocks(simulator, jax.random.key(seed), n)
    _, trusted, _, population_p = verdicts(likelihood, mocks, n_draws, seed)
    return {
        "prior.trusted": np.mean(trusted),
        "prior.flagged": np.mean((trusted == 0) | (population_p <= SMALLEST_P)),
        "prior.population_p_small": np.mean(population_p <= SMALLEST_P),
        "prior.population_p_ks": kstest(population_p, "uniform").pvalue,
    }


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="miles-optical")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--realisations", type=int, default=3, help="of the noise, per history")
    parser.add_argument("--of-prior", type=int, default=60, help="mocks of the prior beside them")
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    likelihood = likelihood_of(parser, post)
    n, n_prior, n_draws = (2, 4, 300) if args.quick else (args.realisations, args.of_prior, 1000)
    chosen = ("delta_4gyr", "two_bursts") if args.quick else HISTORIES
    columns = [NAMES.index(name) for name in SHOWN]
    metrics = of_prior(likelihood, n_prior, n_draws, args.seed)
    for i, name in enumerate(chosen):
        mocks, truth = mocks_of(likelihood.model, HISTORIES[name], n, args.seed + i)
        u, trusted, ppc_p, population_p = verdicts(likelihood, mocks, n_draws, args.seed)
        found = quantities(post, parameters(post, u, mocks.z), mocks.z)[..., columns]
        median, width = np.median(found, axis=1), found.std(axis=1)
        for k, quantity in enumerate(SHOWN):
            metrics[f"{name}.{quantity}_truth"] = truth[k]
            metrics[f"{name}.{quantity}_bias"] = np.median(median[:, k] - truth[k])
            metrics[f"{name}.{quantity}_width"] = np.median(width[:, k])
            metrics[f"{name}.{quantity}_pull"] = np.median((median[:, k] - truth[k]) / width[:, k])
        metrics[f"{name}.trusted"] = np.mean(trusted)
        metrics[f"{name}.flagged"] = np.mean((trusted == 0) | (population_p <= SMALLEST_P))
        for label, p in (("ppc_p", ppc_p), ("population_p", population_p)):
            metrics |= {f"{name}.{label}_median": np.median(p), f"{name}.{label}_most": p.max()}
        print(
            name,
            {key.split(".")[1]: round(float(v), 3) for key, v in metrics.items() if key.startswith(name)},
        )
    for key in ("trusted", "flagged"):
        metrics[key] = np.mean([metrics[f"{name}.{key}"] for name in chosen])
    report(
        args.json,
        terms(
            bundle=str(post.meta["name"]),
            realisations=n,
            of_prior=n_prior,
            draws=n_draws,
            seed=args.seed,
            snr=SNR,
            galaxy={"metallicity": METALLICITY, "sigma_v": SIGMA_V, "log_model_error": LOG_ERROR, "z": 0.0},
        ),
        metrics,
    )


if __name__ == "__main__":
    main()
