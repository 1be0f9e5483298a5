"""Star formation histories: parameters to mass weights on the SSP ages, and exact summaries."""

from collections.abc import Mapping
from types import MappingProxyType

from .aged import Aged as Aged
from .continuity import Continuity as Continuity
from .delayed_tau import DelayedTau as DelayedTau
from .dirichlet import Dirichlet as Dirichlet
from .dirichlet_burst import DirichletBurst as DirichletBurst
from .protocol import StarFormationHistory as StarFormationHistory
from .protocol import age_edges as age_edges
from .protocol import formation_time_by_bisection as formation_time_by_bisection
from .protocol import formation_times as formation_times
from .protocol import log_ssfr_formed as log_ssfr_formed
from .protocol import mass_weights as mass_weights
from .protocol import mean_age_by_quadrature as mean_age_by_quadrature
from .simple import Burst as Burst
from .simple import Constant as Constant

FAMILIES: Mapping[str, type] = MappingProxyType(
    {
        "delayed_tau": DelayedTau,
        "dirichlet": Dirichlet,
        "dirichlet_burst": DirichletBurst,
        "continuity": Continuity,
        "constant": Constant,
        "burst": Burst,
    }
)
"""Families by the names that configurations and the command line have for them."""
