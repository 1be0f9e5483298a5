"""The command ``demo``: a synthetic galaxy's image, or the spectrum of a real one."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ..constants import MOST_DRAWS


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path(
        "demo_output"
    ),
    draws: Annotated[
        int | None,
        typer.Option(min=2, max=MOST_DRAWS, help="Draws per pixel or spectrum; default: 500, 1000."),
    ] = None,
    spectrum: Annotated[
        bool, typer.Option("--spectrum", help="The spectrum of NGC 3522 (SDSS), fetched once: 28 MB.")
    ] = False,
) -> None:
    """Fit a synthetic resolved galaxy with the shipped bundle and compare with the truth; or a spectrum."""
    start = time.perf_counter()
    progress = sys.stderr.isatty()
    if spectrum:
        _spectrum(output, 1000 if draws is None else draws, progress, start)
    else:
        _image(output, 500 if draws is None else draws, progress, start)


def _image(output, draws, progress, start):
    from ..demo.image import run_demo

    result, table = run_demo(output, n_draws=draws, progress=progress)
    seconds = time.perf_counter() - start
    print(f"{result.fitted.sum()} pixels, {draws} draws each, {seconds:.1f} s in all\n")
    print("Medians over the pixels, robust scatter, and the share of pixels whose 16-84 % interval holds the")
    print("truth (0.68 on average over galaxies drawn from the prior, which this one is not).")
    print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
    print("".join(f"\nnote: {note}" for note in result.notes))
    print(f"\nwritten to {output}: maps.fits, maps.png, errors.png, summary.ecsv, recovered.ecsv")


def _spectrum(output, draws, progress, start):
    from ..demo.spectrum import run_spectrum_demo
    from .spectra import describe

    (row,) = run_spectrum_demo(output, n_draws=draws, progress=progress)
    print(describe(row))
    seconds = time.perf_counter() - start
    print(f"{draws} draws, {seconds:.1f} s in all; written to {output}: catalogue.ecsv, {row['name']}.png")
