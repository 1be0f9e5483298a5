"""Does the fit of a galaxy's summed light miss mass that its pixels show, and what do histories do to mass?

The experiment of `dsps-sbi study outshining` (`dsps_sbi/photometry/outshining.py` says what it is): simulated
galaxies of 10^6.5 to 10^11 solar masses with gradients and clumps of young stars, in the 19 bands of JADES,
fitted pixel by pixel and as a whole, by `photometry` (delayed tau, `delayed_tau`) and `photometry-dirichlet`
(Dirichlet, `dirichlet`). The galaxy of field_gsz14.py is fitted so too, where its data are there.

`delayed_tau.log_mass_6.5_8.outshined` is log10 of the mass of the whole over that of the pixels, in dex, the
median over galaxies of that mass, `outshined_err` its standard error, `outshined_scatter` half of the central
68 %; `pixels_bias`, `integrated_bias` those of recovered over true mass; `..._scatter`, `..._coverage68`. The
same by specific SFR, S/N of the median pixel, and pixels across. `outshined_below_1e8`, `outshined_above_1e8`
are of the first bundle. `between_histories.pixels.median` is the total mass by the second bundle over that by
the first, `..._rms` and `..._median_size` its size.

`--keep FOLDER` keeps each fit, and `--at-most N` stops after N new ones: the next run goes on.
"""

import os
import warnings
from pathlib import Path

import numpy as np
from _contract import options, report, terms
from field_gsz14 import REDSHIFT, SHAPE, isolate

import dsps_sbi as ds
from dsps_sbi.instruments.filter_names import JADES_BANDS
from dsps_sbi.photometry.outshining import Outshining
from dsps_sbi.photometry.outshining_run import run_outshining
from dsps_sbi.plots.outshining_figure import plot_outshining

BUNDLES = {"photometry": "delayed_tau", "photometry-dirichlet": "dirichlet"}
SCORES = ("n", "outshined", "outshined_err", "outshined_scatter")
SCORES += tuple(
    f"{way}_{word}" for way in ("pixels", "integrated") for word in ("bias", "scatter", "coverage68")
)


def real_galaxy():
    """The galaxy in front of JADES-GS-z14-0, where its data are there."""
    root = os.environ.get("DSPS_SBI_TEST_DATA")
    folder = None if root is None else Path(root, "jades", "gsz14")
    if folder is None or not folder.is_dir():
        return []
    flux, error = np.load(folder / "full_phot_.npy"), np.load(folder / "full_err_.npy")
    error, *_ = isolate(flux, error)
    return [ds.PixelCube(flux, error, JADES_BANDS, REDSHIFT, SHAPE, source="gsz14")]


def metrics_of(result) -> dict[str, float]:
    """Metrics of a run."""
    found = {}
    for row in result.table():
        place = BUNDLES[row["bundle"]]
        if row["by"] != "all":
            place += f".{row['by']}_{row['low']:g}_{row['high']:g}"
        found |= {f"{place}.{name}": row[name] for name in SCORES}
    first = next(iter(result.found))
    off, mass = result.outshined(first), result.found[first]["log_mass"]
    for word, some in (("below", mass < 8.0), ("above", mass >= 8.0)):
        some = off[some & np.isfinite(off)]
        found[f"outshined_{word}_1e8"] = np.median(some) if len(some) else np.nan
        found[f"outshined_{word}_1e8_err"] = (
            np.std(some) * np.sqrt(np.pi / 2 / len(some)) if len(some) else np.nan
        )
    for way in ("pixels", "integrated"):
        found |= {f"between_histories.{way}.{k}": v for k, v in result.between_histories(way).items()}
    for bundle, one in result.found.items():
        found[f"{BUNDLES[bundle]}.share_of_mass_in_fitted_pixels"] = np.median(one["seen"])
        found[f"{BUNDLES[bundle]}.share_of_pixels_trusted"] = one["n_trusted"].sum() / one["n_pixels"].sum()
        found[f"{BUNDLES[bundle]}.share_of_wholes_trusted"] = one["integrated_trusted"].mean()
    for row in result.image_table() if result.images else ():
        place = f"{row['image']}.{BUNDLES[row['bundle']]}"
        found |= {f"{place}.{k}": row[k] for k in ("pixels", "pixels_err", "integrated", "integrated_err")}
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def main(argv=None):
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300, help="simulated galaxies")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder to keep fits in")
    parser.add_argument("--at-most", type=int, help="stop after so many new fits")
    parser.add_argument("--picture", type=Path, help="where to draw the result")
    args = parser.parse_args(argv)
    posts = {name: ds.load_bundle(name) for name in BUNDLES}
    few = {"sides": (5,), "n_draws": 100} if args.quick else {}
    setting = Outshining(posts, seed=args.seed, **few)
    with warnings.catch_warnings():
        # what has to be known of single galaxies
        warnings.simplefilter("ignore", UserWarning)
        result = run_outshining(
            setting,
            6 if args.quick else args.n,
            args.keep,
            images=() if args.quick else real_galaxy(),
            at_most=args.at_most,
            progress=True,
        )
    for line in result.lines():
        print(line)
    if args.picture is not None:
        plot_outshining(result, path=args.picture)
    own = {"galaxies": result.n_galaxies, "fits_left": result.n_left, "noise": "white, sky only"}
    report(args.json, terms(**own, **setting.settings()), metrics_of(result))


if __name__ == "__main__":
    main()
