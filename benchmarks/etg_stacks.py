"""Are early-type galaxies of high velocity dispersion older? Six stacks of MaNGA spectra.

The stacks are of galaxies of high and of low central dispersion, at three radii (in, mid, out). Each is a
text file with columns: wavelength in vacuum at rest, flux on any scale, error, whether to use the pixel,
and the sigma of all that broadened the spectra beside the galaxies' own stars [km/s] (5 Angstrom
everywhere, since the spectra were smoothed). The galaxies' redshifts are not in the files. They are taken
to be 0, which makes the Universe, and the oldest stars that are allowed, some 0.5 Gyr too old.

The S/N of 600 to 2000 per pixel is beyond what SSPs can match: an error of the model, a parameter of each
spectrum, takes that up. 0.1 % of the flux is added to the errors in squares, which is the least error of
the model and the best S/N of training. Where an answer failed (see ``method`` and ``trust``), its errors
and the differences made of it mean nothing.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from _contract import data_folder, options, report, terms
from _exact import likelihood_of

import dsps_sbi as ds
from dsps_sbi.inference.trust import Method, Trust

COLUMNS = ("wave", "flux", "error", "good", "sigma_km_s")
SIGMAS, RADII = ("high", "low"), ("in", "mid", "out")
FLOOR = 1e-3


def read_stacks(folder, radii=RADII) -> dict[str, ds.Spectrum]:
    """Stacks by name: high_in, high_mid ... low_out."""
    found = {}
    for sigma in SIGMAS:
        for radius in radii:
            path = folder / f"{sigma}_m20kpc_v_sigmacen_red_median_{radius}.dat"
            units = {"wave_unit": "AA", "flux_unit": "relative", "medium": "vacuum"}
            stack = ds.read_spectrum(path, columns=COLUMNS, redshift=0.0, **units)
            sigma_flux = np.hypot(stack.sigma, FLOOR * np.abs(stack.flux))
            found[f"{sigma}_{radius}"] = replace(stack, sigma=sigma_flux)
    return found


QUANTITIES = ("mass_weighted_age", "t50", "t90", "metallicity", "sigma_v", "log_model_error")


def centre(draws):
    """Median and half of 16-84 % of draws (..., Draw)."""
    low, middle, high = np.quantile(draws, [0.16, 0.5, 0.84], axis=-1)
    return middle, 0.5 * (high - low)


def stack_metrics(found, names, draws) -> dict[str, float]:
    """Of each stack: medians, errors, and what the answer is worth."""
    metrics, formed = {}, found.probability_formed_by(1.0)
    for i, name in enumerate(names):
        for quantity, rows in draws.items():
            middle, error = centre(rows[i])
            metrics |= {f"{name}.{quantity}": middle, f"{name}.{quantity}_err": error}
        metrics[f"{name}.p_t90_1gyr"] = formed[i]
        for number in ("ess", "ppc_p", "method", "trust", "population_p"):
            metrics[f"{name}.{number}"] = found.columns[number][i]
    return metrics


def differences(names, draws) -> dict[str, float]:
    """High less low dispersion at each radius, with errors; draws of two stacks are independent."""
    metrics = {}
    for title, quantity in (
        ("older_at_high_sigma", "mass_weighted_age"),
        ("richer_at_high_sigma", "metallicity"),
    ):
        for name in names:
            sigma, radius = name.split("_")
            if sigma == "high":
                high, low = (draws[quantity][names.index(f"{s}_{radius}")] for s in SIGMAS)
                middle, error = centre(high - low)
                metrics |= {f"{title}.{radius}": middle, f"{title}.{radius}_err": error}
    return metrics


def table(names, metrics) -> str:
    """What comes out, a line per stack."""
    pairs = {
        "mass_weighted_age": "age",
        "t50": "t50",
        "t90": "t90",
        "metallicity": "[M/H]",
        "sigma_v": "sigma",
    }
    head = [f"{title:^15s}" for title in pairs.values()]
    last = f"{'ESS':>5s} {'p':>6s} {'of SSPs':>8s}"
    lines = [f"{'stack':9s}{''.join(head)} {'P(t90<1)':9s}{'method':8s}{'trust':10s}{last}"]
    for name in names:
        get = lambda key, name=name: metrics[f"{name}.{key}"]  # noqa: E731
        cells = [f"{get(key):7.2f} +-{get(f'{key}_err'):5.2f}" for key in pairs]
        method, trust = (kind(int(get(kind.__name__.lower()))).name.lower() for kind in (Method, Trust))
        worth = f"{get('p_t90_1gyr'):8.3f}  {method:8s}{trust:10s}{get('ess'):5.0f} {get('ppc_p'):6.3f}"
        worth += f" {get('population_p'):8.2g}"
        lines.append(f"{name:9s}{''.join(cells)} {worth}")
    return "\n".join([*lines, "ages and times in Gyr, sigma in km/s"])


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="miles-optical")
    parser.add_argument("--data", type=Path, help="folder of the stacks; default: that of the test data")
    parser.add_argument("--seed", type=int, default=21)
    args = parser.parse_args()
    folder = data_folder(parser, args.data, "spectra", "etg_stacks")
    post = ds.load_bundle(args.bundle)
    stacks = read_stacks(folder, RADII[:1] if args.quick else RADII)
    names, n_draws = list(stacks), 1000
    likelihood = likelihood_of(parser, post)
    how = {"model": likelihood, "refine": True, "n_draws": n_draws, "seed": args.seed, "labels": names}
    found = post.infer(list(stacks.values()), **how)
    draws = {name: found.draws(name) for name in QUANTITIES}
    metrics = stack_metrics(found, names, draws)
    print(table(names, metrics))
    metrics |= differences(names, draws) | {"trusted_fraction": np.mean(found.posteriors.trusted)}
    report(
        args.json,
        terms(
            objects=len(names),
            draws=n_draws,
            seed=args.seed,
            bundle=str(post.meta["name"]),
            noise=f"errors of the files and {FLOOR:g} of the flux, in squares; masks of the files",
            redshift="taken as 0: ages are of the Universe of today",
            answer="ds.refine: weights, population Monte Carlo, mode searches, chains where needed",
            errors="half of 16-84 % of the draws",
            codes={"method": {m.name: m.value for m in Method}, "trust": {t.name: t.value for t in Trust}},
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
