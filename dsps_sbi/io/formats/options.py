"""What a reader of spectra is told by its user, what the file says, and which of these counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ...arrays import number
from ...errors import UserError
from ...instruments.lsf import LSF
from ..spectrum import medium_of

# What notes tell the origin of, in this order
_TOLD = ("medium", "lsf", "redshift")


@dataclass(frozen=True)
class ReadOptions:
    """The keywords of :func:`dsps_sbi.read_spectrum` that formats share; None: as the file says.

    Parameters
    ----------
    redshift : float, optional
        Numbers in text are read, as in headers.
    medium, lsf, wave_unit, flux_unit, snr
        As of :func:`dsps_sbi.read_spectrum`.
    found : mapping of str to (object, str)
        What the file says of medium, LSF and redshift: the value, and what that is in words.

    Raises
    ------
    UserError
        For a redshift or S/N that is no number, an unknown medium, or an LSF that is none.
    """

    redshift: float | None = None
    medium: str | None = None
    lsf: LSF | None = None
    wave_unit: str | None = None
    flux_unit: str | None = None
    snr: float | None = None
    found: Mapping[str, tuple] = field(default_factory=dict)

    def __post_init__(self):
        if self.redshift is not None:
            object.__setattr__(self, "redshift", number(self.redshift, "redshift"))
        if self.medium is not None:
            medium_of(self.medium, "wavelengths")
        if self.lsf is not None and not isinstance(self.lsf, LSF):
            raise UserError(
                f"lsf is of type {type(self.lsf).__name__}: expected an LSF; give for example "
                "LSF('fwhm_aa', 2.8)"
            )
        if self.snr is not None:
            object.__setattr__(self, "snr", number(self.snr, "signal-to-noise ratio"))
            if not (np.isfinite(self.snr) and self.snr > 0.0):
                raise UserError(
                    f"signal-to-noise ratio is {self.snr:g}: give that of the median pixel, above 0"
                )

    def known(self, words: str = "", **value) -> "ReadOptions":
        """With what the file or its format says of one thing; what the user says goes before it.

        Parameters
        ----------
        words : str
            What it is and where it is from, such as "z 0.05 from REDSHIFT". Empty: not worth a word.
        **value
            One of the fields; None where the file does not say it.
        """
        ((name, value),) = value.items()
        if value is None:
            return self
        own = getattr(self, name)
        return replace(self, **{name: value if own is None else own}).said(words, name, value)

    def said(self, words: str, name: str, value=None) -> "ReadOptions":
        """With what the file says of one thing in words alone, where the user says another."""
        found = dict(self.found)
        found.setdefault(name, (value, words))
        return replace(self, found=found)

    def redshift_of(self, headers, label, names=("REDSHIFT",)) -> "ReadOptions":
        """With the redshift of the first header that has one, as a number or as text.

        Raises
        ------
        UserError
            If it is no number, and the user gives none.
        """
        for header in headers:
            lower = {str(key).lower(): value for key, value in dict(header).items()}
            for name in names:
                value = lower.get(name.lower())
                if value is None or value == "":
                    continue
                try:
                    if isinstance(value, bool | np.bool_):
                        raise ValueError
                    return self.known(f"z {float(value):.6g} from {name}", redshift=float(value))
                except (TypeError, ValueError) as error:
                    if self.redshift is not None:
                        return self.said(f"{name} = {value!r}", "redshift")
                    raise UserError(
                        f"{label}: {name} is {value!r} in the header: expected a number; mend it, or give "
                        "redshift="
                    ) from error
        return self

    def notes(self) -> list[str]:
        """Medium, LSF and redshift that are used, where each is from, and what of the file's is not used."""
        out = []
        for name in _TOLD:
            value = getattr(self, name)
            if value is None:
                continue
            theirs, words = self.found.get(name, (None, ""))
            if name not in self.found:
                out.append(f"{_words(name, value)} as given")
            elif _same(theirs, value):
                out += [words] if words else []
            else:
                out.append(f"{_words(name, value)} as given, not {words or _words(name, theirs)}")
        return out


def _same(theirs, value):
    return theirs is value or (not isinstance(value, LSF) and theirs == value)


def _words(name, value):
    return value if name == "medium" else lsf_words(value) if name == "lsf" else f"z {value:.6g}"


def lsf_words(lsf: LSF) -> str:
    """An LSF in words: what it is, and its median."""
    return f"LSF {lsf.quantity} {np.median(lsf.value):.4g}"
