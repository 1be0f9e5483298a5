"""Inference on images: choose pixels, draw in chunks, keep percentiles and totals."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from .answers import BATCH_DRAWS, Answerer, Answers
from .columns import Columns
from .derived import LOG_SSFR_FLOOR, quantities_of
from .errors import UserError
from .flags import PixelFlag
from .io.cube import PixelCube
from .io.draws import DrawWriter
from .io.summary import TotalAccumulator
from .kernels.likelihood import mean_snr
from .result import ImageResult
from .trust import Trust
from .weigh import weigher

_CHUNK_DRAWS = BATCH_DRAWS
FEWEST_BANDS = 3
_TOTALS = ("log_mass", "log_mass_living", "log_mass_formed", "log_sfr_100")


def infer_cube(
    post,
    cube: PixelCube,
    *,
    model="auto",
    refine: bool = False,
    n_draws: int = 500,
    snr_min: float = 5.0,
    seed: int = 0,
    quantities: Sequence[str] | None = None,
    draws_path=None,
    progress=False,
) -> ImageResult:
    """Posterior of every pixel of an image above a signal-to-noise cut.

    Parameters
    ----------
    post : AmortizedPosterior
    cube : PixelCube
        Its bands may be any subset of the posterior's, in any order.
    model : GalaxyModel, "auto" or None
        What the draws are weighed with. "auto" makes the model of the bundle again if its SSPs are in
        the cache; without, or with None, the draws are the network's own and every pixel is
        ``unchecked``. With weights, draws are resampled so that each counts the same.
    refine : bool
        Repair what weighing leaves untrusted, see :mod:`dsps_sbi.refiner`.
    n_draws : int
        Draws per pixel. With weights, fewer than about 300 leave most pixels below the 100 effective
        draws that trust asks for.
    snr_min : float
        Observed S/N, averaged over the available ones of F277W, F356W and F444W, above which a
        pixel is fitted.
    seed : int
        A pixel's draws depend on the seed and on its place in the image, not on the chunking.
    quantities : sequence of str or None
        What to make maps of, such as ``("log_mass", "t10", "t90_lookback")``; see
        :func:`dsps_sbi.derived.quantities_of`. Default: all of the posterior's.
    draws_path : path or None
        Where to keep all draws (HDF5). Memory stays bounded by the chunk in any case.
    progress : bool
        Show a bar.

    Returns
    -------
    ImageResult

    Raises
    ------
    UserError
        For a redshift outside the trained range, unknown bands, no pixel above the cut, a model that
        is not the bundle's, or if there is none to refine with.
    """
    if n_draws < 2:
        raise UserError(f"{n_draws} draws per pixel: ask for at least 2, better 100 or more")
    post.check_redshift(cube.redshift)
    names = quantities_of(post.names, quantities)
    # the bundle's own is made once, not for every image
    answerer = Answerer(post, post.own_weigher if model == "auto" else weigher(post, model), refine)
    columns = post.align(cube.filters, cube.flux_ujy, cube.sigma_ujy, cube.valid, cube.upper)
    present, upper = (column == 1.0 for column in columns[2:])
    data = post.prepared(*columns[:2], cube.redshift, present, upper)
    flux, sigma, valid, upper, _ = data
    outside = (present & ~post.coverage(cube.redshift)[0]).any(axis=1)
    snr = np.asarray(mean_snr(*map(jnp.asarray, (flux, sigma, valid, post.snr_bands, upper))))
    flags = pixel_flags(post, cube, data, snr, snr_min)
    flags[outside] |= int(PixelFlag.BAND_OUT_OF_RANGE)
    left_out = PixelFlag.MASKED | PixelFlag.LOW_SNR | PixelFlag.FEW_BANDS
    chosen = np.flatnonzero((flags & int(left_out)) == 0)
    if not len(chosen):
        raise UserError(
            f"no pixel of {cube.source or 'the image'} has S/N > {snr_min:g} and 3 bands: lower the cut"
        )
    percentiles = np.full((len(names), 3, len(flux)), np.nan, np.float32)
    told = Columns.empty(len(flux), post.names)
    totals = TotalAccumulator()
    meta = provenance(post, cube, n_draws, snr_min, seed)
    meta["method"] = "flow" if answerer.weigher is None else "refined" if refine else "weighed"
    with DrawWriter(draws_path, names, chosen, n_draws, cube.shape, meta) as writer:
        bar = tqdm(total=len(chosen), unit="pixel", disable=not progress)
        for rows, answers, draws in _chunks(answerer, data, chosen, n_draws, seed, names):
            bad = ~np.isfinite(draws).all(axis=(0, 2))
            flags[rows[bad]] |= int(PixelFlag.BAD_DRAWS)
            draws[:, bad] = np.nan
            percentiles[:, :, rows] = _percentiles(draws)
            told.put(rows, answers)
            for name in (name for name in _TOTALS if name in names):
                totals.add(name, draws[names.index(name)])
            writer.add(draws)
            bar.update(len(rows))
        bar.close()
    flags[told["trust"] == Trust.UNCHECKED] |= int(PixelFlag.UNCHECKED)
    flags[told["trust"] == Trust.UNTRUSTED] |= int(PixelFlag.UNTRUSTED)
    meta |= told.counts()
    return ImageResult(
        names=names,
        percentiles=percentiles,
        snr=snr,
        n_bands=valid.sum(axis=1).astype(np.int16),
        flags=flags,
        columns=told,
        totals=totals.table(),
        shape=cube.shape,
        header=cube.header,
        meta=meta,
        draws_path=None if draws_path is None else Path(draws_path),
    )


def _percentiles(draws):
    """16th, 50th, 84th percentiles (Quantity, 3, Object) of draws (Quantity, Object, Draw)."""
    # nearest ranks: one partial sort instead of an interpolation in every draw
    n = draws.shape[2]
    ranks = [round(p / 100 * (n - 1)) for p in (16, 50, 84)]
    ordered = np.partition(draws, ranks, axis=2)
    return np.moveaxis(ordered[:, :, ranks], 2, 1)


def _chunks(answerer, data, chosen, n_draws, seed, names) -> Iterator[tuple[np.ndarray, Answers, np.ndarray]]:
    """Pixel numbers, answers and quantities (Quantity, Object, Draw), chunk by chunk."""
    size = max(1, min(_CHUNK_DRAWS // n_draws, len(chosen)))
    table, key = answerer.table(data[-1][0]), jax.random.key(seed)

    def finished(rows, started):
        answers = answerer.finish(started, len(rows))
        filled = np.resize(answers.u, (size, *answers.u.shape[1:]))
        draws = answerer.post.derived_draws(filled, np.full(size, data[-1][0]), names)
        return rows, answers, np.array(draws)[:, : len(rows)]

    pending = None
    for start in range(0, len(chosen), size):
        rows = chosen[start : start + size]
        # the last chunk is filled up with its first pixels so that one compiled shape serves all
        batch = np.resize(rows, size)
        started = answerer.start(tuple(a[batch] for a in data), table, batch, key, n_draws)
        # the next chunk is under way while the previous one is summarised
        if pending is not None:
            yield finished(*pending)
        pending = rows, started
    yield finished(*pending)


def pixel_flags(post, cube: PixelCube, data, snr, snr_min) -> np.ndarray:
    """Bits of :class:`~dsps_sbi.flags.PixelFlag` (Object,) before any draw is made."""
    valid = data[2]
    n_bands = valid.sum(axis=1)
    given = np.isin(post.filters, cube.filters)
    conditions = {
        PixelFlag.MASKED: cube.mask,
        PixelFlag.LOW_SNR: ~(snr > snr_min),
        PixelFlag.BAND_MISSING: ~valid[:, given].all(axis=1),
        PixelFlag.FEW_BANDS: n_bands < FEWEST_BANDS,
        PixelFlag.NO_SNR_BAND: ~(valid & post.snr_bands).any(axis=1),
        PixelFlag.OUT_OF_DEPTH: post.odd_depths(data).any(axis=1),
        PixelFlag.LIMIT_RANGE: post.odd_limits(data).any(axis=1),
    }
    flags = np.zeros(len(snr), np.int32)
    for flag, where in conditions.items():
        flags[where] |= int(flag)
    return flags


def provenance(post, cube: PixelCube, n_draws, snr_min, seed) -> dict:
    """What has to be known to use the numbers, for headers."""
    ssp = post.meta.get("ssp", {})
    return {
        "bundle": str(post.meta.get("name", "unnamed")),
        "version": version("dsps_sbi"),
        "imf": str(ssp.get("imf", "unknown")),
        "tracks": str(ssp.get("tracks", "unknown")),
        "ssp": str(ssp.get("name", "unknown")),
        "ssp_sha": str(ssp.get("sha", "unknown")),
        "cosmology": post.network.cosmology.name,
        "remnants": str(ssp.get("remnants", "unknown")),
        "redshift": float(cube.redshift),
        "n_draws": int(n_draws),
        "snr_min": float(snr_min),
        "seed": int(seed),
        "noise_floor": float(post.noise.floor),
        "log_ssfr_floor": LOG_SSFR_FLOOR,
        "source": cube.source,
    }
