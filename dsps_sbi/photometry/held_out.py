"""Held-out mocks, sorted into slices of what an observer knows: S/N, and number of bands."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import numpy as np

from ..calibration.held_out import HeldOut
from ..errors import UserError
from ..noise import BandMasks
from .simulator import PhotometryMocks, PhotometrySimulator

# Redshifts of the pool, redshifts and galaxies at each per chunk of mocks
N_POOL, _N_Z, _N_PER_Z = 96, 64, 64
SNR_EDGES = (5.0, 10.0, 30.0, 100.0, np.inf)
N_BANDS = (5, 10, 19)
# Chunks without a single mock for a slice after which it is given up
_PATIENCE = 50


@dataclass(frozen=True)
class Slice:
    """Mocks of one kind of masks whose observed S/N lies in a range.

    Parameters
    ----------
    name, label : str
        For metrics, and for readers.
    masks : BandMasks
    low, high : float
        Observed mean S/N; never the noiseless one, on which no posterior is calibrated.
    """

    name: str
    label: str
    masks: BandMasks
    low: float
    high: float = np.inf


def default_slices(simulator: PhotometrySimulator) -> tuple[Slice, ...]:
    """Four ranges of S/N under the simulator's own masks, and random subsets of 5, 10 and 19 bands."""
    n_band = len(simulator.model.filters.names)
    slices = []
    for low, high in zip(SNR_EDGES[:-1], SNR_EDGES[1:], strict=True):
        ends = (f"{low:g}", f"{high:g}") if high < np.inf else (f"{low:g}",)
        label = f"S/N {ends[0]}-{ends[1]}" if high < np.inf else f"S/N > {ends[0]}"
        slices.append(Slice("snr_" + "_".join(ends), label, simulator.masks, low, high))
    for n in sorted({min(n, n_band) for n in N_BANDS}):
        masks = BandMasks.exactly(n, n_band)
        slices.append(Slice(f"bands_{n}", f"{n} bands, S/N > {SNR_EDGES[0]:g}", masks, SNR_EDGES[0]))
    return tuple(slices)


def held_out(simulator: PhotometrySimulator, n: int, key, on_chunk: Callable | None = None) -> HeldOut:
    """Mocks in :func:`default_slices` of a simulator.

    Parameters
    ----------
    simulator : PhotometrySimulator
    n : int
        Mocks of each slice.
    key : key
    on_chunk : callable or None
        Called with the number of mocks kept, chunk by chunk.
    """
    slices = default_slices(simulator)
    named = "F277W, F356W, F444W" if np.any(simulator.snr_bands) else "all bands"
    mocks, simulated = fill_slices(simulator, slices, n, key, on_chunk)
    terms = {
        "mocks_simulated": simulated,
        "redshifts": N_POOL,
        "selection": f"observed mean S/N of {named}",
    }
    return HeldOut.of({s.name: s.label for s in slices}, mocks, terms)


def fill_slices(simulator: PhotometrySimulator, slices, n: int, key, on_chunk: Callable | None = None):
    """Simulate until every slice has n mocks.

    Parameters
    ----------
    simulator : PhotometrySimulator
        Its masks are replaced by those of each slice.
    slices : sequence of Slice
    n : int
        Mocks per slice.
    key : key
    on_chunk : callable or None
        Called with the number of mocks kept, chunk by chunk.

    Returns
    -------
    mocks : dict of str to PhotometryMocks
        n mocks of each slice by its name, as numpy arrays.
    simulated : int
        Number of mocks that were made to fill the slices.

    Raises
    ------
    UserError
        If a slice stays empty: the prior makes no such galaxies.
    """
    pool_key, draw_key = jax.random.split(key)
    pool = simulator.table_pool(pool_key, N_POOL)
    found: dict[str, list[PhotometryMocks]] = {s.name: [] for s in slices}
    simulated = 0
    for masks in {id(s.masks): s.masks for s in slices}.values():
        members = [s for s in slices if s.masks is masks]
        masked = replace(simulator, masks=masks)
        missing, since = {s.name: n for s in members}, dict.fromkeys((s.name for s in members), 0)
        while any(missing.values()):
            mocks, snr = jax.device_get(_draw(masked, jax.random.fold_in(draw_key, simulated), pool))
            simulated += len(snr)
            for s in members:
                rows = np.flatnonzero((snr > s.low) & (snr <= s.high))[: missing[s.name]]
                since[s.name] = 0 if len(rows) or not missing[s.name] else since[s.name] + 1
                if since[s.name] == _PATIENCE:
                    raise UserError(
                        f"no mock of {s.label} among the last {_PATIENCE * len(snr)}: use another prior"
                    )
                if len(rows):
                    found[s.name].append(jax.tree.map(lambda a, rows=rows: a[rows], mocks))
                    missing[s.name] -= len(rows)
                    if on_chunk is not None:
                        on_chunk(len(rows))
    joined = {name: jax.tree.map(lambda *parts: np.concatenate(parts), *found[name]) for name in found}
    return joined, simulated


@jax.jit
def _draw(simulator, key, pool):
    """A chunk of mocks in random order, and their observed S/N."""
    draw_key, order_key = jax.random.split(key)
    mocks = simulator.draw(draw_key, pool, _N_Z, _N_PER_Z)
    # one redshift's galaxies come together: shuffled so that any part is a fair sample
    order = jax.random.permutation(order_key, len(mocks.z))
    mocks = jax.tree.map(lambda a: a[order], mocks)
    return mocks, simulator.snr(mocks)
