"""Draws of mocks' posteriors in normal coordinates: those of the network, and the answers that users get."""

import jax
import numpy as np

from ..answers import BATCH_DRAWS, Answerer


def raw_draws(post, mocks, n_draws: int, key):
    """Chunks of rows and draws of the network, for mocks of any redshifts.

    Yields
    ------
    rows : ndarray (Object,)
    u : ndarray (Object, Draw, Param)
    answers : None
    """
    data, size = prepared(post, mocks), max(1, BATCH_DRAWS // n_draws)
    for rows, batch in _chunks(np.arange(len(mocks.z)), size):
        u = post.draw_normal(tuple(a[batch] for a in data), batch, key, n_draws)
        yield rows, np.asarray(u)[: len(rows)], None


def refined_draws(weigher, mocks, pool, n_draws: int, key):
    """As :func:`raw_draws`, for answers weighed and refined as users get them, redshift by redshift.

    Parameters
    ----------
    weigher : Weigher
    pool : BandTable
        Tables at all redshifts that the mocks have, leading axis z: of one shape, so that what is
        compiled serves all of them.

    Yields
    ------
    rows, u, answers : ndarray (Object,), ndarray (Object, Draw, Param), Answers
    """
    answerer, data = Answerer(weigher.post, weigher, refine=True), prepared(weigher.post, mocks)
    groups = [np.flatnonzero(mocks.z == z) for z in np.asarray(pool.z)]
    size = max(1, min(BATCH_DRAWS // n_draws, max(map(len, groups))))
    for i, members in enumerate(groups):
        table = jax.tree.map(lambda leaf, i=i: leaf[i], pool)
        for rows, batch in _chunks(members, size):
            started = answerer.start(tuple(a[batch] for a in data), table, batch, key, n_draws)
            answers = answerer.finish(started, len(rows))
            yield rows, answers.u, answers


def prepared(post, mocks):
    """What an observer has of mocks, as the network takes it."""
    return post.prepared(mocks.flux, mocks.sky, mocks.z, mocks.valid, mocks.upper)


def _chunks(rows, size):
    """Row numbers, and the same filled up to a fixed size so that one compiled shape serves all."""
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        yield part, np.resize(part, size).astype(np.uint32)
