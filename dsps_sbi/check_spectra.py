"""Is a posterior of spectra calibrated? Held-out mocks, slice by slice of S/N, against their truths."""

import time
from dataclasses import replace
from importlib.metadata import version

import jax
import numpy as np
from tqdm.auto import tqdm

from .answers import BATCH_DRAWS, Answerer
from .checks.calibration import Calibration, score
from .checks.compare import N_REFERENCES, compare, refuse_too_few
from .match import model_of
from .spectra.simulate import SpectrumMocks, SpectrumSimulator
from .spectrum_posterior import SpectrumPosterior
from .weigh_spectrum import SpectrumWeigher, spectrum_weigher

# Keeps the mocks apart from those of a training with the same seed
_KEY = 20_230_204
SNR_EDGES = (5.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_N_POOL, _CHUNK = 4096, 256


def check_spectra(
    post: SpectrumPosterior,
    model=None,
    *,
    n: int = 10_000,
    n_draws: int = 200,
    n_refined: int = 0,
    n_draws_refined: int = 500,
    seed: int = 0,
    progress: bool = False,
) -> Calibration:
    """Check the calibration of a posterior of spectra, as :func:`dsps_sbi.check` does.

    Slices are of the median S/N per pixel, gaps and missing ends as in training, redshifts those of the
    prior.

    Parameters
    ----------
    post : SpectrumPosterior
    model : SpectrumModel or None
        What it was trained on; None for that made of the bundle's own SSP grid in the cache.
    n, n_draws, n_refined, n_draws_refined, seed, progress
        As there. Refining takes seconds per spectrum.

    Raises
    ------
    UserError
        If the SSP grid has not been fetched, the model is another one, or fewer mocks or draws are asked
        for than the tests need.
    """
    refuse_too_few(n, n_draws, n_refined, n_draws_refined)
    start = time.perf_counter()
    weigher = spectrum_weigher(post, model_of(post) if model is None else model)
    mock_key, flow_key, refined_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), _KEY), 3)
    todo = {"flow": (n, n_draws)} | ({"refined": (n_refined, n_draws_refined)} if n_refined else {})
    scores, slices = [], snr_slices(weigher.model, post)
    for i, (label, simulator) in enumerate(slices.items()):
        mocks = draw_mocks(simulator, jax.random.fold_in(mock_key, i), n)
        for method, (size, draws) in todo.items():
            some = jax.tree.map(lambda a, size=size: a[:size], mocks)
            if method == "flow":
                drawn = raw(post, some, draws, flow_key)
            else:
                drawn = refined(weigher, some, draws, refined_key)
            with tqdm(total=size, desc=f"{method}, {label}", unit="mock", disable=not progress) as bar:
                columns = compare(drawn, some.u, np.random.default_rng(seed), bar.update)
            name = "snr_" + label.removeprefix("S/N ").replace("-", "_")
            scores.append(score(name, label, method, **columns))
    terms = {
        "mocks_per_slice": {method: size for method, (size, _) in todo.items()},
        "draws": {method: draws for method, (_, draws) in todo.items()},
        "tarp_references": N_REFERENCES,
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 1),
        "version": version("dsps_sbi"),
        "ssp": [grid.name for grid in weigher.model.grids.values()],
        "selection": "median S/N per pixel; gaps, missing ends and redshifts as in training",
    }
    scores.sort(key=lambda s: s.method)
    return Calibration(str(post.meta.get("name", "unnamed")), post.names, tuple(scores), terms)


def snr_slices(model, post) -> dict[str, SpectrumSimulator]:
    """Simulators of a posterior's training, one for each range of S/N that it knows."""
    whole = SpectrumSimulator(model, **post.noise)
    low, high = whole.snr
    edges = [low, *(edge for edge in SNR_EDGES if low < edge < high), high]
    pairs = zip(edges[:-1], edges[1:], strict=True)
    return {f"S/N {a:g}-{b:g}": replace(whole, snr=(a, b)) for a, b in pairs}


def draw_mocks(simulator: SpectrumSimulator, key, n: int) -> SpectrumMocks:
    """Mocks (n,) of a simulator as numpy arrays."""
    pool_key, key = jax.random.split(key)
    pool = simulator.table_pool(pool_key, _N_POOL)
    run = jax.jit(lambda key: simulator.draw(key, pool, _CHUNK, 1))
    parts = [jax.device_get(run(jax.random.fold_in(key, i))) for i in range(-(-n // _CHUNK))]
    return jax.tree.map(lambda *a: np.concatenate(a)[:n], *parts)


def raw(post: SpectrumPosterior, mocks: SpectrumMocks, n_draws: int, key):
    """Chunks of rows, draws of the network, and None; see :func:`dsps_sbi.checks.draws.raw_draws`."""
    size = min(len(mocks.z), max(1, BATCH_DRAWS // n_draws))
    for first in range(0, len(mocks.z), size):
        rows = np.arange(first, min(first + size, len(mocks.z)))
        batch = np.resize(rows, size).astype(np.uint32)
        u = post.draw_normal(tuple(a[batch] for a in mocks.data), batch, key, n_draws)
        yield rows, np.asarray(u)[: len(rows)], None


def refined(weigher: SpectrumWeigher, mocks: SpectrumMocks, n_draws: int, key):
    """As :func:`raw`, for refined answers, one by one."""
    answerer = Answerer(weigher.post, weigher, refine=True)
    for i in range(len(mocks.z)):
        data = tuple(np.asarray(a[i : i + 1]) for a in mocks.data)
        observed = weigher.observed_mock(*(a[0] for a in data))
        answers = answerer.finish(answerer.start(data, observed, np.array([i]), key, n_draws), 1)
        yield np.array([i]), answers.u, answers
