"""Random surveys: filters that a network for any filters is trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from ...errors import UserError
from ...instruments.coverage import USABLE
from ...instruments.filters import FilterSet
from ..wave_basis import WaveBasis
from .light import Bands

# Samples of a curve
_SAMPLES = 128
# Pivot wavelengths of training [Angstrom]: far ultraviolet to 5 micron
PIVOTS_AA = (1300.0, 50_000.0)
# Widest filter of training, in ln wavelength
_WIDEST = 1.0
# Fewest bands of a survey
FEWEST = 3
# Synthetic filters of a library
_N_HATS = 200

_NIRCAM_MEDIUM = (
    "140m",
    "162m",
    "182m",
    "210m",
    "250m",
    "300m",
    "335m",
    "360m",
    "410m",
    "430m",
    "460m",
    "480m",
)
_SUBARU = (427, 445, 464, 484, 505, 527, 550, 574, 598, 624, 651, 679, 709, 738, 767, 797, 827, 856)

# Surveys on which networks are examined: no filter of theirs is among those of training. Euclid's are not in
# sedpy, and so are not either
EXAMINATION: dict[str, tuple[str, ...]] = {
    "candels-goodss": (
        "vlt_vimos_U",
        *(f"acs_wfc_f{band}" for band in ("435w", "606w", "775w", "814w", "850lp")),
        *(f"wfc3_ir_f{band}" for band in ("098m", "105w", "125w", "160w")),
        "vlt_isaac_Ks",
        "spitzer_irac_ch1",
        "spitzer_irac_ch2",
    ),
    "cosmos2020": (
        "cfht_megacam_us_9301",
        *(f"hsc_{band}" for band in "grizy"),
        *(f"vista_vircam_{band}" for band in ("Y", "J", "H", "Ks")),
        "spitzer_irac_ch1",
        "spitzer_irac_ch2",
    ),
    "lsst": tuple(f"lsst_baseline_{band}" for band in "ugrizy"),
    "desi-legacy": ("decam_g", "decam_r", "decam_z", "wise_w1", "wise_w2"),
    "hsc": tuple(f"hsc_{band}" for band in "grizy"),
    "sdss": tuple(f"sdss_{band}0" for band in "ugriz"),
    "jwst": tuple(f"jwst_f{band}w" for band in ("090", "115", "150", "200", "277", "356", "444")),
    "medium": (
        *(f"subaru_suprimecam_ia{band}" for band in _SUBARU),
        *(f"jwst_f{band}" for band in _NIRCAM_MEDIUM),
    ),
}


def _withheld(name: str) -> bool:
    """Whether a filter, or another curve of the same filter, is one of the examination."""
    plain = name.replace("jwst_moda_", "jwst_").replace("jwst_modb_", "jwst_").removesuffix("_FILTER")
    return any(plain in names for names in EXAMINATION.values())


class Curve(NamedTuple):
    """A filter: wavelengths [Angstrom], lambda T over its integral, running integral (n,), pivot, width."""

    wave: np.ndarray
    density: np.ndarray
    cum: np.ndarray
    pivot: float
    width: float

    def moved(self, shift: float, stretch: float) -> "Curve":
        """At ``shift`` times its wavelengths, ``stretch`` times as wide."""
        wave = (self.pivot + (self.wave - self.pivot) * stretch) * shift
        density = self.density / (shift * stretch)
        pivot = np.trapezoid(density / wave**2, wave) ** -0.5
        return Curve(wave, density, self.cum, float(pivot), self.width * stretch)


@dataclass(frozen=True)
class Survey:
    """Filters as :meth:`~dsps_sbi.photometry.wave_basis.WaveBasis.pieces` takes them.

    Parameters
    ----------
    curves : sequence of Curve
    """

    curves: Sequence[Curve]

    @property
    def running(self):
        """As that of a :class:`~dsps_sbi.instruments.filters.FilterSet`."""
        return [curve[:3] for curve in self.curves]

    @property
    def pivot_aa(self) -> np.ndarray:
        """Pivot wavelengths (Band,) [Angstrom]."""
        return np.array([curve.pivot for curve in self.curves])


@partial(jax.tree_util.register_dataclass, data_fields=["z", "there", "bands"], meta_fields=[])
@dataclass(frozen=True)
class SurveyPool:
    """Surveys of at most some number of bands, each at one redshift; leaves have an axis ``Survey``.

    Parameters
    ----------
    z : array (Survey,)
    there : bool array (Survey, Band)
        Bands that the survey has, within the wavelengths of the stellar populations.
    bands : Bands
    """

    z: jax.Array
    there: jax.Array
    bands: Bands


def curves_of(filters: FilterSet) -> list[Curve]:
    """Those of a filter set, with few samples each."""
    out = []
    for (wave, density, cum), pivot, width in zip(
        filters.running, filters.pivot_aa, filters.log_width, strict=True
    ):
        inside = (cum > 1e-5) & (cum < 1.0 - 1e-5)
        low, high = wave[inside][[0, -1]] if inside.any() else wave[[0, -1]]
        fine = np.linspace(low, high, _SAMPLES)
        running = np.interp(fine, wave, cum)
        running = (running - running[0]) / (running[-1] - running[0])
        out.append(Curve(fine, np.interp(fine, wave, density), running, float(pivot), float(width)))
    return out


def top_hats(n: int, rng) -> list[Curve]:
    """Synthetic filters with straight flanks, 3 to 50 % wide."""
    wave, trans = [], []
    for _ in range(n):
        middle = np.exp(rng.uniform(*np.log(PIVOTS_AA)))
        half = 0.5 * middle * np.exp(rng.uniform(np.log(0.03), np.log(0.5)))
        flank = half * rng.uniform(0.03, 0.6)
        slope = rng.uniform(-0.4, 0.4)
        wave.append(middle + np.array([-half - flank, -half + flank, half - flank, half + flank]))
        trans.append(np.array([0.0, 1.0 - slope, 1.0 + slope, 0.0]))
    return curves_of(FilterSet(tuple(f"hat{i}" for i in range(n)), tuple(wave), tuple(trans)))


def training_filters(names=None, n_hats: int = _N_HATS, seed: int = 0) -> list[Curve]:
    """Filters of astro-sedpy from 1300 Angstrom to 5 micron but those of :data:`EXAMINATION`, and top hats.

    Parameters
    ----------
    names : sequence of str or None
        Of filters to pick from; by default all of sedpy's.
    n_hats : int
        Synthetic filters beside those of sedpy.
    seed : int
        Of the synthetic ones.
    """
    from sedpy.observate import list_available_filters

    known = []
    for name in list_available_filters() if names is None else names:
        if _withheld(name):
            continue
        try:
            (curve,) = curves_of(FilterSet.from_names((name,)))
        except UserError:
            # a curve that no fit can use, such as one that is not sorted
            continue
        if PIVOTS_AA[0] < curve.pivot < PIVOTS_AA[1] and curve.width < _WIDEST:
            known.append(curve)
    return known + top_hats(n_hats, np.random.default_rng(seed))


def random_survey(library: Sequence[Curve], fewest: int, most: int, rng) -> Survey:
    """A survey of ``fewest`` to ``most`` bands, uniform in log number: filters shifted and stretched.

    Half of the surveys cover a range of wavelengths, not all of it.
    """
    number = min(most, int(np.exp(rng.uniform(np.log(fewest), np.log(most + 1.0)))))
    log_wave = np.log(np.fromiter((curve.pivot for curve in library), float))
    low, high = log_wave.min(), log_wave.max()
    if rng.uniform() < 0.5:
        span = rng.uniform(0.25, 1.0) * (high - low)
        low = rng.uniform(low, high - span)
        high = low + span
    inside = np.flatnonzero((log_wave >= low) & (log_wave <= high))
    # even in ln wavelength: libraries have many filters where surveys have few
    target = rng.uniform(low, high, number)
    near = np.abs(log_wave[inside][None] - target[:, None]) + rng.exponential(0.1, (number, len(inside)))
    index = inside[np.argmin(near, axis=1)]
    shift, stretch = np.exp(rng.normal(0.0, 0.03, number)), np.exp(rng.normal(0.0, 0.15, number))
    return Survey([library[i].moved(s, t) for i, s, t in zip(index, shift, stretch, strict=True)])


def bands_of(basis: WaveBasis, survey: Survey, z: float, n_band: int):
    """Which of n_band bands are there (n_band,), and :class:`Bands` filled up to that number, as ndarrays."""
    n = len(survey.curves)
    pieces, screen, share = (columns[0] for columns in basis.pieces(survey, z))
    more = n_band - n
    there = np.pad(share >= 1.0 - USABLE, (0, more))
    pieces = np.pad(pieces.reshape(basis.n_sub, n, -1), [(0, 0), (0, more), (0, 0)])
    # bands that are not there see nothing: no number of theirs may be odd
    fill = {"constant_values": 1.0}
    pivot = np.where(there, np.pad(survey.pivot_aa, (0, more), **fill), 1e4)
    width = np.where(there, np.pad([curve.width for curve in survey.curves], (0, more), **fill), 0.1)
    bands = Bands(
        pieces.reshape(basis.n_sub * n_band, -1),
        np.pad(screen, [(0, 0), (0, more)], **fill),
        np.float32(pivot),
        np.float32(width),
    )
    return there, bands


def random_redshifts(z_range, n: int, rng) -> np.ndarray:
    """Redshifts (n,), half of them uniform in z and half in ln(1+z), each stratified, in random order."""
    low, high = z_range
    share = rng.permutation((np.arange(n) + rng.uniform(size=n)) / n)
    spaced = np.expm1(np.log1p(low) + share * (np.log1p(high) - np.log1p(low)))
    return np.where(rng.uniform(size=n) < 0.5, low + share * (high - low), spaced).astype(np.float32)


def survey_pool(basis: WaveBasis, library, z_range, n: int, fewest: int, n_band: int, rng) -> SurveyPool:
    """Random surveys at random redshifts, with at least :data:`FEWEST` bands that are there.

    Parameters
    ----------
    basis : WaveBasis
    library : sequence of Curve
        Filters that those of the surveys are made of.
    z_range : tuple of float
    n : int
        Surveys.
    fewest, n_band : int
        Of a survey's filters; some may lie outside the wavelengths of the stellar populations.
    rng : numpy.random.Generator
    """
    entries = []
    for z in random_redshifts(z_range, n, rng):
        while True:
            there, bands = bands_of(basis, random_survey(library, fewest, n_band, rng), z, n_band)
            if there.sum() >= FEWEST:
                break
        entries.append(SurveyPool(z, there, bands))
    return jax.tree.map(lambda *leaves: jax.device_put(np.stack(leaves)), *entries)
