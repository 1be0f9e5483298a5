"""Spectra in, a catalogue out: what the command ``infer`` does with a bundle of spectra."""

import sys
import time

import numpy as np

from ..errors import UserError
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
    **reading,
) -> None:
    """Fit spectra; the options are those of the command line, None where not given."""
    from ..io.spectrum_list import SpectrumFile, read_spectrum_list
    from ..survey.run import CATALOGUE, run
    from ..survey.spectra import SpectrumJob, spectrum_entries

    options = {name: value for name, value in reading.items() if value is not None}
    if "columns" in options:
        options["columns"] = _columns(options["columns"])
    if z is not None:
        options["redshift"] = z
    spectra = [SpectrumFile(path, options=options) for path in files]
    if list_ is not None:
        spectra += read_spectrum_list(list_, **options)
    if not spectra:
        raise UserError("no spectrum is given: name at least one file, or a list of files with --list")
    likelihood = post.likelihood(None if unweighted else "auto")
    if likelihood is None and refine:
        raise UserError(
            "--refine was given without the stellar populations of the bundle: run dsps-sbi fetch for them, "
            "or leave it out"
        )
    start = time.perf_counter()
    job = SpectrumJob(
        post,
        likelihood,
        refine=refine,
        n_draws=1000 if draws is None else draws,
        seed=seed,
        keep_draws=keep_draws,
        pictures=not no_pictures,
        lsf=None if lsf is None else _lsf(lsf),
    )
    table = run(job, spectrum_entries(spectra), output, resume=resume, progress=sys.stderr.isatty())
    failed = table[table["problem"] != ""]
    for row in failed:
        print(f"error: {row['name']}: {row['problem']}", file=sys.stderr)
    good = table[table["problem"] == ""]
    if len(good) <= _MANY:
        for row in good:
            print(describe(row))
    trusted, strained = sum(good["trust"] == "trusted"), sum(is_strained(row) for row in good)
    seconds = time.perf_counter() - start
    print(
        f"{len(good)} of {len(table)} spectra fitted, {trusted} trusted; {seconds:.1f} s; in "
        f"{output / CATALOGUE}"
    )
    if strained:
        print(
            f"other populations than the model has fit {strained} of them better (population_p <= "
            f"{SMALLEST_P:g}): errors are those of the model, which may be too small"
        )
    if len(failed):
        raise UserError(
            f"{len(failed)} of {len(table)} spectra failed: mend them and run again with --resume"
        )


def describe(row) -> str:
    """A row of a catalogue in words: medians and half of the distance of the 16th and 84th percentiles."""
    words = []
    for name, unit in _TOLD.items():
        half = 0.5 * (row[f"{name}_p84"] - row[f"{name}_p16"])
        words.append(f"{name} {row[name]:.3g} +- {half:.2g} {unit}".strip())
    note = "; other populations fit better" if is_strained(row) else ""
    words.append(f"from {row['n_pixels']} pixels ({100.0 * row['wave_used']:.0f} % of those of use)")
    return f"{row['name']}: {row['trust']}; {', '.join(words)}{note}"


def is_strained(row) -> bool:
    """Whether populations that the model does not have fit better."""
    p = row["population_p"]
    return not np.ma.is_masked(p) and bool(p <= SMALLEST_P)


def _columns(text):
    """Column by role, or roles in the order of the columns."""
    parts = [part.strip() for part in text.split(",")]
    if not any("=" in part for part in parts):
        return tuple(parts)
    pairs = [part.split("=", 1) for part in parts]
    odd = next((pair for pair in pairs if len(pair) != 2 or not all(pair)), None)
    if odd is not None:
        raise UserError(
            f"--columns {text}: {'='.join(odd)!r} is no role=column: give them as wave=a,flux=b,error=c, or "
            "roles in the order of the columns as wave,flux,error"
        )
    return {role.strip(): name.strip() for role, name in pairs}


def _lsf(text):
    from ..instruments.lsf import LSF

    quantity, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError as problem:
        raise UserError(
            f"--lsf {text}: give what it is and its value, such as fwhm_aa=2.8, resolving_power=2000 or "
            "sigma_km_s=60"
        ) from problem
    return LSF(quantity.strip(), number)
