"""What the columns of a table of photometry are: found by their names, or as a user says."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...constants import UNKNOWN as UNKNOWN
from ...errors import UserError
from ...instruments.filter_names import canonical_filter
from ...instruments.filters import FilterSet
from ..toml_file import read_toml
from .columns import (
    KINDS,
    BandColumns,
    bands_by_template,
    find_bands,
    find_id,
    find_redshift,
    find_redshift_error,
    shown,
)
from .curves import CURVE_ROLES, curves_by_name, curves_by_number, resolved

_ROLES = {
    "hdu",
    "id",
    "redshift",
    "distance",
    "flux",
    "mag",
    *KINDS,
    "upper",
    "unit",
    "zero_point",
    "limits",
    "filters",
    "band",
    *CURVE_ROLES,
}
_BAND_ROLES = {"filter", "flux", "mag", *KINDS, "upper"}
CIGALE = "cigale"


@dataclass(frozen=True)
class Layout:
    """What is where in a table.

    Parameters
    ----------
    bands : tuple of BandColumns
    id : str or None
        Column of the galaxies' names; None: their numbers, from 0.
    redshift : str or float or None
        Column, or the redshift of all; None where it is not read.
    unit : str or None
        Of fluxes whose columns have none.
    zero_point : float or None
        AB magnitude of a flux of one, in place of a unit.
    limits : None, "cigale" or float
        What is an upper limit, see :func:`dsps_sbi.io.tables.values.photometry_of`.
    left_out : tuple of str
        Columns of bands that cannot be used, and why, for :meth:`told`.
    curves : FilterSet or None
        Filters that are not sedpy's.
    redshift_error : str or None
        Column of the redshifts' standard deviations, where they are used.
    distance : str or None
        Column of luminosity distances [Mpc], instead of redshifts.
    """

    bands: tuple[BandColumns, ...]
    id: str | None
    redshift: str | float | None
    unit: str | None = None
    zero_point: float | None = None
    limits: str | float | None = None
    left_out: tuple[str, ...] = field(default=())
    curves: FilterSet | None = None
    redshift_error: str | None = None
    distance: str | None = None

    @property
    def filters(self) -> tuple[str, ...]:
        """Names of the bands' filters, sedpy's where their curves are."""
        return tuple(band.filter for band in self.bands)

    @cached_property
    def filter_set(self) -> FilterSet | tuple[str, ...]:
        """Curves of all bands, or their names where all are sedpy's."""
        own = {} if self.curves is None else {name: i for i, name in enumerate(self.curves.names)}
        if not own.keys() & set(self.filters):
            return self.filters
        c = self.curves
        entries = [(c.wave_aa[own[n]], c.trans[own[n]]) if n in own else n for n in self.filters]
        return FilterSet.of(dict(zip(self.filters, entries, strict=True)))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        names = [] if self.id is None else [self.id]
        more = self.redshift, self.redshift_error, self.distance
        names += [name for name in more if isinstance(name, str)]
        for band in self.bands:
            names += [band.flux, band.error] + ([] if band.upper is None else [band.upper])
        return tuple(dict.fromkeys(names))

    def told(self, units: Mapping[str, str | None]) -> list[str]:
        """What was understood, in lines; ``units`` are those of the columns."""
        lines = [f"id: {'row number' if self.id is None else self.id}"]
        if self.distance is not None:
            lines.append(f"distance: {self.distance} [Mpc]")
        elif isinstance(self.redshift, str):
            error = "" if self.redshift_error is None else f", error {self.redshift_error}"
            lines.append(f"redshift: {self.redshift}{error}")
        elif self.redshift is None:
            lines.append("redshift: inferred")
        else:
            lines.append(f"redshift: {self.redshift:g} for all")
        for band in self.bands:
            unit = "AB magnitude" if band.magnitude else self._unit(units.get(band.flux))
            flag = f", limits {band.upper}" if band.upper else ""
            words = f"{band.filter}: {band.flux}, {band.kind} {band.error} [{unit}]{flag}"
            words += "" if band.scale == 1.0 else f", errors times {band.scale:g}"
            if self.curves is not None and band.filter in self.curves.names:
                pivot = self.curves.pivot_aa[self.curves.names.index(band.filter)]
                words += f", its own curve, pivot {pivot:.1f} Angstrom"
            lines.append(words)
        if self.limits is not None:
            words = "negative errors" if self.limits == CIGALE else f"fluxes below {self.limits:g} errors"
            lines.append(f"upper limits: {words}")
        if self.left_out:
            lines.append(f"not used: {'; '.join(self.left_out)}")
        return lines

    def _unit(self, own) -> str:
        if self.zero_point is not None:
            return f"zero point {self.zero_point:g} AB"
        return str(own or self.unit)


def layout_of(
    names: Sequence[str],
    units: Mapping[str, str | None],
    *,
    said: Mapping | None = None,
    bands: Sequence[str] | None = None,
    redshift: float | str | None = None,
    redshift_error: str | None = None,
    where: str = "the table",
) -> Layout:
    """Find out what the columns of a table are.

    Parameters
    ----------
    names : sequence of str
        Columns.
    units : mapping of str to str or None
        Their units.
    said : mapping, optional
        What a user says: ``id``, ``redshift`` or ``distance`` (columns), ``flux`` and ``error`` (or
        ``ivar``, ``variance``), or ``mag`` and ``error``, with {} where the band's name is, ``upper`` the
        same of flags, ``unit`` or ``zero_point``, ``limits``, ``filters`` (names of bands to filters),
        ``band`` (a list with ``filter``, ``flux`` or ``mag``, ``error`` and ``upper`` of each); ``curves``,
        ``counting``, ``wave_unit``, ``clip``, ``filter_file`` and ``translate``, see
        :mod:`dsps_sbi.io.tables.curves`.
    bands : sequence of str, optional
        Sedpy names of the filters that can be used; others are left out.
    redshift : float or "unknown", optional
        Of all galaxies, instead of a column; ``unknown``: redshifts are inferred, no column is read.
    redshift_error : str, optional
        Column of the redshifts' standard deviations.
    where : str
        How messages name the table.

    Raises
    ------
    UserError
        For roles or columns that are not there, several columns for one role, no band that can be used, no
        redshift, no unit, or units beside those that the table has.
    """
    said = dict(said or {})
    _check(said, _ROLES, where)
    filters = said.get("filters") or {}
    if not isinstance(filters, Mapping):
        raise UserError(f"{where}: filters is {filters!r}: expected names of bands = names of filters")
    curves = curves_by_name(said)
    if "translate" in said or "filter_file" in said:
        found, strangers, numbered = curves_by_number(names, said, filters)
        curves = numbered if curves is None else curves
    else:
        found, strangers = _bands(names, said, filters, () if curves is None else curves.names)
    left_out = list(strangers)
    if bands is not None:
        left_out += [f"{band.flux} (not in the bundle)" for band in found if band.filter not in bands]
        found = tuple(band for band in found if band.filter in bands)
    if not found:
        more = f"; {'; '.join(left_out[:6])}" if left_out else ""
        raise UserError(
            f"{where} has no flux with an error in a band of use{more}: columns are {shown(names)}; say "
            "which, such as --layout flux={}_flux,error={}_err, or name filters in a TOML file"
        )
    error = find_redshift_error(names)
    if error is not None and redshift_error is None and redshift != UNKNOWN:
        left_out.append(f"{error} (redshifts count as exact without --z-err {error})")
    distance = said.get("distance")
    if distance is not None and ("redshift" in said or redshift is not None or redshift_error is not None):
        raise UserError(
            f"{where}: distance {distance} and a redshift were given: a distance stands for the redshift; "
            "give one of them"
        )
    # a unit says more than a name
    found = tuple(
        dataclasses.replace(band, magnitude=True) if _is_magnitude(units.get(band.flux)) else band
        for band in found
    )
    layout = Layout(
        found,
        said.get("id", find_id(names)),
        None if distance is not None else _redshift(names, said, redshift, where),
        said.get("unit"),
        _number(said, "zero_point", where),
        _limits(said, where),
        tuple(left_out),
        curves,
        redshift_error,
        distance,
    )
    missing = [name for name in layout.columns if name not in names]
    if missing:
        raise UserError(f"{where} has no column {', '.join(missing)}: it has {shown(names)}; mend the name")
    _check_units(layout, units, where)
    return layout


def said_of(text: str) -> dict:
    """What a user says in one argument: the name of a TOML file, or ``role=value`` with commas between.

    Raises
    ------
    UserError
        If it is neither.
    """
    if text.lower().endswith(".toml"):
        return read_said(text)
    said = {}
    for part in text.split(","):
        role, sign, value = (piece.strip() for piece in part.partition("="))
        if not (role and sign and value):
            raise UserError(f"{part!r} is no role=value: give redshift=zz,flux={{}}_flux,error={{}}_err")
        said[role] = value
    _check(said, _ROLES - {"band", "filters"}, text)
    return said


def read_said(path) -> dict:
    """What a TOML file says of a table, for :func:`layout_of`.

    Raises
    ------
    UserError
        If it is no TOML, or says what nobody knows.
    """
    path = Path(path)
    said = read_toml(path)
    _check(said, _ROLES, path)
    return resolved(said, path.parent)


def _check(said, roles, where):
    unknown = sorted(set(said) - roles)
    if unknown:
        raise UserError(
            f"{where}: unknown {', '.join(unknown)}: expected {', '.join(sorted(roles))}; mend it"
        )


def _second(said, where) -> tuple[str, str]:
    """The one column beside the flux, and what it holds."""
    given = [kind for kind in KINDS if kind in said]
    if len(given) != 1:
        raise UserError(
            f"{where}: {', '.join(given) or 'no error'} beside the flux: give one of {', '.join(KINDS)}"
        )
    return said[given[0]], given[0]


def _bands(names, said, filters, own):
    if "band" in said:
        out = []
        for one in said["band"]:
            _check(one, _BAND_ROLES, "[[band]]")
            if "filter" not in one or ("flux" in one) == ("mag" in one):
                raise UserError(f"[[band]] {one}: expected filter, flux or mag, and error")
            error, kind = _second(one, f"[[band]] {one['filter']}")
            flux = one.get("flux", one.get("mag"))
            name = one["filter"] if one["filter"] in own else canonical_filter(one["filter"])
            out.append(BandColumns(name, flux, error, kind, "mag" in one, one.get("upper")))
        double = {band.filter for band in out if sum(b.filter == band.filter for b in out) > 1}
        if double:
            raise UserError(f"[[band]] names {', '.join(sorted(double))} twice: leave one out")
        return tuple(out), ()
    if "flux" in said and "mag" in said:
        raise UserError("flux and mag were given: expected one of them; leave one out")
    if "flux" in said or "mag" in said:
        error, kind = _second(said, "columns")
        found = bands_by_template(
            names,
            said.get("flux", said.get("mag")),
            error,
            kind,
            "mag" in said,
            said.get("upper"),
            filters,
            own,
        )
        return found.bands, found.strangers
    found = find_bands(names, filters, own)
    return found.bands, found.strangers


def _redshift(names, said, given, where):
    if given is not None:
        return None if given == UNKNOWN else float(given)
    column = said.get("redshift") or find_redshift(names)
    if column is None:
        raise UserError(
            f"{where} has no column of redshifts: columns are {shown(names)}; say which, as --layout "
            "redshift=NAME, or give one for all with --z; --z-range infers them"
        )
    return column


def _is_magnitude(unit) -> bool:
    return unit is not None and "".join(c for c in unit.lower() if c.isalpha()) in ("mag", "magab", "abmag")


def _number(said, role, where):
    try:
        return None if said.get(role) is None else float(said[role])
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {role} is {said[role]!r}: expected a number") from error


def _limits(said, where):
    limits = said.get("limits")
    if limits is None or limits == CIGALE:
        return limits
    try:
        number = float(limits)
    except (TypeError, ValueError):
        number = -1.0
    if not 0.0 < number <= 100.0:
        raise UserError(f"{where}: limits is {limits!r}: expected cigale, or a number of errors such as 3")
    return number


def _check_units(layout, units, where):
    if layout.unit is not None and layout.zero_point is not None:
        raise UserError(
            f"{where}: unit {layout.unit} and zero point {layout.zero_point:g} were given: leave one out"
        )
    of_flux = [band for band in layout.bands if not band.magnitude]
    with_unit = [band for band in of_flux if units.get(band.flux)]
    stated = layout.unit if layout.zero_point is None else f"zero point {layout.zero_point:g}"
    if stated and with_unit:
        one = with_unit[0]
        raise UserError(
            f"{where}: {stated} was given, and {one.flux} has the unit {units[one.flux]}: leave out what is "
            "given, or take the unit off the column"
        )
    bare = [band.flux for band in of_flux if not units.get(band.flux)]
    if bare and not stated:
        raise UserError(
            f"{where}: {shown(bare, 3)} has no unit: give one, as --layout unit=nJy, or a "
            "zero point, as --layout zero_point=25"
        )
