"""Inference on catalogues of spectra: one after the other, written as they are done."""

import hashlib

import numpy as np
from astropy.table import Table
from tqdm.auto import tqdm

from .errors import UserError
from .instruments.lsf import LSF
from .io.draws import DrawStore
from .io.summary import write_summary
from .plots.spectrum_figure import plot_spectrum
from .result import filling
from .spectra_run import RunLog
from .spectrum_answers import SpectrumAnswers, weigh_spectra
from .spectrum_catalogue import catalogue_rows, catalogue_table, failed_row, provenance
from .spectrum_entries import entries_of, name_id
from .spectrum_posterior import SpectrumPosterior
from .weigh_spectrum import spectrum_weigher

CATALOGUE = "catalogue.ecsv"


def infer_spectra(
    post: SpectrumPosterior,
    spectra,
    folder,
    *,
    model="auto",
    n_draws: int = 1000,
    seed: int = 0,
    refine: bool = True,
    keep_draws: bool = False,
    pictures: bool = True,
    resume: bool = False,
    lsf: LSF | None = None,
    progress: bool = False,
) -> Table:
    """Posteriors of many spectra, in a folder: a catalogue, and a picture and a best fit of each.

    Spectra that are given as files are read one at a time. One that cannot be used gets a row without
    numbers and the reason in the column ``problem``; the others go on.

    Parameters
    ----------
    post : SpectrumPosterior
    spectra : path, SpectrumFile or Spectrum, or sequence of these
        Names are those of the files without their endings, or those of the
        :class:`~dsps_sbi.io.spectrum_list.SpectrumFile`.
    folder : path
        Gets ``catalogue.ecsv``, and of each spectrum ``NAME.png`` and, where there is a model,
        ``NAME_fit.ecsv`` (wavelength, flux, error, pixels used, best fit, residuals); a hidden file has
        the finished rows, for ``resume``.
    model : SpectrumModel, "auto" or None
        What the draws are weighed with. "auto" makes the model of the bundle again if its SSPs are in the
        cache; without, or with None, the draws are the network's own and every answer is ``unchecked``.
    n_draws, seed : int
        The draws of a spectrum depend on the seed and on its name alone: not on the others.
    refine : bool
        Repair what weighing leaves untrusted, where there is something to weigh with.
    keep_draws : bool
        Write all draws to ``draws.h5``: parameters as in :class:`~dsps_sbi.SpectrumAnswers`.
    pictures : bool
        Draw them; each takes about a second.
    resume : bool
        Keep what an earlier run with the same options finished in this folder.
    lsf : LSF, optional
        Instead of the spectra's own.
    progress : bool
        Show a bar.

    Returns
    -------
    Table
        The catalogue, see :meth:`dsps_sbi.SpectrumAnswers.catalogue`; rows in the order of the spectra.

    Raises
    ------
    UserError
        If the folder cannot be written, two spectra have the same name, the model is not the bundle's, an
        earlier run had other options; and what is wrong with the spectrum, where there is only one.
    """
    entries = entries_of(spectra)
    weigher = spectrum_weigher(post, model)
    refine = refine and weigher is not None
    method = "flow" if weigher is None else "refined" if refine else "weighed"
    meta = provenance(post, n_draws=n_draws, seed=seed, method=method)
    weights = post.meta.get("sha256", {}).get("params.safetensors", "unknown")
    options = meta | {"weights": weights, "lsf": "own" if lsf is None else _words(lsf)}
    options_of_weighing = {"lsf": lsf, "n_draws": n_draws, "seed": seed, "refine": refine}
    with filling(folder) as folder:
        log, store, rows = RunLog(folder, options, resume), DrawStore(folder), []
        if not resume:
            store.clear()
        for entry in tqdm(entries, unit="spectrum", disable=not progress):
            fingerprint = entry.fingerprint()
            row = log.row(entry.name, fingerprint)
            if row is None or not _complete(row, folder, pictures, weigher, store if keep_draws else None):
                try:
                    answers = _answer(post, weigher, entry, options_of_weighing)
                    if keep_draws:
                        store.put(entry.name, answers.theta[0])
                    _write(answers, folder, pictures)
                    row = catalogue_rows(answers)[0]
                except Exception as problem:
                    # one bad spectrum must not cost a night's work on the others
                    if len(entries) == 1:
                        raise
                    row = failed_row(entry.name, _reason(problem))
                log.add(entry.name, fingerprint, row)
            rows.append(row)
        table = catalogue_table(rows, post, meta)
        if keep_draws:
            kept = [row["name"] for row in rows if "problem" not in row]
            store.join(kept, post.names, n_draws, meta)
        write_summary(folder / CATALOGUE, table)
    return table


def _answer(post, weigher, entry, options) -> SpectrumAnswers:
    spectrum = entry.read()
    answers = weigh_spectra(
        post, spectrum, weigher, ids=[name_id(entry.name)], labels=[entry.name], **options
    )
    if not np.isfinite(answers.theta).all():
        raise UserError(f"{spectrum.label}: draws are not finite: check fluxes, errors and their units")
    return answers


def _write(answers, folder, pictures):
    """Picture and best fit of the one spectrum."""
    name = answers.labels[0]
    fit = None if answers.weigher is None else answers.best_fit(0)
    if fit is not None:
        best = {f"best_{key}": float(value) for key, value in zip(answers.post.names, fit.theta, strict=True)}
        meta = {"name": name, "z": float(answers.z[0]), "chi2_per_pixel": fit.chi2_per_pixel, **best}
        write_summary(folder / f"{name}_fit.ecsv", fit.table(dict(answers.meta) | meta))
    if pictures:
        plot_spectrum(answers, 0, fit=fit, path=folder / f"{name}.png")


def _complete(row, folder, pictures, weigher, store) -> bool:
    """Whether a row that an earlier run finished has all its files."""
    if "problem" in row:
        return False
    name = row["name"]
    files = [folder / f"{name}.png"] if pictures else []
    files += [folder / f"{name}_fit.ecsv"] if weigher is not None else []
    return all(file.is_file() for file in files) and (store is None or store.has(name))


def _words(lsf) -> str:
    value = np.asarray(lsf.value)
    if value.ndim == 0:
        return f"{lsf.quantity}={value:g}"
    table = b"" if lsf.wave_aa is None else lsf.wave_aa.tobytes()
    return f"{lsf.quantity} table {hashlib.sha256(value.tobytes() + table).hexdigest()[:12]}"


def _reason(problem) -> str:
    text = " ".join(str(problem).split())
    return text if isinstance(problem, UserError | OSError) else f"{type(problem).__name__}: {text}"
