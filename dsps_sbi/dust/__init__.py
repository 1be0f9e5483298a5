"""Dust laws: rest wavelength to A(lambda) / A_V."""

from .calzetti import Calzetti as Calzetti
from .charlot_fall import CharlotFall as CharlotFall
from .noll import Noll as Noll
from .noll import Salim as Salim
from .protocol import DustLaw as DustLaw
from .protocol import birth_age as birth_age
from .protocol import free_names as free_names
from .protocol import is_plain as is_plain
