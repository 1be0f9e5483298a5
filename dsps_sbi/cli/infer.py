"""The command ``infer``: images or spectra in, maps or a catalogue out, as the bundle has it."""

from pathlib import Path
from typing import Annotated

import typer

from ..constants import MOST_DRAWS, MOST_SEED
from ..errors import UserError


def infer(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Images: FITS, TOML list, sbipix HDF5, or .npy fluxes; folders and globs of these. A table "
            "of galaxies: FITS, ECSV, CSV, Parquet, VOTable. Spectra: SDSS, FITS, ECSV, text. Cubes: MaNGA, "
            "MUSE."
        ),
    ] = None,
    *,
    bundle: Annotated[str, typer.Option(help="Name or folder of a bundle: it knows images, or spectra.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder; of several images, one folder each in it.")
    ],
    draws: Annotated[
        int | None,
        typer.Option(max=MOST_DRAWS, help="Draws per pixel or spectrum; default: 500, 1000."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the random numbers.")] = 0,
    keep_draws: Annotated[bool, typer.Option("--keep-draws", help="Write all draws to draws.h5.")] = False,
    unweighted: Annotated[
        bool,
        typer.Option(
            "--unweighted",
            help="The network's own draws: all unchecked. Images take less than half of the time.",
        ),
    ] = False,
    refine: Annotated[
        bool, typer.Option("--refine", help="Repair what weighing leaves untrusted; takes longer.")
    ] = False,
    error_scale: Annotated[
        str | None,
        typer.Option(help="Multiply the errors by this number, or by what misfits say: 'fit'."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was broken off: keep what it finished.")
    ] = False,
    z: Annotated[float | None, typer.Option(help="Redshift, instead of that in the file.")] = None,
    z_err: Annotated[
        str | None,
        typer.Option(
            help="Error of the redshift, a number, or a column of a table: redshifts are inferred then."
        ),
    ] = None,
    z_range: Annotated[
        str | None,
        typer.Option(
            help="Redshifts are inferred, between two such as 0.01,6; the pixels of an image share one."
        ),
    ] = None,
    p_z: Annotated[
        Path | None,
        typer.Option(
            "--p-z",
            help="p(z) from other data: .npz with z and p, a table with z and pz, EAZY's .pz.",
        ),
    ] = None,
    keep_p_z: Annotated[
        bool,
        typer.Option("--keep-p-z", help="That p(z) was made of these fluxes, and stays as it is."),
    ] = False,
    snr_min: Annotated[
        float | None,
        typer.Option(
            help="Images: mean observed S/N above which pixels are fitted. Cubes: median S/N of spaxels; 5."
        ),
    ] = None,
    filters: Annotated[
        str | None, typer.Option(help="Images: names with commas, or 'jades'; instead of the file's.")
    ] = None,
    galaxy: Annotated[str | None, typer.Option(help="Images: which galaxy of an HDF5 file.")] = None,
    quantities: Annotated[
        str | None,
        typer.Option(help="Images: maps to make, names with commas; also t10, t90_lookback..."),
    ] = None,
    error: Annotated[Path | None, typer.Option(help="Images: errors that go with .npy fluxes.")] = None,
    shape: Annotated[str | None, typer.Option(help="Images: rows,columns of those in .npy files.")] = None,
    list_: Annotated[
        Path | None,
        typer.Option(
            "--list",
            help="Spectra: table with the column file, and redshift, name, lsf, medium, columns, format, "
            "targets where they differ. Images: table with id, z, files; or id, z, ra, dec, size_arcsec or "
            "label, beside a TOML list of mosaics.",
        ),
    ] = None,
    lsf: Annotated[
        str | None, typer.Option(help="Spectra: resolution, such as fwhm_aa=2.8 or resolving_power=2000.")
    ] = None,
    medium: Annotated[
        str | None, typer.Option(help="Spectra: what the wavelengths are in, air or vacuum.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Spectra: columns by role, such as wave=a,flux=b,error=c.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="Spectra: format of specutils that reads the files.")
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(help="Spectra: which of a file of several, by name or number, with commas; all."),
    ] = None,
    bins: Annotated[
        Path | None,
        typer.Option(help="Cubes: FITS image of whole numbers; spaxels of equal ones are summed."),
    ] = None,
    pixel: Annotated[
        list[str] | None,
        typer.Option(help="Cubes: y,x of a spaxel, counted from 0; may be given several times."),
    ] = None,
    pixel_in_lsf: Annotated[
        bool | None,
        typer.Option(
            "--pixel-in-lsf/--no-pixel-in-lsf",
            help="Spectra: whether the LSF holds the width of the pixels, as measured ones do; it does.",
        ),
    ] = None,
    wave_unit: Annotated[str | None, typer.Option(help="Spectra: unit of the wavelengths.")] = None,
    flux_unit: Annotated[
        str | None, typer.Option(help="Spectra: unit of flux and error, or 'relative'.")
    ] = None,
    snr: Annotated[
        float | None, typer.Option(help="Spectra: S/N of the median pixel, where there are no errors.")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="Tables: what the columns are, such as redshift=zz,flux={}_flux,error={}_err,unit=nJy, or a "
            "TOML file; else by their names. Images: filters and curves by the names of the bands."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tables: tell how the columns are understood, and stop.")
    ] = False,
    catalogue: Annotated[
        str | None, typer.Option(help="Tables: kind of the catalogue: fits, parquet or ecsv; fits.")
    ] = None,
    floor: Annotated[
        str | None,
        typer.Option(
            help="Bundles for any filters: relative error of the model, 0.01 to 0.2; 0.05. Of bands too: "
            "0.05,F444W=0.1."
        ),
    ] = None,
    model_fluxes: Annotated[
        bool,
        typer.Option("--model-fluxes", help="Tables: write percentiles of the model's flux in each band."),
    ] = False,
    seds: Annotated[
        bool,
        typer.Option("--seds", help="Tables: write the best model's spectrum of each galaxy; 50 kB each."),
    ] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Tables: draw each galaxy; takes a second or two each.")
    ] = False,
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="Images, spectra: do not draw them; saves a second each.")
    ] = False,
    integrated: Annotated[
        bool,
        typer.Option("--integrated", help="Images: fit the summed light too, and write integrated.ecsv."),
    ] = False,
    noise: Annotated[
        Path | None,
        typer.Option(
            help="Images: noise of the survey, of dsps-sbi noise learn: scales the errors, and totals tell "
            "correlated ones."
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Images, spectra: fit every n-th one alone, i/n, in a folder shard-i-of-n; see merge. Tasks "
            "of SLURM arrays do so by themselves."
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Images: by the workers of a dask cluster: address of its scheduler, or local:n for n "
            "processes."
        ),
    ] = None,
) -> None:
    """Posterior maps of images, or a catalogue of galaxies or spectra: bundle and files tell which."""
    of_images = {"filters": filters, "galaxy": galaxy, "quantities": quantities}
    of_images |= {
        "error": error,
        "shape": shape,
        "dask": dask,
        "integrated": integrated or None,
        "noise": noise,
    }
    of_lists = {"list_": list_, "no_pictures": no_pictures or None, "shard": shard}
    of_spectra = {"lsf": lsf, "medium": medium, "columns": columns, "wave_unit": wave_unit}
    of_spectra |= {"flux_unit": flux_unit, "snr": snr}
    of_spectra |= {"format_": format_, "targets": targets, "pixel_in_lsf": pixel_in_lsf}
    of_spectra |= {"bins": bins, "pixel": pixel or None}
    of_tables = {"dry_run": dry_run or None, "catalogue": catalogue}
    outputs = {"model-fluxes": model_fluxes, "seds": seds, "pictures": pictures}
    of_tables |= {name: given or None for name, given in outputs.items()}
    of_photometry = {"layout": layout, "floor": floor}
    of_photometry |= {"z_err": z_err, "z_range": z_range, "p_z": p_z, "keep_p_z": keep_p_z or None}
    if unweighted and error_scale == "fit":
        raise UserError("--unweighted and --error-scale fit were given: fitting needs weights; leave one out")
    _scale(error_scale)
    if unweighted and refine:
        raise UserError("--unweighted and --refine were given: refining needs weights; leave one out")
    # what is mistyped is told before anything is loaded
    if any(value is not None for value in of_spectra.values()):
        from .spectra import check_options

        check_options(lsf, medium, columns, wave_unit, flux_unit, snr)

    from ..bundle.load import load_bundle

    post = load_bundle(bundle)
    common = {"draws": draws, "seed": seed, "keep_draws": keep_draws, "unweighted": unweighted}
    common |= {"refine": refine, "resume": resume, "z": z, "snr_min": snr_min}
    common |= {"error_scale": _scale(error_scale)}
    table = one_table(files or []) if post.data_words != "spectra" else None
    if table is not None:
        from .tables import infer_file

        of_images = {name: value for name, value in of_images.items() if name != "quantities"}
        _refuse(
            of_spectra | of_images | of_lists | {"snr_min": snr_min},
            f"{table}, a table of galaxies",
            "images or spectra",
        )
        del common["snr_min"]
        infer_file(
            post,
            table,
            output,
            dry_run=dry_run,
            kind=catalogue,
            quantities=quantities,
            outputs=tuple(name for name, given in outputs.items() if given),
            **common,
            **of_photometry | {"keep_p_z": keep_p_z},
        )
        return
    if post.data_words == "spectra":
        from .spectra import infer_files as run

        given, others = of_spectra | of_lists, of_images | of_tables | of_photometry
        other_words = "images and tables of galaxies"
    else:
        from .images import infer_files as run

        given = of_images | of_lists | of_photometry | {"keep_p_z": keep_p_z, "bundle": bundle}
        others, other_words = of_spectra | of_tables, "spectra, cubes or tables"
    _refuse(others, f"bundle {bundle}, which knows {post.data_words}", other_words)
    try:
        run(post, files or [], output, **common, **given)
    except UserError as problem:
        if post.data_words != "spectra":
            raise
        from .spectra import as_options

        raise UserError(as_options(str(problem))) from problem


def one_table(files):
    """The table of galaxies among files; None where they are images.

    Raises
    ------
    UserError
        If there is more than that table.
    """
    from ..io.tables.rows import is_table

    tables = [path for path in files if is_table(path)]
    if tables and len(files) > 1:
        raise UserError(
            f"{tables[0]} is a table of galaxies, and was given with {len(files) - 1} more: give it by itself"
        )
    return tables[0] if tables else None


def _refuse(options, given_with, words):
    """Refuse options that go with other data."""
    wrong = [f"--{name.strip('_').replace('_', '-')}" for name, value in options.items() if value is not None]
    if wrong:
        raise UserError(
            f"{', '.join(wrong)} was given with {given_with}: this goes with {words}; leave it out"
        )


def _scale(text):
    """A number, "fit" or None, as it was given."""
    if text is None or text == "fit":
        return text
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.0 < value < float("inf"):
        raise UserError(f"--error-scale {text}: give a number above 0, or fit")
    return value
