"""Pixels that are fitted at several redshifts, each as likely as the others, and what is made of these fits.

Draw j of all pixels is one at redshift j modulo their number: sums over pixels, draw by draw, are of one
redshift each, and their spread holds that of the redshift.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import jax
import numpy as np
from scipy.special import logsumexp

from ..inference.engine import Posteriors, mass_spread, padded
from ..inference.trust import Method, informed, verdict

# Pixels that are fitted at one redshift after the other: what bands see of it is made for each of these times
_PIXELS = 2048
# Share of the draws that are proposed at each redshift, and the fewest
_SHARE, _FEWEST = 1.0 / 3.0, 100
# Columns that are means over redshifts, as they are over draws
_MEANS = ("ppc_p", "error_scale", "error_dof", "typicality")


def redshift_of_draws(redshifts, n_draws: int) -> np.ndarray:
    """Redshifts (Draw,) of the draws of any pixel."""
    return np.asarray(redshifts)[np.arange(n_draws) % len(redshifts)]


def draws_each(n_draws: int, refine: bool) -> int:
    """How many draws are proposed at each redshift: at nine, three times as many as are kept in all.

    With ``refine`` as many as at one redshift alone: what is repaired there is then worth as much.
    """
    return n_draws if refine else max(int(np.ceil(_SHARE * n_draws)), min(n_draws, _FEWEST))


def chunks_at_redshifts(
    engine, data_at, redshifts: Sequence[float], chosen, n_draws: int, seed: int, names, largest: int
) -> Iterator[tuple[np.ndarray, Posteriors, np.ndarray]]:
    """Pixel numbers, posteriors and quantities (Quantity, Object, Draw), some thousand pixels at a time.

    Parameters
    ----------
    engine : Engine
    data_at : callable
        Data of some pixels, by their numbers, at a redshift.
    redshifts : sequence of float
    chosen : int ndarray
        Numbers of the pixels.
    n_draws, seed : int
    names : sequence of str
        Quantities.
    largest : int
        Draws of a batch, at most.
    """
    n_each, n_z = draws_each(n_draws, engine.refine), len(redshifts)
    size = max(1, min(largest // n_each, padded(len(chosen))))
    many = max(_PIXELS // size, 1) * size
    places = [np.arange(k, n_draws, n_z) for k in range(n_z)]
    for first in range(0, len(chosen), many):
        block = chosen[first : first + many]
        u = values = None
        parts, n_bands, in_range = [], [], np.zeros(len(block), bool)
        for k, (z, place) in enumerate(zip(redshifts, places, strict=True)):
            data = data_at(block, z)
            part = _at_one(engine, data, block, size, n_each, jax.random.fold_in(jax.random.key(seed), k))
            # spread over the draws that there are, which lie in the order in which they were proposed
            kept = part.u[:, ((np.arange(len(place)) + 0.5) * n_each / len(place)).astype(int)]
            if u is None:
                u = np.empty((len(block), n_draws, kept.shape[2]), np.float32)
                values = np.empty((len(names), len(block), n_draws), np.float32)
            u[:, place] = kept
            values[:, :, place] = _quantities(engine.post, kept, z, names, size, len(places[0]))
            # its draws are kept elsewhere
            parts.append(replace(part, u=kept[:, :0]))
            n_bands.append(np.asarray(data.valid).sum(axis=1))
            in_range |= engine.post.in_range(data)
        columns = _columns({name: np.stack([getattr(part, name) for part in parts]) for name in _MERGED})
        # evidences at two redshifts compare where they are of the same bands
        for name in ("log_evidence", "log_evidence_error"):
            columns[name][np.ptp(n_bands, axis=0) > 0] = np.nan
        judged = ("method", "ess", "pareto_k", "r_hat", "ppc_p", "typicality")
        trust = verdict(*(columns[name] for name in judged), in_range)
        spread = mass_spread(engine.post.names, u)
        columns |= {"shrinkage": 1.0 - u.var(axis=1), "mass_spread": spread, "informed": informed(spread)}
        yield block, Posteriors(u=u, trust=trust, **columns), values


def _at_one(engine, data, ids, size, n_draws, key) -> Posteriors:
    """Posteriors of some pixels at one redshift."""
    view = None if engine.likelihood is None else engine.likelihood.one_view(data.z[0])
    parts, pending = [], None
    for first in range(0, len(ids), size):
        rows = np.arange(first, min(first + size, len(ids)))
        batch = np.resize(rows, size)
        started = engine.start(jax.tree.map(lambda a: a[batch], data), view, ids[batch], key, n_draws)  # noqa: B023
        # the next batch is under way while the one before is judged
        if pending is not None:
            parts.append(engine.finish(*pending))
        pending = started, len(rows)
    parts.append(engine.finish(*pending))
    return Posteriors.joined(parts)


def _quantities(post, u, z, names, size, widest) -> np.ndarray:
    """Quantities (Quantity, Object, Draw) of draws at a redshift, in batches of one size."""
    n, n_draws = u.shape[:2]
    out = np.empty((len(names), n, n_draws), np.float32)
    columns = np.resize(np.arange(n_draws), widest)
    for first in range(0, n, size):
        rows = np.arange(first, min(first + size, n))
        filled = u[np.resize(rows, size)][:, columns]
        found = np.asarray(post.derived_draws(filled, np.full(size, z, np.float32), names))
        out[:, rows] = found[:, : len(rows), :n_draws]
    return out


_MERGED = ("method", "ess", "pareto_k", "log_evidence", "log_evidence_error", "r_hat", *_MEANS)


def _columns(of: dict) -> dict:
    """Columns (Object,) of those at each redshift (Z, Object).

    The effective number is that of a mean over equally likely redshifts. The tail of the weights is the one
    in the middle: a redshift with a worse one has few effective draws, and counts by these.
    """
    n_z, method, evidence = len(of["ess"]), of["method"], of["log_evidence"]
    out = {"ess": n_z**2 / np.sum(1.0 / np.maximum(of["ess"], 1e-3), axis=0)}
    with warnings.catch_warnings():
        # all of them are NaN where there are no weights or no chains
        warnings.simplefilter("ignore", RuntimeWarning)
        out |= {"pareto_k": np.nanmedian(of["pareto_k"], axis=0), "r_hat": np.nanmax(of["r_hat"], axis=0)}
        out |= {name: np.nanmean(of[name], axis=0) for name in _MEANS}
    out["log_evidence"] = logsumexp(evidence, axis=0) - np.log(n_z)
    share = np.exp(evidence - out["log_evidence"] - np.log(n_z))
    out["log_evidence_error"] = np.sqrt(np.sum((share * of["log_evidence_error"]) ** 2, axis=0))
    out = {name: np.asarray(values, np.float32) for name, values in out.items()}
    merged = np.where((method == Method.HMC).all(axis=0), Method.HMC, Method.IS)
    for worse in (Method.FAILED, Method.FLOW):
        merged = np.where((method == worse).any(axis=0), worse, merged)
    return out | {"method": merged.astype(np.int8)}
