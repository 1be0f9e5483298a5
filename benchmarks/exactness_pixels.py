"""How far is the flow from the exact posterior, in nats, and what are its draws worth?

With the SSPs at hand the likelihood is exact, and the mass is integrated out exactly
(:mod:`dsps_sbi.kernels.mass`), so that the flow's proposal for the other parameters can be weighed:
w = p(x | shape) p(shape) / q(shape | x). Per mock at observed S/N > 5:

- effective share of the draws, 1 / (N sum w^2) for normalised w;
- gap = log p(truth | x) - log q(truth | x), with the evidence from the weights: its mean over mocks
  is the divergence of q from the exact posterior, for the shape (``kl_gap_mean_nats``) and for the
  whole flow with its own mass (``kl_gap_with_mass_mean_nats``, ``ess_with_mass_median``).

Beside it the peer's recipe (``peer_``, see :mod:`_peer`), whose flow has the mass among its
parameters: compare with ``_with_mass``. Its gap uses the same evidence.

Then what share of answers can be trusted, before and after refining, and what that costs
(:mod:`_trust`), with random masks, depths and limits.
"""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms
from _exact import effective_share, likelihood_of, log_mean_exp, log_posterior
from _peer import VERSIONS, Peer, inputs, simulations
from _trust import mocks_above, trust

import dsps_sbi as ds
from dsps_sbi.noise import DepthNoise, UpperLimits

SNR_MIN = 5.0
N_PER_Z = 24
# As many as infer makes
N_DRAWS_TRUST = 500


@partial(jax.jit, static_argnames="n_draws")
def weigh(likelihood, mocks, table, key, n_draws):
    """What the draws of each of one redshift's mocks are worth, columns (Object,)."""
    network, weights, n_shape = likelihood.post.network, likelihood.post.weights, likelihood.n_shape
    condition = network.condition(weights, *mocks.data)
    noise = jax.random.normal(key, (len(mocks.z), n_draws, n_shape + 1))
    draws, log_q = network.draw_shape(weights, condition, noise[..., :n_shape])
    truth = mocks.u[:, :n_shape]
    both = jnp.concatenate([draws, truth[:, None]], axis=1)
    log_p = likelihood.log_target(both, mocks.data, table)
    log_w = log_p[:, :-1] - log_q
    log_z = log_mean_exp(log_w)
    log_q_truth = network.log_prob_shape(weights, condition, truth)
    whole, log_q_whole = network.draw(weights, condition, noise)
    log_q_whole_truth = network.log_prob(weights, condition, mocks.u)
    share, gap = weigh_whole(likelihood, mocks, table, whole, log_q_whole, log_q_whole_truth, log_z)
    return {
        "ess": effective_share(log_w),
        "kl_gap": log_p[:, -1] - log_z - log_q_truth,
        "ess_with_mass": share,
        "kl_gap_with_mass": gap,
        "log_z": log_z,
    }


@jax.jit
def weigh_whole(likelihood, mocks, table, draws, log_q, log_q_truth, log_z):
    """Effective share and gap (Object,) of draws (Object, Draw, Param) that have the mass in them."""
    both = jnp.concatenate([draws, mocks.u[:, None]], axis=1)
    log_p = log_posterior(likelihood, mocks.data, both, table)
    return effective_share(log_p[:, :-1] - log_q), log_p[:, -1] - log_z - log_q_truth


def measure(likelihood, simulator, n_z, n_draws, seed, peers):
    """Columns of all mocks above the cut, ours and each peer's under its name."""
    model = simulator.model
    pool = simulator.table_pool(jax.random.key(seed), n_z)
    tables = [jax.tree.map(lambda leaf, i=i: leaf[i], pool) for i in range(n_z)]
    mocks, rows = [], []
    for i, table in enumerate(tables):
        one = jax.tree.map(lambda leaf: leaf[None], table)
        mocks.append(simulator.mocks(jax.random.fold_in(jax.random.key(seed + 1), i), one, 1, N_PER_Z))
        key = jax.random.fold_in(jax.random.key(seed + 2), i)
        rows.append(weigh(likelihood, mocks[-1], table, key, n_draws=n_draws))
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    keep = np.concatenate([simulator.snr(some) > SNR_MIN for some in mocks])
    u = np.concatenate([some.u for some in mocks])[keep]
    x = np.concatenate([inputs(some, model.cosmology) for some in mocks])[keep]
    log_z = [row["log_z"] for row in rows]
    for name, peer in peers.items():
        answer = [spread(part, keep, n_z) for part in peer.ask(u, x, n_draws)]
        out = [weigh_whole(likelihood, *part) for part in zip(mocks, tables, *answer, log_z, strict=True)]
        columns[f"{name}ess"], columns[f"{name}kl_gap"] = (np.concatenate(c) for c in zip(*out, strict=True))
    return {name: column[keep] for name, column in columns.items()}


def spread(part, keep, n_z):
    """Answers about the mocks above the cut, at their places among all mocks (n_z, N_PER_Z, ...)."""
    full = np.zeros((len(keep), *part.shape[1:]), np.float32)
    full[keep] = part
    return full.reshape(n_z, N_PER_Z, *part.shape[1:])


def summary(columns, suffix):
    """Flat metrics of the columns of one case."""
    metrics = {}
    for name, column in columns.items():
        if "kl_gap" in name:
            metrics |= {
                f"{name}_mean_nats{suffix}": column.mean(),
                f"{name}_mean_error{suffix}": column.std() / math.sqrt(len(column)),
                f"{name}_median_nats{suffix}": np.median(column),
            }
        elif "ess" in name:
            metrics |= {
                f"{name}_median{suffix}": np.median(column),
                f"{name}_p16{suffix}": np.quantile(column, 0.16),
            }
    return metrics


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--no-peer", action="store_true", help="ours alone: nothing to install")
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    likelihood = likelihood_of(parser, post)
    varied = ds.PhotometrySimulator.jades_pixels(likelihood.model)
    noise = DepthNoise.jades(offset_dex=(0.0, 0.0), jitter_dex=0.0, floor=post.noise.floor)
    whole = dataclasses.replace(varied.masks, p_all=1.0, p_pattern=0.0)
    survey = dataclasses.replace(varied, noise=noise, masks=whole, limits=UpperLimits(0.0, 0.0))
    n_z, n_draws = (12, 500) if args.quick else (80, 1000)
    n_z_trust, n_per_z_trust = (2, 16) if args.quick else (40, 25)
    n_simulations, n_pool, max_epochs = (5_000, 12, 4) if args.quick else (100_000, 384, 2000)

    peers = {}
    if not args.no_peer:
        stored = simulations(varied, n_simulations, n_pool, args.seed + 3)
        peers["peer_"] = Peer(*stored, max_epochs)
    metrics, counts = {}, {}
    for suffix, simulator in (("", varied), ("_all_bands", survey)):
        columns = measure(likelihood, simulator, n_z, n_draws, args.seed, peers)
        counts[suffix or "_varied"] = len(columns["ess"])
        metrics |= summary(columns, suffix)
    for name, peer in peers.items():
        metrics |= {
            f"{name}train_seconds": peer.record["cpu_seconds"],
            f"{name}epochs": peer.record["epochs"],
        }
    some = mocks_above(varied, SNR_MIN, n_z_trust, n_per_z_trust, args.seed + 20)
    counts["trust"] = len(some.z)
    metrics |= trust(likelihood, some, N_DRAWS_TRUST)
    report(
        args.json,
        terms(
            objects=counts,
            draws={"exactness": n_draws, "trust": N_DRAWS_TRUST},
            seed=args.seed,
            bundle=str(post.meta["name"]),
            bundle_simulations=post.meta["simulations"],
            trust="masks, depths, limits as in training; seconds are warm, on all cores",
            noise="_varied: masks, depths, limits as in training; _all_bands: 19 bands at JADES depth",
            ess="effective draws over draws; mass integrated out, but for _with_mass and peer_",
            peer={
                "versions": VERSIONS,
                "flow": "sbi's MAF, 5 transforms of 128 hidden units, no embedding",
                "simulations": n_simulations,
                "train_seconds": "CPU seconds of one thread, simulations not included",
                "weights": {name: peer.record["parameters"] for name, peer in peers.items()},
            },
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
