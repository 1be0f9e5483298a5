"""The command ``check``: is a bundle calibrated?"""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..constants import MOST_DRAWS, MOST_SEED

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
) -> None:
    """Check a bundle's calibration on fresh mocks; exit status 2 when it fails."""
    from ..bundle.load import load_bundle
    from ..calibration.check import check as run_check
    from ..calibration.report import REPORT, write_report
    from ..io.folders import filling

    post = load_bundle(bundle)
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
