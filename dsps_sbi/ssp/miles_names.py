"""What the names of MILES files say."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(
    r"(?P<library>[A-Z])(?P<imf>un|bi|ku|kb|ch)(?P<slope>\d\.\d\d)"
    r"Z(?P<met>[pm]\d\.\d\d)T(?P<age>\d+\.\d+)"
    r"_i(?P<tracks>[TP])(?P<tracks_alpha>[pm]\d\.\d\d)_(?P<alpha>baseFe|E[pm]\d\.\d\d)(?P<rest>.*)\.fits"
)
IMFS = {
    "un": "unimodal",
    "bi": "bimodal",
    "ku": "Kroupa (2001) universal",
    "kb": "Kroupa (2001) revised",
    "ch": "Chabrier (2003)",
}
TRACKS = {"T": "BaSTI", "P": "Padova 2000"}
LIBRARIES = {"M": "MILES", "E": "E-MILES"}
# Resolution of MILES (Falcon-Barroso et al. 2011); E-MILES has it from 3540 to 8950 Angstrom
_FWHM_AA = 2.51


@dataclass(frozen=True)
class MilesKind:
    """What all SSPs of one grid share, as spelled in their names; ``rest`` is how the names end."""

    library: str
    imf: str
    slope: str
    tracks: str
    tracks_alpha: str
    alpha: str
    rest: str

    @property
    def name(self) -> str:
        """File name without [M/H] and age, such as ``Mkb1.30_iTp0.00_Ep0.40``."""
        stars = f"{self.library}{self.imf}{self.slope}_i{self.tracks}{self.tracks_alpha}"
        return f"{stars}_{self.alpha}{self.rest}"

    @property
    def alpha_fe(self) -> float | None:
        """[alpha/Fe], or None for the base models, which follow the Milky Way's stars."""
        return None if self.alpha == "baseFe" else _signed(self.alpha[1:])

    @property
    def fwhm_aa(self) -> float | None:
        """Resolution [Angstrom]; None for files smoothed to an unknown or varying width (LIS)."""
        stated = re.search(r"FWHM_(\d+\.\d+)", self.rest)
        if stated:
            return float(stated[1])
        return None if "LIS" in self.rest or self.library not in LIBRARIES else _FWHM_AA

    def words(self) -> dict[str, str]:
        """Initial mass function, tracks and library in words, as SSPGrid wants them."""
        alpha = "base models" if self.alpha_fe is None else f"[alpha/Fe] {self.alpha_fe:+.2f}"
        return {
            "imf": f"{IMFS[self.imf]}, slope {self.slope}",
            "tracks": f"{TRACKS[self.tracks]}, {alpha}",
            "library": LIBRARIES.get(self.library, self.library),
        }


def _signed(text):
    return float(text[1:]) * (-1.0 if text[0] == "m" else 1.0) + 0.0


def kinds_of(paths: Iterable[Hashable]) -> dict[MilesKind, dict[tuple[float, float], Hashable]]:
    """File of each ([M/H], age [Gyr]) of each kind among paths; names of other forms are passed over."""
    kinds = defaultdict(dict)
    for path in paths:
        match = _NAME.fullmatch(Path(path).name)
        if match:
            parts = match.groupdict()
            key = _signed(parts.pop("met")), float(parts.pop("age"))
            kinds[MilesKind(**parts)][key] = path
    return dict(kinds)
