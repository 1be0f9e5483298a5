"""Inference on catalogues: photometry of galaxies at redshifts of their own."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import jax
import numpy as np
from astropy.table import Table
from tqdm.auto import tqdm

from ..errors import UserError
from ..inference.derived import quantities_of
from ..inference.engine import BATCH_DRAWS, Engine, Posteriors, check_numbers, padded
from ..inference.error_summary import ErrorScale, ErrorSummary, note_on
from ..inference.quality import CODES, COMMON, Columns
from ..inference.result import Result, provenance
from ..inference.table import percentile_columns, quality_columns, rows_of, table_of
from ..io.catalogue import Catalogue
from ..io.tables.read import read_catalogue, tell_rejected
from ..plots.error_figure import plot_errors
from ..plots.galaxy_figure import plot_galaxy
from .notes import edge_notes
from .predictive import BestSpectrum, Predictive

# Columns that tell which bands an answer rests on
BANDS = {
    "n_bands": ("", "bands that were measured, upper limits among them"),
    "n_left_out": (
        "",
        "measured bands that are not used: their light is not modelled (beyond the stellar populations; "
        "dust, beyond 3 micron at rest), or their error stands for none",
    ),
    "left_out": ("", "names of the measured bands that are not used"),
}


@dataclass(frozen=True, eq=False)
class CatalogueResult(Result):
    """Posteriors of the galaxies of a catalogue.

    Parameters
    ----------
    names : tuple of str
        Quantities.
    values : ndarray (Quantity, Object, Draw)
        Their draws.
    catalogue : Catalogue
    posteriors : Posteriors
        Draws in normal coordinates, and whether they can be trusted.
    columns : Columns
    meta : dict
        Provenance.
    errors : ErrorSummary
        What the misfits of all galaxies say of the errors that were stated; also in ``meta``.
    left_out : bool ndarray (Object, Band), optional
        Bands that were measured and are not used, in the order of ``view.post.filters``.
    view : Predictive, optional
        What tells fluxes, spectra and pictures of the draws.
    """

    names: tuple[str, ...]
    values: np.ndarray
    catalogue: Catalogue
    posteriors: Posteriors
    columns: Columns
    meta: dict
    errors: ErrorSummary = ErrorSummary(0)
    left_out: np.ndarray | None = None
    view: Predictive | None = None
    # Columns beside the common ones
    extra: ClassVar[tuple[str, ...]] = ()

    def draws(self, name: str) -> np.ndarray:
        """Draws (Object, Draw) of a quantity."""
        return self.values[self.names.index(self._known(name))]

    def bands_left_out(self) -> list[str]:
        """Names, with commas, of the bands of each galaxy that were measured and are not used."""
        if self.left_out is None:
            return [""] * len(self.catalogue)
        names = np.array(self.view.post.filters)
        return [", ".join(names[row]) for row in self.left_out]

    def predicted_fluxes(self) -> np.ndarray:
        """Percentiles 16, 50 and 84 (3, Object, Band) of the model's fluxes [uJy].

        Bands are those of ``view.post.filters``; see :class:`~dsps_sbi.photometry.predictive.Predictive`.
        """
        return self._seen().fluxes()

    def best_spectrum(self, i: int = 0) -> BestSpectrum:
        """Spectrum of the draw of the highest likelihood of a galaxy."""
        return self._seen().spectrum(i)

    def plot(self, i: int = 0, path=None):
        """Draw a galaxy: bands, best model, residuals, and posteriors, see :func:`plot_galaxy`.

        Parameters
        ----------
        i : int
            Which galaxy.
        path : path-like, optional
            File to save.

        Returns
        -------
        matplotlib.figure.Figure
        """
        self._seen()
        return plot_galaxy(self, i, path)

    def _seen(self) -> Predictive:
        if self.view is None:
            raise UserError("this result has no data beside its draws: ask the one that infer returned")
        return self.view

    def table(self) -> Table:
        """A row for each galaxy: name, redshift, bands, percentiles, and what they are worth."""
        first = {"name": self.catalogue.names, "z": self.catalogue.redshift}
        columns = {"name": ("", "name of the galaxy"), "z": ("", "redshift")} | BANDS
        first |= {"n_bands": self.catalogue.valid.sum(axis=1)}
        left_out = self.bands_left_out()
        first |= {"n_left_out": [len(words.split(", ")) * bool(words) for words in left_out]}
        first |= {"left_out": left_out}
        quality = (*COMMON, *self.extra)
        columns |= percentile_columns(self.names) | quality_columns(quality)
        rows, rejected = rows_of(self, first, quality), self.catalogue.rejected
        if rejected:
            columns |= {"problem": ("", "why there is no answer")}
            numbered = list(zip(self.catalogue.ids, rows, strict=True))
            numbered += [(one.row, _without_answer(one)) for one in rejected]
            rows = [row for _, row in sorted(numbered, key=lambda pair: pair[0])]
        return table_of(rows, columns, self.meta)

    def plot_errors(self, path=None):
        """Draw the distribution of the p-values, see :func:`dsps_sbi.plots.error_figure.plot_errors`."""
        return plot_errors(self.errors, path)


def _without_answer(one) -> dict:
    none = {name: codes.NONE.name.lower() for name, codes in CODES.items()}
    z = one.redshift if np.isfinite(one.redshift) else None
    return {"name": one.name, "z": z, "problem": one.problem} | none


def read_table(post, table, redshift=None) -> Catalogue:
    """A table in memory as a catalogue, without the rows that a posterior cannot use.

    Parameters
    ----------
    post : PhotometryPosterior or UniversalPosterior
    table : Table or DataFrame
    redshift
        As for :func:`dsps_sbi.read_catalogue`.

    Raises
    ------
    UserError
        See :func:`dsps_sbi.read_catalogue`; and if no redshift is in the posterior's range.

    Warns
    -----
    UserWarning
        For rows that cannot be used.
    """
    catalogue = read_catalogue(table, filters=post.filters, redshift=redshift)
    low, high = post.network.prior.z
    problems = [
        "" if low <= z <= high or np.isnan(z) else f"redshift {z:g}, outside of the bundle's {low:g}-{high:g}"
        for z in catalogue.redshift
    ]
    used = catalogue.rejecting(problems)
    tell_rejected(used.rejected[len(catalogue.rejected) :], used.source)
    return used


def posteriors_of(
    post, likelihood, data, *, n_draws=1000, seed=0, ids=None, refine=False, on_batch=None
) -> Posteriors:
    """Posteriors of prepared photometry at any redshifts.

    Parameters
    ----------
    post : PhotometryPosterior
    likelihood : PhotometryLikelihood or None
        None for draws of the network as they are.
    data : PhotometryData
        Of :meth:`~dsps_sbi.photometry.posterior.PhotometryPosterior.prepared`.
    n_draws, seed : int
    ids : int array (Object,), optional
    refine : bool
        Repair what weighing leaves untrusted.
    on_batch : callable, optional
        Called with the number of objects done.

    Raises
    ------
    UserError
        For redshifts outside of the trained range, or if there is nothing to refine with.
    """
    engine = Engine(post, likelihood, refine)
    ids = np.arange(len(data.z)) if ids is None else np.asarray(ids)
    post.check_redshifts(data.z)
    views = [(np.arange(len(ids)), None)] if likelihood is None else likelihood.views(data)
    parts, order, key = [], [], jax.random.key(seed)
    largest = max(1, BATCH_DRAWS // n_draws)

    def finished(rows, started):
        parts.append(engine.finish(started, len(rows)))
        order.append(rows)
        if on_batch is not None:
            on_batch(len(rows))

    pending = None
    for members, view in views:
        # few sizes: few compilations
        size = min(padded(len(members)), largest)
        for first in range(0, len(members), size):
            rows = members[first : first + size]
            batch = np.resize(rows, size)
            part = jax.tree.map(lambda a: a[batch], data)  # noqa: B023
            started = engine.start(part, view, ids[batch], key, n_draws)
            # the next batch is under way while the one before is judged
            if pending is not None:
                finished(*pending)
            pending = rows, started
    finished(*pending)
    return Posteriors.joined(parts).rows(np.argsort(np.concatenate(order)))


def infer_catalogue(
    post,
    catalogue: Catalogue,
    likelihood,
    *,
    refine: bool = False,
    n_draws: int = 500,
    seed: int = 0,
    quantities: Sequence[str] | None = None,
    progress: bool = False,
    error_scale: ErrorScale | None = None,
) -> CatalogueResult:
    """Posterior of every galaxy of a catalogue.

    Parameters
    ----------
    post : PhotometryPosterior
    catalogue : Catalogue, Table or DataFrame
        Its bands may be any subset of the posterior's, in any order. Of tables, see
        :func:`dsps_sbi.read_catalogue`.
    likelihood : PhotometryLikelihood or None
        None: the draws are the network's own and every answer is ``unchecked``.
    refine : bool
        Repair what weighing leaves untrusted.
    n_draws, seed : int
    quantities : sequence of str or None
        See :func:`dsps_sbi.inference.derived.quantities_of`.
    progress : bool
        Show a bar.
    error_scale : ErrorScale, optional
        What the errors of the catalogue have been multiplied by, for headers.

    Returns
    -------
    CatalogueResult

    Raises
    ------
    UserError
        For another kind of data, redshifts outside of the trained range (naming the galaxy), unknown bands,
        or if there is nothing to refine with.

    Warns
    -----
    UserWarning
        If the masses of most galaxies pile up at an edge of the prior, as they do for wrong units.
    """
    if isinstance(catalogue, Table) or hasattr(catalogue, "iloc"):
        catalogue = read_table(post, catalogue)
    if not isinstance(catalogue, Catalogue):
        raise UserError(
            f"data of type {type(catalogue).__name__} for a posterior of {post.data_words}: give a "
            "PixelCube, a Catalogue, or a table"
        )
    check_numbers(n_draws, seed, "galaxy")
    if np.isnan(catalogue.redshift).all():
        raise UserError(
            "the catalogue has no redshifts: give z_range=(low, high) to infer them, or the redshifts"
        )
    low, high = post.network.prior.z
    outside = np.flatnonzero((catalogue.redshift < low) | (catalogue.redshift > high))
    if outside.size:
        i = outside[0]
        raise UserError(
            f"redshift {catalogue.redshift[i]:g} of {catalogue.names[i]} ({outside.size} in all) is outside "
            f"the bundle's range {low:g}-{high:g}: correct it, leave it out, or train another"
        )
    names = quantities_of(post.names, quantities)
    columns = post.align(
        catalogue.filters, catalogue.flux_ujy, catalogue.sigma_ujy, catalogue.valid, catalogue.upper
    )
    present, upper = (column == 1.0 for column in columns[2:])
    data = post.prepared(*columns[:2], catalogue.redshift, present, upper)
    options = {"n_draws": n_draws, "seed": seed, "ids": catalogue.ids, "refine": refine}
    with tqdm(total=len(catalogue), unit="galaxy", disable=not progress) as bar:
        posteriors = posteriors_of(post, likelihood, data, **options, on_batch=bar.update)
    quality = Columns.of(posteriors, post.names, *post.prior_limits(posteriors, data.z))
    for note in edge_notes(quality, "galaxies"):
        warnings.warn(f"{catalogue.source or 'catalogue'}: {note}", UserWarning, stacklevel=4)
    method = Engine(post, likelihood, refine).method
    meta = provenance(post, n_draws=n_draws, seed=seed, method=method, source=catalogue.source)
    meta |= {} if error_scale is None else error_scale.meta()
    note = note_on(np.where(data.valid, data.sigma, np.nan), data.valid.sum(axis=1))
    errors = ErrorSummary.of(quality, note=note)
    values = _derived(post, posteriors.u, data.z, names)
    meta |= quality.counts() | errors.meta()
    left_out, view = present & ~data.valid, Predictive(post, likelihood, data, posteriors.u, catalogue.ids)
    return CatalogueResult(
        names, values, catalogue, posteriors, quality, meta, errors, left_out=left_out, view=view
    )


def _derived(post, u, z, names) -> np.ndarray:
    """Quantities (Quantity, Object, Draw) of draws u (Object, Draw, Param), in batches of few sizes."""
    size = max(1, min(BATCH_DRAWS // u.shape[1], padded(len(u))))
    parts = []
    for first in range(0, len(u), size):
        rows = np.arange(first, min(first + size, len(u)))
        batch = np.resize(rows, size)
        parts.append(np.asarray(post.derived_draws(u[batch], z[batch], names))[:, : len(rows)])
    return np.concatenate(parts, axis=1)
