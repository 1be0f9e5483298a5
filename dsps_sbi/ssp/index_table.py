"""Tables of line-strength indices of SSPs that differ in [alpha/Fe], where their spectra cannot be had.

Layout of the tables of MILES (Vazdekis et al. 2015, MNRAS 449, 1177) as nGIST has them: one FITS table, a row
per SSP with ``Files`` (the name of its spectrum), ``MET``, ``AGE`` [Gyr], ``ALPHA``, and a column per index
[Angstrom or mag], -99.999 where it has none. ``Files`` end in the system, such as ``_LIS8.4.fits``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from dsps_sbi.errors import UserError
from dsps_sbi.ssp._checks import axis, frozen_array
from dsps_sbi.ssp.miles_names import kinds_of

_KEYS = ("Files", "MET", "AGE", "ALPHA")
# Anything lower is no index
_NONE = -90.0
_SYSTEM = re.compile(r"_LIS(\d+\.\d+)")


@dataclass(frozen=True, eq=False)
class IndexTable:
    """Indices of SSPs by [alpha/Fe], [M/H] and age.

    Attributes
    ----------
    name : str
        Such as ``Mkb1.30_LIS8.4``.
    fwhm_aa : float
        Resolution at which they were measured, the same at all wavelengths [Angstrom].
    names : tuple of str
        Of the indices that all SSPs have.
    alpha_fe : numpy.ndarray (Alpha,)
        0 among them.
    metallicity : numpy.ndarray (Met,)
        Total [M/H].
    age_gyr : numpy.ndarray (Age,)
    values : numpy.ndarray (Alpha, Met, Age, Index)
        [Angstrom] or [mag].
    """

    name: str
    fwhm_aa: float
    names: tuple[str, ...]
    alpha_fe: np.ndarray
    metallicity: np.ndarray
    age_gyr: np.ndarray
    values: np.ndarray

    def __post_init__(self):
        put = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731
        label = f"index table {self.name!r}"
        put("alpha_fe", axis(self.alpha_fe, f"{label}: alpha_fe"))
        put("metallicity", axis(self.metallicity, f"{label}: metallicity"))
        put("age_gyr", axis(self.age_gyr, f"{label}: age_gyr", positive=True))
        shape = (self.alpha_fe.size, self.metallicity.size, self.age_gyr.size, len(self.names))
        put("values", frozen_array(self.values, np.float64, f"{label}: values", shape))
        if 0.0 not in self.alpha_fe or self.alpha_fe.size < 2:
            raise UserError(
                f"{label} has [alpha/Fe] {', '.join(f'{a:+.2f}' for a in self.alpha_fe)}: give one with 0 "
                "and at least one other"
            )

    def at(self, alpha_fe, metallicity, age_gyr, names: Sequence[str] | None = None) -> np.ndarray:
        """Indices (..., Index), linear in [alpha/Fe], [M/H] and log age between those of the table.

        Parameters
        ----------
        alpha_fe, metallicity, age_gyr : array_like (...)
            [M/H] and ages beyond the table are those at its ends, [alpha/Fe] is refused there.
        names : sequence of str, optional
            Which indices; default: all.

        Raises
        ------
        UserError
            For an [alpha/Fe] outside the table, or an index that it does not have.
        """
        alpha = np.asarray(alpha_fe, float)
        low, high = self.alpha_fe[[0, -1]]
        if not ((alpha >= low - 1e-9) & (alpha <= high + 1e-9)).all():
            raise UserError(f"[alpha/Fe] {alpha}: index table {self.name} has {low:+.2f} to {high:+.2f}")
        columns = self.columns(self.names if names is None else names)
        ages = np.log(np.clip(age_gyr, *self.age_gyr[[0, -1]]))
        mets = np.clip(metallicity, *self.metallicity[[0, -1]])
        points = np.stack(np.broadcast_arrays(np.clip(alpha, low, high), mets, ages), axis=-1)
        axes = self.alpha_fe, self.metallicity, np.log(self.age_gyr)
        # an axis of a single value has nothing to interpolate between
        keep = [i for i, values in enumerate(axes) if values.size > 1]
        table = self.values[..., columns].reshape(*[axes[i].size for i in keep], len(columns))
        # imported where it is used: few runs need it, all would wait for it
        from scipy.interpolate import RegularGridInterpolator

        # round-off of the logarithm must not leave the table
        curve = RegularGridInterpolator([axes[i] for i in keep], table, bounds_error=False, fill_value=None)
        return curve(points[..., keep]).reshape(*points.shape[:-1], len(columns))

    def difference(self, alpha_fe, metallicity, age_gyr, names: Sequence[str] | None = None) -> np.ndarray:
        """What [alpha/Fe] makes of indices (..., Index): those there less those at 0; see :meth:`at`."""
        base = np.zeros_like(np.asarray(alpha_fe, float))
        return self.at(alpha_fe, metallicity, age_gyr, names) - self.at(base, metallicity, age_gyr, names)

    def columns(self, names: Sequence[str]) -> list[int]:
        """Where indices are among :attr:`names`.

        Raises
        ------
        UserError
            For one that is not there.
        """
        missing = next((name for name in names if name not in self.names), None)
        if missing is not None:
            raise UserError(
                f"index table {self.name} has no {missing}: it has {', '.join(self.names)}; leave it out"
            )
        return [self.names.index(name) for name in names]


def read_index_table(path) -> IndexTable:
    """Read a table of indices.

    Parameters
    ----------
    path : path-like
        FITS file in the layout of this module.

    Returns
    -------
    IndexTable
        Of the indices that all SSPs have.

    Raises
    ------
    UserError
        If the file is no such table, SSPs are missing in ([alpha/Fe], [M/H], age) or there twice, initial
        mass functions, tracks or systems are mixed, or the names tell another [alpha/Fe] than the column.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no {path}: give a table of indices such as MILES_KB_LIS8.4.fits")
    try:
        with fits.open(path) as hdus:
            rows = next((hdu.data for hdu in hdus if isinstance(hdu, fits.BinTableHDU)), None)
            columns = {} if rows is None else {name: np.array(rows[name]) for name in rows.names}
    except (OSError, ValueError, TypeError) as err:
        raise UserError(f"{path} is not a whole FITS table ({err}): download it again") from err
    lacking = [key for key in _KEYS if key not in columns]
    if lacking or not len(columns["Files"]):
        raise UserError(f"{path} holds no {', '.join(lacking) or 'row'}: give a table of indices of SSPs")
    stars, width = _shared(path, columns)
    met, age, alpha = (np.round(np.asarray(columns[key], float), 4) + 0.0 for key in ("MET", "AGE", "ALPHA"))
    axes = [np.unique(values) for values in (alpha, met, age)]
    place = tuple(np.searchsorted(ax, v) for ax, v in zip(axes, (alpha, met, age), strict=True))
    count = np.zeros([ax.size for ax in axes], int)
    np.add.at(count, place, 1)
    if (count != 1).any():
        a, m, t = (ax[i[0]] for ax, i in zip(axes, np.nonzero(count != 1), strict=True))
        word = (
            "is missing" if (count == 0).any() and count[tuple(np.argwhere(count != 1)[0])] == 0 else "twice"
        )
        raise UserError(
            f"{path}: the SSP of [alpha/Fe] {a:+.2f}, [M/H] {m:+.2f}, {t:g} Gyr {word} "
            f"({(count != 1).sum()} such): give a table that has each once"
        )
    kept = {}
    for name, values in columns.items():
        if name not in _KEYS and values.dtype.kind == "f":
            if np.isfinite(values).all() and (values > _NONE).all():
                kept[name] = values
    if not kept:
        raise UserError(f"{path} has no index that all its SSPs have: give a table of indices of SSPs")
    table = np.empty((*count.shape, len(kept)))
    for i, values in enumerate(kept.values()):
        table[(*place, i)] = values
    return IndexTable(f"{stars}_LIS{width:g}", width, tuple(kept), *axes, table)


def _shared(path, columns):
    """What the names of all files share: stars, and the width of the system [Angstrom]."""
    files = [str(name).strip() for name in columns["Files"]]
    kinds = kinds_of(files)
    named = {file for by_key in kinds.values() for file in by_key.values()}
    odd = next((file for file in files if file not in named), None)
    if odd is not None:
        raise UserError(f"{path}: {odd!r} in Files is no name of an SSP of MILES: mend the table")
    stars = sorted({f"{kind.stars}_i{kind.tracks}" for kind in kinds})
    if len(stars) > 1:
        raise UserError(
            f"{path} holds SSPs of {', '.join(stars)}: expected one initial mass function and one "
            "set of tracks"
        )
    widths = {match[1] if (match := _SYSTEM.search(file)) else None for file in files}
    if len(widths) > 1 or None in widths:
        found = ", ".join(sorted(str(width) for width in widths))
        raise UserError(f"{path}: Files tell the systems {found}: expected one, such as LIS8.4 in each name")
    told = {file: kind.alpha_fe for kind, by_key in kinds.items() for file in by_key.values()}
    for file, alpha in zip(files, columns["ALPHA"], strict=True):
        if told[file] is not None and abs(told[file] - float(alpha)) > 1e-3:
            raise UserError(
                f"{path}: {file} has ALPHA {float(alpha):g}, its name says {told[file]:g}: mend it"
            )
    return stars[0].split("_i")[0], float(widths.pop())
