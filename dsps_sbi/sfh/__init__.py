"""Star formation histories: parameters to mass weights on the SSP ages, and exact summaries."""

from .delayed_tau import DelayedTau as DelayedTau
from .protocol import StarFormationHistory as StarFormationHistory
from .protocol import age_edges as age_edges
from .protocol import log_ssfr_formed as log_ssfr_formed
from .protocol import mass_weights as mass_weights
