"""How well does the shipped bundle recover pixels at S/N > 5, under our noise and under SBIPIX's?"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms
from sbipix_noise import SbipixNoise

import dsps_sbi as ds
from dsps_sbi.calibration.recovery import recovery
from dsps_sbi.inference.derived import derive
from dsps_sbi.kernels.likelihood import mean_snr
from dsps_sbi.noise import DepthNoise

SNR_MIN = 5.0


def noiseless(simulator, seed, n_z, n_per_z):
    """theta, z and noiseless fluxes of galaxies from the prior, at redshifts of their own."""
    pool_key, u_key = jax.random.split(jax.random.key(seed))
    pool = simulator.table_pool(pool_key, n_z)
    u = jax.random.normal(u_key, (n_z, n_per_z, len(simulator.model.names)))
    flux, theta = _noiseless(simulator, u, pool)
    return theta.reshape(n_z * n_per_z, -1), jnp.repeat(pool.z, n_per_z), flux.reshape(n_z * n_per_z, -1)


@jax.jit
def _noiseless(simulator, u, pool):
    return jax.lax.map(lambda pair: simulator.noiseless(*pair), (u, pool))


def score(post, prefix, theta, z, flux, sigma, n_draws, seed):
    """Flat metrics of every quantity for data (Object, Band)."""
    size = 250
    parts = []
    for start in range(0, len(z), size):
        rows = slice(start, start + size)
        ids = np.arange(len(z))[rows]
        parts.append(
            np.asarray(
                post.quantity_draws(flux[rows], sigma[rows], z[rows], n_draws=n_draws, seed=seed, ids=ids)
            )
        )
    draws = np.concatenate(parts, axis=1)
    truth = derive(post.network.sfh, post.mass_table, theta, post.names, post.network.cosmology.age(z))
    metrics = {}
    for i, name in enumerate(post.quantities):
        metrics |= {f"{prefix}{name}.{k}": v for k, v in recovery(draws[i], truth[name]).items()}
    return metrics


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    parser.add_argument("--noise", type=Path, help="folder of the released SBIPIX noise arrays")
    parser.add_argument("--seed", type=int, default=2025)
    args = parser.parse_args()
    folder = data_folder(parser, args.noise, "jades", "noise")

    post = ds.load_bundle(args.bundle)
    model = ds.GalaxyModel.preset("jades-pixels")
    deep = DepthNoise.jades(offset_dex=(0.0, 0.0), jitter_dex=0.0, floor=post.noise.floor)
    simulator = dataclasses.replace(ds.PhotometrySimulator.jades_pixels(model), noise=deep)
    n, n_draws = (600, 500) if args.quick else (6000, 500)
    theta, z, flux = noiseless(simulator, args.seed, n // 10, 24)
    theta, z, flux = (np.asarray(a) for a in (theta, z, flux))
    rng = np.random.default_rng(args.seed)
    ours = np.broadcast_to(np.asarray(deep.depth_ujy, np.float32), flux.shape)
    noisy = np.asarray(deep.add(jax.random.key(args.seed + 1), jnp.asarray(flux), jnp.asarray(ours)))
    theirs, their_sky, their_sigma = SbipixNoise.read(folder).observe(rng, flux, deep.floor)

    metrics, counts = {}, {}
    for prefix, data_flux, sky, sigma in (
        ("", noisy, ours, ours),
        ("sbipix_noise.", theirs, their_sky, their_sigma),
    ):
        snr = np.asarray(mean_snr(data_flux, sigma, np.ones_like(sky, bool), simulator.snr_bands))
        # mocks come sorted by redshift
        rows = rng.permutation(np.flatnonzero(snr > SNR_MIN))[:n]
        counts[prefix or "ours."] = len(rows)
        metrics |= score(post, prefix, theta[rows], z[rows], data_flux[rows], sky[rows], n_draws, args.seed)
    report(
        args.json,
        terms(
            objects=counts,
            draws=n_draws,
            seed=args.seed,
            bundle=str(post.meta["name"]),
            selection="observed mean S/N of F277W, F356W, F444W > 5 (of the sky; sbipix_noise: of its sigma)",
            noise="JADES per-pixel sky, 5 % floor, all 19 bands; sbipix_noise: benchmarks/sbipix_noise.py",
            point_estimate="posterior median; raw flow, no importance weights",
        ),
        metrics,
    )


if __name__ == "__main__":
    main()
