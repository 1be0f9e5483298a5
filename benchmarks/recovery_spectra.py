"""What a bundle of spectra recovers of galaxies that it has not seen, and whether its errors are right.

At z = 0, from the prior (that of arXiv:2406.18661 for the histories):

- ``noise_free``: as in the paper, fluxes without noise, continuum error and velocity dispersion, labelled
  S/N 1000 per pixel, the model's error as small as the prior has it;
- ``noise_free_refined``: some of these, weighed with the exact likelihood and repaired. The model has
  nuisances that these spectra are free of; the scores say what the nuisances leave of the paper's recovery;
- ``sn100`` ... ``sn10``: noise of that S/N, velocity dispersion, continuum and the model's error free, the
  latter log-uniform from 0.1 to 10 %, which is more than the noise in many;
- ``sn100_least_error`` ...: the same with as good a model as the prior has, 0.1 %.

R2, RMSE and coverage of t10 ... t90 [Gyr after the Big Bang], [M/H] and sigma_v, of the network's own draws.
Over the whole prior, redshifts and gaps as in training: ranks (SBC), TARP and coverage per slice of S/N as
``dsps-sbi check`` has them. Against the exact likelihood, the mass integrated out: what the draws are worth
(``ess``) and the divergence of the network from the exact posterior (``kl_gap``). And seconds: encoding,
drawing, weighing, of one spectrum and of batches.
"""

import dataclasses
import math
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms
from _exact import effective_share, likelihood_of, log_mean_exp

import dsps_sbi as ds
from dsps_sbi.calibration.draws import refined_draws
from dsps_sbi.calibration.recovery import recovery
from dsps_sbi.inference.engine import Posteriors
from dsps_sbi.inference.importance import importance_sample, network_draws
from dsps_sbi.kernels.amplitude import amplitude
from dsps_sbi.spectroscopy.data import SpectrumData
from dsps_sbi.spectroscopy.held_out import draw_mocks
from dsps_sbi.spectroscopy.history import draw_times
from dsps_sbi.spectroscopy.likelihood import SpectrumLikelihood
from dsps_sbi.spectroscopy.model import DECILES
from dsps_sbi.spectroscopy.network import N_STEPS
from dsps_sbi.spectroscopy.simulator import SpectrumMocks

SNR = (100, 50, 20, 10)
_CHUNK = 128


def at_redshift_zero(simulator, key, n, snr, noise_free=False, least=()) -> SpectrumMocks:
    """Whole spectra of galaxies at z = 0; parameters ``least`` as small as the prior has them."""
    least = ("sigma_v", "log_model_error") if noise_free else least
    least = tuple(name for name in least if name in simulator.model.names)
    options = {"noise_free": noise_free, "least": least}
    keys = [jax.random.fold_in(key, i) for i in range(-(-n // _CHUNK))]
    parts = [jax.device_get(_some(simulator, one, snr, **options)) for one in keys]
    return jax.tree.map(lambda *a: np.concatenate(a)[:n], *parts)


@partial(jax.jit, static_argnames=("noise_free", "least"))
def _some(simulator, key, snr, noise_free, least):
    """_CHUNK mocks of :func:`at_redshift_zero`."""
    model, view, keys = simulator.model, simulator.view, jax.random.split(key, 3)
    u = jax.random.normal(keys[0], (_CHUNK, len(model.names)))
    theta = model.prior.from_normal(u, view.universe_gyr)
    for name in least:
        theta = theta.at[:, model.names.index(name)].set(model.prior.marginals[name].low)
    template = model.predict_fast(theta, view)
    sigma = amplitude(template) / snr * jnp.ones_like(template)
    flux = template if noise_free else model.observe(keys[1], template, theta, view, sigma)
    valid = jnp.broadcast_to(view.valid, flux.shape)
    return SpectrumMocks(u, theta, SpectrumData(flux, sigma, valid, jnp.full(_CHUNK, model.prior.z[0])))


def quantities(post, theta, z):
    """t10 ... t90, [M/H] and sigma_v (Object, Draw, 11) of parameters (Object, Draw, Param)."""
    sfh = post.network.sfh
    universe = np.asarray(post.network.cosmology.age(jnp.asarray(z)))
    fractions, params = np.float32(DECILES), np.asarray(theta)[..., : len(sfh.names)]
    times = [draw_times(sfh, part, fractions, age, "cosmic") for part, age in chunks(params, universe)]
    others = [theta[..., post.names.index(name)] for name in ("metallicity", "sigma_v")]
    return np.concatenate([np.concatenate(times), np.stack(others, axis=-1)], axis=-1)


def chunks(*arrays):
    """The arrays, some rows at a time."""
    for first in range(0, len(arrays[0]), _CHUNK):
        yield tuple(a[first : first + _CHUNK] for a in arrays)


NAMES = (*(f"t{round(100 * f)}" for f in DECILES), "metallicity", "sigma_v")


def draws_of(post, mocks, n_draws, key):
    """Draws theta (Object, Draw, Param) of the network."""
    out = []
    for i, part in enumerate(chunks(*mocks.data)):
        data, ids = SpectrumData(*part), np.arange(len(part[0]), dtype=np.uint32)
        key_of = jax.random.fold_in(key, i)
        u = network_draws(post.network, post.weights, data, ids, key_of, n_draws=n_draws)
        out.append(parameters(post, u, data.z))
    return np.concatenate(out)


def parameters(post, u, z):
    """Parameters theta (Object, Draw, Param) of draws u (Object, Draw, Param) at redshifts z (Object,)."""
    universe = jnp.asarray(post.network.cosmology.age(jnp.asarray(z)))[:, None]
    return np.asarray(post.network.prior.from_normal(jnp.asarray(u), universe))


def recovered(post, simulator, n, n_draws, seed) -> dict[str, float]:
    """Scores at z = 0, by case."""
    cases = {"noise_free": {"snr": 1000.0, "noise_free": True}}
    cases |= {f"sn{snr}": {"snr": float(snr)} for snr in SNR}
    cases |= {f"sn{snr}_least_error": {"snr": float(snr), "least": ("log_model_error",)} for snr in SNR}
    metrics = {}
    for i, (case, galaxies) in enumerate(cases.items()):
        mocks = at_redshift_zero(simulator, jax.random.key(seed + i), n, **galaxies)
        drawn = quantities(post, draws_of(post, mocks, n_draws, jax.random.key(seed + 50 + i)), mocks.z)
        truth = quantities(post, mocks.theta[:, None], mocks.z)[:, 0]
        for k, name in enumerate(NAMES):
            if case == "noise_free" and name == "sigma_v":
                continue
            scores = recovery(drawn[..., k], truth[:, k])
            names = ("r2", "rmse", "bias", "coverage68", "coverage95")
            metrics |= {f"{name}.{score}_{case}": scores[score] for score in names}
        print(case, {n: round(metrics[f"{n}.r2_{case}"], 3) for n in ("t10", "t50", "t90", "metallicity")})
    return metrics


def repaired(likelihood, simulator, n, n_draws, seed) -> dict[str, float]:
    """Scores of refined posteriors of the noise-free spectra: what the nuisances of the model allow."""
    mocks = at_redshift_zero(simulator, jax.random.key(seed), n, 1000.0, noise_free=True)
    post = likelihood.post
    drawn = refined_draws(likelihood, mocks.data, n_draws, jax.random.key(seed + 50))
    posteriors = Posteriors.joined([part for _, part in drawn])
    found = quantities(post, parameters(post, posteriors.u, mocks.z), mocks.z)
    truth = quantities(post, mocks.theta[:, None], mocks.z)[:, 0]
    metrics = {"trusted_noise_free_refined": np.mean(posteriors.trusted)}
    for name in ("t10", "t50", "t90", "metallicity"):
        one = recovery(found[..., NAMES.index(name)], truth[:, NAMES.index(name)])
        metrics |= {f"{name}.{score}_noise_free_refined": one[score] for score in ("r2", "rmse")}
    return metrics


def exact(likelihood: SpectrumLikelihood, mocks, n_draws, seed) -> dict[str, np.ndarray]:
    """Columns (Object,): effective share of the draws, gap at the truth [nat]."""
    rows = []
    for i, (_, view) in enumerate(likelihood.views(mocks.data)):
        u, data = jax.tree.map(lambda a, i=i: jnp.asarray(a[i : i + 1]), (mocks.u, mocks.data))
        rows.append(_exact_of_one(likelihood, data, u, view, jax.random.key(seed + i), n_draws=n_draws))
    ess, gap = (np.array(column, float) for column in zip(*rows, strict=True))
    return {"ess": ess, "kl_gap": gap}


@partial(jax.jit, static_argnames="n_draws")
def _exact_of_one(likelihood, data, u, view, key, n_draws):
    network, weights, n = likelihood.post.network, likelihood.post.weights, likelihood.n_shape
    condition = network.condition(weights, *data)
    draws, log_q = network.draw_shape(weights, condition, jax.random.normal(key, (1, n_draws, n)))
    both = jnp.concatenate([draws, u[:, None, :n]], axis=1)
    log_p = likelihood.log_target(both, data, view)[0]
    log_w = log_p[:-1] - log_q[0]
    log_z = log_mean_exp(log_w)
    gap = log_p[-1] - log_z - network.log_prob_shape(weights, condition, u[:, :n])[0]
    return effective_share(log_w), gap


def worth(likelihood, simulator, n, n_draws, seed) -> dict[str, float]:
    """Effective share and gap over the whole prior, and in two ranges of S/N."""
    metrics = {}
    for i, (low, high) in enumerate(((5.0, 1000.0), (5.0, 50.0), (50.0, 200.0))):
        some = dataclasses.replace(simulator, snr=(low, high))
        columns = exact(likelihood, draw_mocks(some, jax.random.key(seed + i), n), n_draws, seed)
        end = "" if i == 0 else f"_sn{low:g}_{high:g}"
        metrics |= {
            f"kl_gap_mean_nats{end}": columns["kl_gap"].mean(),
            f"kl_gap_mean_error{end}": columns["kl_gap"].std() / math.sqrt(n),
            f"kl_gap_median_nats{end}": np.median(columns["kl_gap"]),
            f"ess_median{end}": np.median(columns["ess"]),
            f"ess_p16{end}": np.quantile(columns["ess"], 0.16),
        }
    return metrics


def seconds(likelihood, mocks, n_draws, repeats) -> dict[str, float]:
    """Warm: encoding and drawing, of one and of a batch, and weighing of one."""
    network, weights = likelihood.post.network, likelihood.post.weights

    def timed(call):
        jax.block_until_ready(call())
        out = []
        for _ in range(repeats):
            start = time.perf_counter()
            jax.block_until_ready(call())
            out.append(time.perf_counter() - start)
        return float(np.median(out))

    size = min(_CHUNK, len(mocks.z))
    metrics, key = {}, jax.random.key(0)
    for name, n in (("one", 1), ("batch", size)):
        batch = jax.tree.map(lambda a, n=n: jnp.asarray(a[:n]), mocks.data), jnp.arange(n, dtype=jnp.uint32)
        metrics[f"seconds_encoding_{name}"] = timed(lambda b=batch: _encode(network, weights, b[0])) / n
        both = timed(lambda b=batch: network_draws(network, weights, *b, key, n_draws=n_draws)) / n
        metrics[f"seconds_per_spectrum_{name}"] = both
        metrics[f"seconds_per_draw_{name}"] = (both - metrics[f"seconds_encoding_{name}"]) / n_draws
    data = jax.tree.map(lambda a: jnp.asarray(a[:1]), mocks.data)
    _, view = next(likelihood.views(mocks.data))
    one = data, view, jnp.zeros(1, jnp.uint32), key
    weighed = timed(lambda: importance_sample(likelihood, *one, n_draws=n_draws))
    return metrics | {"seconds_per_spectrum_weighed": weighed}


@jax.jit
def _encode(network, weights, data):
    return network.condition(weights, *data)


def mflop(network, weights, n_pixel) -> float:
    """Million operations of one encoding at most: XLA counts loops once, so steps are added as peaks."""
    size = 16
    shape = jax.ShapeDtypeStruct
    spectra = shape((size, n_pixel), jnp.float32)
    data = spectra, spectra, shape(spectra.shape, bool), shape((size,), jnp.float32)

    def count(function):
        return jax.jit(function).lower(*data).cost_analysis()["flops"] / size / 1e6

    features = lambda *d: network._features(network.subspace, *d)  # noqa: E731
    guess = lambda *d: (network.guess(weights, *d), *features(*d)[2::2])  # noqa: E731

    def peaks(*data):
        start, seen, universe = guess(*data)
        return network._at_peak(network.subspace, start, seen, universe)

    return count(lambda *d: network.condition(weights, *d)) + (N_STEPS - 1) * (count(peaks) - count(guess))


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="miles-optical")
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    likelihood = likelihood_of(parser, post)
    simulator = post.simulator(likelihood.model)
    n, n_slice, n_exact, n_draws = (256, 200, 4, 200) if args.quick else (2000, 10_000, 60, 1000)
    n_refined = 2 if args.quick else 12
    metrics = recovered(post, simulator, n, n_draws=500, seed=args.seed)
    metrics |= repaired(likelihood, simulator, n_refined, n_draws, args.seed)
    calibration = ds.check(post, n=n_slice, seed=args.seed)
    print(calibration)
    wanted = (
        "sbc_min_p",
        "tarp_max_deviation",
        "tarp_error",
        "coverage68_max_deviation",
        "coverage95_max_deviation",
    )
    metrics |= {k: v for k, v in calibration.metrics.items() if k.split(".")[-1] in wanted}
    mocks = draw_mocks(simulator, jax.random.key(args.seed + 99), _CHUNK)
    metrics |= seconds(likelihood, mocks, 1000, 3 if args.quick else 7)
    metrics["mflop_encoding_at_most"] = mflop(post.network, post.weights, len(post.frame.wave_aa))
    metrics |= worth(likelihood, simulator, n_exact, n_draws, args.seed + 200)
    report(
        args.json,
        terms(
            bundle=str(post.meta["name"]),
            mocks=n,
            mocks_per_slice=n_slice,
            mocks_exact=n_exact,
            mocks_refined=n_refined,
            draws={"recovery": 500, "calibration": 200, "exact": n_draws, "seconds": 1000},
            seed=args.seed,
            warm=True,
            io="out",
            calibration=f"passed: {calibration.passed}",
        ),
        metrics,
    )


if __name__ == "__main__":
    main()
