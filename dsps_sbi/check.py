"""Is a posterior calibrated? Held-out mocks, slice by slice, against their truths."""

import time
from importlib.metadata import version

import jax
import numpy as np
from tqdm.auto import tqdm

from .check_spectra import check_spectra
from .checks.calibration import Calibration, score
from .checks.compare import N_REFERENCES, compare, refuse_too_few
from .checks.draws import raw_draws, refined_draws
from .checks.slices import default_slices, fill_slices
from .match import model_of
from .noise import BandMasks
from .simulate import Simulator
from .spectrum_posterior import SpectrumPosterior
from .weigh import Weigher, weigher

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

    In every slice of observed S/N (masks and depths as in training) and of the number of bands
    (random subsets, S/N > 5): ranks of the truth (SBC), coverage of central intervals, and
    expected coverage of all parameters together (TARP). Of spectra: in every slice of S/N per pixel.

    Parameters
    ----------
    post : AmortizedPosterior or SpectrumPosterior
    model : GalaxyModel or SpectrumModel or None
        What it was trained on; None for that made of the bundle's own SSP grid in the cache.
    n : int
        Mocks in each slice.
    n_draws : int
        Draws of the flow per mock.
    n_refined, n_draws_refined : int
        Mocks in each slice, of those n, of which the refined answers are checked too, as
        :func:`dsps_sbi.answers.refine` gives them, and their draws; 0 for none.
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
    if isinstance(post, SpectrumPosterior):
        sizes = {"n_refined": n_refined, "n_draws_refined": n_draws_refined}
        return check_spectra(post, model, n=n, n_draws=n_draws, **sizes, seed=seed, progress=progress)
    refuse_too_few(n, n_draws, n_refined, n_draws_refined)
    start = time.perf_counter()
    own = _weigher(post, model)
    simulator = Simulator(own.model, post.noise, BandMasks.jades(post.filters), post.limits)
    slices = default_slices(simulator)
    mock_key, flow_key, refined_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), _KEY), 3)
    with tqdm(total=n * len(slices), desc="mocks", unit="mock", disable=not progress) as bar:
        sliced = fill_slices(simulator, slices, n, mock_key, bar.update)
    todo = {"flow": (n, n_draws)} | ({"refined": (n_refined, n_draws_refined)} if n_refined else {})
    scores = []
    for method, (size, draws) in todo.items():
        # all slices in one run: each redshift's table then serves all of them
        parts = [jax.tree.map(lambda a, size=size: a[:size], sliced.mocks[s.name]) for s in slices]
        mocks = jax.tree.map(lambda *a: np.concatenate(a), *parts)
        if method == "flow":
            drawn = raw_draws(post, mocks, draws, flow_key)
        else:
            drawn = refined_draws(own, mocks, sliced.pool, draws, refined_key)
        with tqdm(total=len(mocks.z), desc=method, unit="mock", disable=not progress) as bar:
            columns = compare(drawn, mocks.u, np.random.default_rng(seed), bar.update)
        for i, s in enumerate(slices):
            rows = slice(i * size, (i + 1) * size)
            part = {name: column[rows] for name, column in columns.items()}
            scores.append(score(s.name, s.label, method, **part))
    terms = {
        "mocks_per_slice": {method: size for method, (size, _) in todo.items()},
        "draws": {method: draws for method, (_, draws) in todo.items()},
        "mocks_simulated": sliced.simulated,
        "redshifts": len(sliced.pool.z),
        "tarp_references": N_REFERENCES,
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 1),
        "version": version("dsps_sbi"),
        "ssp": own.model.ssp.name,
        "selection": "observed mean S/N of F277W, F356W, F444W",
    }
    return Calibration(str(post.meta.get("name", "unnamed")), post.names, tuple(scores), terms)


def _weigher(post, model) -> Weigher:
    """What simulates and weighs; for the bundle's own model it is made once."""
    if model is not None:
        return weigher(post, model)
    # without a grid model_of says what is missing
    return post.own_weigher or Weigher(post, model_of(post))
