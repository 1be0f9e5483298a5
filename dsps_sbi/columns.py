"""What is told about each object besides its parameters: where the answer comes from, and trust."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .trust import TEXT, Method, Trust

# Column: FITS extension, what it is
NUMBERS = {
    "ess": ("ESS", "effective number of draws; NaN where unweighted"),
    "pareto_k": ("PARETO_K", "shape of the tail of the weights: not above 0.7; NaN where there are none"),
    "log_evidence": ("LOGEVID", "log of the density of the data [1/uJy per band]; NaN where unweighted"),
    "ppc_p": ("PPC_P", "posterior-predictive chi2 p-value; NaN where unweighted"),
    "typicality": ("TYPICAL", "p-value of the data under training; NaN where the bundle cannot tell"),
}
CODES = {"method": ("METHOD", Method), "trust": ("TRUST", Trust)}
SHRINKAGE = "shrink_"


def code_text(codes) -> dict[str, str]:
    """``"0 FLOW"`` and so on, and what each of the codes means."""
    return {f"{code.value} {code.name}": text for code, text in TEXT[codes].items()}


@dataclass(frozen=True, eq=False)
class Columns(Mapping):
    """Columns of objects by name: NUMBERS, CODES, and ``shrink_`` with the name of each parameter.

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
        names = (*NUMBERS, *(SHRINKAGE + name for name in parameters))
        arrays = {name: np.full(n, np.nan, np.float32) for name in names}
        return cls(arrays | {name: np.full(n, kind.NONE, np.int16) for name, (_, kind) in CODES.items()})

    def put(self, rows, answers):
        """Fill in the rows of some answers."""
        for name in (*NUMBERS, *CODES):
            self.arrays[name][rows] = getattr(answers, name)
        names = [name for name in self.arrays if name.startswith(SHRINKAGE)]
        for name, values in zip(names, answers.shrinkage.T, strict=True):
            self.arrays[name][rows] = values

    def counts(self) -> dict[str, int]:
        """How many objects have each verdict and method, for headers."""
        out = {}
        for name, (_, kind) in CODES.items():
            for code in kind:
                if code != kind.NONE:
                    out[f"n_{name}_{code.name.lower()}"] = int(np.sum(self.arrays[name] == code))
        return out

    def reshaped(self, shape) -> "Columns":
        """The same as images."""
        return Columns({name: array.reshape(shape) for name, array in self.arrays.items()})

    @staticmethod
    def describe(name: str) -> tuple[str, str]:
        """FITS extension and meaning of a column."""
        if name in CODES:
            extension, kind = CODES[name]
            return extension, "; ".join(code_text(kind))
        if name in NUMBERS:
            return NUMBERS[name]
        return (
            name.upper(),
            f"1 - posterior / prior variance of {name.removeprefix(SHRINKAGE)}, in normal scores",
        )
