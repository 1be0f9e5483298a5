"""Sets of photometric filters, ready for exact photon-counting integration."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from astropy import units as u

from ..arrays import plain
from ..components import pytree
from ..errors import UserError
from .filter_names import JADES_BANDS, canonical_filter

# Length of each unit [Angstrom]
_UNIT_AA = {"angstrom": 1.0, "micron": 1e4}
# Wavelengths that a filter can have [Angstrom], ultraviolet to millimetre: catches a wrong unit
_RANGE_AA = (100.0, 1e8)


def _read_curve(path, unit):
    """Wavelength [Angstrom], rising, and transmission of one file."""
    try:
        rows = [line.split("#")[0].replace(",", " ").split() for line in Path(path).read_text().splitlines()]
        table = np.array([[float(value) for value in row] for row in rows if row])
    except (OSError, ValueError) as err:
        raise UserError(f"cannot read the filter curve {path} ({err}): give two columns of text") from err
    if table.ndim != 2 or table.shape[1] != 2:
        raise UserError(f"filter curve {path} has shape {table.shape}, expected (rows, 2): give two columns")
    wave, trans = table[:: -1 if table[0, 0] > table[-1, 0] else 1].T
    wave = wave * _UNIT_AA[unit]
    if not (wave[0] > 0.0 and _RANGE_AA[0] <= wave[-1] <= _RANGE_AA[1]):
        other = "micron" if unit == "angstrom" else "angstrom"
        raise UserError(
            f"filter curve {path} would reach {wave[-1]:g} Angstrom: "
            f"check the columns, or pass unit={other!r}"
        )
    return wave, np.ascontiguousarray(trans)


@pytree(arrays=("curves", "pivots"), static=("names",), aside=("wave_aa", "trans"))
@dataclass(frozen=True, eq=False)
class FilterSet:
    """Photon-counting filter curves; a pytree.

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
        for field, unit in (("wave_aa", u.AA), ("trans", None)):
            arrays = zip(self.names, getattr(self, field), strict=True)
            arrays = tuple(plain(a, f"filter {name}: {field}", unit, dtype=float) for name, a in arrays)
            object.__setattr__(self, field, arrays)
        if len(set(self.names)) != len(self.names):
            raise UserError(f"filter names repeat in {', '.join(self.names)}: name every band once")
        for name, wave, trans in zip(self.names, self.wave_aa, self.trans, strict=True):
            if wave.ndim != 1 or wave.shape != trans.shape or len(wave) < 3:
                raise UserError(f"filter {name} has shapes {wave.shape}, {trans.shape}: give equal columns")
            if not (np.all(np.isfinite(wave)) and np.all(np.isfinite(trans)) and np.all(np.diff(wave) > 0)):
                raise UserError(f"filter {name} is not finite with increasing wavelengths: sort and clean it")
            if trans.min() < 0 or trans.max() <= 0:
                raise UserError(f"filter {name} has negative or no transmission: check the columns")

    @classmethod
    def from_names(cls, names: tuple[str, ...] = JADES_BANDS) -> "FilterSet":
        """Load curves from astro-sedpy by any usual spelling of their names (default: 19 JADES bands)."""
        from sedpy.observate import Filter

        names = (names,) if isinstance(names, str) else names
        names = tuple(canonical_filter(name) for name in names)
        curves = [Filter(name) for name in names]
        return cls(
            names,
            tuple(np.asarray(c.wavelength, float) for c in curves),
            tuple(np.maximum(np.asarray(c.transmission, float), 0.0) for c in curves),
        )

    @classmethod
    def from_files(
        cls, files: Mapping[str, str | os.PathLike], counting: str = "photon", unit: str = "angstrom"
    ) -> "FilterSet":
        """Read curves from text files of two columns, wavelength and transmission; # starts a comment.

        Parameters
        ----------
        files : mapping of str to path-like
            File of each band by its name, in the order of the ``Band`` axis.
        counting : {"photon", "energy"}
            What the transmission is relative to, for all files. Energy-counting curves (throughput
            times lambda) are divided by the wavelength: detectors count photons (Bessell & Murphy
            2012, PASP 124, 140, sect. 2).
        unit : {"angstrom", "micron"}
            Of the wavelengths, for all files.

        Raises
        ------
        UserError
            For unknown options, and for files that do not hold a usable curve, naming the file.
        """
        if counting not in ("photon", "energy"):
            raise UserError(f"counting is {counting!r}: give 'photon' or 'energy'")
        if unit not in _UNIT_AA:
            raise UserError(f"unit of wavelength is {unit!r}: give {' or '.join(map(repr, _UNIT_AA))}")
        curves = [_read_curve(path, unit) for path in files.values()]
        if counting == "energy":
            # scaled to the middle of the curve so that its numbers stay of the same size
            curves = [(wave, trans * wave[len(wave) // 2] / wave) for wave, trans in curves]
        return cls(tuple(files), tuple(wave for wave, _ in curves), tuple(trans for _, trans in curves))

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
    def curves(self) -> tuple[jax.Array, jax.Array, jax.Array]:
        """:attr:`running` as three arrays (Band, n) of one length, all bands together.

        Shorter curves go on beyond their end: without transmission, their running integral at 1.
        """
        longest = max(len(wave) for wave, _, _ in self.running)
        columns = ([], [], [])
        for wave, density, cum in self.running:
            more = longest - len(wave)
            # the first one close by: lines beyond the end are not seen
            beyond = wave[-1] * (1.0 + 1e-6 + 0.01 * np.arange(more))
            columns[0].append(np.concatenate([wave, beyond]))
            columns[1].append(np.pad(density, (0, more)))
            columns[2].append(np.pad(cum, (0, more), constant_values=1.0))
        with jax.ensure_compile_time_eval():
            return tuple(jnp.asarray(np.stack(rows), jnp.float32) for rows in columns)

    @cached_property
    def pivots(self) -> jax.Array:
        """:attr:`pivot_aa` as float32, for what is compiled."""
        with jax.ensure_compile_time_eval():
            return jnp.asarray(self.pivot_aa, jnp.float32)

    @cached_property
    def pivot_aa(self) -> np.ndarray:
        """Pivot wavelengths (Band,) [Angstrom], observed frame."""
        out = []
        for fine, density, _ in self.running:
            inverse = density / fine**2
            out.append(np.sum(0.5 * (inverse[1:] + inverse[:-1]) * np.diff(fine)) ** -0.5)
        return np.array(out)

    @cached_property
    def log_width(self) -> np.ndarray:
        """Widths (Band,) in ln wavelength: of the top hat that scatters photons about their mean as much."""
        out = []
        for fine, density, _ in self.running:
            x = np.log(fine)
            mean, square = (
                np.sum(0.5 * (f[1:] + f[:-1]) * np.diff(fine)) for f in (density * x, density * x**2)
            )
            out.append(np.sqrt(12.0 * max(square - mean**2, 1e-8)))
        return np.array(out)

    def quantile_wave_aa(self, quantile: float) -> np.ndarray:
        """Observed wavelength (Band,) below which a share of each filter's photons falls [Angstrom]."""
        return np.array([np.interp(quantile, cum, fine) for fine, _, cum in self.running])
