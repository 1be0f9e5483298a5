"""Draws against truths: what every score of a calibration is made of."""

import numpy as np

from ..errors import UserError
from ..inference.trust import Method
from .sbc import randomised_pit
from .tarp import N_PILOT, credibility

# References of each object: more of them, less Monte-Carlo noise from where they happen to lie
N_REFERENCES = 8


_FEWEST_MOCKS = 100


def refuse_too_few(n, n_draws, n_refined, n_draws_refined) -> None:
    """Refuse fewer mocks or draws than the tests need."""
    if n < _FEWEST_MOCKS or n_refined and not _FEWEST_MOCKS <= n_refined <= n:
        raise UserError(
            f"{n} mocks per slice, {n_refined} refined: give at least {_FEWEST_MOCKS} of each, "
            "and no more refined ones than mocks"
        )
    for draws in (n_draws, n_draws_refined):
        if draws <= 2 * N_PILOT:
            raise UserError(f"{draws} draws per mock: the tests need more than {2 * N_PILOT}, better 200")


def compare(drawn, truth, rng, on_chunk) -> dict[str, np.ndarray]:
    """Columns that :func:`~dsps_sbi.calibration.scores.score` takes; NaN where draws are.

    Parameters
    ----------
    drawn : iterable
        Of rows (Object,) and Posteriors, see :mod:`dsps_sbi.calibration.draws`.
    truth : ndarray (Object, Param)
        In normal coordinates.
    rng : numpy.random.Generator
    on_chunk : callable
        Called with the number of objects done.
    """
    n, n_param = truth.shape
    pit, credibilities = np.full((n, n_param), np.nan), np.full((n, N_REFERENCES), np.nan)
    ess, trusted = np.ones(n), np.zeros(n, bool)
    methods = np.full(n, Method.FLOW, np.int8)
    for rows, posteriors in drawn:
        u = posteriors.u
        shape = (len(rows), N_REFERENCES)
        uniform, normal = rng.random((len(rows), n_param)), rng.standard_normal((*shape, n_param))
        place = rng.random(shape)
        # resampling makes no draw worth more than itself; unweighted ones count one each
        ess[rows] = np.nan_to_num(np.minimum(posteriors.ess / u.shape[1], 1.0), nan=1.0)
        trusted[rows], methods[rows] = posteriors.trusted, posteriors.method
        good = np.isfinite(u).all(axis=(1, 2))
        u, true, rows = u[good], truth[rows[good]], rows[good]
        pit[rows] = randomised_pit(u, true, uniform[good])
        credibilities[rows] = credibility(u, true, normal[good], place[good])
        on_chunk(len(good))
    return {"pit": pit, "credibilities": credibilities, "ess": ess, "trusted": trusted, "methods": methods}
