"""What is known of the redshifts of a table's rows, some thousand rows at a time."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UserError
from ..io.catalogue import Catalogue
from ..io.tables.values import Photometry
from ..photometry.redshift.distance import FARTHEST_Z, at_distance
from ..photometry.redshift.given import redshift_prior_of_image
from ..photometry.redshift.prior import RedshiftPrior, redshift_prior


@dataclass(frozen=True, eq=False)
class TableRedshifts:
    """Redshifts of a table that are not exact; by default they are.

    Parameters
    ----------
    z_err : float, optional
        Standard deviation of all redshifts; a column of such is part of the layout.
    z_range : (float, float), optional
        Redshifts between which nothing is known.
    p_z : (ndarray (Z,), ndarray (Z,) or (Row, Z)), optional
        Redshifts, and densities there: of all rows, or of each, in the order of the table.
    keep_p_z : bool
        As for :func:`dsps_sbi.redshift_prior`.

    Raises
    ------
    UserError
        For more than one of these.
    """

    z_err: float | None = None
    z_range: tuple[float, float] | None = None
    p_z: tuple[np.ndarray, np.ndarray] | None = None
    keep_p_z: bool = False

    def __post_init__(self):
        given = {"z-err": self.z_err, "z-range": self.z_range, "p-z": self.p_z}
        given = [f"--{name}" for name, value in given.items() if value is not None]
        if len(given) > 1:
            raise UserError(f"{', '.join(given)} were given: each of them tells the redshift; give one")

    def inferred(self, layout) -> bool:
        """Whether rows of this layout, or images (None), have redshifts of which only so much is known."""
        parts = self.z_err, self.z_range, self.p_z, getattr(layout, "redshift_error", None)
        return any(part is not None for part in parts)

    @property
    def by_row(self) -> bool:
        """Whether there is a density for each row, so that their number counts."""
        return self.p_z is not None and self.p_z[1].ndim == 2

    def check(self, layout, limits, n: int | None = None) -> None:
        """Refuse what holds for no row or image (``layout`` None), before anything is read.

        Parameters
        ----------
        layout : Layout or None
        limits : (float, float)
            Redshifts that the posterior knows.
        n : int, optional
            Number of rows, if known.

        Raises
        ------
        UserError
            As :func:`dsps_sbi.redshift_prior`, and for a table of densities that has another number of rows.
        """
        if layout is None and self.p_z is not None and self.p_z[1].ndim == 2 and len(self.p_z[1]) != 1:
            raise UserError(f"p(z) of {len(self.p_z[1])} rows for an image: its pixels share one; give that")
        column = getattr(layout, "redshift_error", None)
        if self.z_err is not None and column is not None:
            raise UserError("a number and a column were given as errors of redshifts: give one")
        if getattr(layout, "distance", None) is not None and self.inferred(layout):
            raise UserError(
                f"column {layout.distance} of distances and a redshift that is not exact were given: a "
                "distance stands for the redshift; give one of them"
            )
        if self.by_row and n is not None and len(self.p_z[1]) != n:
            raise UserError(
                f"p(z) of {len(self.p_z[1])} rows for a table of {n}: expected a row for each; give that"
            )
        if self.inferred(layout) and column is None:
            z = 0.5 * sum(limits) if self.z_err is not None else None
            said = {"z_err": self.z_err, "z_range": self.z_range}
            # rows by themselves are left to the rows
            p_z = (self.p_z[0], np.ones(len(self.p_z[0]))) if self.by_row else self.p_z
            redshift_prior(limits, 1, z=z, **said, p_z=p_z, keep_p_z=self.keep_p_z)
        if self.by_row and not any(self._usable(row, limits) for row in self.p_z[1]):
            raise UserError(
                f"p(z) of all {len(self.p_z[1])} rows is 0, negative or not finite at redshifts "
                f"{limits[0]:g}-{limits[1]:g}: expected densities there; mend the file"
            )

    def problems(self, seen: Photometry, first: int, limits, cosmology) -> list[str]:
        """Why rows, of which the first is that number of the table, cannot be used; empty where they can."""
        out = list(seen.problems)
        for i, text in enumerate(out):
            if text:
                continue
            if seen.distance_mpc is not None:
                farthest = float(cosmology.distance_mpc(np.float32(FARTHEST_Z)))
                if not seen.distance_mpc[i] <= farthest:
                    out[i] = f"distance {seen.distance_mpc[i]:g} Mpc is beyond redshift {FARTHEST_Z:g}"
            elif np.isfinite(seen.redshift[i]) and not limits[0] <= np.float32(seen.redshift[i]) <= limits[1]:
                ends = f"{limits[0]:g}-{limits[1]:g}"
                out[i] = f"redshift {seen.redshift[i]:g} is outside of the bundle's {ends}"
            elif self.by_row and not self._usable(self.p_z[1][first + i], limits):
                out[i] = "p(z) is 0 everywhere, negative or not finite"
        return out

    def _usable(self, row, limits) -> bool:
        inside = (self.p_z[0] >= limits[0]) & (self.p_z[0] <= limits[1])
        return bool(np.isfinite(row).all() and (row >= 0.0).all() and (row[inside] > 0.0).any())

    def of(self, seen: Photometry, rows, first: int, limits) -> RedshiftPrior | None:
        """What is known of some rows; None where their redshifts are exact."""
        said = {"z_range": self.z_range, "keep_p_z": self.keep_p_z}
        if self.z_err is not None or seen.redshift_error is not None:
            errors = self.z_err if seen.redshift_error is None else seen.redshift_error[rows]
            return redshift_prior(limits, len(rows), z=seen.redshift[rows], z_err=errors, **said)
        if self.p_z is not None:
            grid, density = self.p_z
            density = density if density.ndim == 1 else density[first + rows]
            return redshift_prior(limits, len(rows), p_z=(grid, density), **said)
        return None if self.z_range is None else redshift_prior(limits, len(rows), **said)

    def of_image(self, cube, limits) -> RedshiftPrior | None:
        """What is known of the redshift of an image; None where it is exact."""
        if not self.inferred(None):
            return None
        said = {"z_err": self.z_err, "z_range": self.z_range, "p_z": self.p_z, "keep_p_z": self.keep_p_z}
        return redshift_prior_of_image(cube, limits, **said)

    @property
    def fingerprint(self) -> str | None:
        """What tells one table of densities from others."""
        if self.p_z is None:
            return None
        digest = hashlib.sha256()
        for array in self.p_z:
            digest.update(np.ascontiguousarray(array, float).tobytes())
        return digest.hexdigest()

    def words(self, layout) -> str:
        """What is known before the fluxes, as :meth:`~.RedshiftPrior.words` begins; for headers."""
        if self.z_range is not None:
            return f"unknown, {self.z_range[0]:g} to {self.z_range[1]:g}"
        if self.p_z is not None:
            return (
                f"as tabulated{', kept' if self.keep_p_z else ''}, {self.p_z[0][0]:g} to {self.p_z[0][-1]:g}"
            )
        return f"normal, errors {layout.redshift_error if self.z_err is None else self.z_err}"

    def told(self) -> list[str]:
        """What a column does not say, in lines."""
        if self.z_range is not None:
            return [f"redshift between {self.z_range[0]:g} and {self.z_range[1]:g}"]
        if self.z_err is not None:
            return [f"error of all redshifts: {self.z_err:g}"]
        if self.p_z is None:
            return []
        grid, density = self.p_z
        which = "all rows" if density.ndim == 1 else f"each of {len(density)} rows"
        how = "made of these fluxes: kept" if self.keep_p_z else "from other data"
        return [f"p(z) of {which}, {grid[0]:g} to {grid[-1]:g}, {how}"]


def placed(catalogue: Catalogue, distance_mpc, cosmology, limits) -> Catalogue:
    """A catalogue at its distances, where there are any."""
    if distance_mpc is None:
        return catalogue
    return at_distance(replace(catalogue, redshift=None), distance_mpc, cosmology, limits)
