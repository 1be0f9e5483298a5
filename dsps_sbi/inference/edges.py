"""What an answer may be told as: a measurement, a limit, or not at all. The one place with the rule.

**A limit.** Where the truth lies beyond the prior, or nothing but the prior ends a posterior, draws pile up
at the prior's edge: median and percentiles then say where the prior ends. Let v be the cumulative
probability of a parameter under the prior (uniform between 0 and 1 where the data say nothing) and d its
distance from the nearer end, 0 or 1. A posterior is at an edge if

- the median of d is below 0.25: the data say more than the prior; and
- the 25th percentile of d is at most 0.55 times the median: the density does not fall towards the edge. The
  ratio is 0.42 for an exponential that falls from the edge, 0.47 for half of a Gaussian, 0.50 for a step.
  For a Gaussian whose peak lies 2 standard deviations inside, it is 0.68; for one far inside, nearly 1.

Such a parameter is told as a one-sided 95 % limit.

**Not at all.** Fewer than 20 effective draws have not converged: their width is that of the few draws,
whatever the posterior is, and no limit follows from them. Where their median lies within 2 % of the prior's
probability from an end, this is told: the truth may lie beyond the prior.
"""

import numpy as np
from scipy.special import ndtr

# Largest median distance from an edge, in probability of the prior, and largest ratio of quartile to median
_NEAR, _PILED = 0.25, 0.55
# Distance of the median from an edge that is told of draws which have not converged
_AT_ONCE = 0.02
# Fewer effective draws than this have not converged
FEWEST_CONVERGED = 20.0
# Percentage of the posterior on the allowed side of a limit
CONFIDENCE = 95
# Beginnings of the columns of each parameter
EDGE, LIMIT = "edge_", "limit_"


def converged(ess):
    """Whether there are enough effective draws (Object,) for an error; true where draws are unweighted."""
    return ~(np.asarray(ess, float) < FEWEST_CONVERGED)


def edges(v) -> np.ndarray:
    """Edges at which posteriors are.

    Parameters
    ----------
    v : array (..., Draw)
        Cumulative probability of each draw under the prior, 0 to 1, in double precision.

    Returns
    -------
    ndarray of int8 (...)
        -1 at the lower edge, 1 at the upper one, else 0.
    """
    quartiles = np.percentile(v, [25, 50, 75], axis=-1)
    low = (quartiles[1] < _NEAR) & (quartiles[0] <= _PILED * quartiles[1])
    high = (1.0 - quartiles[1] < _NEAR) & (1.0 - quartiles[2] <= _PILED * (1.0 - quartiles[1]))
    return high.astype(np.int8) - low.astype(np.int8)


def edges_of_normal(u) -> np.ndarray:
    """Edges (Object, Param) of posteriors in normal coordinates u (Object, Draw, Param)."""
    return edges(ndtr(np.moveaxis(np.asarray(u, float), 1, -1)))


def median_edges(v) -> np.ndarray:
    """Edges (...) at which the medians of draws are, whatever their scatter; v as of :func:`edges`."""
    middle = np.median(v, axis=-1)
    return (1.0 - middle < _AT_ONCE).astype(np.int8) - (middle < _AT_ONCE).astype(np.int8)


def limits(values, edge, ess) -> tuple[np.ndarray, np.ndarray]:
    """One-sided 95 % limits, and the edges that they belong to.

    Parameters
    ----------
    values : array (Object, Draw, Param)
        Parameters, or any rising function of them.
    edge : array of int (Object, Param)
        Of :func:`edges`.
    ess : array (Object,)
        Effective draws; those that have not converged tell no limit.

    Returns
    -------
    edge, limit : ndarray (Object, Param)
        0 and NaN where a posterior is at no edge, or has not converged.
    """
    lower, upper = np.percentile(values, [100 - CONFIDENCE, CONFIDENCE], axis=1)
    edge = np.where(converged(ess)[:, None], edge, 0).astype(np.int8)
    return edge, np.where(edge > 0, lower, np.where(edge < 0, upper, np.nan))


def limit_text(edge, limit) -> str:
    """A limit with its sign: "> 0.153" at the upper edge of the prior, "< 0.031" at the lower one.

    Without a number, of draws that have not converged: "at the upper edge of the prior".
    """
    if not np.isfinite(limit):
        return f"at the {'upper' if edge > 0 else 'lower'} edge of the prior"
    return f"{'>' if edge > 0 else '<'} {limit:.3g}"


def told(median, low, high, ess, limit: str = "") -> str:
    """A quantity in words, by the rule of this module.

    Parameters
    ----------
    median, low, high : float
        50th, 16th and 84th percentile.
    ess : float
        Effective draws; NaN where draws are unweighted.
    limit : str
        Of :func:`limit_text`; empty where the posterior is at no edge.
    """
    if not converged(ess):
        return f"{median:.3g} (not converged{', ' if limit else ''}{limit})"
    return f"{limit} ({CONFIDENCE} %)" if limit else f"{median:.3g} +- {0.5 * (high - low):.2g}"
