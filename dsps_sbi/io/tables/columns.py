"""Which columns of a table are the flux and the error of a band, by the names that surveys give them."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...errors import UserError
from ...instruments.filter_names import canonical_filter, nearest_filters

# Names of flux and error, what the second one holds, and whether these are magnitudes. Small letters; {} is
# the band. Those that say most come first: the bare name of a band beside its error says least.
_PAIRS = (
    ("flux_{}", "flux_ivar_{}", "ivar", False),  # tractor, DESI Legacy Surveys
    ("flux_{}", "fluxivar_{}", "ivar", False),
    ("{}_flux", "{}_flux_ivar", "ivar", False),
    ("{}_flux", "{}_ivar", "ivar", False),
    ("flux_{}", "fluxerr_{}", "error", False),
    ("flux_{}", "flux_err_{}", "error", False),
    ("flux_{}", "flux_error_{}", "error", False),
    ("flux_{}", "e_flux_{}", "error", False),
    ("flux_{}", "eflux_{}", "error", False),
    ("flux_{}", "err_{}", "error", False),
    ("f_{}", "e_{}", "error", False),  # EAZY
    ("f_{}", "ef_{}", "error", False),
    ("f_{}", "f_{}_err", "error", False),
    ("{}_flux", "{}_fluxerr", "error", False),  # COSMOS2020
    ("{}_flux", "{}_flux_err", "error", False),
    ("{}_flux", "{}_flux_error", "error", False),
    ("{}_flux", "{}_err", "error", False),
    ("{}_flux", "{}_error", "error", False),
    ("{}_flux", "{}_eflux", "error", False),
    ("mag_{}", "magerr_{}", "error", True),
    ("mag_{}", "mag_err_{}", "error", True),
    ("mag_{}", "e_mag_{}", "error", True),
    ("{}_mag", "{}_magerr", "error", True),
    ("{}_mag", "{}_mag_err", "error", True),
    ("{}_mag", "e_{}_mag", "error", True),
    ("{}mag", "e_{}mag", "error", True),  # VizieR
    ("{}", "{}_err", "error", False),  # CIGALE
    ("{}", "{}_error", "error", False),
    ("{}", "{}_fluxerr", "error", False),
    ("{}", "{}_ivar", "ivar", False),
    ("{}", "e_{}", "error", False),
    ("{}", "err_{}", "error", False),
    ("{}", "e{}", "error", False),  # CANDELS
)
# Names of other columns, in small letters
_IDS = (
    "id",
    "number",
    "objid",
    "obj_id",
    "object_id",
    "targetid",
    "source_id",
    "sourceid",
    "name",
    "object",
    "objno",
)
_REDSHIFTS = (
    "z",
    "redshift",
    "zz",
    "z_best",
    "zbest",
    "best_z",
    "z_spec",
    "zspec",
    "specz",
    "spec_z",
    "z_phot",
    "zphot",
)
_REDSHIFT_ERRORS = ("z_err", "zerr", "e_z", "redshift_err", "z_error", "redshift_error")

KINDS = ("error", "ivar", "variance")
# Published in magnitudes of Vega as a rule
_VEGA = ("wise_", "twomass_", "bessell_", "ukirt_", "gaia_")
_OF_VEGA = "magnitudes of this filter are Vega's as a rule: if they are AB, name them, as mag={}mag"


@dataclass(frozen=True)
class BandColumns:
    """Where a band is in a table.

    Parameters
    ----------
    filter : str
        Sedpy name.
    flux, error : str
        Columns.
    kind : {"error", "ivar", "variance"}
        What the second column holds.
    magnitude : bool
        AB magnitudes and their errors.
    upper : str or None
        Column that is true where the flux is an upper limit.
    scale : float
        What the errors are multiplied by.
    """

    filter: str
    flux: str
    error: str
    kind: str = "error"
    magnitude: bool = False
    upper: str | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Found:
    """What the names of a table's columns say.

    Parameters
    ----------
    bands : tuple of BandColumns
    strangers : tuple of str
        Columns that look like the flux of a band whose filter is not known, and why they are not used.
    """

    bands: tuple[BandColumns, ...]
    strangers: tuple[str, ...]


@functools.cache
def _filter(text: str) -> str | None:
    try:
        return canonical_filter(text)
    except UserError:
        return None


def _known(band: str, filters: Mapping[str, str], own: Mapping[str, str]) -> str | None:
    """Filter that the name of a band means; ``filters`` and ``own`` are by small letters."""
    given = filters.get(band.lower(), band)
    if given.lower() in own:
        return own[given.lower()]
    return _filter(band) if given is band else canonical_filter(given)


def _not_known(name: str, band: str) -> str:
    close = nearest_filters(re.sub(r"[^a-z0-9]+", "_", band.lower()).strip("_"), 2)
    return f"{name} (no filter of that name{': ' + ' or '.join(close) + '?' if close else ''})"


def _small(filters: Mapping[str, str] | None, own: Iterable[str]):
    """Names of bands to filters, and names of curves, by small letters."""
    return {name.lower(): str(value) for name, value in (filters or {}).items()}, {n.lower(): n for n in own}


def find_bands(
    names: Iterable[str], filters: Mapping[str, str] | None = None, own: Iterable[str] = ()
) -> Found:
    """Bands by the conventions of the field.

    Parameters
    ----------
    names : iterable of str
        Columns.
    filters : mapping of str to str, optional
        Filters of names of bands, such as ``{"ks": "vista_vircam_Ks"}``.
    own : iterable of str, optional
        Names of filters whose curves are given.

    Raises
    ------
    UserError
        If two pairs of columns are of one filter: which is meant is not guessed.
    """
    by_small = {name.lower(): name for name in names}
    filters, own = _small(filters, own)
    bands, taken, strangers = {}, set(), {}
    for flux, error, kind, magnitude in _PAIRS:
        pattern = re.compile(re.escape(flux).replace(r"\{\}", "(.+)"))
        for small, name in by_small.items():
            match = pattern.fullmatch(small)
            partner = by_small.get(error.format(match[1])) if match else None
            if partner is None or {name, partner} & taken or partner == name:
                continue
            found = _known(match[1], filters, own)
            if found is None:
                strangers.setdefault(name, match[1])
                continue
            if magnitude and found.startswith(_VEGA):
                strangers[name] = None
                taken.add(partner)
                continue
            taken |= {name, partner}
            bands.setdefault(found, []).append(BandColumns(found, name, partner, kind, magnitude))
    left = {name: band for name, band in strangers.items() if name not in taken}
    return Found(
        _one_each(bands),
        tuple(f"{n} ({_OF_VEGA})" if band is None else _not_known(n, band) for n, band in left.items()),
    )


def bands_by_template(
    names: Iterable[str],
    flux: str,
    error: str,
    kind: str,
    magnitude: bool = False,
    upper: str | None = None,
    filters: Mapping[str, str] | None = None,
    own: Iterable[str] = (),
) -> Found:
    """Bands whose columns a user names, with {} where the name of the band is.

    Parameters
    ----------
    names : iterable of str
    flux, error : str
        Such as ``{}_KRON`` and ``{}_KRON_e``.
    kind, magnitude
        As of :class:`BandColumns`.
    upper : str, optional
        The same of flags.
    filters, own
        As of :func:`find_bands`.

    Raises
    ------
    UserError
        If a template has no {}, or nothing fits.
    """
    names = list(names)
    for role, text in (("flux", flux), (kind, error), ("upper", upper)):
        if text is not None and text.count("{}") != 1:
            raise UserError(
                f"{role} {text!r}: expected one {{}} where the name of the band is, as in {{}}_flux"
            )
    by_small = {name.lower(): name for name in names}
    filters, own = _small(filters, own)
    pattern = re.compile(re.escape(flux.lower()).replace(r"\{\}", "(.+)"))
    bands, strangers = {}, []
    for small, name in by_small.items():
        match = pattern.fullmatch(small)
        partner = by_small.get(error.lower().format(match[1])) if match else None
        if partner is None:
            continue
        found = _known(match[1], filters, own)
        if found is None:
            strangers.append(_not_known(name, match[1]))
            continue
        flag = None if upper is None else by_small.get(upper.lower().format(match[1]))
        bands.setdefault(found, []).append(BandColumns(found, name, partner, kind, magnitude, flag))
    if not bands:
        raise UserError(
            f"no columns are called {flux} and {error} with the name of a filter in them: the table has "
            f"{shown(names)}; mend the names"
        )
    return Found(_one_each(bands), tuple(strangers))


def _one_each(bands: Mapping[str, list]) -> tuple[BandColumns, ...]:
    for name, pairs in bands.items():
        if len(pairs) > 1:
            raise UserError(
                f"columns {', '.join(pair.flux for pair in pairs)} are all of the filter {name}: say which, "
                "such as --layout flux={}_total,error={}_total_err"
            )
    return tuple(pairs[0] for pairs in bands.values())


def find_id(names: Iterable[str]) -> str | None:
    """Column of the galaxies' names; None if there is none."""
    by_small = {name.lower(): name for name in names}
    return next((by_small[small] for small in _IDS if small in by_small), None)


def find_redshift(names: Iterable[str]) -> str | None:
    """Column of redshifts; None if there is none.

    Raises
    ------
    UserError
        If there are several: which is meant is not guessed.
    """
    found = [name for name in names if name.lower() in _REDSHIFTS]
    if len(found) > 1:
        raise UserError(
            f"columns {', '.join(found)} may all be the redshift: say which, as --layout redshift={found[0]}"
        )
    return found[0] if found else None


def find_redshift_error(names: Iterable[str]) -> str | None:
    """Column of errors of redshifts; None if there is none."""
    return next((name for name in names if name.lower() in _REDSHIFT_ERRORS), None)


def shown(names: Iterable[str], most: int = 12) -> str:
    """Names for a message."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
