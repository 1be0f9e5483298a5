"""Held-out mocks, sorted into slices of what an observer knows: S/N, and number of bands."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import numpy as np

from ..errors import UserError
from ..noise import BandMasks
from ..simulate import Mocks, Simulator

# Redshifts of the pool, redshifts and galaxies at each per chunk of mocks
_N_POOL, _N_Z, _N_PER_Z = 96, 64, 64
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


def default_slices(simulator: Simulator) -> tuple[Slice, ...]:
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


@dataclass(frozen=True, eq=False)
class SlicedMocks:
    """Mocks of every slice, and the redshifts that they were made at.

    Parameters
    ----------
    mocks : dict of str to Mocks
        n mocks of each slice by its name, as numpy arrays.
    pool : BandTable
        Band tables of all redshifts, leading axis z.
    simulated : int
        Number of mocks that were made to fill the slices.
    """

    mocks: dict[str, Mocks]
    pool: object
    simulated: int


def fill_slices(simulator: Simulator, slices, n: int, key, on_chunk: Callable | None = None) -> SlicedMocks:
    """Simulate until every slice has n mocks.

    Parameters
    ----------
    simulator : Simulator
        Its masks are replaced by those of each slice.
    slices : sequence of Slice
    n : int
        Mocks per slice.
    key : jax key
    on_chunk : callable or None
        Called with the number of mocks kept, chunk by chunk.

    Raises
    ------
    UserError
        If a slice stays empty: the prior makes no such galaxies.
    """
    pool_key, draw_key = jax.random.split(key)
    pool = simulator.table_pool(pool_key, _N_POOL)
    found: dict[str, list[Mocks]] = {s.name: [] for s in slices}
    simulated = 0
    for masks in {id(s.masks): s.masks for s in slices}.values():
        own = [s for s in slices if s.masks is masks]
        sliced = replace(simulator, masks=masks)
        draw = jax.jit(lambda key, pool, sliced=sliced: _draw(sliced, key, pool))
        missing, since = {s.name: n for s in own}, dict.fromkeys((s.name for s in own), 0)
        while any(missing.values()):
            mocks, snr = jax.device_get(draw(jax.random.fold_in(draw_key, simulated), pool))
            simulated += len(snr)
            for s in own:
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
    return SlicedMocks(joined, pool, simulated)


def _draw(simulator, key, pool):
    """A chunk of mocks in random order, and their observed S/N."""
    draw_key, order_key = jax.random.split(key)
    mocks = simulator.draw(draw_key, pool, _N_Z, _N_PER_Z)
    # one redshift's galaxies come together: shuffled so that any part is a fair sample
    order = jax.random.permutation(order_key, len(mocks.z))
    mocks = jax.tree.map(lambda a: a[order], mocks)
    return mocks, simulator.snr(mocks)
