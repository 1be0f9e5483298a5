"""Sets of photometric filters, ready for exact photon-counting integration."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from astropy import units as u

from ..arrays import plain
from ..components import pytree
from ..errors import UserError
from .curve_files import UNIT_AA, check_options, per_photon, read_curve, rising
from .filter_names import JADES_BANDS, canonical_filter


def is_file(entry) -> bool:
    """Whether an entry of a list of filters is the name of a file, not that of a filter."""
    if isinstance(entry, os.PathLike):
        return True
    return isinstance(entry, str) and bool(Path(entry).suffix) and Path(entry).is_file()


def has_curves(filters) -> bool:
    """Whether some of the filters that :meth:`FilterSet.of` takes are more than names."""
    if isinstance(filters, str | bytes) or not isinstance(filters, Iterable):
        return False
    return isinstance(filters, Mapping) or any(
        not isinstance(entry, str | bytes) or is_file(entry) for entry in filters
    )


@cache
def _of_sedpy(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Wavelengths [Angstrom] and transmission of a filter of astro-sedpy; its text file is read once."""
    from sedpy.observate import Filter

    curve = Filter(name)
    wave, trans = np.array(curve.wavelength, float), np.maximum(curve.transmission, 0.0, dtype=float)
    wave.flags.writeable = trans.flags.writeable = False
    return wave, trans


def _curve(name, entry, options):
    """Name, wavelengths [Angstrom] and transmission per photon of an entry of :meth:`FilterSet.of`."""
    if isinstance(entry, str | bytes) and not is_file(entry):
        known = FilterSet.from_names((entry,))
        return name or known.names[0], known.wave_aa[0], known.trans[0]
    if isinstance(entry, Mapping):
        unknown = sorted(set(entry) - {"file", "wave", "trans", *options})
        if unknown or ("file" in entry) == ("wave" in entry and "trans" in entry):
            raise UserError(
                f"filter {name} is {', '.join(map(str, entry))}: expected file, or wave and trans, and "
                "perhaps counting, unit and clip"
            )
        options = options | {key: value for key, value in entry.items() if key in options}
        check_options(options["counting"], options["unit"])
        entry = entry["file"] if "file" in entry else (entry["wave"], entry["trans"])
    if isinstance(entry, str | os.PathLike):
        name = name or Path(entry).stem
        wave, trans = read_curve(entry, options["unit"])
    else:
        if not isinstance(entry, Sequence | np.ndarray) or len(entry) != 2 or name is None:
            raise UserError(
                f"filter {name if name else repr(entry)[:40]}: expected a name, a file, or, in a mapping by "
                "name, a pair of arrays (wavelength, transmission)"
            )
        factor = 1.0 if getattr(entry[0], "unit", None) is not None else UNIT_AA[options["unit"]]
        wave = factor * plain(entry[0], f"filter {name}: wavelengths", u.AA, dtype=float)
        trans = plain(entry[1], f"filter {name}: transmission", None, dtype=float)
        if wave.ndim != 1 or wave.shape != trans.shape or len(wave) < 3:
            raise UserError(f"filter {name} has shapes {wave.shape}, {trans.shape}: give equal columns")
        wave, trans = rising(wave, trans)
    trans = np.maximum(trans, 0.0) if options["clip"] else trans
    return name, wave, per_photon(wave, trans, options["counting"])


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
            if not np.all(np.isfinite(trans)):
                raise UserError(
                    f"filter {name} has a transmission that is not finite at "
                    f"{np.sum(~np.isfinite(trans))} of {len(trans)} wavelengths: take these rows out"
                )
            if not (np.all(np.isfinite(wave)) and np.all(np.diff(wave) > 0)):
                raise UserError(f"filter {name} is not finite with increasing wavelengths: sort and clean it")
            if trans.min() < 0 or trans.max() <= 0:
                raise UserError(
                    f"filter {name} has negative or no transmission: "
                    f"{int((trans < 0).sum())} of {len(trans)} values are negative, the lowest "
                    f"{trans.min():.2g} with a peak of {trans.max():.2g}; check the columns, or put 0 for "
                    "the noise of a scan (clip=True, in a layout clip=yes)"
                )

    @classmethod
    def from_names(cls, names: tuple[str, ...] = JADES_BANDS) -> "FilterSet":
        """Load curves from astro-sedpy by any usual spelling of their names (default: 19 JADES bands)."""
        names = (names,) if isinstance(names, str) else names
        names = tuple(canonical_filter(name) for name in names)
        curves = [_of_sedpy(name) for name in names]
        return cls(names, tuple(wave for wave, _ in curves), tuple(trans for _, trans in curves))

    @classmethod
    def from_files(
        cls,
        files: Mapping[str, str | os.PathLike],
        counting: str = "photon",
        unit: str = "angstrom",
        clip: bool = False,
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
        clip : bool
            Put 0 for negative transmissions, the noise of a scan.

        Raises
        ------
        UserError
            For unknown options, and for files that do not hold a usable curve, naming the file.
        """
        return cls.of({name: Path(path) for name, path in files.items()}, counting, unit, clip)

    @classmethod
    def of(cls, filters, counting: str = "photon", unit: str = "angstrom", clip: bool = False) -> "FilterSet":
        """Filters by name, by file and by arrays, as they come.

        Parameters
        ----------
        filters : FilterSet, sequence, or mapping of str to these
            Of each band: a name in any usual spelling, a Path or the name of a file (see
            :meth:`from_files`), a pair of arrays (wavelength, transmission), or a mapping with ``file``, or
            ``wave`` and ``trans``, and perhaps ``counting``, ``unit`` and ``clip``. The keys of a mapping are
            the names of the bands; without, a band is called as its filter or its file.
        counting, unit, clip
            Of files and arrays that say nothing else, as for :meth:`from_files`. A Quantity has its own unit.

        Raises
        ------
        UserError
            For names that nobody knows, and curves that cannot be used.

        Examples
        --------
        >>> FilterSet.of({"g": "hsc_g", "vis": Path("Euclid_VIS.dat"), "mine": (wave, trans)})
        """
        if isinstance(filters, FilterSet):
            return filters
        check_options(counting, unit)
        if isinstance(filters, str | os.PathLike):
            filters = [filters]
        entries = filters.items() if isinstance(filters, Mapping) else ((None, one) for one in filters)
        options = {"counting": counting, "unit": unit, "clip": clip}
        curves = [_curve(name, entry, options) for name, entry in entries]
        if not curves:
            raise UserError("no filters are given: expected one for each band; name them")
        return cls(*(tuple(column) for column in zip(*curves, strict=True)))

    @cached_property
    def content(self) -> str:
        """Hash of names and curves: equal for equal ones."""
        digest = hashlib.blake2b(repr(self.names).encode(), digest_size=16)
        for array in (*self.wave_aa, *self.trans):
            digest.update(f"{array.size} ".encode() + np.ascontiguousarray(array, float).tobytes())
        return digest.hexdigest()

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
