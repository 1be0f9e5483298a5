"""The command ``infer``: cutouts in, maps out."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from .errors import UserError

_OUTPUTS = ("maps.fits", "summary.ecsv", "maps.png")
_SUFFIXES = (".gz", ".fits", ".fit", ".toml", ".h5", ".hdf5", ".npy")


def infer(
    cutouts: Annotated[
        list[Path], typer.Argument(help="FITS, TOML list of images, sbipix HDF5, or .npy fluxes.")
    ],
    bundle: Annotated[str, typer.Option(help="Name or folder of a bundle.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder; of several cutouts, one folder each in it.")
    ],
    draws: Annotated[int, typer.Option(help="Draws per pixel.")] = 500,
    snr_min: Annotated[float, typer.Option(help="Mean observed S/N above which pixels are fitted.")] = 5.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    keep_draws: Annotated[bool, typer.Option("--keep-draws", help="Write all draws to draws.h5.")] = False,
    unweighted: Annotated[
        bool, typer.Option("--unweighted", help="The network's own draws, not weighed: all unchecked.")
    ] = False,
    refine: Annotated[
        bool, typer.Option("--refine", help="Repair what weighing leaves untrusted: chains where needed.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip cutouts whose outputs are complete.")
    ] = False,
    z: Annotated[float | None, typer.Option(help="Redshift, instead of that in the file.")] = None,
    filters: Annotated[
        str | None, typer.Option(help="Names with commas, or 'jades'; instead of the file's.")
    ] = None,
    galaxy: Annotated[str | None, typer.Option(help="Which galaxy of an HDF5 file.")] = None,
    quantities: Annotated[
        str | None,
        typer.Option(help="Maps to make, names with commas; also t10, t90_lookback..."),
    ] = None,
    error: Annotated[Path | None, typer.Option(help="Errors that go with .npy fluxes.")] = None,
    shape: Annotated[str | None, typer.Option(help="Rows,columns of the image in .npy files.")] = None,
) -> None:
    """Posterior maps of the pixels of one or more cutouts."""
    folders = _folders(cutouts, output)
    wanted = (*_OUTPUTS, "draws.h5") if keep_draws else _OUTPUTS
    todo = []
    for cutout, folder in folders.items():
        if resume and all((folder / name).is_file() for name in wanted):
            print(f"{cutout}: outputs are complete, skipped")
        else:
            todo.append((cutout, folder))
    if not todo:
        return

    from .bundle import load_bundle

    if unweighted and refine:
        raise UserError("--unweighted and --refine were given: refining needs weights; leave one out")
    post = load_bundle(bundle)
    options = {"n_draws": draws, "snr_min": snr_min, "seed": seed, "progress": sys.stderr.isatty()}
    options |= {"model": None if unweighted else "auto", "refine": refine}
    if quantities is not None:
        options["quantities"] = tuple(name.strip() for name in quantities.split(","))
    failed = 0
    for cutout, folder in todo:
        try:
            start = time.perf_counter()
            cube = read_cube(cutout, z=z, filters=filters, galaxy=galaxy, error=error, shape=shape)
            result = _fit(post, cube, folder, options, keep_draws)
            print(f"{cutout}: {describe(result)}; {time.perf_counter() - start:.1f} s; in {folder}")
        except UserError as problem:
            # one bad cutout must not cost a night's work on the others
            if len(folders) == 1:
                raise
            failed += 1
            print(f"error: {cutout}: {problem}", file=sys.stderr)
    if failed:
        raise UserError(f"{failed} of {len(folders)} cutouts failed: mend them and run again with --resume")


def read_cube(cutout, *, z=None, filters=None, galaxy=None, error=None, shape=None):
    """Read a cutout of any kind, with what the command line says about it."""
    from .instruments.jades import JADES_BANDS
    from .io import read, read_npy

    if filters is not None:
        filters = (
            JADES_BANDS if filters.lower() == "jades" else tuple(name.strip() for name in filters.split(","))
        )
    if cutout.suffix.lower() != ".npy":
        if error is not None or shape is not None:
            raise UserError(
                f"--error and --shape were given with {cutout}: they go with .npy fluxes; leave them out"
            )
        return read(cutout, redshift=z, filters=filters, galaxy=galaxy)
    given = {"--error": error, "--shape": shape, "--filters": filters, "--z": z}
    missing = [name for name, value in given.items() if value is None]
    if missing:
        raise UserError(f"{cutout} holds only fluxes: give {', '.join(missing)} too")
    if galaxy is not None:
        raise UserError(f"--galaxy was given with {cutout}: it goes with HDF5 files; leave it out")
    try:
        rows, columns = (int(part) for part in shape.split(","))
    except ValueError as problem:
        raise UserError(f"--shape {shape}: give rows and columns of the image, such as 110,195") from problem
    return read_npy(cutout, error, shape=(rows, columns), filters=filters, redshift=z)


def describe(result) -> str:
    """How many pixels were fitted, and which flags they carry."""
    import numpy as np

    from .flags import PixelFlag

    fitted = result.fitted
    counts = {flag.name: int(np.sum((result.flags & flag.value) != 0)) for flag in PixelFlag}
    flags = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    trusted = result.meta["n_trust_trusted"]
    return f"{fitted.sum()} of {fitted.size} pixels fitted, {trusted} trusted; flags: {flags}"


def _folders(cutouts, output) -> dict[Path, Path]:
    if len(cutouts) == 1:
        return {cutouts[0]: output}
    folders = {cutout: output / _stem(cutout) for cutout in cutouts}
    if len(set(folders.values())) != len(cutouts):
        raise UserError(
            "two cutouts have the same name and would overwrite each other: rename one, or run them apart"
        )
    return folders


def _stem(path: Path) -> str:
    name = path.name
    for suffix in _SUFFIXES:
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name


def _fit(post, cube, folder, options, keep_draws):
    from .result import filling

    with filling(folder):
        result = post.infer(cube, draws_path=folder / "draws.h5" if keep_draws else None, **options)
        result.write(folder)
    return result
