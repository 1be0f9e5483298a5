"""Dust laws: rest wavelength to A(lambda) / A_V."""

from collections.abc import Mapping
from types import MappingProxyType

from .calzetti import Calzetti as Calzetti
from .charlot_fall import CharlotFall as CharlotFall
from .noll import Noll as Noll
from .noll import Salim as Salim
from .protocol import DustLaw as DustLaw
from .protocol import birth_age as birth_age
from .protocol import free_names as free_names
from .protocol import is_plain as is_plain

LAWS: Mapping[str, type] = MappingProxyType(
    {"calzetti": Calzetti, "noll": Noll, "salim": Salim, "charlot_fall": CharlotFall}
)
"""Laws by the names that configurations and the command line have for them."""
