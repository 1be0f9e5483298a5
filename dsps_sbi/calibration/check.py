"""Is a posterior calibrated? Held-out mocks, slice by slice, against their truths."""

import time
from importlib.metadata import version

import jax
import numpy as np
from tqdm.auto import tqdm

from .compare import N_REFERENCES, compare, refuse_too_few
from .draws import raw_draws, refined_draws
from .scores import Calibration, score

# Keeps the mocks apart from those of a training with the same seed
_KEY = 20_230_203


def check(
    post,
    model=None,
    *,
    n: int = 10_000,
    n_draws: int = 200,
    n_refined: int = 0,
    n_draws_refined: int = 500,
    seed: int = 0,
    progress: bool = False,
) -> Calibration:
    """Check the calibration of a posterior on mocks that it was not trained on.

    In every slice ranks of the truth (SBC), coverage of central intervals, and expected coverage of all
    parameters together (TARP). Slices of photometry are those of observed S/N (masks and depths as in
    training) and of the number of bands (random subsets, S/N > 5); slices of spectra those of the median
    S/N per pixel (gaps, missing ends and redshifts as in training).

    Parameters
    ----------
    post : PhotometryPosterior or SpectrumPosterior
    model : GalaxyModel or SpectrumModel or None
        What it was trained on; None for that made of the bundle's own SSP grid in the cache.
    n : int
        Mocks in each slice.
    n_draws : int
        Draws of the flow per mock.
    n_refined, n_draws_refined : int
        Mocks in each slice, of those n, of which the refined answers are checked too, and their draws; 0
        for none. Of spectra refining takes seconds each.
    seed : int
    progress : bool
        Show bars.

    Returns
    -------
    Calibration

    Raises
    ------
    UserError
        If the SSP grid has not been fetched, the model is not the one that the posterior was
        trained on, or fewer mocks or draws are asked for than the tests need.
    """
    refuse_too_few(n, n_draws, n_refined, n_draws_refined)
    start = time.perf_counter()
    # without a grid making the model says what is missing
    likelihood = post.likelihood("auto" if model is None else model) or post.likelihood_of(post.model())
    mock_key, flow_key, refined_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), _KEY), 3)
    with tqdm(desc="mocks", unit="mock", disable=not progress) as bar:
        held_out = post.held_out(likelihood.model, n, mock_key, bar.update)
    scores = []
    for method, size, draws in (("flow", n, n_draws), ("refined", n_refined, n_draws_refined)):
        if not size:
            continue
        mocks = held_out.first(size)
        if method == "flow":
            drawn = raw_draws(post, mocks.data, draws, flow_key)
        else:
            drawn = refined_draws(likelihood, mocks.data, draws, refined_key)
        with tqdm(total=len(mocks.u), desc=method, unit="mock", disable=not progress) as bar:
            columns = compare(drawn, mocks.u, np.random.default_rng(seed), bar.update)
        for i, (name, label) in enumerate(mocks.slices.items()):
            rows = slice(i * size, (i + 1) * size)
            scores.append(score(name, label, method, **{k: column[rows] for k, column in columns.items()}))
    counts = {"flow": (n, n_draws)} | ({"refined": (n_refined, n_draws_refined)} if n_refined else {})
    terms = {
        "mocks_per_slice": {method: size for method, (size, _) in counts.items()},
        "draws": {method: draws for method, (_, draws) in counts.items()},
        "tarp_references": N_REFERENCES,
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 1),
        "version": version("dsps_sbi"),
        "ssp": ", ".join(post.grids),
    } | dict(held_out.terms)
    return Calibration(post.label, post.names, tuple(scores), terms)
