"""Inference on catalogues whose redshifts are uncertain or unknown."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
from astropy.table import Table
from scipy.special import ndtr
from tqdm.auto import tqdm

from ...errors import UserError
from ...inference.derived import quantities_of
from ...inference.engine import BATCH_DRAWS, Posteriors, check_numbers, evidence_error, padded
from ...inference.error_summary import ErrorScale, ErrorSummary, note_on
from ...inference.misfit import error_scale as scale_of
from ...inference.misfit import tail_probability
from ...inference.quality import OF_REDSHIFTS, Columns
from ...inference.result import provenance
from ...inference.trust import Method, informed, verdict, weights_reliable
from ...io.catalogue import Catalogue
from ...io.tables.layout import UNKNOWN
from ..catalogue import CatalogueResult, infer_catalogue, read_table
from ..notes import edge_notes
from ..prepare import prepare
from .likelihood import RedshiftLikelihood
from .predictive import RedshiftPredictive
from .prior import RedshiftPrior
from .sample import N_MORE, N_REFINE, Search
from .summary import density_of

# Objects whose draws are kept at once
_BATCH = 32


@dataclass(frozen=True, eq=False)
class RedshiftResult(CatalogueResult):
    """Posteriors of galaxies whose redshifts are inferred too.

    Of ``names`` the first is ``z``, and each draw has a redshift of its own. The redshifts of ``catalogue``
    are the medians.
    """

    extra = tuple(OF_REDSHIFTS)

    def p_z(self, grid, i: int | None = None) -> np.ndarray:
        """Density (Object, n) of the redshift at redshifts (n,), a smooth curve through the draws.

        Parameters
        ----------
        grid : array (n,)
        i : int, optional
            Of one galaxy alone, (n,).
        """
        grid, z = np.asarray(grid, float), self.draws("z")
        out = []
        for row in z if i is None else z[i : i + 1]:
            x, share = density_of(row, np.full(row.size, 1.0 / row.size))
            at = np.interp(np.log1p(grid), x, share / (x[1] - x[0]), left=0.0, right=0.0)
            out.append(at / (1.0 + grid))
        return np.stack(out) if i is None else out[0]


def infer_galaxies(
    post, catalogue, likelihood, *, redshift: RedshiftPrior | None = None, **options
) -> CatalogueResult:
    """Posterior of every galaxy of a catalogue, at its redshift or, with a prior of that, of both.

    Other parameters are those of :func:`~dsps_sbi.photometry.catalogue.infer_catalogue`.
    """
    if redshift is None:
        return infer_catalogue(post, catalogue, likelihood, **options)
    return infer_redshifts(post, catalogue, likelihood, redshift=redshift, **options)


def infer_redshifts(
    post,
    catalogue: Catalogue,
    likelihood,
    *,
    redshift: RedshiftPrior,
    refine: bool = False,
    n_draws: int = 500,
    seed: int = 0,
    quantities: Sequence[str] | None = None,
    progress: bool = False,
    error_scale: ErrorScale | None = None,
) -> RedshiftResult:
    """Posterior of the redshift and all else of every galaxy of a catalogue.

    Parameters
    ----------
    post : PhotometryPosterior
    catalogue : Catalogue, Table or DataFrame
        Its redshifts are not read.
    likelihood : PhotometryLikelihood
    redshift : RedshiftPrior
        Of the same galaxies.
    refine : bool
        Add redshifts and draws until the weights are reliable, up to a limit.
    n_draws, seed, quantities, progress, error_scale
        As for :func:`~dsps_sbi.photometry.catalogue.infer_catalogue`.

    Raises
    ------
    UserError
        For another kind of data, and without a likelihood: the evidence is what tells a redshift.
    """
    if isinstance(catalogue, Table) or hasattr(catalogue, "iloc"):
        catalogue = read_table(post, catalogue, UNKNOWN)
    if not isinstance(catalogue, Catalogue):
        raise UserError(
            f"data of type {type(catalogue).__name__} with a redshift that is not exact: give a Catalogue or "
            "a table"
        )
    if len(redshift) != len(catalogue):
        raise UserError(f"redshifts of {len(redshift)} galaxies for {len(catalogue)}: give one of each")
    check_numbers(n_draws, seed, "galaxy")
    if likelihood is None:
        raise UserError(
            "a redshift that is not exact needs the stellar populations of the bundle, whose likelihood "
            "tells it: run dsps-sbi fetch, give their model, or give exact redshifts"
        )
    names = quantities_of(post.names, quantities)
    columns = post.align(
        catalogue.filters, catalogue.flux_ujy, catalogue.sigma_ujy, catalogue.valid, catalogue.upper
    )
    present, upper = (column == 1.0 for column in columns[2:])
    data = prepare(post, *columns[:2], None, present, upper)
    with tqdm(total=len(catalogue), unit="galaxy", disable=not progress) as bar:
        posteriors, z, more = _posteriors(
            post, likelihood, redshift, data, catalogue.ids, n_draws, seed, refine, bar.update
        )
    middle = np.float32(np.median(z, axis=1))
    quality = Columns.of(posteriors, post.names, *post.prior_limits(posteriors, middle), **more)
    for note in edge_notes(quality, "galaxies"):
        warnings.warn(f"{catalogue.source or 'catalogue'}: {note}", UserWarning, stacklevel=4)
    method = "refined" if refine else "weighed"
    meta = provenance(post, n_draws=n_draws, seed=seed, method=method, source=catalogue.source)
    meta |= {"redshift": redshift.words()} | ({} if error_scale is None else error_scale.meta())
    note = note_on(np.where(data.valid, data.sigma, np.nan), data.valid.sum(axis=1))
    errors = ErrorSummary.of(quality, note=note)
    values = np.concatenate([z[None], _derived(post, posteriors.u, z, names)])
    meta |= quality.counts() | errors.meta()
    catalogue = replace(catalogue, redshift=middle)
    view = RedshiftPredictive(post, likelihood, data, posteriors.u, catalogue.ids, z)
    return RedshiftResult(("z", *names), values, catalogue, posteriors, quality, meta, errors, view=view)


def _posteriors(post, likelihood, prior, data, ids, n_draws, seed, refine, on_batch):
    """Posteriors, redshifts of their draws (Object, Draw), and columns of redshifts."""
    low, high = prior.support()
    ends = float(low.min()), float(high.max())
    limits = post.network.prior.z
    # few ranges: what bands see is kept for each
    ends = limits if np.ptp(np.log1p(ends)) > 0.5 * np.ptp(np.log1p(limits)) else ends
    light, key = RedshiftLikelihood.of(likelihood, ends), jax.random.key(seed)
    most, parts = N_REFINE if refine else N_MORE, []
    for first in range(0, len(prior), _BATCH):
        rows = np.arange(first, min(first + _BATCH, len(prior)))
        part = data._replace(**{name: getattr(data, name)[rows] for name in data._fields[:4]})
        found = Search(light, prior.rows(rows), part, np.asarray(ids)[rows], key).run(n_draws, most)
        parts.append(_judged(post, found, part, refine, prior.kept))
        on_batch(len(rows))
    posteriors, z, columns = zip(*parts, strict=True)
    columns = {name: np.concatenate([one[name] for one in columns]) for name in columns[0]}
    return Posteriors.joined(posteriors), np.concatenate(z), columns


def _judged(post, found, data, refine, kept):
    """Posteriors, redshifts and their columns, of draws."""
    n = len(found.u)
    reliable = weights_reliable(found.ess, found.pareto_k)
    method = np.where(reliable | (not refine), Method.IS, Method.FAILED).astype(np.int8)
    unknown = np.full(n, np.nan, np.float32)
    p, (scale, dof) = tail_probability(found.misfit), scale_of(found.misfit)
    place = post.names.index("log_mass_formed")
    spread = np.sqrt(12.0 * ndtr(found.u[..., place]).var(axis=1))
    columns = {"ess": found.ess, "pareto_k": found.pareto_k, "r_hat": unknown, "ppc_p": p}
    columns |= {"typicality": unknown}
    trust = verdict(method, *columns.values(), post.in_range(data))
    # where the density of the redshift is kept, nothing compares redshifts
    evidence = unknown if kept else found.log_evidence.astype(np.float32)
    posteriors = Posteriors(
        u=found.u,
        method=method,
        trust=trust,
        log_evidence=evidence,
        log_evidence_error=np.where(np.isfinite(evidence), evidence_error(found.ess, np.inf), np.nan),
        error_scale=scale,
        error_dof=dof,
        shrinkage=1.0 - found.u.var(axis=1),
        mass_spread=spread,
        informed=informed(spread),
        **columns,
    )
    return posteriors, found.z, found.columns


def _derived(post, u, z, names) -> np.ndarray:
    """Quantities (Quantity, Object, Draw) of draws u (Object, Draw, Param) at redshifts z (Object, Draw)."""
    flat, each = u.reshape(-1, 1, u.shape[-1]), z.reshape(-1)
    size = min(BATCH_DRAWS, padded(len(flat)))
    parts = []
    for first in range(0, len(flat), size):
        rows = np.arange(first, min(first + size, len(flat)))
        batch = np.resize(rows, size)
        values = np.asarray(post.derived_draws(flat[batch], each[batch], names))
        parts.append(values[:, : len(rows), 0])
    return np.concatenate(parts, axis=1).reshape(-1, *u.shape[:2])
