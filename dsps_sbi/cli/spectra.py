"""Spectra in, a catalogue out: what the command ``infer`` does with a bundle of spectra."""

import re
import sys
import time

import numpy as np

from ..errors import UserError
from ..inference.edges import converged, told
from ..inference.trust import SMALLEST_P

# Posteriors that are told one by one
_MANY = 20
_TOLD = {"t50": "Gyr", "t90": "Gyr", "mass_weighted_age": "Gyr", "metallicity": "", "sigma_v": "km/s"}


def infer_files(
    post,
    files,
    output,
    *,
    draws,
    seed,
    keep_draws,
    unweighted,
    refine,
    resume,
    z,
    list_,
    lsf,
    no_pictures,
    columns,
    format_,
    targets,
    bins,
    pixel,
    snr_min,
    error_scale,
    shard,
    **reading,
) -> None:
    """Fit spectra, or a cube; the options are those of the command line, None where not given."""
    from ..io.fits_open import existing_file, is_fits, open_fits
    from ..io.read_spectral_cube import is_spectral_cube
    from ..io.spectrum_list import (
        SpectrumFile,
        columns_of,
        expanded,
        lsf_of,
        read_spectrum_list,
        targets_of,
    )
    from ..survey.cubes import CubeJob, cube_entries
    from ..survey.run import run
    from ..survey.shards import OF_CUBES, WITH_DRAWS, Shard, slurm_shard
    from ..survey.spectra import SpectrumJob, spectrum_entries, with_fitted_scale

    cubes = [path for path in files if is_spectral_cube(path)]
    of_cubes = {"bins": bins, "pixel": pixel, "snr-min": snr_min}
    given = [f"--{name}" for name, value in of_cubes.items() if value is not None]
    if given and not cubes:
        for path in files:
            # what cannot be opened is no cube, and says why
            if is_fits(existing_file(path)):
                with open_fits(path):
                    pass
        raise UserError(f"{', '.join(given)} goes with a cube of spectra: give one, or leave it out")
    reading |= {
        "columns": None if columns is None else columns_of(columns),
        "targets": None if targets is None else targets_of(targets),
        "format": format_,
        "redshift": z,
        "lsf": None if lsf is None else lsf_of(lsf),
    }
    options = {name: value for name, value in reading.items() if value is not None}
    fitting = {"refine": refine, "n_draws": 1000 if draws is None else draws, "seed": seed}
    fitting |= {"keep_draws": keep_draws, "pictures": not no_pictures, "error_scale": error_scale}
    start = time.perf_counter()
    shard = None if shard is None else Shard.of(shard)
    if cubes and shard is not None:
        raise UserError(f"--shard {shard} was given with {cubes[0]}, a cube: {OF_CUBES}")
    if cubes:
        from .cubes import choose, read_one

        others = [str(path) for path in files if path not in cubes] + ([str(list_)] if list_ else [])
        cube = read_one(cubes, others, options)
        chosen = choose(cube, bins, pixel, options.get("targets"), snr_min)
        likelihood, entries = _likelihood(post, unweighted, refine), cube_entries(chosen)
        fitting = with_fitted_scale(post, likelihood, entries, fitting)
        job = CubeJob(post, likelihood, chosen, **fitting)
        print(f"{cube.label}: {'; '.join(cube.notes)}; {len(chosen)} spectra")
        table = run(job, entries, output, resume=resume, progress=sys.stderr.isatty())
        _tell(table, output, time.perf_counter() - start, refine)
        return
    spectra = [SpectrumFile(path, options=options) for path in files]
    if list_ is not None:
        spectra += read_spectrum_list(list_, **options)
    spectra = expanded(spectra)
    if not spectra:
        raise UserError("no spectrum is given: name at least one file, or a list of files with --list")
    likelihood = _likelihood(post, unweighted, refine)
    entries = spectrum_entries(spectra)
    if shard is None and len(entries) > 1 and not keep_draws:
        shard = slurm_shard()
    if shard is not None and keep_draws:
        raise UserError(f"--shard {shard} was given with --keep-draws: {WITH_DRAWS}")
    if shard is not None:
        print(f"shard {shard}: {len(shard.rows(len(entries)))} of {len(entries)} spectra")
    job = SpectrumJob(post, likelihood, **with_fitted_scale(post, likelihood, entries, fitting))
    table = run(job, entries, output, resume=resume, progress=sys.stderr.isatty(), shard=shard)
    root = output if shard is None else shard.folder(output)
    _tell(table, root, time.perf_counter() - start, refine)
    if shard is not None:
        print(f"shard {shard} is complete; when all are: dsps-sbi merge {output} -o FOLDER")


def _likelihood(post, unweighted, refine):
    likelihood = post.likelihood(None if unweighted else "auto")
    if likelihood is None and refine:
        raise UserError(
            "--refine was given without the stellar populations of the bundle: run dsps-sbi fetch for them, "
            "or leave it out"
        )
    return likelihood


def _tell(table, output, seconds, refined):
    """What was fitted and what failed, in lines."""
    from ..survey.run import CATALOGUE

    failed = table[table["problem"] != ""]
    for row in failed:
        print(f"error: {row['name']}: {as_options(row['problem'])}", file=sys.stderr)
    good = table[table["problem"] == ""]
    if len(good) <= _MANY:
        for row in good:
            print(f"{row['name']}: {row['notes']}")
            print(describe(row))
    trusted, misfit = sum(good["trust"] == "trusted"), sum(fits_badly(row) for row in good)
    loose = sum(not converged(_number(row["ess"])) for row in good)
    print(
        f"{len(good)} of {len(table)} spectra fitted, {trusted} trusted; {seconds:.1f} s; in "
        f"{output / CATALOGUE}"
    )
    if loose and not refined:
        print(f"{loose} of them have not converged: --refine goes on with them")
    if table.meta.get("errors"):
        print(table.meta["errors"])
    if misfit:
        print(
            f"the model does not fit {misfit} of them (ppc_p or population_p <= {SMALLEST_P:g}): check "
            "redshift, medium and LSF in the notes, and lines of gas that are not masked; else other "
            "populations than the model has fit better, and errors, which are those of the model, may be too "
            "small"
        )
    if len(failed):
        raise UserError(
            f"{len(failed)} of {len(table)} spectra failed: mend them and run again with --resume"
        )


def describe(row) -> str:
    """A row of a catalogue in words: medians and half of the distance of the 16th and 84th percentiles.

    Limits and answers that have not converged are told as such, see :mod:`dsps_sbi.inference.edges`.
    """
    words, at_edge = [], dict(part.split(" ", 1) for part in row["at_edge"].split(", ") if part)
    ess = _number(row["ess"])
    for name, unit in _TOLD.items():
        percentiles = (row[name], row[f"{name}_p16"], row[f"{name}_p84"])
        words.append(f"{name} {told(*percentiles, ess, at_edge.get(name, ''))} {unit}".strip())
    note = "; the model does not fit: wrong z, medium or LSF, unmasked lines, or other populations"
    note = note if fits_badly(row) else ""
    words.append(f"from {row['n_pixels']} pixels ({100.0 * row['wave_used']:.0f} % of those of use)")
    return f"{row['name']}: {row['trust']}; {', '.join(words)}{note}"


def fits_badly(row) -> bool:
    """Whether the data are unlikely under the model, in all pixels or along mixtures of populations."""
    return any(_number(row[name]) <= SMALLEST_P for name in ("ppc_p", "population_p"))


def _number(value):
    """A number of a row, NaN where it is not known."""
    return np.nan if value is None or np.ma.is_masked(value) else float(value)


_KEYWORDS = "redshift|medium|lsf|wave_unit|flux_unit|snr|format|targets|columns|bins|min_snr"
_TUPLE = re.compile(r"\(('\w*'(?:, '\w*')*)\)")
_SPELLED = (
    (re.compile(r"columns=dict\(([^)]*)\)"), lambda m: "--columns " + re.sub(r"['\s]", "", m[1])),
    (re.compile(r"\bdict\(([^)]*)\)"), lambda m: re.sub(r"['\s]", "", m[1])),
    (_TUPLE, lambda m: re.sub(r"['\s]", "", m[1])),
    (re.compile(r"\bpixel_in_lsf=False"), lambda m: "--no-pixel-in-lsf"),
    (re.compile(r"\bLSF\('(\w+)', ([0-9.]+)\)"), lambda m: f"{m[1]}={float(m[2]):g}"),
    (re.compile(rf"\b({_KEYWORDS})='([^']*)'"), lambda m: f"{_option(m[1])} '{m[2]}'"),
    (re.compile(rf"\b({_KEYWORDS})=(?=[\s,;.:)]|$)"), lambda m: _option(m[1])),
)


def as_options(message: str) -> str:
    """A message that names keywords of Python, with the options of the command line instead."""
    for pattern, word in _SPELLED:
        message = pattern.sub(word, message)
    return message


def _option(keyword):
    keyword = {"redshift": "z", "min_snr": "snr_min"}.get(keyword, keyword)
    return f"--{keyword.replace('_', '-')}"


def check_options(lsf, medium, columns, wave_unit, flux_unit, snr) -> None:
    """Refuse options that cannot be meant; None where not given.

    Raises
    ------
    UserError
    """
    from ..io.column_roles import ROLES
    from ..io.spectrum_list import columns_of, lsf_of
    from ..io.unit_text import read_unit

    try:
        if lsf is not None:
            lsf_of(lsf)
        roles = () if columns is None else columns_of(columns)
    except UserError as problem:
        raise UserError(f"--{problem}") from problem
    if medium not in (None, "air", "vacuum"):
        raise UserError(f"--medium {medium}: give air or vacuum")
    odd = next((role for role in roles if role and role not in ROLES), None)
    if odd is not None:
        raise UserError(f"--columns {columns}: {odd!r} is no role: give any of {', '.join(ROLES)}")
    for name, text in {"wave-unit": wave_unit, "flux-unit": flux_unit}.items():
        if text is None or text == "relative" and name == "flux-unit":
            continue
        try:
            read_unit(text)
        except ValueError as problem:
            raise UserError(f"--{name} {text}: no such unit: give for example AA, um, uJy") from problem
    if snr is not None and not (np.isfinite(snr) and snr > 0.0):
        raise UserError(f"--snr {snr}: give the signal-to-noise ratio of the median pixel, above 0")
