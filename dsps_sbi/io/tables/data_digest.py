"""What tells the photometry of one table from that of others."""

import hashlib
from collections.abc import Sequence

import numpy as np


class DataDigest:
    """Hash of fluxes, errors and limits that are added part by part, the same for parts of any size.

    The order of bands does not count. The same numbers in another unit may differ in their last digit, and so
    be told apart.

    Parameters
    ----------
    filters : sequence of str, (Band,)
    """

    def __init__(self, filters: Sequence[str]):
        self._order = np.argsort(np.array(filters, str), kind="stable")
        self._bands = ", ".join(np.array(filters, str)[self._order])
        self._hashes = [hashlib.blake2b(digest_size=8) for _ in range(3)]

    def add(self, flux_ujy, sigma_ujy, upper) -> None:
        """Add rows (Row, Band); what is not finite was not measured."""
        known = np.isfinite(flux_ujy) & np.isfinite(sigma_ujy)
        for digest, values in zip(self._hashes, (flux_ujy, sigma_ujy, upper), strict=True):
            columns = np.where(known, values, 0.0)[:, self._order]
            digest.update(np.ascontiguousarray(columns, np.float32).tobytes())

    def meta(self) -> dict:
        """For headers: ``data`` and ``bands``."""
        return {"data": "".join(digest.hexdigest() for digest in self._hashes), "bands": self._bands}
