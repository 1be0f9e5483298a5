"""Definitions of line-strength indices of the optical, and where their bands fall on pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import UserError

# A band is covered to round-off of its edges [Angstrom]
_CLOSE_AA = 1e-6


@dataclass(frozen=True)
class LineIndex:
    """Bands of an index, in air at rest [Angstrom].

    Parameters
    ----------
    name : str
    band, blue, red : (float, float)
        Band of the feature, and the side bands of its pseudo-continuum.
    unit : {"Angstrom", "mag"}
        Atomic or molecular.
    source : str
        Who defined it.

    Raises
    ------
    UserError
        For bands that are none, or another unit.
    """

    name: str
    band: tuple[float, float]
    blue: tuple[float, float]
    red: tuple[float, float]
    unit: str = "Angstrom"
    source: str = "user"

    def __post_init__(self):
        if self.unit not in ("Angstrom", "mag"):
            raise UserError(f"index {self.name}: unit is {self.unit!r}: give 'Angstrom' or 'mag'")
        for part in ("blue", "band", "red"):
            low, high = getattr(self, part)
            if not 0.0 < low < high < np.inf:
                raise UserError(
                    f"index {self.name}: {part} is {low:g}-{high:g}: give (low, high) in Angstrom, low < high"
                )
        if not sum(self.blue) < sum(self.red):
            raise UserError(f"index {self.name}: the middle of blue is not below that of red: exchange them")

    @property
    def range_aa(self) -> tuple[float, float]:
        """First and last wavelength of all three bands [Angstrom]."""
        ends = self.blue, self.band, self.red
        return min(low for low, _ in ends), max(high for _, high in ends)


_TRAGER = "Trager et al. (1998, ApJS 116, 1)"
_WORTHEY = "Worthey & Ottaviani (1997, ApJS 111, 377)"
_SERVEN = "Serven et al. (2005, ApJ 627, 754)"
_SPINIELLO = "Spiniello et al. (2014, MNRAS 438, 1483)"
_BARBERA = "La Barbera et al. (2013, MNRAS 433, 3017)"
# name, band, blue, red, unit, source; the first of each source in the order of wavelengths
_TABLE = (
    ("CN1", (4142.125, 4177.125), (4080.125, 4117.625), (4244.125, 4284.125), "mag", _TRAGER),
    ("CN2", (4142.125, 4177.125), (4083.875, 4096.375), (4244.125, 4284.125), "mag", _TRAGER),
    ("Ca4227", (4222.250, 4234.750), (4211.000, 4219.750), (4241.000, 4251.000), "Angstrom", _TRAGER),
    ("G4300", (4281.375, 4316.375), (4266.375, 4282.625), (4318.875, 4335.125), "Angstrom", _TRAGER),
    ("Fe4383", (4369.125, 4420.375), (4359.125, 4370.375), (4442.875, 4455.375), "Angstrom", _TRAGER),
    ("Ca4455", (4452.125, 4474.625), (4445.875, 4454.625), (4477.125, 4492.125), "Angstrom", _TRAGER),
    ("Fe4531", (4514.250, 4559.250), (4504.250, 4514.250), (4560.500, 4579.250), "Angstrom", _TRAGER),
    ("C2_4668", (4634.000, 4720.250), (4611.500, 4630.250), (4742.750, 4756.500), "Angstrom", _TRAGER),
    ("Hbeta", (4847.875, 4876.625), (4827.875, 4847.875), (4876.625, 4891.625), "Angstrom", _TRAGER),
    ("Fe5015", (4977.750, 5054.000), (4946.500, 4977.750), (5054.000, 5065.250), "Angstrom", _TRAGER),
    ("Mg1", (5069.125, 5134.125), (4895.125, 4957.625), (5301.125, 5366.125), "mag", _TRAGER),
    ("Mg2", (5154.125, 5196.625), (4895.125, 4957.625), (5301.125, 5366.125), "mag", _TRAGER),
    ("Mgb", (5160.125, 5192.625), (5142.625, 5161.375), (5191.375, 5206.375), "Angstrom", _TRAGER),
    ("Fe5270", (5245.650, 5285.650), (5233.150, 5248.150), (5285.650, 5318.150), "Angstrom", _TRAGER),
    ("Fe5335", (5312.125, 5352.125), (5304.625, 5315.875), (5353.375, 5363.375), "Angstrom", _TRAGER),
    ("Fe5406", (5387.500, 5415.000), (5376.250, 5387.500), (5415.000, 5425.000), "Angstrom", _TRAGER),
    ("Fe5709", (5696.625, 5720.375), (5672.875, 5696.625), (5722.875, 5736.625), "Angstrom", _TRAGER),
    ("Fe5782", (5776.625, 5796.625), (5765.375, 5775.375), (5797.875, 5811.625), "Angstrom", _TRAGER),
    ("NaD", (5876.875, 5909.375), (5860.625, 5875.625), (5922.125, 5948.125), "Angstrom", _TRAGER),
    ("TiO1", (5936.625, 5994.125), (5816.625, 5849.125), (6038.625, 6103.625), "mag", _TRAGER),
    ("TiO2", (6189.625, 6272.125), (6066.625, 6141.625), (6372.625, 6415.125), "mag", _TRAGER),
    ("HdA", (4083.500, 4122.250), (4041.600, 4079.750), (4128.500, 4161.000), "Angstrom", _WORTHEY),
    ("HdF", (4091.000, 4112.250), (4057.250, 4088.500), (4114.750, 4137.250), "Angstrom", _WORTHEY),
    ("HgA", (4319.750, 4363.500), (4283.500, 4319.750), (4367.250, 4419.750), "Angstrom", _WORTHEY),
    ("HgF", (4331.250, 4352.250), (4283.500, 4319.750), (4354.750, 4384.750), "Angstrom", _WORTHEY),
    ("CaHK", (3899.5, 4003.5), (3806.5, 3833.8), (4020.7, 4052.4), "Angstrom", _SERVEN),
    ("bTiO", (4758.500, 4800.000), (4742.750, 4756.500), (4827.875, 4847.875), "mag", _SPINIELLO),
    ("aTiO", (5445.0, 5600.0), (5420.0, 5442.0), (5630.0, 5655.0), "mag", _SPINIELLO),
    ("CaH1", (6357.500, 6401.750), (6342.125, 6356.500), (6408.500, 6429.750), "mag", _SPINIELLO),
    ("CaH2", (6775.000, 6900.000), (6510.000, 6539.250), (7017.000, 7064.000), "mag", _SPINIELLO),
    ("TiO2sdss", (6189.625, 6272.125), (6066.625, 6141.625), (6422.0, 6455.0), "mag", _BARBERA),
)

#: Indices by name, in the order of the wavelengths of their bands. The Lick indices are those of Trager et
#: al. (1998), as Worthey et al. (1994, ApJS 94, 687) defined them, on a finer scale of wavelengths.
LINE_INDICES = MappingProxyType(
    {row[0]: LineIndex(*row) for row in sorted(_TABLE, key=lambda row: (sum(row[1]), row[0]))}
)


def indices_named(names: Sequence[str | LineIndex] | None = None) -> tuple[LineIndex, ...]:
    """Definitions by name; those of a user pass. Default: all of :data:`LINE_INDICES`.

    Raises
    ------
    UserError
        For an unknown name, or one that is given twice.
    """
    if names is None:
        return tuple(LINE_INDICES.values())
    names = (names,) if isinstance(names, str | LineIndex) else tuple(names)
    for name in names:
        if not isinstance(name, LineIndex) and name not in LINE_INDICES:
            raise UserError(
                f"index {name!r} is unknown: choose from {', '.join(LINE_INDICES)}, or give a LineIndex"
            )
    found = tuple(name if isinstance(name, LineIndex) else LINE_INDICES[name] for name in names)
    repeated = [index.name for i, index in enumerate(found) if index.name in {f.name for f in found[:i]}]
    if repeated or not found:
        word = f"{repeated[0]} is given twice" if repeated else "no index is given"
        raise UserError(f"indices: {word}: give each that is wanted once")
    return found


class IndexBands(NamedTuple):
    """Bands of some indices in the pixels of a spectrum; a pytree, for :mod:`dsps_sbi.kernels.line_index`.

    Parameters
    ----------
    start : int array (Index,)
        First pixel of each index's window.
    band : array (Index, Window)
        Width of the feature's band in each pixel [Angstrom].
    blue, red : array (Index, Window)
        Shares of the pixels in the mean fluxes of the side bands; each row sums to 1.
    place : array (Index, Window)
        From 0 at the middle of the blue side band to 1 at that of the red one.
    magnitudes : bool array (Index,)
        Whether an index is in magnitudes.
    """

    start: jax.Array
    band: jax.Array
    blue: jax.Array
    red: jax.Array
    place: jax.Array
    magnitudes: jax.Array


def covered(index: LineIndex, edges_aa: np.ndarray) -> bool:
    """Whether pixels with these edges (Pixel + 1,) hold all three bands."""
    low, high = index.range_aa
    return edges_aa[0] <= low + _CLOSE_AA and edges_aa[-1] >= high - _CLOSE_AA


def bands_on(indices: Sequence[LineIndex], edges_aa: np.ndarray) -> IndexBands:
    """Where indices fall on pixels.

    Parameters
    ----------
    indices : sequence of LineIndex
    edges_aa : ndarray (Pixel + 1,)
        Edges of the pixels in air, at rest [Angstrom].

    Raises
    ------
    UserError
        If the pixels do not hold all bands of an index.
    """
    edges = np.asarray(edges_aa, float)
    missing = next((index for index in indices if not covered(index, edges)), None)
    if missing is not None:
        low, high = missing.range_aa
        raise UserError(
            f"index {missing.name} needs {low:.1f}-{high:.1f} Angstrom (air, at rest), the pixels cover "
            f"{edges[0]:.1f}-{edges[-1]:.1f}: leave it out"
        )
    first = [np.searchsorted(edges, index.range_aa[0] + _CLOSE_AA, side="right") - 1 for index in indices]
    last = [np.searchsorted(edges, index.range_aa[1] - _CLOSE_AA, side="left") for index in indices]
    window = max(b - a for a, b in zip(first, last, strict=True))
    start = np.clip(first, 0, len(edges) - 1 - window)
    parts = {"band": [], "blue": [], "red": [], "place": []}
    for begin, index in zip(start, indices, strict=True):
        low, high = edges[begin : begin + window], edges[begin + 1 : begin + 1 + window]
        middles = [0.5 * sum(band) for band in (index.blue, index.red)]
        for part in ("blue", "red"):
            held = _held(low, high, getattr(index, part))
            parts[part].append(held / held.sum())
        parts["band"].append(_held(low, high, index.band))
        middle = 0.5 * (np.clip(low, *index.band) + np.clip(high, *index.band))
        parts["place"].append((middle - middles[0]) / (middles[1] - middles[0]))
    arrays = {part: jnp.asarray(np.stack(rows), jnp.float32) for part, rows in parts.items()}
    magnitudes = jnp.asarray([index.unit == "mag" for index in indices])
    return IndexBands(start=jnp.asarray(start, jnp.int32), magnitudes=magnitudes, **arrays)


def _held(low, high, band):
    """Width of a band in each pixel [Angstrom]."""
    return np.maximum(np.minimum(high, band[1]) - np.maximum(low, band[0]), 0.0)
