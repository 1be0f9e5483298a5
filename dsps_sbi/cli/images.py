"""Cutouts in, maps out: what the command ``infer`` does with a bundle of images."""

import os
import sys
import time
from pathlib import Path

from tqdm.auto import tqdm

from ..errors import UserError


def infer_files(post, cutouts, output, *, bundle, dask=None, **options) -> None:
    """Fit cutouts, here or on a cluster; the options are those of the command line, None where not given.

    Parameters
    ----------
    post : PhotometryPosterior or UniversalPosterior
    cutouts : sequence of Path
    output : Path
    bundle : str
        Name or folder that the posterior was loaded by.
    dask : str, optional
        Cluster, see :func:`dsps_sbi.infer_on_cluster`.
    **options
        Of :func:`fit_files`.
    """
    if dask is None:
        table = fit_files(post, cutouts, output, **options)
    else:
        table = fit_on_cluster(bundle, cutouts, output, dask, options)
    failed = int(sum(table["problem"] != "")) if len(table) else 0
    if failed:
        raise UserError(f"{failed} of {len(table)} cutouts failed: mend them and run again with --resume")


def fit_on_cluster(bundle, cutouts, output, dask, options):
    """Fit cutouts by the workers of a cluster, and merge the shares."""
    from functools import partial

    from ..survey.cluster import SHARDS, on_cluster

    if options.pop("shard", None) is not None:
        raise UserError("--shard and --dask were given: each of them shares out the images; leave one out")
    options.pop("resume", None)
    # workers may stand in another folder
    options = {name: _absolute(value) for name, value in options.items()}
    bundle = str(_absolute(Path(bundle))) if Path(bundle).is_dir() else bundle
    files = [_absolute(path) for path in cutouts]
    task = partial(fit_shard, bundle, files, _absolute(output) / SHARDS, options)
    table = on_cluster(task, output, cluster=dask, progress=sys.stderr.isatty())
    for row in table[table["problem"] != ""] if len(table) else ():
        print(f"error: {row['name']}: {row['problem']}", file=sys.stderr)
    print(f"{len(table)} images; in {output}")
    return table


def fit_shard(bundle, files, output, options, shard) -> None:
    """Fit one share in a worker of a cluster."""
    from ..survey.cluster import loaded

    fit_files(loaded(bundle), files, output, shard=shard, resume=True, **options)


def _absolute(value):
    if isinstance(value, str) and value.lower().endswith(".toml"):
        return os.path.abspath(value)
    return value.absolute() if isinstance(value, Path) else value


def fit_files(
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
    error_scale,
    floor,
    z_err,
    z_range,
    p_z,
    keep_p_z,
    list_,
    no_pictures,
    shard,
    integrated,
    noise,
    **reading,
):
    """Fit cutouts one after the other; the options are those of the command line, None where not given.

    Returns
    -------
    Table
        The catalogue.
    """
    from ..io.noise_file import read_noise
    from ..photometry.band_floors import floor_of_words
    from ..survey.image_entries import expanded, file_entry, target_entry
    from ..survey.images import ImageJob
    from ..survey.manifest import file_hash
    from ..survey.run import run
    from ..survey.shards import Shard, slurm_shard
    from .tables import known_redshifts

    if not cutouts and list_ is None:
        raise UserError("no image is given: name at least one file, a folder, or a --list")
    shard = None if shard is None else Shard.of(shard)
    redshifts, more = known_redshifts(z, z_err, z_range, p_z, keep_p_z)
    if more["redshift_error"] is not None:
        raise UserError(f"--z-err {z_err}: expected a number for images, which have no columns; give one")
    if floor is not None and not hasattr(post, "for_filters"):
        raise UserError(
            f"--floor was given with bundle {post.label}, which has its own: leave it out, or take a bundle "
            "for any filters"
        )
    reading = {"z": more["redshift"], **reading}
    if reading.get("layout") is not None and reading["layout"].lower().endswith(".toml"):
        # its contents count, too
        reading["layout"] = Path(reading["layout"])
    told = {name: value for name, value in reading.items() if value is not None}
    if list_ is not None:
        targets = read_targets(list_, cutouts, told)
        entries = [target_entry(target, read_cube) for target in targets]
        names = {target.name: f"{list_}: {target.name}" for target in targets}
        if isinstance(reading.get("layout"), Path):
            reading["layout"] = f"{reading['layout']} {file_hash(reading['layout'])}"
    else:
        files = expanded(cutouts)
        entries = [file_entry(path, told, read_cube) for path in files]
        names = {entry.name: str(path) for entry, path in zip(entries, files, strict=True)}
    several = len(entries) > 1
    # a task that has one image of its own has it to itself
    shard = slurm_shard() if shard is None and several else shard
    if shard is not None:
        print(f"shard {shard}: {len(shard.rows(len(entries)))} of {len(entries)} images")
    options = {"n_draws": 500 if draws is None else draws, "snr_min": 5.0 if snr_min is None else snr_min}
    if quantities is not None:
        options["quantities"] = tuple(name.strip() for name in quantities.split(","))
    likelihood = post.likelihood(None if unweighted else "auto")
    progress = sys.stderr.isatty()
    job = ImageJob(
        post,
        likelihood,
        refine=refine,
        seed=seed,
        keep_draws=keep_draws,
        folders=several or list_ is not None,
        progress=progress and not several,
        pictures=not no_pictures,
        integrated=bool(integrated),
        noise=None if noise is None else read_noise(noise),
        reading=reading,
        error_scale=error_scale,
        floor=None if floor is None else floor_of_words(floor),
        redshifts=redshifts,
        **options,
    )
    if refine and likelihood is None:
        raise UserError(
            "--refine was given without the stellar populations of the bundle: run dsps-sbi fetch for them, "
            "or leave it out"
        )
    start = time.perf_counter()

    def tell(row, kept):
        nonlocal start
        seconds, start = time.perf_counter() - start, time.perf_counter()
        path = names[row["name"]]
        if "problem" in row:
            say(f"error: {path}: {row['problem']}", file=sys.stderr)
        elif kept:
            say(f"{path}: outputs are complete, skipped", file=sys.stdout)
        else:
            place = root / row["name"] if job.folders else root
            say(f"{path}: {describe(row)}; {seconds:.1f} s; in {place}", file=sys.stdout)
            if row["notes"]:
                say(f"warning: {path}: {row['notes']}", file=sys.stderr)
            if row["errors"]:
                say(f"{path}: {row['errors']}", file=sys.stdout)

    # lines above the one bar, where there is one
    say = tqdm.write if progress and several else print
    of_run = {"resume": resume, "on_row": tell, "progress": progress and several}
    root = output if shard is None else shard.folder(output)
    table = run(job, entries, output, shard=shard, **of_run)
    if shard is not None:
        print(f"shard {shard} is complete; when all are: dsps-sbi merge {output} -o FOLDER")
    return table


def read_targets(path, mosaics, reading):
    """Targets of a list, in the mosaics of a TOML list where one is given.

    Raises
    ------
    UserError
        For options that go with other files, and as :func:`dsps_sbi.read_target_list`.
    """
    from ..constants import UNKNOWN
    from ..io import read_target_list
    from ..io.band_names import BandNames

    wrong = [f"--{name}" for name in ("filters", "galaxy", "error", "shape") if name in reading]
    if wrong:
        raise UserError(
            f"{', '.join(wrong)} was given with --list: this goes with single files; leave it out"
        )
    if len(mosaics) > 1 or any(file.suffix.lower() != ".toml" for file in mosaics):
        raise UserError(
            f"{mosaics[0]} and {len(mosaics) - 1} more files were given with --list: expected one TOML list "
            "of mosaics, or none; put files of targets in the column files"
        )
    bands = BandNames.read(str(reading["layout"])) if "layout" in reading else None
    z = reading.get("z")
    exact = None if z == UNKNOWN else z
    return read_target_list(path, *mosaics, redshift=exact, inferred=z == UNKNOWN, bands=bands)


def read_cube(
    cutout: Path,
    *,
    z=None,
    redshift=None,
    bands=None,
    filters=None,
    galaxy=None,
    error=None,
    shape=None,
    layout=None,
):
    """Read a cutout of any kind, with what the command line says about it."""
    from ..instruments.jades import JADES_BANDS
    from ..io import read, read_npy
    from ..io.band_names import BandNames

    bands = bands if layout is None else BandNames.read(str(layout))
    z = z if redshift is None else redshift
    if filters is not None:
        filters = (
            JADES_BANDS if filters.lower() == "jades" else tuple(name.strip() for name in filters.split(","))
        )
    if cutout.suffix.lower() != ".npy":
        if error is not None or shape is not None:
            raise UserError(
                f"--error and --shape were given with {cutout}: they go with .npy fluxes; leave them out"
            )
        return read(cutout, redshift=z, filters=filters, galaxy=galaxy, bands=bands)
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
    filters = filters if bands is None else bands.of(filters)
    return read_npy(cutout, error, shape=(rows, columns), filters=filters, redshift=z)


def describe(row) -> str:
    """How many pixels were fitted, which flags they carry, and the mass of all and of the trusted ones."""
    words = [f"{row['n_fitted']} of {row['n_pixels']} pixels fitted, {row['n_trusted']} trusted"]
    if row.get("z_p16") is not None:
        ends = f"{row['z_p16']:.4g} to {row['z_p84']:.4g}"
        words.append(f"z {row['z']:.4g} ({ends}, best {row['z_best']:.4g}, {row['z_peaks']:.0f} range(s))")
    words.append(f"flags: {row['flags']}")
    totals = [
        f"{row[name]:.3f} +- {(row[f'{name}_p84'] - row[f'{name}_p16']) / 2:.3f} ({whose})"
        for name, whose in (("log_mass", "all pixels"), ("log_mass_trusted", "trusted pixels"))
        if row.get(name) is not None
    ]
    return "; ".join(words + ([f"total log_mass {', '.join(totals)}"] if totals else []))
