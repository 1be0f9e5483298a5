"""Sets of photometric filters, ready for exact photon-counting integration."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import UserError
from .filter_names import JADES_BANDS, canonical_filter


@dataclass(frozen=True, eq=False)
class FilterSet:
    """Photon-counting filter curves.

    Parameters
    ----------
    names : tuple of str
        astro-sedpy names, the order of the ``Band`` axis.
    wave_aa, trans : tuple of ndarray
        One pair per band: observed wavelength [Angstrom], increasing, and relative transmission
        per photon, >= 0. Only the shape of the curve matters.

    Raises
    ------
    UserError
        For curves that are not usable, naming the band.
    """

    names: tuple[str, ...]
    wave_aa: tuple[np.ndarray, ...]
    trans: tuple[np.ndarray, ...]

    def __post_init__(self):
        if not self.names or not len(self.names) == len(self.wave_aa) == len(self.trans):
            raise UserError(
                f"{len(self.names)} filter names with {len(self.wave_aa)} wavelength and {len(self.trans)} "
                "transmission arrays: give one of each per band"
            )
        if len(set(self.names)) != len(self.names):
            raise UserError(f"filter names repeat in {', '.join(self.names)}: name every band once")
        for name, wave, trans in zip(self.names, self.wave_aa, self.trans, strict=True):
            if wave.ndim != 1 or wave.shape != trans.shape or len(wave) < 3:
                raise UserError(f"filter {name} has shapes {wave.shape} and {trans.shape}: give two equal columns")
            if not (np.all(np.isfinite(wave)) and np.all(np.isfinite(trans)) and np.all(np.diff(wave) > 0)):
                raise UserError(f"filter {name} is not finite with increasing wavelengths: sort and clean the curve")
            if trans.min() < 0 or trans.max() <= 0:
                raise UserError(f"filter {name} has negative or no transmission: check the columns of the curve")

    @classmethod
    def from_names(cls, names: tuple[str, ...] = JADES_BANDS) -> "FilterSet":
        """Load curves from astro-sedpy by any usual spelling of their names (default: 19 JADES bands)."""
        from sedpy.observate import Filter

        names = tuple(canonical_filter(name) for name in names)
        curves = [Filter(name) for name in names]
        return cls(
            names,
            tuple(np.asarray(c.wavelength, float) for c in curves),
            tuple(np.maximum(np.asarray(c.transmission, float), 0.0) for c in curves),
        )

    @cached_property
    def running(self) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]:
        """Per band: fine wavelengths, lambda T / its integral [1/A], and its running integral (0 to 1).

        T is linear between its samples and so lambda T is quadratic: each interval is cut in eight,
        over which the trapezoid rule is exact to 1e-5 of the interval even for the coarsest curves.
        """
        out = []
        for wave, trans in zip(self.wave_aa, self.trans, strict=True):
            parts = np.linspace(0, 1, 8, endpoint=False)
            fine = np.append((wave[:-1, None] + np.diff(wave)[:, None] * parts).ravel(), wave[-1])
            density = fine * np.interp(fine, wave, trans)
            cum = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(fine))])
            out.append((fine, density / cum[-1], cum / cum[-1]))
        return tuple(out)

    @cached_property
    def pivot_aa(self) -> np.ndarray:
        """Pivot wavelengths (Band,) [Angstrom], observed frame."""
        out = []
        for fine, density, _ in self.running:
            inverse = density / fine**2
            out.append(np.sum(0.5 * (inverse[1:] + inverse[:-1]) * np.diff(fine)) ** -0.5)
        return np.array(out)

    def quantile_wave_aa(self, quantile: float) -> np.ndarray:
        """Observed wavelength (Band,) below which a share of each filter's photons falls [Angstrom]."""
        return np.array([np.interp(quantile, cum, fine) for fine, _, cum in self.running])
