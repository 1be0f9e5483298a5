"""What is known of the redshifts of galaxies before their photometry is looked at."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from ...arrays import plain
from ...errors import UserError

# A normal distribution ends at so many standard deviations
_REACH = 6.0
# What is less likely than this share of the most likely redshift of a table does not happen
_NEVER = 1e-7


class RedshiftPrior(ABC):
    """Densities of the redshifts of some galaxies, normalised within a range of redshifts."""

    @abstractmethod
    def __len__(self):
        """Number of galaxies."""

    @abstractmethod
    def rows(self, index) -> "RedshiftPrior":
        """Some of the galaxies."""

    @abstractmethod
    def support(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest redshifts (Object,)."""

    @abstractmethod
    def log_density(self, z) -> np.ndarray:
        """Log density per unit redshift (Object, n) at redshifts z (Object, n)."""

    @abstractmethod
    def words(self) -> str:
        """For headers."""

    @property
    def kept(self) -> bool:
        """Whether photometry leaves the redshifts as they are."""
        return False


@dataclass(frozen=True, eq=False)
class UnknownRedshift(RedshiftPrior):
    """Uniform between two redshifts.

    Parameters
    ----------
    low, high : float
    n : int
        Number of galaxies.
    """

    low: float
    high: float
    n: int

    def __len__(self):
        return self.n

    def rows(self, index):
        """Some of the galaxies."""
        return UnknownRedshift(self.low, self.high, len(np.arange(self.n)[index]))

    def support(self):
        """Lowest and highest redshifts (Object,)."""
        return np.full(self.n, self.low), np.full(self.n, self.high)

    def log_density(self, z):
        """Log density per unit redshift (Object, n)."""
        inside = (z >= self.low) & (z <= self.high)
        return np.where(inside, -np.log(self.high - self.low), -np.inf)

    def words(self):
        """For headers."""
        return f"unknown, {self.low:g} to {self.high:g}"


@dataclass(frozen=True, eq=False)
class NormalRedshift(RedshiftPrior):
    """Normal about a redshift, cut off at the ends of a range.

    Parameters
    ----------
    z, sigma : ndarray (Object,)
    low, high : float
        The range.
    """

    z: np.ndarray
    sigma: np.ndarray
    low: float
    high: float

    def __len__(self):
        return len(self.z)

    def rows(self, index):
        """Some of the galaxies."""
        return NormalRedshift(self.z[index], self.sigma[index], self.low, self.high)

    def support(self):
        """Lowest and highest redshifts (Object,)."""
        ends = self.z - _REACH * self.sigma, self.z + _REACH * self.sigma
        return tuple(np.clip(end, self.low, self.high) for end in ends)

    def log_density(self, z):
        """Log density per unit redshift (Object, n)."""
        x = (z - self.z[:, None]) / self.sigma[:, None]
        ends = [ndtr((end - self.z) / self.sigma) for end in (self.low, self.high)]
        size = np.log(self.sigma * np.sqrt(2.0 * np.pi) * (ends[1] - ends[0]))
        inside = (z >= self.low) & (z <= self.high)
        return np.where(inside, -0.5 * x**2 - size[:, None], -np.inf)

    def words(self):
        """For headers."""
        return f"normal, errors {self.sigma.min():g} to {self.sigma.max():g}"


@dataclass(frozen=True, eq=False)
class TabulatedRedshift(RedshiftPrior):
    """A density that is linear between the redshifts of a table.

    Parameters
    ----------
    grid : ndarray (Z,)
    density : ndarray (Object, Z)
        Normalised.
    kept : bool
        The photometry tells nothing new of the redshift: the density was made of it.
    """

    grid: np.ndarray
    density: np.ndarray
    kept: bool = False

    def __len__(self):
        return len(self.density)

    def rows(self, index):
        """Some of the galaxies."""
        return TabulatedRedshift(self.grid, self.density[index], self.kept)

    def support(self):
        """Lowest and highest redshifts (Object,)."""
        there = self.density > _NEVER * self.density.max(axis=1, keepdims=True)
        # linear down to the next redshift of the table
        there[:, :-1] |= there[:, 1:]
        there[:, 1:] |= there[:, :-1] & (self.density[:, :-1] > 0.0)
        last = there.shape[1] - 1 - np.argmax(there[:, ::-1], axis=1)
        return self.grid[np.argmax(there, axis=1)], self.grid[last]

    def log_density(self, z):
        """Log density per unit redshift (Object, n)."""
        rows = zip(z, self.density, strict=True)
        found = np.stack([np.interp(one, self.grid, row, left=0.0, right=0.0) for one, row in rows])
        with np.errstate(divide="ignore"):
            return np.log(found)

    def words(self):
        """For headers."""
        how = "as tabulated, kept" if self.kept else "as tabulated"
        return f"{how}, {self.grid[0]:g} to {self.grid[-1]:g}"


def check_one(z, *, z_err, z_range, p_z, distance_mpc) -> bool:
    """Refuse what a redshift cannot be told by at once, and say whether redshifts are exact.

    Raises
    ------
    UserError
        For more than one of redshifts (alone or with errors), a range, a density, and a distance.
    """
    given = {"z": z, "z_range": z_range, "p_z": p_z, "distance_mpc": distance_mpc}
    given = [name for name, value in given.items() if value is not None]
    if z_err is not None and z is None:
        # those of a catalogue
        given.append("z_err")
    if len(given) > 1:
        raise UserError(
            f"{', '.join(given)} were given: each of them tells the redshift; give one, z_err beside z alone"
        )
    return z_err is None and z_range is None and p_z is None and distance_mpc is None


def redshift_prior(
    limits: tuple[float, float], n: int, *, z=None, z_err=None, z_range=None, p_z=None, keep_p_z: bool = False
) -> RedshiftPrior:
    """What a user says of redshifts that are not exact.

    Parameters
    ----------
    limits : (float, float)
        Redshifts that the posterior knows.
    n : int
        Number of galaxies.
    z, z_err : float or array (Object,), optional
        Redshifts and their standard deviations.
    z_range : (float, float), optional
        Redshifts between which nothing is known.
    p_z : (array (Z,), array (Z,) or (Object, Z)), optional
        Redshifts, and the density there up to a factor.
    keep_p_z : bool
        Leave that density as it is, see :class:`TabulatedRedshift`.

    Raises
    ------
    UserError
        If there is more than one of these, for errors that are not positive, a range that is empty or beyond
        the limits, and for a table whose redshifts do not increase, whose densities are negative or nowhere
        positive, or that lies beyond the limits.
    """
    given = {"z_err": z_err, "z_range": z_range, "p_z": p_z}
    given = [name for name, value in given.items() if value is not None]
    if len(given) != 1:
        raise UserError(
            f"{', '.join(given) or 'nothing'} was given of the redshift: give one of z_err, z_range, p_z"
        )
    if keep_p_z and p_z is None:
        raise UserError("keep_p_z was given without p_z: give the table, or leave keep_p_z out")
    if z_err is not None:
        return _normal(limits, n, z, z_err)
    if z_range is not None:
        return _range(limits, n, z_range)
    return _table(limits, n, p_z, keep_p_z)


def _normal(limits, n, z, z_err):
    if z is None:
        raise UserError("z_err without a redshift: give z too, or z_range=(low, high) where none is known")
    z, sigma = (plain(a, what, dtype=float) for a, what in ((z, "redshift"), (z_err, "z_err")))
    for values, what in ((z, "redshift"), (sigma, "z_err")):
        if values.shape not in ((), (n,)):
            raise UserError(f"{what} has shape {values.shape}: expected one, or one for each of {n} galaxies")
    z, sigma = np.broadcast_to(z, n), np.broadcast_to(sigma, n)
    wrong = np.flatnonzero(~(np.isfinite(sigma) & (sigma > 0.0)))
    if wrong.size:
        raise UserError(
            f"z_err {sigma[wrong[0]]:g} of row {wrong[0]}, counted from 0 ({wrong.size} in all): expected "
            "errors above 0; leave z_err out where redshifts are exact"
        )
    wrong = np.flatnonzero(~((z >= limits[0]) & (z <= limits[1])))
    if wrong.size:
        raise UserError(
            f"redshift {z[wrong[0]]:g} of row {wrong[0]}, counted from 0 ({wrong.size} in all), is outside "
            f"the bundle's range {limits[0]:g}-{limits[1]:g}: correct it or leave it out"
        )
    return NormalRedshift(z, sigma, *limits)


def _range(limits, n, z_range):
    ends = plain(z_range, "z_range", dtype=float)
    if ends.shape != (2,) or not np.isfinite(ends).all() or not ends[0] < ends[1]:
        raise UserError(f"z_range {z_range!r}: expected (low, high) with low < high, such as (0.01, 6)")
    low, high = (float(end) for end in ends)
    # 0 is a way to say "from the beginning"
    low = limits[0] if low == 0.0 else low
    if not limits[0] <= low < high <= limits[1]:
        raise UserError(
            f"z_range {ends[0]:g}-{ends[1]:g} is not within the bundle's range {limits[0]:g}-{limits[1]:g}: "
            "narrow it"
        )
    return UnknownRedshift(low, high, n)


def _table(limits, n, p_z, kept):
    try:
        grid, density = p_z
    except (TypeError, ValueError) as error:
        raise UserError("p_z: expected two arrays (redshifts, densities); give both") from error
    grid, density = (plain(a, "p_z", dtype=float) for a in (grid, density))
    if grid.ndim != 1 or len(grid) < 2 or density.shape not in (grid.shape, (n, *grid.shape)):
        raise UserError(
            f"p_z of shapes {grid.shape}, {density.shape}: expected redshifts (n,) and densities (n,), or a "
            f"row of them for each of {n} galaxies"
        )
    if not (np.isfinite(grid).all() and (np.diff(grid) > 0.0).all()):
        raise UserError("redshifts of p_z do not increase everywhere: sort them, and leave out double ones")
    if not np.isfinite(density).all() or (density < 0.0).any():
        raise UserError("p_z has values that are negative or not finite: expected densities; mend the table")
    density = np.broadcast_to(density, (n, len(grid)))
    inside = np.clip(grid, *limits)
    # ends of the limits within the table belong to it
    inside = np.unique(np.concatenate([inside, [e for e in limits if grid[0] < e < grid[-1]]]))
    if len(inside) < 2:
        raise UserError(
            f"p_z from {grid[0]:g} to {grid[-1]:g} is outside the bundle's range "
            f"{limits[0]:g}-{limits[1]:g}: give another table"
        )
    density = np.stack([np.interp(inside, grid, row) for row in density])
    total = np.trapezoid(density, inside, axis=1)
    wrong = np.flatnonzero(~(total > 0.0))
    if wrong.size:
        raise UserError(
            f"p_z of row {wrong[0]}, counted from 0 ({wrong.size} in all), is 0 at all redshifts from "
            f"{inside[0]:g} to {inside[-1]:g}: mend it or leave it out"
        )
    return TabulatedRedshift(inside, density / total[:, None], kept)
