"""Totals over the pixels of a galaxy, and the table that holds them."""

import numpy as np
from astropy.table import QTable, Table

from ..constants import PERCENTILES
from ..errors import UserError
from .atomic import atomic_path

# How columns of the totals of trusted pixels begin
TRUSTED = "trusted_"
# How errors of pixels are taken together in a total; and, where it is known, as the noise correlates
KINDS, NOISE = ("independent", "correlated"), "noise"


class TotalAccumulator:
    """Posterior of the sum over pixels of a quantity known by its logarithm.

    Two extremes are kept, one sum for each draw:

    - independent: draw ``k`` of all pixels is summed. The draws of different pixels have nothing
      to do with each other (they must not be sorted), so the errors average out;
    - correlated: the draws of each pixel are sorted, and those of equal rank summed, as if one
      unknown (the age, the dust law) moved all pixels together. This is the widest sum.

    The truth lies between. Each is kept twice: over all pixels, and over those that can be trusted. Memory
    does not grow with the number of pixels.
    """

    def __init__(self):
        self._sums = {}
        self._counts = {}

    def add(self, name, log10_values, weights=None, trusted=None):
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
        trusted : array of bool, (Object,), optional
            Pixels that the totals of trusted pixels have. Default: none.
        """
        log10_values = np.asarray(log10_values, dtype=np.float64)
        if log10_values.ndim != 2 or log10_values.shape[1] < 1:
            raise UserError(
                f"{name}: draws have shape {log10_values.shape}: expected (pixel, draw); reshape them"
            )
        n_pixel, _ = log10_values.shape
        weights = np.ones(n_pixel) if weights is None else np.asarray(weights, dtype=np.float64)
        if weights.shape != (n_pixel,) or not np.all(np.isfinite(weights) & (weights >= 0)):
            raise UserError(
                f"{name}: weights: expected {n_pixel} finite numbers from 0 up, one a pixel; mend them"
            )
        trusted = np.zeros(n_pixel, bool) if trusted is None else np.asarray(trusted)
        if trusted.shape != (n_pixel,) or trusted.dtype != bool:
            raise UserError(f"{name}: trusted: expected {n_pixel} of true and false, one a pixel; mend them")
        used = weights > 0
        good = used & ~(np.isnan(log10_values) | np.isposinf(log10_values)).any(axis=1)
        values = 10.0 ** log10_values[good] * weights[good, None]
        both = np.stack([values, np.sort(values, axis=1)])
        share = trusted[good]
        found = int(good.sum()), int(used.sum() - good.sum()), int(share.sum())
        before = self._before(name, values.shape[1])
        # one pixel after the other: the last digits must not depend on how many come at a time
        parts = zip(before, (both, both[:, share]), strict=True)
        total = [np.concatenate([old[:, None], part], axis=1).sum(axis=1) for old, part in parts]
        self._keep(name, np.stack(total), found)

    def add_sums(self, name, sums, counts):
        """Add pixels whose draws were summed elsewhere.

        Parameters
        ----------
        name : str
        sums : array of float, (2, 2, Draw)
            Linear, of all and of trusted pixels; of each independent and correlated.
        counts : tuple of int
            Pixels that are summed, that are left out, and that are trusted.
        """
        self._keep(name, self._before(name, sums.shape[-1]) + sums, counts)

    def _before(self, name, n_draw):
        before = self._sums.get(name, np.zeros((2, 2, n_draw)))
        if before.shape[-1] != n_draw:
            raise UserError(
                f"{name}: {n_draw} draws were added: expected {before.shape[-1]}, as before; draw as many"
            )
        return before

    def _keep(self, name, sums, counts):
        self._sums[name] = sums
        self._counts[name] = tuple(np.add(self._counts.get(name, (0, 0, 0)), counts))

    def table(self):
        """Percentiles of the logarithm of the totals.

        Returns
        -------
        astropy.table.QTable
            A row for each quantity: ``quantity``, ``n_pixels`` summed, ``n_left_out`` for draws
            that were not finite, ``independent_16`` ... ``independent_84``, ``correlated_16`` ...
            ``correlated_84``: log10 of the total in the unit of the quantity (NaN for no pixels). Then
            the same of the trusted pixels alone: ``n_trusted``, ``trusted_independent_16`` ...
            ``trusted_correlated_84``.
        """
        columns = {
            "quantity": np.array(list(self._sums), dtype=str),
            "n_pixels": np.array([count[0] for count in self._counts.values()], dtype=np.int64),
            "n_left_out": np.array([count[1] for count in self._counts.values()], dtype=np.int64),
        }
        for part, beginning in enumerate(("", TRUSTED)):
            if beginning:
                counts = [count[2] for count in self._counts.values()]
                columns["n_trusted"] = np.array(counts, dtype=np.int64)
            for row, kind in enumerate(KINDS):
                for percentile in PERCENTILES:
                    logs = [_log_percentile(sums[part, row], percentile) for sums in self._sums.values()]
                    columns[f"{beginning}{kind}_{percentile}"] = np.array(logs, dtype=np.float64)
        return QTable(columns)


def _log_percentile(sums, percentile):
    """Logarithm of a percentile of sums that may all be zero."""
    value = np.percentile(sums, percentile)
    return np.log10(value) if value > 0 else np.nan


def stated_kind(table) -> str:
    """How errors of pixels are taken together in totals that are told: as the noise is, where it is known."""
    return NOISE if f"{NOISE}_50" in table.colnames else KINDS[0]


def totals_for_headers(table) -> dict[str, float]:
    """Entries of a header for totals, errors of pixels independent or as their noise correlates.

    Parameters
    ----------
    table : Table
        Of :meth:`TotalAccumulator.table`.

    Returns
    -------
    dict of str to float
        ``total_log_mass`` and ``trusted_log_mass`` for a quantity ``log_mass``, each with its percentiles
        ``_p16`` and ``_p84``; without those that are not known.
    """
    out, kind = {}, stated_kind(table)
    for row in table:
        for start, name in (("", "total_"), (TRUSTED, TRUSTED)):
            for p, ending in ((50, ""), (16, "_p16"), (84, "_p84")):
                value = float(row[f"{start}{kind}_{p}"])
                if np.isfinite(value):
                    out[f"{name}{row['quantity']}{ending}"] = round(value, 4)
    return out


def differ(one, other) -> bool:
    """Whether two totals differ by more than their errors; never where one of them is NaN.

    Parameters
    ----------
    one, other : sequence of float
        16th, 50th and 84th percentile of each.
    """
    (low, median, high), (other_low, other_median, other_high) = one, other
    return bool(abs(median - other_median) > np.hypot(high - low, other_high - other_low) / 2)


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
