"""A massive quiescent galaxy at z = 3.2 by its photometry alone: how massive, and formed when?

ZF-UDS-7329 (Glazebrook et al. 2024, Nature 628, 277), with the NIRCam magnitudes of the analysis at
github.com/jmpowley/quiescent_galaxies: seven bands, AB, with a floor of 5 % on the errors, z = 3.205.
Each bundle for any filters proposes, the exact likelihood weighs, and repairs: `tau` has a delayed tau
history, one smooth rise and fall (`photometry`), `dirichlet` formation times of quarters of the mass
(`photometry-dirichlet`). Quantities with 16th and 84th percentiles: `tau.log_mass` (stars and remnants),
`log_mass_formed`, times since the Big Bang and t90 - t10 in Gyr, `log_ssfr`, `av`, `metallicity`; `trusted`,
`ess`, `ppc_p`; `p_formed_by_z7` is the probability that half of the mass existed at z = 7.

Published, for comparison: log M* of 11.1 to 11.3, most stars in place before z of 7 to 11.
"""

import numpy as np
from _contract import options, report, terms

import dsps_sbi as ds

MAGNITUDES = {
    "jwst_f115w": (25.567, 0.034),
    "jwst_f150w": (24.299, 0.009),
    "jwst_f200w": (22.826, 0.002),
    "jwst_f277w": (22.154, 0.001),
    "jwst_f356w": (21.827, 0.001),
    "jwst_f410m": (21.616, 0.001),
    "jwst_f444w": (21.546, 0.001),
}
Z, FLOOR = 3.205, 0.05
BUNDLES = {"tau": "photometry", "dirichlet": "photometry-dirichlet"}
QUANTITIES = ("log_mass", "log_mass_formed", "log_ssfr", "av", "metallicity", "t10", "t50", "t90")


def catalogue() -> ds.Catalogue:
    """The photometry in micro-Jansky, with the floor in the errors."""
    magnitude, error = np.array(list(MAGNITUDES.values())).T
    flux = 10.0 ** (-0.4 * (magnitude - 23.9))
    sigma = flux * np.hypot(error * np.log(10.0) / 2.5, FLOOR)
    return ds.Catalogue(flux[None], sigma[None], tuple(MAGNITUDES), np.array([Z]))


def answered(bundle: str, n_draws: int, seed: int) -> dict[str, float]:
    """What a bundle says of the galaxy."""
    post = ds.load_bundle(bundle)
    result = post.infer(catalogue(), refine=True, n_draws=n_draws, seed=seed, quantities=QUANTITIES)
    draws = {name: np.asarray(result.draws(name))[0] for name in QUANTITIES}
    draws["t90_t10"] = draws["t90"] - draws["t10"]
    metrics = {}
    for name, values in draws.items():
        low, middle, high = np.percentile(values, (16, 50, 84))
        metrics |= {name: middle, f"{name}_p16": low, f"{name}_p84": high}
    early = float(post.network.cosmology.age(7.0))
    metrics["p_formed_by_z7"] = np.mean(draws["t50"] < early)
    metrics |= {name: result.columns[name][0] for name in ("ess", "ppc_p", "pareto_k")}
    return metrics | {"trusted": str(result.trust[0]) == "trusted"}


def main(argv=None):
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    n_draws, metrics = (500 if args.quick else 2000), {}
    for name, bundle in list(BUNDLES.items())[: 1 if args.quick else None]:
        found = answered(bundle, n_draws, args.seed)
        metrics |= {f"{name}.{key}": float(value) for key, value in found.items()}
    own = {"draws": n_draws, "seed": args.seed, "bundles": list(BUNDLES.values())}
    report(args.json, terms(**own, noise="published, floor 5 %"), metrics)


if __name__ == "__main__":
    main()
