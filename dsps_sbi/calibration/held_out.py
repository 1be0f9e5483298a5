"""Mocks that a posterior was not trained on, in slices of what an observer knows."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import numpy as np


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Mocks of several slices, each with as many as the others, one slice after the other.

    Parameters
    ----------
    slices : dict of str to str
        Label for readers by name for metrics.
    n : int
        Mocks of each slice.
    u : ndarray (Slice * n, Param)
        True parameters in normal coordinates.
    data : NamedTuple
        What an observer has of them.
    terms : mapping
        What is to be known about how they were made.
    """

    slices: Mapping[str, str]
    n: int
    u: np.ndarray
    data: tuple
    terms: Mapping

    @classmethod
    def of(cls, labels: Mapping[str, str], mocks: Mapping[str, object], terms: Mapping) -> "HeldOut":
        """From mocks, with ``u`` and ``data``, by the name of their slice."""
        parts = [(mocks[name].u, mocks[name].data) for name in labels]
        u, data = jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)
        return cls(labels, len(u) // len(labels), u, data, terms)

    def first(self, n: int) -> "HeldOut":
        """The first n mocks of each slice."""
        rows = (np.arange(len(self.slices))[:, None] * self.n + np.arange(n)).ravel()
        u, data = jax.tree.map(lambda a: a[rows], (self.u, self.data))
        return HeldOut(self.slices, n, u, data, self.terms)
