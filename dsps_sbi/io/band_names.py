"""What the names of the bands of an image mean, where they are not those of astro-sedpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import UserError
from ..instruments.filter_names import canonical_filter
from ..instruments.filters import FilterSet
from .tables.curves import curves_by_name
from .tables.layout import read_said, said_of

# What an image can be told of that a table can be told of
ROLES = ("filters", "curves", "counting", "wave_unit", "clip")


@dataclass(frozen=True, eq=False)
class BandNames:
    """Filters by the names that an image gives to its bands.

    Parameters
    ----------
    filters : mapping of str to str
        Filters in any usual spelling.
    curves : FilterSet or None
        Curves of bands or of these filters, by name.
    """

    filters: Mapping[str, str] = field(default_factory=dict)
    curves: FilterSet | None = None

    @classmethod
    def read(cls, text: str) -> "BandNames":
        """Of a TOML file, or of ``role=value`` with commas between, as tables have it.

        Raises
        ------
        UserError
            For roles that only tables have, and as :func:`dsps_sbi.io.tables.layout.said_of`.
        """
        said = read_said(text) if text.lower().endswith(".toml") else said_of(text)
        wrong = sorted(set(said) - set(ROLES))
        if wrong:
            raise UserError(
                f"{text}: {', '.join(wrong)} of an image: expected {', '.join(ROLES)}; the others are for "
                "tables, leave them out"
            )
        filters = said.get("filters", {})
        if not isinstance(filters, Mapping):
            raise UserError(f"{text}: filters is {filters!r}: expected names of bands = names of filters")
        return cls(filters, curves_by_name(said))

    def of(self, names: Sequence[str]) -> tuple[str, ...] | FilterSet:
        """Names of filters (Band,), or their curves where some are not astro-sedpy's.

        Raises
        ------
        UserError
            For bands that are not there.
        """
        names = tuple(map(str, names))
        own = {} if self.curves is None else {name: i for i, name in enumerate(self.curves.names)}
        wrong = sorted(set(self.filters) - set(names))
        wrong += sorted(set(own) - {*names, *self.filters.values()})
        if wrong:
            raise UserError(
                f"{', '.join(wrong)} is no band of the image, which has {', '.join(names)}: mend the layout"
            )
        called = [self.filters.get(name, name) for name in names]
        if not own:
            return tuple(called)
        curves, called = self.curves, [n if n in own else canonical_filter(n) for n in called]
        pairs = [(curves.wave_aa[own[n]], curves.trans[own[n]]) if n in own else n for n in called]
        return FilterSet.of(dict(zip(called, pairs, strict=True)))
