"""Are early-type galaxies of high velocity dispersion older? Six stacks of MaNGA spectra.

Stacks of galaxies of high and of low central dispersion, at three radii (in, mid, out), as columns of
text: wavelength in vacuum at rest, flux on any scale, error, whether to use the pixel, and the sigma of
all that broadened the spectra beside the galaxies' own stars [km/s] (it is 5 Angstrom everywhere: they were
smoothed). The galaxies' own redshifts are not in the files: they are taken to be here and now, which
makes the Universe, and the oldest stars that are allowed, some 0.5 Gyr too old.

Their S/N of 600 to 2000 per pixel is beyond what SSPs can match: an error of the model, a parameter of
each spectrum, takes that up. Errors below 0.1 % of the flux are raised to about that, in squares, which is
the least error of the model and the best S/N of training. Where an answer failed (see ``method`` and
``trust``), its errors and the differences made of it mean nothing.
"""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from _contract import data_folder, options, report, terms

import dsps_sbi as ds
from dsps_sbi.trust import Method, Trust

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


def mean_ages(found):
    """Mass-weighted mean ages (Object, Draw) [Gyr] of draws."""
    sfh = found.post.network.sfh
    return np.asarray(jax.jit(sfh.mean_age)(found.theta[..., : len(sfh.names)], found.universe_gyr[:, None]))


def draws_of(found) -> dict[str, np.ndarray]:
    """Quantities (Object, Draw) of interest."""
    times = found.formation_times([0.5, 0.9])
    return {
        "mass_weighted_age": mean_ages(found),
        "t50": times[..., 0],
        "t90": times[..., 1],
        "metallicity": found.column("metallicity"),
        "sigma_v": found.column("sigma_v"),
        "log_model_error": found.column("log_model_error"),
    }


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
        for number in ("ess", "ppc_p", "method", "trust"):
            metrics[f"{name}.{number}"] = getattr(found.answers, number)[i]
        metrics[f"{name}.population_p"] = found.population_p[i]
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
    found = ds.weigh_spectra(
        post, stacks.values(), ds.model_of(post), n_draws=n_draws, seed=args.seed, refine=True
    )
    draws = draws_of(found)
    metrics = stack_metrics(found, names, draws)
    print(table(names, metrics))
    metrics |= differences(names, draws) | {"trusted_fraction": np.mean(found.answers.trusted)}
    report(
        args.json,
        terms(
            objects=len(names),
            draws=n_draws,
            seed=args.seed,
            bundle=str(post.meta["name"]),
            noise=f"errors of the files and {FLOOR:g} of the flux, in squares; masks of the files",
            redshift="taken as 0: ages are of the Universe of today",
            answer="ds.weigh_spectra with refine: weights, adapted rounds, chains where needed",
            errors="half of 16-84 % of the draws",
            codes={"method": {m.name: m.value for m in Method}, "trust": {t.name: t.value for t in Trust}},
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
