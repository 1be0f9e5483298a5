"""Spectra of a survey: a row, a picture and a best fit of each."""

import hashlib
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from astropy.table import Table

from ..errors import UserError
from ..inference.engine import check_numbers
from ..inference.error_summary import (
    COLUMNS,
    FEWEST_OBJECTS,
    ErrorScale,
    ErrorSummary,
    checked_scale,
    fit_scale,
)
from ..inference.result import provenance
from ..inference.table import table_of
from ..instruments.lsf import LSF
from ..io.draws import DrawStore
from ..io.spectrum import Spectrum
from ..io.spectrum_list import SpectrumFile, spectrum_fingerprint, stem
from ..io.summary import write_summary
from ..plots.error_figure import plot_errors
from ..plots.spectrum_figure import plot_spectrum
from ..spectroscopy.result import SpectrumResult, catalogue_columns
from .entries import Entry, name_id
from .run import Job

# Picture of the p-values; draws of all spectra
ERRORS, DRAWS = "errors.png", "draws.h5"
# Spectra that a scale of the errors is fitted to
_MOST = 30


def spectrum_entries(spectra) -> list[Entry]:
    """Entries of one or several files or spectra.

    Parameters
    ----------
    spectra : path, SpectrumFile or Spectrum, or sequence of these
        Names are those of the files without their endings, or those of the SpectrumFile.
    """
    single = isinstance(spectra, str | Path | Spectrum | SpectrumFile)
    entries = []
    for i, one in enumerate([spectra] if single else spectra):
        if isinstance(one, Spectrum):
            # its source may be any text
            name = SpectrumFile("", stem(one.source, f"spectrum_{i + 1}")).name
            entries.append(Entry(name, lambda one=one: one, partial(spectrum_fingerprint, one)))
        else:
            file = one if isinstance(one, SpectrumFile) else SpectrumFile(one)
            entries.append(Entry(file.name, file.read, file.fingerprint))
    return entries


class SpectrumJob(Job):
    """Spectra, by one posterior: ``NAME.png`` and ``NAME_fit.ecsv`` of each, and ``draws.h5``.

    Parameters
    ----------
    post : SpectrumPosterior
    likelihood : SpectrumLikelihood or None
        What the draws are weighed with; without, they are the network's own and there is no best fit.
    refine : bool
    n_draws, seed : int
        The draws of a spectrum depend on the seed and on its name alone: not on the others.
    keep_draws : bool
        Write all draws to ``draws.h5``: parameters as in :class:`~dsps_sbi.SpectrumResult`.
    pictures : bool
        Draw them; each takes about a second.
    lsf : LSF, optional
        Instead of the spectra's own.
    error_scale : float or ErrorScale, optional
        What to multiply the errors by; see :func:`fitted_scale` for one that is fitted.
    """

    words: ClassVar[str] = "spectra"
    unit: ClassVar[str] = "spectrum"

    def __init__(
        self,
        post,
        likelihood,
        *,
        refine: bool = False,
        n_draws: int = 1000,
        seed: int = 0,
        keep_draws: bool = False,
        pictures: bool = True,
        lsf: LSF | None = None,
        error_scale=None,
    ):
        check_numbers(n_draws, seed, "spectrum")
        self.post, self.likelihood, self.lsf = post, likelihood, lsf
        self.keep_draws, self.pictures, self.best_fits = keep_draws, pictures, likelihood is not None
        self._infer = {"model": likelihood, "weigh": likelihood is not None, "refine": refine}
        self._infer |= {"n_draws": n_draws, "seed": seed, "lsf": lsf}
        scale = None if error_scale is None else checked_scale(error_scale)
        if error_scale is not None and scale is None:
            raise UserError("error scale 'fit' of spectra: fit it first, with infer_many or the command line")
        self._infer["error_scale"] = scale
        method = "flow" if likelihood is None else "refined" if refine else "weighed"
        self.meta = provenance(post, n_draws=n_draws, seed=seed, method=method)
        self.meta |= {} if scale is None else scale.meta()

    def options(self) -> dict:
        """What answers depend on beside the spectra."""
        weights = self.post.meta.get("sha256", {}).get("params.safetensors", "unknown")
        return self.meta | {"weights": weights, "lsf": "own" if self.lsf is None else _words(self.lsf)}

    def begin(self, folder, resume):
        """Find the draws that are there."""
        self._store = DrawStore(folder)
        if not resume:
            self._store.clear()

    def fit(self, entry, folder) -> dict:
        """Fit a spectrum and write its files."""
        result = _answer(self.post, entry, self._infer)
        if self.keep_draws:
            self._store.put(entry.name, result.theta[0])
        _write(result, folder, self.pictures, self.best_fits)
        return self.row(result)

    @property
    def columns(self):
        """Unit and meaning of the catalogue's columns."""
        return catalogue_columns(self.post)

    def files(self, row, folder):
        """Files of a row that are there."""
        names = (f"{row['name']}.png", f"{row['name']}_fit.ecsv")
        return [name for name in names if "problem" not in row and (folder / name).is_file()]

    def others(self, folder):
        """The distribution of the p-values and the draws, where they are there."""
        return [name for name in (ERRORS, DRAWS) if (folder / name).is_file()]

    def row(self, result: SpectrumResult) -> dict:
        """Row of the one spectrum of a result, as it is kept."""
        return result.rows()[0]

    def complete(self, row, folder) -> bool:
        """Whether all files of a row are there."""
        name = row["name"]
        files = [folder / f"{name}.png"] if self.pictures else []
        files += [folder / f"{name}_fit.ecsv"] if self.best_fits else []
        return all(file.is_file() for file in files) and (not self.keep_draws or self._store.has(name))

    def table(self, rows) -> Table:
        """Rows as a table."""
        return table_of(rows, self.columns, self.meta | errors_of(rows).meta())

    def finish(self, rows, folder):
        """Join the draws, and draw the distribution of the p-values where there are spectra enough."""
        draw_errors(rows, folder)
        if self.keep_draws:
            kept = [row["name"] for row in rows if "problem" not in row]
            self._store.join(kept, self.post.names, self._infer["n_draws"], self.meta)


def draw_errors(rows, folder) -> list[str]:
    """Draw the p-values of all spectra of a catalogue where they are enough; names of files."""
    picture, errors = folder / ERRORS, errors_of(rows)
    picture.unlink(missing_ok=True)
    if not errors.known:
        return []
    plot_errors(errors, path=picture)
    return [ERRORS]


def errors_of(rows) -> ErrorSummary:
    """What the misfits of all spectra of a catalogue, by rows, say of their errors."""
    columns = {name: [row.get(name) for row in rows] for name in COLUMNS}
    return ErrorSummary.of(
        {name: np.array([np.nan if v is None else v for v in c], float) for name, c in columns.items()}
    )


def fitted_scale(post, likelihood, entries, lsf=None, n_draws=1000, seed=0) -> ErrorScale:
    """The scale of the errors at which the median of the p-values of spectra is a half.

    Parameters
    ----------
    post : SpectrumPosterior
    likelihood : SpectrumLikelihood or None
    entries : sequence of Entry
        Thirty of them, evenly spaced, count; those that cannot be used do not.
    lsf, n_draws, seed
        Of inference.

    Raises
    ------
    UserError
        If it cannot be fitted, see :func:`dsps_sbi.inference.error_summary.fit_scale`.
    """
    rows = np.unique(np.linspace(0, len(entries) - 1, min(len(entries), _MOST)).astype(int))
    usable = []
    for entry in (entries[i] for i in rows):
        with warnings.catch_warnings(), suppress(UserError, OSError):
            warnings.simplefilter("ignore", UserWarning)
            spectrum = entry.read()
            post.prepared(spectrum, lsf)
            usable.append((spectrum, entry.name))
    options = {"model": likelihood, "weigh": likelihood is not None, "lsf": lsf}
    options |= {"n_draws": n_draws, "seed": seed, "ids": [name_id(name) for _, name in usable]}

    def summary_at(scale):
        if len(usable) < FEWEST_OBJECTS:
            return ErrorSummary(len(usable))
        return post.infer([one for one, _ in usable], error_scale=scale, **options).errors

    return fit_scale(summary_at, f"{len(usable)} spectra")


def with_fitted_scale(post, likelihood, entries, options) -> dict:
    """Options of a job in which an ``error_scale`` of "fit" is the one that was fitted."""
    if options.get("error_scale") is None or checked_scale(options["error_scale"]) is not None:
        return options
    fitting = {name: options[name] for name in ("lsf", "n_draws", "seed") if name in options}
    return options | {"error_scale": fitted_scale(post, likelihood, entries, **fitting)}


def _answer(post, entry, options) -> SpectrumResult:
    with warnings.catch_warnings():
        # the notes say so too
        warnings.simplefilter("ignore", UserWarning)
        spectrum = entry.read()
    result = post.infer(spectrum, ids=[name_id(entry.name)], labels=[entry.name], **options)
    if not np.isfinite(result.theta).all():
        raise UserError(f"{spectrum.label}: draws are not finite: check fluxes, errors and their units")
    return result


def _write(result, folder, pictures, best_fits):
    """Picture and best fit of the one spectrum."""
    name = result.labels[0]
    fit = result.best_fit(0) if best_fits else None
    if fit is not None:
        best = {f"best_{key}": float(value) for key, value in zip(result.post.names, fit.theta, strict=True)}
        meta = {"name": name, "z": float(result.z[0]), "chi2_per_pixel": fit.chi2_per_pixel, **best}
        write_summary(folder / f"{name}_fit.ecsv", fit.table(dict(result.meta) | meta))
    if pictures:
        plot_spectrum(result, 0, fit=fit, path=folder / f"{name}.png")


def _words(lsf) -> str:
    value = np.asarray(lsf.value)
    if value.ndim == 0:
        return f"{lsf.quantity}={value:g}"
    table = b"" if lsf.wave_aa is None else lsf.wave_aa.tobytes()
    return f"{lsf.quantity} table {hashlib.sha256(value.tobytes() + table).hexdigest()[:12]}"
