"""Draws of mocks' posteriors in normal coordinates: those of the network, and the answers that users get."""

import jax
import numpy as np

from ..inference.engine import BATCH_DRAWS, Engine, padded


def raw_draws(post, data, n_draws: int, key):
    """Chunks of rows and draws of the network, for mocks of any redshifts.

    Parameters
    ----------
    post : Posterior
    data : NamedTuple
    n_draws : int
    key : key

    Yields
    ------
    rows : ndarray (Object,)
    posteriors : Posteriors
    """
    yield from _answers(Engine(post), [(np.arange(len(data[0])), None)], data, n_draws, key)


def refined_draws(likelihood, data, n_draws: int, key):
    """As :func:`raw_draws`, for answers weighed and refined as users get them.

    Parameters
    ----------
    likelihood : Likelihood
    data, n_draws, key
        As there.
    """
    engine = Engine(likelihood.post, likelihood, refine=True)
    yield from _answers(engine, likelihood.views(data), data, n_draws, key)


def _answers(engine, views, data, n_draws, key):
    largest = max(1, BATCH_DRAWS // n_draws)
    for members, view in views:
        size = min(padded(len(members)), largest)
        for start in range(0, len(members), size):
            rows = members[start : start + size]
            # filled up to a fixed size so that one compiled shape serves all
            batch = np.resize(rows, size).astype(np.uint32)
            part = jax.tree.map(lambda a, batch=batch: np.asarray(a)[batch], data)
            yield rows, engine.finish(engine.start(part, view, batch, key, n_draws), len(rows))
