"""The command ``check``: is a bundle calibrated?"""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..constants import MOST_DRAWS, MOST_SEED
from ..errors import UserError

# Mocks per slice, at most, whose answers are refined
_N_REFINED = 2000


def check(
    bundle: Annotated[str, typer.Argument(help="Name or folder of a bundle.")],
    n: Annotated[int, typer.Option("--n", help="Mocks in each slice.")] = 10_000,
    draws: Annotated[int, typer.Option(max=MOST_DRAWS, help="Draws per mock.")] = 200,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for report.html and check.json.")
    ] = None,
    refined: Annotated[bool, typer.Option("--refined", help="Check refined answers too.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the random numbers.")] = 0,
    filters: Annotated[
        str | None,
        typer.Option(help="Of a bundle for any filters: those to check, names with commas, or 'jades'."),
    ] = None,
    floor: Annotated[
        float | None, typer.Option(help="Of such a bundle: relative error of the model's fluxes; 0.05.")
    ] = None,
) -> None:
    """Check a bundle's calibration on fresh mocks; exit status 2 when it fails."""
    from ..bundle.load import load_bundle
    from ..calibration.check import check as run_check
    from ..calibration.report import REPORT, write_report
    from ..io.folders import filling

    post = _of_filters(load_bundle(bundle), bundle, filters, floor)
    with contextlib.nullcontext() if output is None else filling(output) as folder:
        result = run_check(
            post,
            n=n,
            n_draws=draws,
            n_refined=min(n, _N_REFINED) if refined else 0,
            seed=seed,
            progress=sys.stderr.isatty(),
        )
        print(result)
        if folder is not None:
            write_report(result, folder)
            print(f"written to {folder}: {REPORT}, check.json")
    if not result.passed:
        raise typer.Exit(2)


def _of_filters(post, bundle, filters, floor):
    """A posterior as it is, or of one for any filters that for those that are given."""
    of_any = hasattr(post, "for_filters")
    if not of_any and (filters is not None or floor is not None):
        raise UserError(
            f"--filters and --floor go with a bundle for any filters, {bundle} has its own: leave them out"
        )
    if not of_any:
        return post
    if filters is None:
        raise UserError(
            f"bundle {bundle} is for any filters, mocks are of given ones: give --filters jades, or names "
            "with commas"
        )
    from ..instruments.jades import JADES_BANDS

    names = JADES_BANDS if filters.lower() == "jades" else tuple(n.strip() for n in filters.split(","))
    return post.for_filters(names, **({} if floor is None else {"floor": floor}))
