"""What the names of MILES files say."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dsps_sbi.errors import UserError

# MILES ends in _baseFe or _Ep0.40, sMILES (Knowles et al. 2023) in _ACFep00_aFep04: tenths of a dex
_NAME = re.compile(
    r"(?P<library>[A-Z])(?P<imf>un|bi|ku|kb|ch)(?P<slope>\d\.\d\d?)"
    r"Z(?P<met>[pm]\d\.\d\d)T(?P<age>\d+\.\d+)"
    r"_i(?P<tracks>[TP])(?P<tracks_alpha>[pm]\d\.\d\d)"
    r"_(?P<alpha>baseFe|E[pm]\d\.\d\d|(?:ACFe[pm]\d\d_)?aFe[pm]\d\d)(?P<rest>.*)\.fits",
    re.IGNORECASE,
)
# What begins like the name of an SSP
_BEGINS = re.compile(r"[A-Z](un|bi|ku|kb|ch)\d\.\d+Z", re.IGNORECASE)
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
        return f"{self.stars}_i{self.tracks}{self.tracks_alpha}_{self.alpha}{self.rest}"

    @property
    def stars(self) -> str:
        """Library, initial mass function and slope, such as ``Mkb1.30``."""
        return f"{self.library}{self.imf}{self.slope}"

    @property
    def alpha_fe(self) -> float | None:
        """[alpha/Fe], or None for the base models, which follow the Milky Way's stars."""
        if self.alpha == "baseFe":
            return None
        tenths = self._tenths
        return tenths["a"] if tenths else _signed(self.alpha[1:])

    @property
    def _tenths(self) -> dict[str, float]:
        """Abundances [dex] that names of sMILES state, by their tag without "Fe"; empty for other names."""
        found = re.findall(r"(a|AC)Fe([pm]\d\d)", self.alpha)
        return {tag: _signed(text) / 10.0 for tag, text in found}

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
        if self._tenths:
            # isochrones exist for two values only, spectra for five
            alpha = f"isochrones of {_signed(self.tracks_alpha):+.2f}, spectra of {alpha}"
            alpha += "".join(f", {k}Fe {v:+.2f}" for k, v in self._tenths.items() if k != "a" and v)
        return {
            "imf": f"{IMFS[self.imf]}, slope {self.slope}",
            "tracks": f"{TRACKS[self.tracks]}, {alpha}",
            "library": LIBRARIES.get(self.library, self.library),
        }


def _signed(text):
    return float(text[1:]) * (-1.0 if text[0] == "m" else 1.0) + 0.0


def kinds_of(paths: Iterable[Hashable]) -> dict[MilesKind, dict[tuple[float, float], Hashable]]:
    """File of each ([M/H], age [Gyr]) of each kind among paths; names of other forms are passed over.

    Raises
    ------
    UserError
        If a name begins like that of an SSP and goes on otherwise, or two are of the same SSP.
    """
    kinds = defaultdict(dict)
    for path in paths:
        name = Path(path).name
        match = _NAME.fullmatch(name)
        if match is None:
            if _BEGINS.match(name):
                raise UserError(
                    f"{path} has a name that cannot be read: expected one like "
                    "Mkb1.30Zp0.06T09.5000_iTp0.00_Ep0.40.fits or "
                    "Mku1.30Zp0.06T10.0000_iTp0.40_ACFep00_aFep04.fits; rename or remove it"
                )
            continue
        parts = _spelled(match.groupdict())
        key = _signed(parts.pop("met")), float(parts.pop("age"))
        files = kinds[MilesKind(**parts)]
        if key in files:
            raise UserError(f"{path} and {files[key]} are of the same SSP: keep one of them")
        files[key] = path
    return dict(kinds)


def _spelled(parts):
    """Parts of a name in the letters that most names have: files are found in capitals, too."""
    parts = parts | {name: parts[name].lower() for name in ("imf", "met")}
    parts |= {name: parts[name].upper() for name in ("library", "tracks")}
    parts["tracks_alpha"] = parts["tracks_alpha"].lower()
    parts["slope"] = f"{float(parts['slope']):.2f}"
    alpha = parts["alpha"].lower().replace("fe", "Fe").replace("ac", "AC")
    alpha = alpha[0].upper() + alpha[1:] if alpha[0] == "e" else alpha
    parts["alpha"] = alpha
    return parts
