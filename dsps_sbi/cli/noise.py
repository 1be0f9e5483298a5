"""The commands ``noise``: what images say of their own noise."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError

noise_app = typer.Typer(help="Noise of a survey, learned from its images.", rich_markup_mode=None)


@noise_app.callback()
def _group() -> None:
    """Noise of a survey, learned from its images."""


@noise_app.command()
def learn(
    images: Annotated[
        list[Path],
        typer.Argument(help="Images of the same bands, with errors: FITS, TOML lists, HDF5, .npy."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: NAME.ecsv.")],
    *,
    segmentation: Annotated[
        Path | None,
        typer.Option(help="Map of the sources of one image, 0 for sky; default: that of a TOML list."),
    ] = None,
    lags: Annotated[
        int | None, typer.Option(min=1, max=64, help="Farthest distance of correlated pixels; 8.")
    ] = None,
    radii: Annotated[
        str | None, typer.Option(help="Of empty apertures in pixels, with commas; 0.5 to 15.")
    ] = None,
    filters: Annotated[
        str | None, typer.Option(help="Names with commas, or 'jades'; instead of the file's.")
    ] = None,
    error: Annotated[Path | None, typer.Option(help="Errors that go with .npy fluxes.")] = None,
    shape: Annotated[str | None, typer.Option(help="Rows,columns of .npy files.")] = None,
    layout: Annotated[str | None, typer.Option(help="Filters and curves by the names of the bands.")] = None,
) -> None:
    """Depth, p(sigma | flux), and how much the noise of neighbours correlates, from empty pixels."""
    from ..constants import UNKNOWN
    from ..io.learn_noise import learn_noise
    from ..io.noise_file import write_noise
    from ..io.segmentation import boxes_of
    from .images import read_cube

    if output.suffix.lower() != ".ecsv":
        raise UserError(f"{output}: expected a name that ends in .ecsv, the kind of table that is written")
    options = {} if lags is None else {"lags": lags}
    if radii is not None:
        try:
            options["radii"] = tuple(float(part) for part in radii.split(","))
        except ValueError:
            raise UserError(f"--radii {radii}: give numbers with commas, such as 0.5,1,3,10") from None
    if segmentation is not None:
        # whole numbers from 0 up, or it is no such map
        boxes_of(segmentation)
    reading = {"filters": filters, "error": error, "shape": shape, "layout": layout}

    def read(path):
        return read_cube(path, redshift=UNKNOWN, **reading)

    noise = learn_noise(images, segmentation, reader=read, **options)
    write_noise(output, noise)
    for line in noise.lines():
        print(line)
    few, many = int(noise.n_empty.min()), int(noise.n_empty.max())
    print(f"{output}: {len(noise.filters)} bands, {few} to {many} empty pixels")
