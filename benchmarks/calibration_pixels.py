"""Is the shipped bundle calibrated at every observed S/N and number of bands?"""

from pathlib import Path

from _contract import options, report, terms

import dsps_sbi as ds
from dsps_sbi.calibration.figure import plot_overview


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--n", type=int, help="mocks per slice")
    parser.add_argument("--n-refined", type=int, help="mocks per slice whose answers are refined")
    args = parser.parse_args()
    post = ds.load_bundle(args.bundle)
    n, n_refined = (500, 100) if args.quick else (10_000, 2000)
    result = ds.check(
        post,
        n=n if args.n is None else args.n,
        n_refined=n_refined if args.n_refined is None else args.n_refined,
        seed=args.seed,
        progress=True,
    )
    print(result)
    report(
        args.json,
        terms(
            bundle=result.bundle,
            failures=list(result.failures),
            noise="snr_*: masks and depths as in training; bands_*: that many random bands, S/N > 5",
            suffix="_refined: answers of ds.refine; none: draws of the network",
            **result.terms,
        ),
        result.metrics,
    )
    if args.json is not None:
        plot_overview(result).savefig(Path(args.json).with_suffix(".png"), dpi=150)


if __name__ == "__main__":
    main()
