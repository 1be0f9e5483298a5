"""Is a posterior calibrated? Held-out mocks, slice by slice, against their truths."""

import time
from importlib.metadata import version

import jax
import numpy as np
from tqdm.auto import tqdm

from .checks.calibration import Calibration, score
from .checks.draws import raw_draws, refined_draws
from .checks.sbc import randomised_pit
from .checks.slices import default_slices, fill_slices
from .checks.tarp import N_PILOT, credibility
from .errors import UserError
from .match import model_of
from .model import GalaxyModel
from .noise import BandMasks
from .simulate import Simulator
from .trust import Method
from .weigh import Weigher, weigher

# References of each object: more of them, less Monte-Carlo noise from where they happen to lie
_N_REFERENCES = 8
# Keeps the mocks apart from those of a training with the same seed
_KEY = 20_230_203
_FEWEST_MOCKS = 100


def check(
    post,
    model: GalaxyModel | None = None,
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
    expected coverage of all parameters together (TARP).

    Parameters
    ----------
    post : AmortizedPosterior
    model : GalaxyModel or None
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
    if n < _FEWEST_MOCKS or n_refined and not _FEWEST_MOCKS <= n_refined <= n:
        raise UserError(
            f"{n} mocks per slice, {n_refined} refined: give at least {_FEWEST_MOCKS} of each, "
            "and no more refined ones than mocks"
        )
    for draws in (n_draws, n_draws_refined):
        if draws <= 2 * N_PILOT:
            raise UserError(f"{draws} draws per mock: the tests need more than {2 * N_PILOT}, better 200")
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
            columns = _compare(drawn, mocks.u, np.random.default_rng(seed), bar.update)
        for i, s in enumerate(slices):
            rows = slice(i * size, (i + 1) * size)
            part = {name: column[rows] for name, column in columns.items()}
            scores.append(score(s.name, s.label, method, **part))
    terms = {
        "mocks_per_slice": {method: size for method, (size, _) in todo.items()},
        "draws": {method: draws for method, (_, draws) in todo.items()},
        "mocks_simulated": sliced.simulated,
        "redshifts": len(sliced.pool.z),
        "tarp_references": _N_REFERENCES,
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


def _compare(drawn, truth, rng, on_chunk) -> dict[str, np.ndarray]:
    """Columns that :func:`~dsps_sbi.checks.calibration.score` takes; NaN where draws are."""
    n, n_param = truth.shape
    pit, credibilities = np.full((n, n_param), np.nan), np.full((n, _N_REFERENCES), np.nan)
    ess, trusted = np.ones(n), np.zeros(n, bool)
    methods = np.full(n, Method.FLOW, np.int8)
    for rows, u, answers in drawn:
        shape = (len(rows), _N_REFERENCES)
        uniform, normal = rng.random((len(rows), n_param)), rng.standard_normal((*shape, n_param))
        place = rng.random(shape)
        if answers is not None:
            # resampling makes no draw worth more than itself
            ess[rows] = np.minimum(answers.ess / u.shape[1], 1.0)
            trusted[rows], methods[rows] = answers.trusted, answers.method
        good = np.isfinite(u).all(axis=(1, 2))
        u, own, rows = u[good], truth[rows[good]], rows[good]
        pit[rows] = randomised_pit(u, own, uniform[good])
        credibilities[rows] = credibility(u, own, normal[good], place[good])
        on_chunk(len(good))
    return {"pit": pit, "credibilities": credibilities, "ess": ess, "trusted": trusted, "methods": methods}
