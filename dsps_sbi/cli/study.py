"""The command ``study``: experiments on what spectra can tell."""

from pathlib import Path
from typing import Annotated

import typer

from ..constants import MOST_DRAWS, MOST_SEED
from ..errors import UserError

STUDIES = ("time-resolution",)


def study(
    name: Annotated[str, typer.Argument(help="Which one: time-resolution.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder; a run goes on there.")],
    ssp: Annotated[
        str, typer.Option(help="SSPs: a fetched grid such as miles, or a folder or file of a grid.")
    ] = "miles",
    n: Annotated[int, typer.Option("--n", min=1, help="True histories.")] = 20,
    redshifts: Annotated[
        str, typer.Option(help="Where each is seen; all stars are there at the highest one.")
    ] = "3.2,0",
    snr: Annotated[str, typer.Option(help="Signal-to-noise ratios per pixel.")] = "30,100,300",
    durations: Annotated[str, typer.Option(help="Range of t90 - t10 of the histories in Gyr.")] = "0.1,1.5",
    resolution: Annotated[float, typer.Option(help="Resolving power, of two pixels per FWHM.")] = 1000.0,
    quantiles: Annotated[
        int, typer.Option(min=1, max=20, help="Of the histories: more make some that end early.")
    ] = 3,
    draws: Annotated[int, typer.Option(min=2, max=MOST_DRAWS, help="Draws per posterior.")] = 1000,
    at_most: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many new posteriors: the next run goes on.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the random numbers.")] = 0,
) -> None:
    """See one true history early and late, under two priors: what do spectra tell of when stars formed?"""
    if name not in STUDIES:
        raise UserError(f"there is no study {name!r}: give {', '.join(STUDIES)}")
    options = {
        "redshifts": _numbers(redshifts, "--redshifts"),
        "snr": _numbers(snr, "--snr"),
        "durations_gyr": _numbers(durations, "--durations"),
    }
    if len(options["durations_gyr"]) != 2:
        raise UserError(f"--durations is {durations!r}: give two numbers, such as 0.1,1.5")

    import sys

    from ..io.summary import write_summary
    from ..plots.time_resolution_figure import plot_time_resolution
    from ..spectroscopy.time_resolution import TimeResolution
    from ..spectroscopy.time_resolution_run import run_time_resolution

    options |= {"resolution": resolution, "n_draws": draws, "seed": seed, "n_quantiles": quantiles}
    setting = TimeResolution(grid_of(ssp), **options)
    result = run_time_resolution(setting, n, output, at_most=at_most, progress=sys.stderr.isatty())
    table = result.table()
    for line in result.lines():
        print(line)
    write_summary(output / "time_resolution.ecsv", table)
    plot_time_resolution(table, path=output / "time_resolution.png")
    left = f"; {result.n_left} posteriors are left: run again to go on" if result.n_left else ""
    print(f"in {output}: time_resolution.ecsv and .png, of {result.n_galaxies} galaxies{left}")


def _numbers(text, option):
    """Numbers of a list with commas."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"{option} is {text!r}: give numbers with commas, such as 3.2,0") from None


def grid_of(name: str):
    """A grid of the cache by its name, or of files of MILES or an HDF5 file by their path.

    Raises
    ------
    UserError
        If there is none.
    """
    from ..ssp import load, read_dsps, read_grid, read_miles
    from ..ssp.fetch import FILES

    path = Path(name)
    if name in FILES:
        return load(name)
    if path.is_dir():
        return read_miles(path)
    if not path.exists():
        raise UserError(
            f"there is no grid and no file {name!r}: give one of {', '.join(FILES)}, a folder or a file"
        )
    try:
        return read_grid(path)
    except UserError:
        return read_dsps(path)
