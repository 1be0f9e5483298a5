"""The command ``study``: experiments on what spectra and images can tell."""

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from ..constants import MOST_DRAWS, MOST_SEED
from ..errors import UserError

STUDIES = ("time-resolution", "outshining")


def study(
    name: Annotated[str, typer.Argument(help="Which one: time-resolution (spectra) or outshining (images).")],
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Outshining: real images with redshifts, to be fitted both ways too."),
    ] = None,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder; a run goes on there.")],
    ssp: Annotated[
        str | None,
        typer.Option(help="SSPs: a fetched grid, or a folder or file of a grid; miles, bc03-miles."),
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", min=1, help="True histories, 20; simulated galaxies, 300.")
    ] = None,
    redshifts: Annotated[
        str | None,
        typer.Option(help="Time resolution: where each is seen, all stars there at the highest one; 3.2,0."),
    ] = None,
    snr: Annotated[
        str | None,
        typer.Option(help="S/N per pixel: of spectra each of 30,100,300; of images a range, 6,50."),
    ] = None,
    durations: Annotated[
        str | None, typer.Option(help="Time resolution: range of t90 - t10 in Gyr; 0.1,1.5.")
    ] = None,
    resolution: Annotated[
        float | None,
        typer.Option(help="Time resolution: resolving power, of two pixels per FWHM; 1000."),
    ] = None,
    quantiles: Annotated[
        int | None,
        typer.Option(min=1, max=20, help="Time resolution: of histories, more make some end early; 3."),
    ] = None,
    bundles: Annotated[
        str | None,
        typer.Option(help="Outshining: histories; photometry,photometry-dirichlet."),
    ] = None,
    masses: Annotated[
        str | None, typer.Option(help="Outshining: range of log10 of the mass in Msun; 6.5,11.")
    ] = None,
    sides: Annotated[str | None, typer.Option(help="Outshining: pixels across a galaxy; 5,8,12.")] = None,
    draws: Annotated[
        int | None, typer.Option(min=2, max=MOST_DRAWS, help="Draws per posterior; 1000, of pixels 200.")
    ] = None,
    at_most: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many new posteriors: the next run goes on.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the random numbers.")] = 0,
) -> None:
    """Experiments of known truth: when spectra tell that stars formed; what mass outshining hides."""
    if name not in STUDIES:
        raise UserError(f"there is no study {name!r}: give {', '.join(STUDIES)}")
    of_spectra = {"redshifts": redshifts, "durations": durations, "resolution": resolution}
    of_spectra |= {"quantiles": quantiles}
    of_images = {"bundles": bundles, "masses": masses, "sides": sides, "images": images or None}
    others = of_spectra if name == "outshining" else of_images
    wrong = [
        f"--{key}" if key != "images" else "images" for key, value in others.items() if value is not None
    ]
    if wrong:
        raise UserError(
            f"{', '.join(wrong)} was given with {name}: this goes with the other study; leave it out"
        )
    common = {"n": n, "snr": snr, "draws": draws, "ssp": ssp, "at_most": at_most, "seed": seed}
    run = _outshining if name == "outshining" else _time_resolution
    common |= of_images if name == "outshining" else of_spectra
    run(output, **{key: value for key, value in common.items() if value is not None})


def _time_resolution(
    output,
    *,
    seed,
    n=20,
    snr="30,100,300",
    draws=1000,
    ssp="miles",
    at_most=None,
    redshifts="3.2,0",
    durations="0.1,1.5",
    resolution=1000.0,
    quantiles=3,
):
    options = {
        "redshifts": _numbers(redshifts, "--redshifts"),
        "snr": _numbers(snr, "--snr"),
        "durations_gyr": _range(durations, "--durations", "0.1,1.5"),
    }

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


def _outshining(
    output,
    *,
    seed,
    n=300,
    snr="6,50",
    draws=200,
    ssp="bc03-miles",
    at_most=None,
    bundles="photometry,photometry-dirichlet",
    masses="6.5,11",
    sides="5,8,12",
    images=(),
):
    options = {"snr": _range(snr, "--snr", "6,50"), "log_mass": _range(masses, "--masses", "6.5,11")}
    across = _numbers(sides, "--sides")
    if any(side != int(side) for side in across):
        raise UserError(f"--sides is {sides!r}: give whole numbers of pixels, such as 5,8,12")

    from ..bundle.load import load_bundle
    from ..io import read
    from ..io.summary import write_summary
    from ..photometry.outshining import Outshining
    from ..photometry.outshining_run import run_outshining
    from ..plots.outshining_figure import plot_outshining

    posts = {part.strip(): load_bundle(part.strip()) for part in bundles.split(",")}
    # as parts of file names
    posts = {Path(key).name: post for key, post in posts.items()}
    cubes = [read(path) for path in images]
    sides = tuple(int(side) for side in across)
    setting = Outshining(posts, sides=sides, n_draws=draws, seed=seed, ssp=grid_of(ssp), **options)
    more = {"images": cubes, "at_most": at_most, "progress": sys.stderr.isatty()}
    with warnings.catch_warnings():
        # what has to be known of single galaxies
        warnings.simplefilter("ignore", UserWarning)
        result = run_outshining(setting, n, output, **more)
    for line in result.lines():
        print(line)
    tables = {"outshining.ecsv": result.table(), "images.ecsv": result.image_table()}
    for file, table in tables.items():
        if table is not None:
            write_summary(output / file, table)
    plot_outshining(result, path=output / "outshining.png")
    left = f"; {result.n_left} fits are left: run again to go on" if result.n_left else ""
    print(f"in {output}: outshining.ecsv and .png, of {result.n_galaxies} galaxies{left}")


def _numbers(text, option):
    """Numbers of a list with commas."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"{option} is {text!r}: give numbers with commas, such as 3.2,0") from None


def _range(text, option, example):
    """Two numbers with a comma."""
    values = _numbers(text, option)
    if len(values) != 2:
        raise UserError(f"{option} is {text!r}: give two numbers, such as {example}")
    return values


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
