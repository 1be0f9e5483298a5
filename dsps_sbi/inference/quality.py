"""What is known about each answer besides its parameters: one table for files, headers and documentation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .trust import (
    FEWEST_EFFECTIVE,
    LARGEST_K,
    LARGEST_R_HAT,
    SMALLEST_P,
    SMALLEST_SHARE,
    TEXT,
    Method,
    Trust,
)

# Codes by column
CODES = {"method": Method, "trust": Trust}
# Column -> FITS extension, meaning
QUALITY = {
    "method": ("METHOD", "; ".join(f"{code.name.lower()}: {text}" for code, text in TEXT[Method].items())),
    "trust": ("TRUST", "; ".join(f"{code.name.lower()}: {text}" for code, text in TEXT[Trust].items())),
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
    "r_hat": ("R_HAT", f"R-hat of Hamiltonian chains: below {LARGEST_R_HAT:g}; none without chains"),
    "ppc_p": (
        "PPC_P",
        f"posterior-predictive p-value of chi2, uniform if the model is right: above {SMALLEST_P:g}; none "
        "where unweighted",
    ),
    "typicality": (
        "TYPICAL",
        f"p-value of the data under training: above {SMALLEST_P:g}; none where the bundle cannot tell",
    ),
    "population_p": (
        "POPUL_P",
        "p-value of residuals along mixtures of stellar populations: small where histories or metallicities "
        "that the model does not have fit better; of spectra only, and no part of the verdict",
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


def code_text(codes) -> dict[str, str]:
    """``"0 FLOW"`` and so on, and what each of the codes means."""
    return {f"{code.value} {code.name}": text for code, text in TEXT[codes].items()}


def describe(name: str) -> tuple[str, str]:
    """FITS extension and meaning of a column."""
    if name in QUALITY:
        return QUALITY[name]
    parameter = name.removeprefix(SHRINKAGE)
    return (
        name.upper(),
        f"1 - posterior / prior variance of {parameter}, in normal scores: 0 where the data say nothing",
    )


@dataclass(frozen=True, eq=False)
class Columns(Mapping):
    """Columns of objects by name: those of :data:`QUALITY`, and ``shrink_`` with the name of each parameter.

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
        names = (*numbers, *(SHRINKAGE + name for name in parameters))
        arrays = {name: np.full(n, np.nan, np.float32) for name in names}
        return cls(arrays | {name: np.full(n, codes.NONE, np.int16) for name, codes in CODES.items()})

    @classmethod
    def of(cls, posteriors, parameters, **more) -> "Columns":
        """Columns of some posteriors; ``more`` by name."""
        columns = cls.empty(len(posteriors.u), parameters)
        columns.put(slice(None), posteriors)
        return cls(columns.arrays | more)

    def put(self, rows, posteriors):
        """Fill in the rows of some posteriors."""
        for name in COMMON:
            self.arrays[name][rows] = getattr(posteriors, name)
        names = [name for name in self.arrays if name.startswith(SHRINKAGE)]
        for name, values in zip(names, posteriors.shrinkage.T, strict=True):
            self.arrays[name][rows] = values

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
