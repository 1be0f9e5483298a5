"""Cutouts in, maps out: what the command ``infer`` does with a bundle of images."""

import sys
import time
from pathlib import Path

from .errors import UserError

_OUTPUTS = ("maps.fits", "summary.ecsv", "maps.png")
_SUFFIXES = (".gz", ".fits", ".fit", ".toml", ".h5", ".hdf5", ".npy")


def infer_files(
    post,
    cutouts,
    output,
    *,
    draws,
    seed,
    keep_draws,
    unweighted,
    refine,
    resume,
    z,
    snr_min,
    quantities,
    **reading,
) -> None:
    """Fit cutouts one after the other; the options are those of the command line, None where not given."""
    if not cutouts:
        raise UserError("no image is given: name at least one file")
    folders = _folders(cutouts, output)
    wanted = (*_OUTPUTS, "draws.h5") if keep_draws else _OUTPUTS
    options = {"n_draws": 500 if draws is None else draws, "snr_min": 5.0 if snr_min is None else snr_min}
    options |= {"seed": seed, "progress": sys.stderr.isatty()}
    options |= {"model": None if unweighted else "auto", "refine": bool(refine)}
    if quantities is not None:
        options["quantities"] = tuple(name.strip() for name in quantities.split(","))
    failed = 0
    for cutout, folder in folders.items():
        if resume and all((folder / name).is_file() for name in wanted):
            print(f"{cutout}: outputs are complete, skipped")
            continue
        try:
            start = time.perf_counter()
            cube = read_cube(cutout, z=z, **reading)
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
