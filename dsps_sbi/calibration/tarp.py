"""TARP: expected coverage of the joint posterior (Lemos et al. 2023, arXiv:2302.03026).

Around any reference point that does not know the truth, the share of draws nearer to it than the
truth is, is uniform if the posterior is right. Unlike ranks of single parameters it sees how they hang
together.
"""

from dataclasses import dataclass

import numpy as np

from .sbc import randomised_pit

# Draws set aside to say where and how wide the posterior is, and where references lie in its widths
N_PILOT = 32
_SPREAD = 2.0
_ALPHA = np.linspace(0.0, 1.0, 101)
_N_BOOTSTRAP = 400


@dataclass(frozen=True, eq=False)
class ExpectedCoverage:
    """Expected coverage probability (ECP) against credibility.

    Parameters
    ----------
    alpha, ecp : ndarray (101,)
        Credibility, and the share of truths inside regions of that credibility.
    max_deviation : float
        Largest absolute difference of the two.
    error : float
        Monte-Carlo standard deviation of the ECP where it is largest.
    chance : float
        What the largest deviation stays below with 99 % probability if the posterior is right.
    """

    alpha: np.ndarray
    ecp: np.ndarray
    max_deviation: float
    error: float
    chance: float


def reference_distances(draws, truth, normal):
    """Distances of draws and truth from random references in whitened coordinates.

    Parameters differ in width by hundreds: each is measured in its posterior's own width, and the
    references lie around the posterior, else the narrowest alone would decide. Width and place
    come from the first draws, which are then left out, so that truth and draws stay exchangeable.

    Parameters
    ----------
    draws : array (Object, Draw, Param)
        Normal coordinates, more than 2 * N_PILOT for each object.
    truth : array (Object, Param)
    normal : array (Object, Ref, Param)
        Standard normal random numbers.

    Returns
    -------
    draws : ndarray (Object, Draw - N_PILOT, Ref)
    truth : ndarray (Object, Ref)
        Squared Euclidean distances.
    """
    draws, truth, normal = (np.asarray(a, float) for a in (draws, truth, normal))
    pilot, rest = draws[:, :N_PILOT], draws[:, N_PILOT:]
    centre, width = pilot.mean(axis=1, keepdims=True), pilot.std(axis=1, keepdims=True)
    width = np.where(width > 0, width, 1.0)
    rest, truth = (rest - centre) / width, (truth[:, None] - centre) / width
    return squared_distances(rest, _SPREAD * normal), squared_distances(truth, _SPREAD * normal)[:, 0]


def squared_distances(points, references):
    """Squared Euclidean distances (Object, Point, Ref) of (Object, Point, Param) and (Object, Ref, Param)."""
    squares = np.sum(points**2, axis=2)[:, :, None] + np.sum(references**2, axis=2)[:, None]
    return squares - 2.0 * points @ references.swapaxes(1, 2)


def credibility(draws, truth, normal, uniform):
    """Credibility of the smallest region around each reference that holds the truth.

    Parameters
    ----------
    draws : array (Object, Draw, Param)
    truth : array (Object, Param)
    normal : array (Object, Ref, Param)
        Standard normal random numbers: where the references are.
    uniform : array (Object, Ref)
        Random numbers between 0 and 1: the truth's place within its cell.

    Returns
    -------
    ndarray (Object, Ref)
        Uniform over objects for each reference if the posterior is right.
    """
    distances, true_distance = reference_distances(draws, truth, normal)
    return randomised_pit(distances, true_distance, uniform)


def expected_coverage(credibilities, seed: int = 0) -> ExpectedCoverage:
    """ECP from credibilities (Object, Ref), with its Monte-Carlo error from a bootstrap over objects.

    An object's several references share its truth: it is objects that are drawn again.
    """
    c = np.asarray(credibilities)
    inside = np.mean(c[:, :, None] <= _ALPHA, axis=1, dtype=np.float32)
    ecp = inside.mean(axis=0, dtype=float)
    rng = np.random.default_rng(seed)
    n = len(c)
    again = [np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(_N_BOOTSTRAP)]
    deviations = np.array(again, np.float32) @ inside / n - ecp
    return ExpectedCoverage(
        alpha=_ALPHA,
        ecp=ecp,
        max_deviation=float(np.max(np.abs(ecp - _ALPHA))),
        error=float(np.max(deviations.std(axis=0))),
        chance=float(np.quantile(np.max(np.abs(deviations), axis=1), 0.99)),
    )
