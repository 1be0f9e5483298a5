"""A catalogue of galaxies: a row of photometry each, at redshifts of their own."""

import dataclasses
from typing import NamedTuple

import numpy as np
from astropy import units as u

from ..arrays import flags, flux_pair, plain, unit_of
from ..errors import UserError
from ..instruments.filter_names import canonical_filters
from ..instruments.filters import FilterSet, has_curves
from .stand_ins import refuse_limits, refuse_stand_ins


class Rejected(NamedTuple):
    """A row of a table that cannot be used.

    Parameters
    ----------
    row : int
        Its number, from 0.
    name : str
    problem : str
    redshift : float
        NaN where there is none.
    """

    row: int
    name: str
    problem: str
    redshift: float = float("nan")


def all_rejected(rejected, where: str) -> str:
    """That no row can be used, in one line."""
    first = rejected[0]
    more = f", and {len(rejected) - 1} more rows" if len(rejected) > 1 else ""
    return f"{where}: {first.name} has {first.problem}{more}: no row can be used; mend the table"


def names_and_curves(given, curves):
    """Names of filters, sedpy's where they are just names, and curves where they are more.

    Raises
    ------
    UserError
        For names that nobody knows, and curves of others.
    """
    if isinstance(given, FilterSet) or has_curves(given):
        curves = FilterSet.of(given)
    if curves is None:
        return canonical_filters(given), None
    filters = curves.names
    if not isinstance(given, FilterSet) and not has_curves(given) and tuple(given) != filters:
        raise UserError(
            f"filters {', '.join(map(str, given))} with curves of {', '.join(filters)}: expected the same in "
            "the same order; leave out curves="
        )
    return filters, curves


@dataclasses.dataclass(frozen=True, eq=False)
class Catalogue:
    """Fluxes and errors of galaxies.

    A flux that is masked or not finite, or an error that is not finite and positive, is a missing band of the
    galaxy.

    Parameters
    ----------
    flux_ujy, sigma_ujy : array (Object, Band), or table of a column for each band
        Flux densities and their standard deviations [uJy, or a Quantity]. Stored as float32.
    filters : sequence of str, (Band,), or FilterSet
        Names in any usual spelling, stored as sedpy names; those of a FilterSet, or of anything else that
        :meth:`~dsps_sbi.FilterSet.of` takes, as they are.
    redshift : float or array (Object,) or None
        None where it is to be inferred; stored as NaN.
    names : sequence of str, (Object,), optional
        Default: their numbers.
    upper : bool array (Object, Band), optional
        Where the flux is an upper limit of k times the error. Default: nowhere.
    ids : array of int (Object,), optional
        A galaxy's draws depend on the seed and on its number. Default: 0, 1, 2...
    source : str
        Where the data came from.
    curves : FilterSet, optional
        Those of the filters, where they are not just names.
    rejected : tuple of Rejected
        Rows of a table that cannot be used, and why.

    Raises
    ------
    UserError
        If shapes do not fit, a filter is there twice, no band of any galaxy can be used, a unit is no flux
        density, a flux is a number that stands for a missing value (:mod:`dsps_sbi.io.stand_ins`), a redshift
        is no number above 0, or a limit or the error of one is not positive; rows are named.
    """

    flux_ujy: np.ndarray
    sigma_ujy: np.ndarray
    filters: tuple[str, ...]
    redshift: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    upper: np.ndarray | None = None
    ids: np.ndarray | None = None
    source: str = ""
    curves: FilterSet | None = None
    rejected: tuple[Rejected, ...] = ()

    def __post_init__(self):
        filters, curves = names_and_curves(self.filters, self.curves)
        unit = unit_of(self.flux_ujy)
        flux, sigma = flux_pair(self.flux_ujy, self.sigma_ujy, ("flux_ujy", "sigma_ujy"), u.uJy)
        if flux.shape == sigma.shape and flux.ndim == 2 and not len(flux):
            raise UserError(f"fluxes {flux.shape} hold no galaxy: expected at least one; give some")
        if flux.ndim != 2 or flux.shape != sigma.shape or flux.shape[1] != len(filters):
            raise UserError(
                f"fluxes {flux.shape} and errors {sigma.shape} of {len(filters)} filters: expected two "
                "arrays (galaxies, filters); reshape them or mend the filters"
            )
        n = len(flux)
        unknown = self.redshift is None
        redshift = plain(np.nan if unknown else self.redshift, "redshift", dtype=np.float32)
        if redshift.shape not in ((), (n,)):
            raise UserError(
                f"redshift has shape {redshift.shape}: expected one, or one for each of {n} galaxies"
            )
        redshift = np.broadcast_to(redshift, n)
        names = tuple(str(i) for i in range(n)) if self.names is None else tuple(map(str, self.names))
        ids = np.arange(n) if self.ids is None else plain(self.ids, "ids", dtype=float)
        if not np.array_equal(ids, np.floor(ids)):
            raise UserError("ids are not whole numbers everywhere: expected one for each galaxy; mend them")
        ids = ids.astype(np.int64)
        upper = np.zeros(flux.shape, bool) if self.upper is None else flags(self.upper, "upper", masked=False)
        if len(names) != n or ids.shape != (n,) or upper.shape != flux.shape:
            raise UserError(
                f"{len(names)} names, ids {ids.shape} and limits {upper.shape} of {n} galaxies: expected one "
                "name and id each, and limits as the fluxes; mend them"
            )
        # all unknown: a catalogue that is made again of its own fields
        unknown = unknown or bool(np.isnan(redshift).all())
        wrong = np.flatnonzero(~(unknown | (np.isfinite(redshift) & (redshift > 0))))
        if wrong.size:
            raise UserError(
                f"redshift of {_rows(names, wrong)} is {redshift[wrong[0]]:g}: expected a finite number "
                "above 0; correct it or leave the row out"
            )
        wrong = np.flatnonzero((upper & (flux <= 0)).any(axis=1))
        if wrong.size:
            raise UserError(
                f"an upper limit of {_rows(names, wrong)} is not positive: expected k times the error; "
                "mend it"
            )
        where, factor = str(self.source) or "catalogue", 1.0 if unit is None else unit.to(u.uJy)

        def name(i, band):
            return f"{names[i]} in {filters[band]}"

        refuse_stand_ins(flux, sigma, name, where=where, factor=factor)
        refuse_limits(flux, sigma, upper, name, where=where)
        values = {"flux_ujy": flux, "sigma_ujy": sigma, "filters": filters, "redshift": redshift}
        values |= {"names": names, "upper": upper, "ids": ids, "source": str(self.source), "curves": curves}
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if not self.valid.any():
            raise UserError(
                f"{str(self.source) or 'catalogue'}: no galaxy has a flux with an error in any band: "
                "expected finite fluxes and errors above 0; check the columns and their masks"
            )

    def rejecting(self, problems) -> "Catalogue":
        """The catalogue without the rows that have a problem (Object,); empty where they have none.

        Raises
        ------
        UserError
            If all of them have one.
        """
        bad = np.array([bool(problem) for problem in problems])
        if not bad.any():
            return self
        more = [
            Rejected(int(self.ids[i]), self.names[i], problems[i], float(self.redshift[i]))
            for i in np.flatnonzero(bad)
        ]
        if bad.all():
            raise UserError(all_rejected(more, str(self.source) or "the catalogue"))
        columns = ("flux_ujy", "sigma_ujy", "redshift", "upper", "ids")
        rest = {name: getattr(self, name)[~bad] for name in columns}
        names = [name for name, out in zip(self.names, bad, strict=True) if not out]
        return dataclasses.replace(self, **rest, names=names, rejected=(*self.rejected, *more))

    def __len__(self):
        return len(self.flux_ujy)

    @property
    def valid(self) -> np.ndarray:
        """Usable values, bool (Object, Band)."""
        return np.isfinite(self.flux_ujy) & np.isfinite(self.sigma_ujy) & (self.sigma_ujy > 0)


def _rows(names, which):
    shown = ", ".join(names[i] for i in which[:3])
    return shown if len(which) <= 3 else f"{shown} and {len(which) - 3} more"
