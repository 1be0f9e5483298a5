"""The command ``products``: densities, probabilities, regions and profiles of images that were fitted."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError


def products(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of images that infer --keep-draws wrote: with draws.h5.")
    ],
    *,
    radii: Annotated[
        str | None,
        typer.Option(help="Edges of the annuli [kpc], such as 0,1,2,4; default: two pixels wide."),
    ] = None,
    centre: Annotated[
        str | None, typer.Option(help="y,x of the centre [pixel], from 0; default: that of the mass.")
    ] = None,
    axis_ratio: Annotated[
        float | None, typer.Option(help="Minor over major axis; 1: circles; default: that of the mass.")
    ] = None,
    angle: Annotated[
        float | None,
        typer.Option(help="Of the major axis [deg], from x towards y; default: that of the mass."),
    ] = None,
    noise: Annotated[
        Path | None,
        typer.Option(help="Noise of the survey, of dsps-sbi noise learn: errors of sums correlate so."),
    ] = None,
) -> None:
    """Mass and SFR per kpc^2, P(A_V > 1), starbursts, and radial profiles, of the draws of pixels."""
    from ..io.noise_file import read_noise
    from ..io.summary import write_summary
    from ..photometry.products import Products
    from ..photometry.profiles import Ellipse, Profile
    from ..photometry.resolved import Resolved

    edges = None if radii is None else _numbers(radii, "--radii")
    place = None if centre is None else _numbers(centre, "--centre")
    if place is not None and len(place) != 2:
        raise UserError(f"--centre {centre}: expected y,x in pixels, such as 31.5,40; mend it")
    learned = None if noise is None else read_noise(noise)
    for folder in folders:
        resolved = Resolved.read(folder, noise=learned)
        own = Ellipse.of(resolved)
        y, x = (own.y, own.x) if place is None else place
        ratio = own.axis_ratio if axis_ratio is None else axis_ratio
        ellipse = Ellipse(y, x, ratio, own.angle_deg if angle is None else angle)
        profile = Profile.of(resolved, edges, ellipse)
        paths = Products.of(resolved).write(folder)
        paths.append(folder / "profile.ecsv")
        table = profile.table()
        write_summary(paths[-1], table)
        radius = table.meta["half_mass_radius_kpc"]
        print(f"{folder}: half-mass radius {radius:.3g} kpc; {', '.join(path.name for path in paths)}")


def _numbers(text, option):
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"{option} {text}: expected numbers with commas between; mend it") from error
