"""How fast does the shipped bundle draw? Warm, in memory, the whole machine as it is.

``weighted_ratio`` is what weighing every draw with the exact likelihood costs: all that ``infer`` does for
a pixel, derived quantities included, with weights over without. It needs the SSPs of the bundle.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms

import dsps_sbi as ds
from dsps_sbi.inference.engine import BATCH_DRAWS, Engine

Z = 1.5


def best_and_median(call, repeats):
    """Seconds of repeated calls after one to warm up."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds), float(np.median(seconds))


def flops_per_draw(post) -> float:
    """Multiply-adds of the flow's matrices that each draw needs, times two."""
    per_draw = 0
    for path, leaf in jax.tree_util.tree_flatten_with_path(post.weights)[0]:
        name = jax.tree_util.keystr(path)
        if "'flow'" in name and "context" not in name and leaf.ndim == 2:
            per_draw += 2 * leaf.size
    return float(per_draw)


def gemm_peak(n=3000):
    """FLOP/s of a float32 matrix product of this size through the same library."""
    a = jnp.ones((n, n), jnp.float32)
    product = jax.jit(lambda a: a @ a)
    return 2.0 * n**3 / best_and_median(lambda: product(a).block_until_ready(), 5)[0]


def weighted(post, flux, sigma, repeats, n_draws=500):
    """Seconds of whole answers with and without weights, one after the other each time."""
    likelihood = post.likelihood()
    if likelihood is None:
        return {}
    size = BATCH_DRAWS // n_draws
    key = jax.random.key(0)

    def answers(engine, view):
        for i in range(0, len(flux) - size + 1, size):
            rows = slice(i, i + size)
            data = post.prepared(flux[rows], sigma[rows], Z)
            found = engine.finish(engine.start(data, view, np.arange(i, i + size), key, n_draws), size)
            np.asarray(post.derived_draws(found.u, data.z))

    seconds = {"weighted": [], "unweighted": []}
    # the table is that of infer: of one shape at all redshifts
    table = likelihood.model.band_table(Z, trim=False)
    kinds = {"weighted": (Engine(post, likelihood), table), "unweighted": (Engine(post), None)}
    for repeat in range(repeats + 1):
        for name, (engine, view) in kinds.items():
            start = time.perf_counter()
            answers(engine, view)
            # the first is to warm up
            seconds[name] += [time.perf_counter() - start] * (repeat > 0)
    each = {name: float(np.median(values)) for name, values in seconds.items()}
    n = len(flux) // size * size * n_draws
    return {
        "seconds_per_draw_weighted": each["weighted"] / n,
        "weighted_ratio": each["weighted"] / each["unweighted"],
    }


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    n_pixel = 512 if args.quick else 2048
    rng = np.random.default_rng(0)
    sigma = np.broadcast_to(post.noise.depth_ujy, (n_pixel, len(post.filters))).astype(np.float32)
    flux = (sigma * rng.uniform(2, 40, sigma.shape)).astype(np.float32)

    def run(method, n_draws):
        size = max(1, BATCH_DRAWS // n_draws)
        pending = [
            method(flux[i : i + size], sigma[i : i + size], Z, n_draws=n_draws, ids=np.arange(i, i + size))
            for i in range(0, n_pixel - size + 1, size)
        ]
        jax.block_until_ready(pending)
        return len(pending) * size

    repeats = 3 if args.quick else 7
    metrics = {}
    for n_draws in (50, 500):
        done = run(post.sample, n_draws)
        metrics[f"seconds_per_pixel_{n_draws}"] = (
            best_and_median(lambda n=n_draws: run(post.sample, n), repeats)[1] / done
        )
        both = best_and_median(lambda n=n_draws: run(post.quantity_draws, n), repeats)[1] / done
        metrics[f"seconds_per_pixel_{n_draws}_with_quantities"] = both
    metrics["seconds_per_draw"] = metrics["seconds_per_pixel_500"] / 500
    metrics["seconds_per_draw_with_quantities"] = metrics["seconds_per_pixel_500_with_quantities"] / 500
    metrics |= weighted(post, flux, sigma, repeats)
    peak = gemm_peak()
    metrics["gemm_peak_gflops"] = peak / 1e9
    metrics["gemm_peak_fraction"] = flops_per_draw(post) / metrics["seconds_per_draw"] / peak
    report(
        args.json,
        terms(
            objects=n_pixel,
            draws=[50, 500],
            repeats=repeats,
            statistic="median",
            warm=True,
            io="out",
            bundle=str(post.meta["name"]),
            what="parameters of 19-band pixels incl. encoding; _with_quantities: also all derived quantities",
            flops="matrix products of the flow per draw, activations and splines not counted",
        ),
        metrics,
    )


if __name__ == "__main__":
    main()
