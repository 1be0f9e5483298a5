"""Totals over the pixels of a galaxy, and the table that holds them."""

import numpy as np
from astropy.table import QTable, Table

from ..constants import PERCENTILES
from ..errors import UserError
from .atomic import atomic_path


class TotalAccumulator:
    """Posterior of the sum over pixels of a quantity known by its logarithm.

    Two extremes are kept, one sum for each draw:

    - independent: draw ``k`` of all pixels is summed. The draws of different pixels have nothing
      to do with each other (they must not be sorted), so the errors average out;
    - correlated: the draws of each pixel are sorted, and those of equal rank summed, as if one
      unknown (the age, the dust law) moved all pixels together. This is the widest sum.

    The truth lies between. Memory does not grow with the number of pixels.
    """

    def __init__(self):
        self._sums = {}
        self._counts = {}

    def add(self, name, log10_values, weights=None):
        """Add pixels to the total of a quantity.

        Parameters
        ----------
        name : str
            Which quantity, such as ``log_mass``.
        log10_values : array of float, (Object, Draw)
            Logarithm (base 10) of the quantity. A pixel with a draw that is NaN or +inf is left
            out; -inf stands for zero.
        weights : array of float, (Object,), optional
            Linear factor of each pixel, such as the part of it in an aperture; 0 leaves it out.
        """
        log10_values = np.asarray(log10_values, dtype=np.float64)
        if log10_values.ndim != 2 or log10_values.shape[1] < 1:
            raise UserError(
                f"{name}: draws have shape {log10_values.shape}: expected (pixel, draw); reshape them"
            )
        n_pixel, n_draw = log10_values.shape
        weights = np.ones(n_pixel) if weights is None else np.asarray(weights, dtype=np.float64)
        if weights.shape != (n_pixel,) or not np.all(np.isfinite(weights) & (weights >= 0)):
            raise UserError(
                f"{name}: weights: expected {n_pixel} finite numbers from 0 up, one a pixel; mend them"
            )
        sums = self._sums.get(name)
        if sums is None:
            sums = np.zeros((2, n_draw))
        elif sums.shape[1] != n_draw:
            raise UserError(
                f"{name}: {n_draw} draws were added: expected {sums.shape[1]}, as before; draw as many"
            )
        used = weights > 0
        good = used & ~(np.isnan(log10_values) | np.isposinf(log10_values)).any(axis=1)
        values = 10.0 ** log10_values[good] * weights[good, None]
        self._sums[name] = sums + np.stack([values.sum(axis=0), np.sort(values, axis=1).sum(axis=0)])
        before = self._counts.get(name, (0, 0))
        self._counts[name] = (before[0] + int(good.sum()), before[1] + int(used.sum() - good.sum()))

    def table(self):
        """Percentiles of the logarithm of the totals.

        Returns
        -------
        astropy.table.QTable
            A row for each quantity: ``quantity``, ``n_pixels`` summed, ``n_left_out`` for draws
            that were not finite, ``independent_16`` ... ``independent_84``, ``correlated_16`` ...
            ``correlated_84``: log10 of the total in the unit of the quantity (NaN for no pixels).
        """
        columns = {
            "quantity": np.array(list(self._sums), dtype=str),
            "n_pixels": np.array([count[0] for count in self._counts.values()], dtype=np.int64),
            "n_left_out": np.array([count[1] for count in self._counts.values()], dtype=np.int64),
        }
        for row, kind in enumerate(("independent", "correlated")):
            for percentile in PERCENTILES:
                columns[f"{kind}_{percentile}"] = np.array(
                    [_log_percentile(sums[row], percentile) for sums in self._sums.values()], dtype=np.float64
                )
        return QTable(columns)


def _log_percentile(sums, percentile):
    """Logarithm of a percentile of sums that may all be zero."""
    value = np.percentile(sums, percentile)
    return np.log10(value) if value > 0 else np.nan


def write_summary(path, rows, meta=None):
    """Write a table of totals as ECSV, whole or not at all.

    Parameters
    ----------
    path : str or os.PathLike
    rows : dict of sequences, or astropy.table.Table
        Columns by name.
    meta : dict of str to (str or int or float), optional
        Provenance, kept in the header of the file.
    """
    try:
        table = rows.copy() if isinstance(rows, Table) else QTable(rows)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"rows do not make a table ({error}): expected columns of one length; mend them"
        ) from error
    table.meta.update(meta or {})
    with atomic_path(path) as temporary:
        table.write(temporary, format="ascii.ecsv", overwrite=True)
