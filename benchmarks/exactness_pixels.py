"""How far is the flow from the exact posterior, in nats, and what are its draws worth?

With the SSPs at hand the likelihood is exact, and the mass is integrated out exactly
(:mod:`dsps_sbi.kernels.mass`), so that the flow's proposal for the other parameters can be weighed:
w = p(x | shape) p(shape) / q(shape | x). Per mock at observed S/N > 5:

- effective share of the draws, 1 / (N sum w^2) for normalised w;
- gap = log p(truth | x) - log q(truth | x), with the evidence from the weights: its mean over mocks
  is the divergence of q from the exact posterior, for the shape (``kl_gap_mean_nats``) and for the
  whole flow with its own mass (``kl_gap_with_mass_mean_nats``).
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms

import dsps_sbi as ds
from dsps_sbi.kernels.mass import marginalise
from dsps_sbi.noise import DepthNoise

SNR_MIN = 5.0


def weigh(post, model, n_draws):
    """Compiled function of one redshift's mocks: effective share, gap, gap with mass (Object,)."""
    network, floor = post.network, post.noise.floor
    mass = model.prior.marginals["log_mass_formed"]
    n_shape = len(model.names) - 1

    def log_prior(u):
        return jax.scipy.stats.norm.logpdf(u).sum(axis=-1)

    @jax.jit
    def run(mocks, table, key):
        n = len(mocks.z)
        condition = network.condition(post.weights, mocks.flux, mocks.sky, mocks.valid, mocks.z)
        draws, log_q = network.draw_shape(
            post.weights, condition, jax.random.normal(key, (n, n_draws, n_shape))
        )
        truth = mocks.u[:, :n_shape]
        both = jnp.concatenate([draws, truth[:, None]], axis=1)
        # a galaxy of one solar mass for each draw: the mass is integrated out below
        unit = jnp.concatenate([both, jnp.zeros_like(both[..., :1])], axis=-1).reshape(-1, n_shape + 1)
        theta = model.prior.from_normal(unit, table.universe_gyr).at[:, -1].set(0.0)
        flux = model.predict_fast(theta, table).reshape(n, n_draws + 1, -1)
        data = (mocks.flux[:, None], mocks.sky[:, None], mocks.valid[:, None])
        evidence = marginalise(*data, flux, floor, mass.low, mass.high)[0]
        log_w = evidence[:, :-1] + log_prior(draws) - log_q
        log_z = jax.scipy.special.logsumexp(log_w, axis=1) - math.log(n_draws)
        share = 1.0 / (n_draws * jnp.sum(jax.nn.softmax(log_w, axis=1) ** 2, axis=1))
        log_q_truth = network.log_prob_shape(post.weights, condition, truth)
        gap = evidence[:, -1] + log_prior(truth) - log_z - log_q_truth
        true_flux = flux[:, -1] * 10.0 ** mocks.theta[:, -1:]
        likelihood = post.noise.log_likelihood(mocks.flux, mocks.sky, mocks.valid, true_flux)
        whole = likelihood + log_prior(mocks.u) - log_z - network.log_prob(post.weights, condition, mocks.u)
        return share, gap, whole

    return run


def measure(post, simulator, n_z, per_z, n_draws, seed):
    """Effective shares and gaps of all mocks above the cut."""
    run = weigh(post, simulator.model, n_draws)
    pool = simulator.table_pool(jax.random.key(seed), n_z)
    rows = []
    for i in range(n_z):
        table = jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], pool)
        one = jax.tree.map(lambda leaf: leaf[0], table)
        mocks = simulator.draw(jax.random.fold_in(jax.random.key(seed + 1), i), table, 1, per_z)
        keep = np.asarray(simulator.snr(mocks)) > SNR_MIN
        out = run(mocks, one, jax.random.fold_in(jax.random.key(seed + 2), i))
        rows.append(np.stack([np.asarray(a) for a in out], axis=1)[keep])
    return np.concatenate(rows)


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    model = ds.GalaxyModel.preset("jades-pixels")
    ds.check_match(post, model)
    varied = ds.Simulator.jades_pixels(model)
    deep = DepthNoise.jades(offset_dex=(0.0, 0.0), jitter_dex=0.0, floor=post.noise.floor)
    whole = dataclasses.replace(varied.masks, p_all=1.0, p_pattern=0.0)
    n_z, n_draws = (12, 500) if args.quick else (80, 1000)
    metrics, counts = {}, {}
    cases = {"": varied, "_all_bands": dataclasses.replace(varied, noise=deep, masks=whole)}
    for suffix, simulator in cases.items():
        share, gap, with_mass = measure(post, simulator, n_z, 24, n_draws, args.seed).T
        counts[suffix or "_varied"] = len(share)
        metrics |= {
            f"kl_gap_mean_nats{suffix}": gap.mean(),
            f"kl_gap_mean_error{suffix}": gap.std() / math.sqrt(len(gap)),
            f"kl_gap_median_nats{suffix}": np.median(gap),
            f"kl_gap_with_mass_mean_nats{suffix}": with_mass.mean(),
            f"ess_median{suffix}": np.median(share),
            f"ess_p16{suffix}": np.quantile(share, 0.16),
        }
    report(
        args.json,
        terms(
            objects=counts,
            draws=n_draws,
            seed=args.seed,
            bundle=str(post.meta["name"]),
            noise="_varied: masks and depths as in training; _all_bands: 19 bands at JADES depth",
            ess="effective draws over draws, shape parameters, mass integrated out",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
