"""The command ``compare``: two results of the same galaxies under two bundles."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    a: Annotated[Path, typer.Argument(help="Catalogue that infer wrote with one bundle, or its folder.")],
    b: Annotated[Path, typer.Argument(help="The same galaxies with another bundle.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Catalogue to write, .fits, .parquet or .ecsv; a row a galaxy."),
    ] = None,
) -> None:
    """Which of two models the data prefer, by their evidences, and the masses under both."""
    from ..survey.compare import Comparison

    comparison = Comparison(a, b)
    if output is None:
        for _ in comparison.parts():
            pass
    else:
        comparison.write(output)
    for line in comparison.totals.lines():
        print(line)
    if output is not None:
        print(f"in {output}")
