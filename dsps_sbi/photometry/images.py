"""Inference on images: choose pixels, draw in chunks, keep percentiles and totals."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from ..errors import UserError
from ..inference.derived import quantities_of
from ..inference.devices import n_devices, spread
from ..inference.edges import EDGE, converged
from ..inference.engine import BATCH_DRAWS, Engine, Posteriors, check_numbers, padded
from ..inference.error_summary import ErrorScale, ErrorSummary, note_on
from ..inference.quality import Columns
from ..inference.result import provenance
from ..inference.trust import Trust
from ..io.cube import PixelCube
from ..io.draws import DrawWriter
from ..io.summary import TotalAccumulator, totals_for_headers
from ..kernels.likelihood import mean_snr
from .at_redshifts import chunks_at_redshifts, redshift_of_draws
from .band_floors import floor_meta
from .correlated import with_noise
from .data import PhotometryData
from .flags import PixelFlag
from .image_redshift import infer_image_redshift
from .notes import edge_notes, mask_note, nothing_fitted, totals_notes, unit_notes
from .prepare import prepare
from .quantities import derived
from .redshift.prior import RedshiftPrior
from .reduce import HostDraws, kept
from .result import ImageResult

_CHUNK_DRAWS = BATCH_DRAWS
FEWEST_BANDS = 3
# Flags of pixels that are not fitted
_LEFT_OUT = PixelFlag.MASKED | PixelFlag.LOW_SNR | PixelFlag.FEW_BANDS
_TOTALS = ("log_mass", "log_mass_living", "log_mass_formed", "log_sfr_100")


def infer_cube(
    post,
    cube: PixelCube,
    likelihood,
    *,
    refine: bool = False,
    n_draws: int = 500,
    snr_min: float = 5.0,
    seed: int = 0,
    quantities: Sequence[str] | None = None,
    draws_path=None,
    progress=False,
    error_scale: ErrorScale | None = None,
    redshift: RedshiftPrior | None = None,
) -> ImageResult:
    """Posterior of every pixel of an image above a signal-to-noise cut.

    With a prior of the redshift, that is inferred from the summed light of these pixels first, and the pixels
    are fitted at redshifts that stand for its posterior: see :mod:`dsps_sbi.photometry.image_redshift`.

    Parameters
    ----------
    post : PhotometryPosterior
    cube : PixelCube
        Its bands may be any subset of the posterior's, in any order.
    likelihood : PhotometryLikelihood or None
        None: the draws are the network's own and every pixel is ``unchecked``. With it, draws are resampled
        so that each counts the same.
    refine : bool
        Repair what weighing leaves untrusted, see :mod:`dsps_sbi.inference.repair`.
    n_draws : int
        Draws per pixel.
    snr_min : float
        Observed S/N, averaged over the available ones of F277W, F356W and F444W, above which a
        pixel is fitted.
    seed : int
        A pixel's draws depend on the seed and on its place in the image, not on the chunking.
    quantities : sequence of str or None
        What to make maps of, such as ``("log_mass", "t10", "t90_lookback")``; see
        :func:`dsps_sbi.inference.derived.quantities_of`. Default: all of the posterior's.
    draws_path : path or None
        Where to keep all draws (HDF5). Memory stays bounded by the chunk in any case.
    progress : bool
        Show a bar.
    error_scale : ErrorScale, optional
        What the errors of the cube have been multiplied by, for headers.
    redshift : RedshiftPrior, optional
        Of the one galaxy; that of the cube is not read then.

    Returns
    -------
    ImageResult

    Raises
    ------
    UserError
        For a redshift outside the trained range, or none, unknown bands, no pixel above the cut, or if there
        is nothing to refine with; and as :func:`~dsps_sbi.photometry.image_redshift.infer_image_redshift`.

    Warns
    -----
    UserWarning
        For each of the result's ``notes``.
    """
    check_numbers(n_draws, seed, "pixel")
    names = quantities_of(post.names, quantities)
    engine = Engine(post, likelihood, refine)
    columns = post.align(cube.filters, cube.flux_ujy, cube.sigma_ujy, cube.valid, cube.upper)
    present, upper = (column == 1.0 for column in columns[2:])
    found = None
    if redshift is not None:
        pixels = _bright(post, cube, prepare(post, *columns[:2], None, present, upper), snr_min)
        found = infer_image_redshift(post, cube, pixels, likelihood, redshift, seed=seed, refine=refine)
        cube = replace(cube, redshift=found.median)
    elif cube.redshift is None:
        raise UserError(
            f"{cube.source or 'the image'} has no redshift: give it, or z_range=(low, high) to infer it"
        )
    post.check_redshifts(np.array([cube.redshift]))
    data = post.prepared(*columns[:2], cube.redshift, present, upper)
    outside = (present & ~post.coverage(cube.redshift)[0]).any(axis=1)
    snr = mean_snrs(data, post.snr_bands)
    flags = pixel_flags(post, cube, data, snr, snr_min)
    flags[outside] |= int(PixelFlag.BAND_OUT_OF_RANGE)
    chosen = np.flatnonzero((flags & int(_LEFT_OUT)) == 0)
    if not len(chosen):
        raise UserError(nothing_fitted(cube, data, snr, snr_min, FEWEST_BANDS))
    maps = np.full((len(names), 3, len(snr)), np.nan, np.float32)
    quality = Columns.empty(len(snr), post.names)
    totals = TotalAccumulator()
    meta = provenance(
        post,
        n_draws=n_draws,
        seed=seed,
        method=engine.method,
        **({"redshift": float(cube.redshift)} if found is None else found.meta()),
        snr_min=float(snr_min),
        **floor_meta(post),
        source=cube.source,
        **({} if error_scale is None else error_scale.meta()),
    )
    if found is None:
        of_draws, parts = None, _chunks(engine, data, chosen, n_draws, seed, names)
    else:

        def data_at(rows, z):
            return post.prepared(columns[0][rows], columns[1][rows], z, present[rows], upper[rows])

        of_draws = redshift_of_draws(found.at, n_draws)
        parts = chunks_at_redshifts(
            engine, data_at, found.at, chosen, n_draws, seed, names, _CHUNK_DRAWS
        )  # fmt: skip
        parts = ((rows, posteriors, HostDraws(values)) for rows, posteriors, values in parts)
    with DrawWriter(draws_path, names, chosen, n_draws, cube.shape, meta, z=of_draws) as writer:
        bar = tqdm(total=len(chosen), unit="pixel", disable=not progress)
        for rows, posteriors, drawn in parts:
            flags[rows[drawn.bad]] |= int(PixelFlag.BAD_DRAWS)
            maps[:, :, rows] = drawn.percentiles()
            quality.put(rows, posteriors, *post.prior_limits(posteriors, data.z[rows]))
            trusted = posteriors.trust == Trust.TRUSTED
            for name in (name for name in _TOTALS if name in names):
                drawn.add_to(totals, name, names.index(name), trusted)
            if draws_path is not None:
                writer.add(drawn.draws())
            bar.update(len(rows))
        bar.close()
        if (flags[chosen] & int(PixelFlag.BAD_DRAWS)).all():
            raise UserError(
                f"no pixel of {cube.source or 'the image'} has an answer: the draws of all {len(chosen)} are "
                "not finite; check fluxes, errors and their units"
            )
    flags[quality["trust"] == Trust.UNCHECKED] |= int(PixelFlag.UNCHECKED)
    flags[quality["trust"] == Trust.UNTRUSTED] |= int(PixelFlag.UNTRUSTED)
    # histories of pixels are at one edge or another as a rule
    told = [quality[EDGE + name] for name in post.names[len(post.network.sfh.names) :]]
    flags[np.any(told, axis=0)] |= int(PixelFlag.AT_EDGE)
    flags[~converged(quality["ess"])] |= int(PixelFlag.NOT_CONVERGED)
    trusted = quality["trust"] == Trust.TRUSTED
    totals, of_noise = with_noise(totals.table(), cube, names, maps, trusted)
    meta |= of_noise
    note = note_on(np.where(data.valid, data.sigma, np.nan)[chosen], data.valid[chosen].sum(axis=1))
    errors = ErrorSummary.of(quality, cube.shape, note)
    meta |= quality.counts() | totals_for_headers(totals) | errors.meta()
    log_mass = maps[names.index("log_mass"), 1] if "log_mass" in names else None
    notes = [*cube.notes, *mask_note(cube), *([] if found is None else found.notes())]
    notes += totals_notes(totals)
    notes += unit_notes(log_mass, flags, cube, post.network.cosmology) + edge_notes(quality, "pixels")
    for note in notes:
        warnings.warn(f"{cube.source or 'image'}: {note}", UserWarning, stacklevel=3)
    return ImageResult(
        names=names,
        quantiles=maps,
        snr=snr,
        n_bands=data.valid.sum(axis=1).astype(np.int16),
        flags=flags,
        columns=quality,
        totals=totals,
        shape=cube.shape,
        header=cube.header,
        meta=meta,
        notes=tuple(notes),
        errors=errors,
        draws_path=None if draws_path is None else Path(draws_path),
        redshift=found,
    )


def _bright(post, cube, data, snr_min) -> np.ndarray:
    """Numbers of the pixels that would be fitted if all bands that they have counted."""
    data = data._replace(z=np.zeros(len(data.flux), np.float32))
    snr = mean_snrs(data, post.snr_bands)
    chosen = np.flatnonzero((pixel_flags(post, cube, data, snr, snr_min) & int(_LEFT_OUT)) == 0)
    if not len(chosen):
        raise UserError(nothing_fitted(cube, data, snr, snr_min, FEWEST_BANDS))
    return chosen


def mean_snrs(data: PhotometryData, snr_bands) -> np.ndarray:
    """Observed mean S/N (Object,), computed for one of few sizes whatever the image: few compilations."""
    n = len(data.z)
    filled = jax.tree.map(lambda a: np.resize(a, (padded(n), *a.shape[1:])), data)
    return np.asarray(_mean_snr(filled, snr_bands))[:n]


@jax.jit
def _mean_snr(data: PhotometryData, snr_bands):
    return mean_snr(data.flux, data.sigma, data.valid, snr_bands, data.upper)


def _chunks(engine, data, chosen, n_draws, seed, names) -> Iterator[tuple[np.ndarray, Posteriors, HostDraws]]:
    """Pixel numbers, posteriors and quantities, chunk by chunk."""
    # few sizes, whatever the image: few compilations; one of these for each device
    size = max(1, min(_CHUNK_DRAWS // n_draws, padded(len(chosen)))) * n_devices()
    z, key = data.z[0], jax.random.key(seed)
    # one shape at all redshifts: what is compiled for one galaxy serves all
    view = None if engine.likelihood is None else engine.likelihood.one_view(z)
    post = engine.post
    shared = post.network, post.mass_table, post.grey

    def finished(rows, started):
        posteriors = engine.finish(started, len(rows))
        filled = jnp.asarray(np.resize(posteriors.u, (size, *posteriors.u.shape[1:])))
        of_draws = filled, jnp.full(size, z)
        return rows, posteriors, kept(spread(derived, shared, of_draws, size, out=1, wanted=names), len(rows))

    pending = None
    for start in range(0, len(chosen), size):
        rows = chosen[start : start + size]
        # the last chunk is filled up with its first pixels
        batch = np.resize(rows, size)
        part = jax.tree.map(lambda a: a[batch], data)  # noqa: B023
        started = engine.start(part, view, batch, key, n_draws, split=True)
        # the next chunk is under way while the previous one is summarised
        if pending is not None:
            yield finished(*pending)
        pending = rows, started
    yield finished(*pending)


def pixel_flags(post, cube: PixelCube, data, snr, snr_min) -> np.ndarray:
    """Bits of :class:`~dsps_sbi.photometry.flags.PixelFlag` (Object,) before any draw is made."""
    valid = data.valid
    n_bands = valid.sum(axis=1)
    given = np.isin(post.filters, cube.filters)
    conditions = {
        PixelFlag.MASKED: cube.mask,
        PixelFlag.LOW_SNR: ~(snr > snr_min),
        PixelFlag.BAND_MISSING: ~valid[:, given].all(axis=1),
        PixelFlag.FEW_BANDS: n_bands < FEWEST_BANDS,
        PixelFlag.NO_SNR_BAND: ~(valid & np.asarray(post.snr_bands)).any(axis=1),
        PixelFlag.OUT_OF_DEPTH: post.odd_depths(data).any(axis=1),
        PixelFlag.LIMIT_RANGE: post.odd_limits(data).any(axis=1),
    }
    flags = np.zeros(len(snr), np.int32)
    for flag, where in conditions.items():
        flags[where] |= int(flag)
    return flags
