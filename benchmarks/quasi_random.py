"""How many quasi-random draws have the error of 500 independent ones?

Mocks at observed S/N > 5, 19 bands of JADES, of each bundle of photometry that comes with the package. Their
16th, 50th and 84th percentiles and means are compared with those of very many draws. Errors are in standard
deviations of the exact posterior: root mean square over objects, seeds, quantities and these four.

``weighed`` are answers as ``infer`` makes them: N draws of the network, weighed, 500 equally weighted ones
resampled from them. ``weights`` are percentiles of the same weights without resampling, ``raw`` those of
the network's own draws beside very many of these. ``equivalent_draws`` is the number of quasi-random draws
with the error of 500 independent ones, between numbers that were tried by a straight line in logarithms.
``one_mass`` and ``many_masses``: the formed mass alone, one for each draw of the other parameters, or
eight. ``poor``: of the third of the objects with the fewest effective draws. ``evidence``: standard
deviation over seeds of the log of the evidence, over what is stated for so many independent draws.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms
from _exact import likelihood_of
from _trust import mocks_above

import dsps_sbi as ds
from dsps_sbi.inference.engine import evidence_error
from dsps_sbi.inference.importance import WeightedDraws, object_keys, weigh
from dsps_sbi.inference.quasi_random import sobol_normals
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.kernels.psis import systematic_resample

BUNDLES = ("jades-pixels", "photometry")
QUANTITIES = ("log_mass", "log_sfr_100", "mass_weighted_age", "metallicity", "av")
STATISTICS = ("p16", "p50", "p84", "mean")
NUMBERS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
# Independent draws whose error is to be had, and equally weighted draws of an answer
N_INDEPENDENT = 500
# Draws of a batch, in one compiled shape
N_EACH, N_OBJECTS = 512, 16
N_MASSES = 8


@jax.jit
def weighed(likelihood, data, view, noise, shares):
    """Draws (Object, Draw, Param), log weights, and masses (1 + Share, Object, Draw): its own first."""
    u, log_weight, light = weigh(likelihood, data, view, noise)
    _, *mass = likelihood.shape_evidence(u[..., :-1], data, view, light)
    own = jax.scipy.special.ndtr(noise[..., -1])
    more = jax.lax.map(
        lambda s: likelihood.with_mass(u[..., :-1], (own + s) / len(shares), *mass)[..., -1], shares
    )
    return u, log_weight, jnp.concatenate([u[None, ..., -1], more])


@partial(jax.jit, static_argnames=("n", "n_dim"))
def quasi_random(keys, n, n_dim):
    """Noise of the package's own."""
    return sobol_normals(keys, n, n_dim)


def draws_of(likelihood, data, noise):
    """Quantities (Quantity, Object, Draw), log weights and masses, see :func:`weighed`, of noise."""
    post, shares = likelihood.post, jnp.arange(N_MASSES, dtype=jnp.float32)
    shape, z = noise.shape[:2], np.asarray(data.z)
    values = np.empty((len(QUANTITIES), *shape), np.float32)
    log_weight, masses = np.empty(shape, np.float32), np.empty((1 + N_MASSES, *shape), np.float32)
    for members, view in likelihood.views(data):
        for first in range(0, len(members), N_OBJECTS):
            rows = members[first : first + N_OBJECTS]
            batch = np.resize(rows, N_OBJECTS)
            part = jax.tree.map(lambda a: jnp.asarray(np.asarray(a)[batch]), post.filled(data))  # noqa: B023
            seen = likelihood.view_of(view, part)
            for start in range(0, shape[1], N_EACH):
                some = slice(start, start + N_EACH)
                u, log_w, more = weighed(likelihood, part, seen, noise[batch, some], shares)
                n = len(rows)
                values[:, rows, some] = np.asarray(post.derived_draws(u, z[batch], QUANTITIES))[:, :n]
                log_weight[rows, some], masses[:, rows, some] = log_w[:n], more[:, :n]
    return values, log_weight, masses


def statistics(values, weight):
    """The four (4, Quantity, Object) of draws (Quantity, Object, Draw) with weights (Object, Draw)."""
    order = np.argsort(values, axis=-1)
    values = np.take_along_axis(values, order, axis=-1)
    weight = np.take_along_axis(np.broadcast_to(weight, values.shape), order, axis=-1).astype(float)
    middle = np.cumsum(weight, axis=-1) - 0.5 * weight
    out = np.empty((4, *values.shape[:2]))
    for i in np.ndindex(values.shape[:2]):
        out[(slice(3), *i)] = np.interp((0.16, 0.5, 0.84), middle[i], values[i])
    out[3] = (values * weight).sum(axis=-1)
    return out


def normalised(log_weight):
    """Weights (Object, Draw) whose sum is 1."""
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True).astype(float))
    return weight / weight.sum(axis=1, keepdims=True)


def answers(values, log_weight, masses, n, shift):
    """Statistics by kind of estimate, and what the weights are worth, of the first n draws."""
    values, masses = values[..., :n], masses[..., :n]
    draws = WeightedDraws.of(jnp.zeros((*values.shape[1:], 1)), jnp.asarray(log_weight[:, :n]))
    weight, even = normalised(np.asarray(draws.log_weight)), np.full(values.shape[1:], 1.0 / n)
    index = np.asarray(systematic_resample(shift, draws.log_weight, max(n, N_INDEPENDENT)))
    chosen = np.take_along_axis(values, np.broadcast_to(index, (len(values), *index.shape)), axis=-1)
    out = {
        "weighed": np.concatenate([np.percentile(chosen, [16, 50, 84], axis=-1), chosen.mean(-1)[None]]),
        "weights": statistics(values, weight),
        "raw": statistics(values, even),
    }
    # eight masses of each draw are eight draws of an eighth of its weight
    several = np.moveaxis(masses[1:], 0, -1).reshape(1, len(weight), -1)
    out["one_mass"] = statistics(masses[:1], weight)
    out["many_masses"] = statistics(several, np.repeat(weight / N_MASSES, N_MASSES, axis=1))
    return out, draws


def errors_of(likelihood, data, n_reference, n_seeds, seed):
    """Squared errors (Statistic, Quantity, Object) of all estimates; evidences; effective shares."""
    n_dim, ids = likelihood.n_shape + 1, np.arange(len(data.z), dtype=np.uint32)
    keys = object_keys(jax.random.key(seed), ids)
    values, log_weight, masses = draws_of(likelihood, data, quasi_random(keys, n_reference, n_dim))
    weight, even = normalised(log_weight), np.full(log_weight.shape, 1.0 / n_reference)
    exact, own = statistics(values, weight), statistics(values, even)
    mass = statistics(masses[:1], weight)

    def spread(values):
        mean = (values * weight).sum(axis=-1, keepdims=True)
        return np.sqrt(((values - mean) ** 2 * weight).sum(axis=-1))

    truth = {"weighed": exact, "weights": exact, "raw": own, "one_mass": mass, "many_masses": mass}
    scale = {name: spread(masses[:1] if "mass" in name else values) for name in truth}
    share = 1.0 / (weight**2).sum(axis=1) / n_reference
    found, evidence = {}, {}
    for i in range(n_seeds):
        key = jax.random.key(seed + 1 + i)
        shift = jnp.asarray(np.random.default_rng(seed + i).random(len(ids)), jnp.float32)
        for kind in ("independent", "quasi"):
            if kind == "quasi":
                noise = quasi_random(object_keys(key, ids), NUMBERS[-1], n_dim)
            else:
                noise = jax.random.normal(key, (len(ids), NUMBERS[-1], n_dim))
            drawn = draws_of(likelihood, data, noise)
            numbers = sorted({*NUMBERS, N_INDEPENDENT}) if kind == "independent" else NUMBERS
            for n in numbers:
                out, draws = answers(*drawn, n, shift)
                for name, values in out.items():
                    square = ((values - truth[name]) / scale[name]) ** 2
                    found[kind, name, n] = found.get((kind, name, n), 0.0) + square / n_seeds
                evidence.setdefault((kind, n), []).append((draws.log_evidence, draws.ess))
    return found, evidence, share


def rms(squares):
    """Root of the mean."""
    return float(np.sqrt(np.mean(squares)))


def equivalent(squares, name, chosen):
    """Number of quasi-random draws with the error of N_INDEPENDENT independent ones."""
    aim = np.log(rms(chosen(squares["independent", name, N_INDEPENDENT])))
    curve = np.log([rms(chosen(squares["quasi", name, n])) for n in NUMBERS])
    curve = np.minimum.accumulate(curve)
    return float(np.exp(np.interp(-aim, -curve, np.log(NUMBERS))))


def measure(post, likelihood, n_z, n_per_z, n_reference, n_seeds, seed):
    """Metrics of one bundle."""
    mocks = mocks_above(post.simulator(likelihood.model), 5.0, n_z, n_per_z, seed)
    d = mocks.data
    data = post.prepared(d.flux, d.sigma, d.z, d.valid, d.upper)
    squares, evidence, share = errors_of(likelihood, data, n_reference, n_seeds, seed)
    # weights of heavy tails have no error to speak of
    sound = share >= 0.1
    poor = sound & (share <= np.quantile(share[sound], 1 / 3))
    metrics = {"objects": len(share), "sound": sound.mean(), "effective_share_median": np.median(share)}
    metrics["effective_share_poor"] = np.median(share[poor])

    def all_of(values):
        return values[..., sound]

    for name in ("weighed", "weights", "raw", "one_mass", "many_masses"):
        prefix = "" if name == "weighed" else f"{name}."
        metrics[f"{prefix}equivalent_draws"] = equivalent(squares, name, all_of)
        for kind in ("independent", "quasi"):
            for n in (*NUMBERS, N_INDEPENDENT) if kind == "independent" else NUMBERS:
                metrics[f"{prefix}error_{kind}_{n}"] = rms(all_of(squares[kind, name, n]))
    for i, quantity in enumerate(QUANTITIES):
        metrics[f"{quantity}.equivalent_draws"] = equivalent(
            squares, "weighed", lambda v, i=i: v[:, i, sound]
        )
    for i, statistic in enumerate(STATISTICS):
        metrics[f"{statistic}.equivalent_draws"] = equivalent(
            squares, "weighed", lambda v, i=i: v[i][:, sound]
        )
    metrics["poor.equivalent_draws"] = equivalent(squares, "weighed", lambda v: v[..., poor])
    for (kind, n), found in evidence.items():
        if n in (128, N_INDEPENDENT):
            log_z, ess = (np.asarray([one[j] for one in found], float)[:, sound] for j in range(2))
            stated = evidence_error(ess, n).mean(axis=0)
            metrics[f"evidence.{kind}_{n}"] = np.median(log_z.std(axis=0, ddof=1) / stated)
    return metrics


def main():
    args = options(__doc__)
    args.add_argument("--bundle", choices=BUNDLES, help="this one alone")
    args.add_argument("--seed", type=int, default=21)
    parser, args = args, args.parse_args()
    sizes = (1, 16, 4096, 3) if args.quick else (4, 16, 32_768, 8)
    metrics = {}
    for name in (args.bundle,) if args.bundle else BUNDLES:
        post = ds.load_bundle(name)
        post = post.for_filters(JADES_BANDS) if post.filters is None else post
        found = measure(post, likelihood_of(parser, post), *sizes, args.seed)
        metrics |= {f"{name}.{key}": value for key, value in found.items()}
    metrics["equivalent_draws"] = max(
        v for k, v in metrics.items() if k.count(".") == 1 and "equivalent" in k
    )
    report(
        args.json,
        terms(
            draws=f"{N_INDEPENDENT} equally weighted ones of N weighed ones; {sizes[2]} of the reference",
            seeds=sizes[3],
            seed=args.seed,
            selection="mocks at observed S/N > 5, effective share of 0.1 or more",
            pooled="root mean square over objects, seeds, quantities, p16, p50, p84 and mean",
            quantities=QUANTITIES,
            noise="masks, depths and upper limits as in training",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
