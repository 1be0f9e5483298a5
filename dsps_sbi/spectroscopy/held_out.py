"""Held-out mock spectra, in slices of the median S/N per pixel."""

from collections.abc import Callable
from dataclasses import replace

import jax
import numpy as np

from ..calibration.held_out import HeldOut
from .simulator import SpectrumMocks, SpectrumSimulator

SNR_EDGES = (5.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_N_POOL, _CHUNK = 4096, 256


def held_out(simulator: SpectrumSimulator, n: int, key, on_chunk: Callable | None = None) -> HeldOut:
    """Mocks in slices of S/N; gaps, missing ends and redshifts as in training.

    Parameters
    ----------
    simulator : SpectrumSimulator
        Of the training.
    n : int
        Mocks of each slice.
    key : key
    on_chunk : callable or None
        Called with the number of mocks made, slice by slice.
    """
    slices, mocks = snr_slices(simulator), {}
    for i, (label, sliced) in enumerate(slices.items()):
        mocks[label] = draw_mocks(sliced, jax.random.fold_in(key, i), n)
        if on_chunk is not None:
            on_chunk(n)
    names = {label: "snr_" + label.removeprefix("S/N ").replace("-", "_") for label in slices}
    terms = {"selection": "median S/N per pixel; gaps, missing ends and redshifts as in training"}
    return HeldOut.of(
        {names[label]: label for label in slices}, {names[label]: m for label, m in mocks.items()}, terms
    )


def snr_slices(simulator: SpectrumSimulator) -> dict[str, SpectrumSimulator]:
    """Simulators of one training, one for each range of S/N that it knows, by label."""
    low, high = simulator.snr
    edges = [low, *(edge for edge in SNR_EDGES if low < edge < high), high]
    pairs = zip(edges[:-1], edges[1:], strict=True)
    return {f"S/N {a:g}-{b:g}": replace(simulator, snr=(a, b)) for a, b in pairs}


def draw_mocks(simulator: SpectrumSimulator, key, n: int) -> SpectrumMocks:
    """Mocks (n,) of a simulator as numpy arrays."""
    pool_key, key = jax.random.split(key)
    pool = simulator.table_pool(pool_key, _N_POOL)
    chunks = range(-(-n // _CHUNK))
    parts = [jax.device_get(simulator.mocks(jax.random.fold_in(key, i), pool, _CHUNK, 1)) for i in chunks]
    return jax.tree.map(lambda *a: np.concatenate(a)[:n], *parts)
