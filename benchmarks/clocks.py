"""How much more does a spectrum tell of when stars formed while they are young?

The experiment of `dsps-sbi study time-resolution` (`dsps_sbi/spectroscopy/time_resolution.py` says what it
is): true histories that end at z = 3.2, with t90 - t10 of 0.1 to 1.5 Gyr, seen at z = 3.2 (`highz`) and at
z = 0 (`local`) with the same pixels at rest, resolution and S/N of 30, 100 and 300 per pixel of 150 km/s,
under one prior on cosmic time for both (`cosmic`) and under the prior of each age of the Universe (`own`).
Posteriors are exact, made without a network: draws of the prior, repaired.

`sn100.local_cosmic.t50.width` is half of the central 68 % in Gyr, median over galaxies;
`posterior_over_prior` that over the prior's; `bias` and `bias_err` in Gyr; `coverage68`. `sn100.ratio.t50` is
the width at z = 0 over that at z = 3.2 of the same galaxy under the prior on cosmic time, the median.
Without further names: `width_ratio_local_to_highz`, `posterior_over_prior_width_highz`, `..._local` are of
t50 at S/N 100 and that prior; `coverage68_max_deviation` is the largest difference of a `coverage68` from
0.68 over S/N, redshifts and quantities under that prior, where it must be 0.68, and `coverage68_err` what
chance makes of one of them. Under `own`, truths are not draws of the prior at z = 0: its coverage says how
wrong that prior is there.

`--keep FOLDER` keeps each posterior, and `--at-most N` stops after N new ones: the next run goes on, and what
is complete is scored. A posterior takes some ten seconds of a core.
"""

from pathlib import Path

import numpy as np
from _contract import options, report, terms

from dsps_sbi.cli.study import grid_of
from dsps_sbi.plots.time_resolution_figure import plot_time_resolution
from dsps_sbi.spectroscopy.time_resolution import QUANTITIES, TimeResolution
from dsps_sbi.spectroscopy.time_resolution_run import run_time_resolution

EARLY, LATE = 3.2, 0.0
SCORES = (
    "width",
    "prior_width",
    "posterior_over_prior",
    "bias",
    "bias_err",
    "rmse",
    "coverage68",
    "converged",
)
# Where the metrics without further names are from
_SNR, _QUANTITY = 100.0, "t50"


def metrics_of(result) -> dict[str, float]:
    """Metrics of a run."""
    found, away = {}, []
    for row in result.table():
        place = (
            f"sn{row['snr']:g}.{'highz' if row['z'] == EARLY else 'local'}_{row['prior']}.{row['quantity']}"
        )
        found |= {f"{place}.{name}": row[name] for name in SCORES}
        if row["prior"] == "cosmic":
            away.append(abs(row["coverage68"] - 0.68))
            error = row["coverage68_err"]
    for snr in result.setting.snr:
        found |= {f"sn{snr:g}.ratio.{name}": result.width_ratio(snr, LATE, name) for name in QUANTITIES}
    found["width_ratio_local_to_highz"] = found[f"sn{_SNR:g}.ratio.{_QUANTITY}"]
    for where in ("highz", "local"):
        share = found[f"sn{_SNR:g}.{where}_cosmic.{_QUANTITY}.posterior_over_prior"]
        found[f"posterior_over_prior_width_{where}"] = share
    found |= {"coverage68_max_deviation": np.max(away), "coverage68_err": error}
    seconds = [one["seconds"] for some in result.found.values() for one in some]
    return found | {"seconds_per_posterior": np.median(seconds)}


def main(argv=None):
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--grid", default="miles", help="SSPs: a fetched grid, or a folder or file of one")
    parser.add_argument("--n", type=int, default=200, help="true histories")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder to keep posteriors in")
    parser.add_argument("--at-most", type=int, help="stop after so many new posteriors")
    parser.add_argument("--picture", type=Path, help="where to draw the result")
    args = parser.parse_args(argv)
    snr, n = ((_SNR,), 1) if args.quick else ((30.0, _SNR, 300.0), args.n)
    setting = TimeResolution(grid_of(args.grid), (EARLY, LATE), snr, seed=args.seed)
    result = run_time_resolution(setting, n, args.keep, at_most=args.at_most, progress=True)
    if args.picture is not None:
        plot_time_resolution(result.table(), path=args.picture)
    own = {"galaxies": result.n_galaxies, "posteriors_left": result.n_left, "noise": "white, without masks"}
    own |= {"method": "draws of the prior, repaired; those below 20 effective draws are not scored"}
    metrics = {name: float(value) for name, value in metrics_of(result).items()}
    report(args.json, terms(**own, **setting.settings()), metrics)


if __name__ == "__main__":
    main()
