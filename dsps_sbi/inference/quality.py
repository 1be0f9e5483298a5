"""What is known about each answer besides its parameters: one table for files, headers and documentation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .edges import CONFIDENCE, EDGE, LIMIT, limit_text
from .trust import (
    FEWEST_EFFECTIVE,
    LARGEST_K,
    LARGEST_R_HAT,
    LARGEST_SPREAD,
    SMALLEST_P,
    SMALLEST_SHARE,
    TEXT,
    Informed,
    Method,
    Trust,
)

# Codes by column
CODES = {"method": Method, "trust": Trust, "informed": Informed}
# Column -> FITS extension, meaning
QUALITY = {
    "method": ("METHOD", "; ".join(f"{code.name.lower()}: {text}" for code, text in TEXT[Method].items())),
    "trust": ("TRUST", "; ".join(f"{code.name.lower()}: {text}" for code, text in TEXT[Trust].items())),
    "informed": (
        "INFORMED",
        "; ".join(f"{code.name.lower()}: {text}" for code, text in TEXT[Informed].items()),
    ),
    "ess": (
        "ESS",
        f"effective number of draws, of weights or chains: at least {FEWEST_EFFECTIVE:g}; none where "
        "unweighted",
    ),
    "pareto_k": (
        "PARETO_K",
        f"shape of the tail of the weights: at most {LARGEST_K:g}; none where there are no weights",
    ),
    "log_evidence": (
        "LOGEVID",
        "log of the density of the data, per flux unit in each band or pixel; none where unweighted",
    ),
    "log_evidence_error": (
        "LOGEVERR",
        f"standard deviation of log_evidence over draws; it holds where pareto_k is at most {LARGEST_K:g}; "
        "none where unweighted",
    ),
    "r_hat": ("R_HAT", f"R-hat of Hamiltonian chains: below {LARGEST_R_HAT:g}; none without chains"),
    "ppc_p": (
        "PPC_P",
        "predictive probability of a larger misfit, uniform if model and errors are right: between "
        f"{SMALLEST_P / 2:g} and {1 - SMALLEST_P / 2:g}; near 0 the model does not fit, near 1 errors are "
        "too large; none where unweighted",
    ),
    "error_scale": (
        "ERRSCALE",
        "scale of the stated errors at which ppc_p would be 0.5; 0 where the error of the model alone is "
        "more than what is seen; none where unweighted, or where the misfit hardly depends on the errors",
    ),
    "error_dof": (
        "ERRDOF",
        "degrees of freedom that tell error_scale: it is known to about 1 / sqrt(2 error_dof) of itself",
    ),
    "mass_spread": (
        "MASSSPR",
        "standard deviation of log10 of the formed mass, posterior over prior: 1 where the data say nothing, "
        f"at most {LARGEST_SPREAD:g} where informed",
    ),
    "typicality": (
        "TYPICAL",
        f"p-value of the data under training: above {SMALLEST_P:g}; none where the bundle cannot tell",
    ),
    "population_p": (
        "POPUL_P",
        "p-value of residuals along mixtures of stellar populations: small where histories or metallicities "
        "that the model does not have fit better; of spectra only; part of the verdict where log_misfit is "
        "a parameter",
    ),
    "n_pixels": (
        "N_PIXELS",
        "pixels that the answer rests on: of the spectrum, or of the network where unweighted; of spectra "
        "only",
    ),
    "wave_used": (
        "WAVEUSED",
        "share of the pixels that could be used (good in the file, not in a mask of emission lines, of "
        f"wavelengths that the stellar populations have) that are: at least {SMALLEST_SHARE:.2f}; of spectra "
        "only",
    ),
}
NUMBERS = tuple(name for name in QUALITY if name not in CODES)
# Those that every kind of data has
_OF_SPECTRA = ("population_p", "n_pixels", "wave_used")
COMMON = tuple(name for name in QUALITY if name not in _OF_SPECTRA)
SHRINKAGE = "shrink_"
# Column of tables, of words, in the place of those that begin with EDGE and LIMIT
AT_EDGE = (
    "at_edge",
    f"parameters whose posterior piles up at an edge of the prior, with one-sided {CONFIDENCE} % limits: "
    "medians and percentiles of these are no measurements. Of spectra that have not converged those whose "
    "median is at an edge, without a limit",
)
# Of maps of cubes alone
OF_CUBES = {
    "z": ("Z", "redshift"),
    "p_t90_1gyr": ("P_T90", "probability that 90 % of the formed mass existed 1 Gyr after the Big Bang"),
    "row": ("ROW", "row of the catalogue, counted from 0; -1: not fitted"),
}
# Of redshifts that are uncertain or unknown
OF_REDSHIFTS = {
    "z_best": ("Z_BEST", "redshift at the maximum of its smoothed density"),
    "z_odds": ("Z_ODDS", "probability that the redshift is within 0.1 (1 + z) of z_best"),
    "z_peaks": (
        "Z_PEAKS",
        "number of separate ranges of redshift that together hold 95 % of the probability, those with less "
        "than 5 % left out",
    ),
}
_OF_PARAMETERS = {
    SHRINKAGE: "1 - posterior / prior variance of {}, in normal scores: 0 where the data say nothing",
    EDGE: "edge of the prior at which the posterior of {} piles up: 1 upper, -1 lower, 0 none",
    LIMIT: f"one-sided {CONFIDENCE} % limit of {{}} where its posterior is at an edge of the prior",
}


def code_text(codes) -> dict[str, str]:
    """``"0 FLOW"`` and so on, and what each of the codes means."""
    return {f"{code.value} {code.name}": text for code, text in TEXT[codes].items()}


def describe(name: str) -> tuple[str, str]:
    """FITS extension and meaning of a column."""
    known = QUALITY | OF_CUBES | OF_REDSHIFTS
    if name in known:
        return known[name]
    beginning = next(start for start in _OF_PARAMETERS if name.startswith(start))
    return name.upper(), _OF_PARAMETERS[beginning].format(name.removeprefix(beginning))


@dataclass(frozen=True, eq=False)
class Columns(Mapping):
    """Columns of objects by name: those of :data:`QUALITY`, and three for each parameter.

    These are ``shrink_``, ``edge_`` and ``limit_`` with the name of the parameter.

    Parameters
    ----------
    arrays : dict of ndarray (Object,), or images
    """

    arrays: dict

    def __getitem__(self, name):
        return self.arrays[name]

    def __iter__(self):
        return iter(self.arrays)

    def __len__(self):
        return len(self.arrays)

    @classmethod
    def empty(cls, n: int, parameters) -> "Columns":
        """Columns of n objects that were not fitted."""
        numbers = [name for name in COMMON if name in NUMBERS]
        names = (*numbers, *(start + name for start in (SHRINKAGE, LIMIT) for name in parameters))
        arrays = {name: np.full(n, np.nan, np.float32) for name in names}
        arrays |= {EDGE + name: np.zeros(n, np.int16) for name in parameters}
        return cls(arrays | {name: np.full(n, codes.NONE, np.int16) for name, codes in CODES.items()})

    @classmethod
    def of(cls, posteriors, parameters, edge, limit, **more) -> "Columns":
        """Columns of some posteriors; ``more`` by name."""
        columns = cls.empty(len(posteriors.u), parameters)
        columns.put(slice(None), posteriors, edge, limit)
        return cls(columns.arrays | more)

    def put(self, rows, posteriors, edge, limit):
        """Fill in the rows of some posteriors, with edges and limits (Object, Param) of their parameters."""
        for name in COMMON:
            self.arrays[name][rows] = getattr(posteriors, name)
        for start, table in ((SHRINKAGE, posteriors.shrinkage), (EDGE, edge), (LIMIT, limit)):
            names = [name for name in self.arrays if name.startswith(start)]
            for name, values in zip(names, table.T, strict=True):
                self.arrays[name][rows] = values

    def at_edge(self) -> list[str]:
        """Limits of each object in words, such as "metallicity > 0.153, av < 0.031"."""
        names = [name.removeprefix(EDGE) for name in self.arrays if name.startswith(EDGE)]
        out = [[] for _ in np.ravel(self.arrays["trust"])]
        for name in names:
            edge, limit = (np.ravel(self.arrays[start + name]) for start in (EDGE, LIMIT))
            for i in np.flatnonzero(edge):
                out[i].append(f"{name} {limit_text(edge[i], limit[i])}")
        return [", ".join(words) for words in out]

    def counts(self) -> dict[str, int]:
        """How many objects have each verdict and method, for headers."""
        out = {}
        for name, codes in CODES.items():
            for code in codes:
                if code != codes.NONE:
                    out[f"n_{name}_{code.name.lower()}"] = int(np.sum(self.arrays[name] == code))
        return out

    def reshaped(self, shape) -> "Columns":
        """The same as images."""
        return Columns({name: array.reshape(shape) for name, array in self.arrays.items()})
