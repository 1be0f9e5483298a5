"""Nebular emission of simple stellar populations: lines, continuum, and their sum with the stars."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dsps_sbi.constants import C_AA_S, L_SUN_ERG_S, PLANCK_ERG_S
from dsps_sbi.errors import UserError
from dsps_sbi.ssp._checks import axis, digest, frozen_array, non_negative

if TYPE_CHECKING:
    from dsps_sbi.ssp.grid import SSPGrid

# Stellar light below this wavelength (Angstrom) ionises hydrogen.
LYMAN_LIMIT_AA = 912.0
# Energy in H alpha per ionising photon under case B recombination at 10^4 K (erg)
H_ALPHA_ERG_PER_PHOTON = 1.37e-12
# An SSP older than the last nebular age by less than this fraction counts as that age
# (the two axes of a grid are rounded differently).
AGE_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class NebularGrid:
    """Nebular lines and continuum of simple stellar populations (SSPs).

    ``LogU`` names the axis of ionisation parameters. The arrays are read-only.

    Attributes
    ----------
    age_gyr : numpy.ndarray (Age,)
        Ages, Gyr: fewer than those of the stars.
    metallicity : numpy.ndarray (Met,)
        [M/H] of stars and gas: the same values as the stellar grid's.
    log_u : numpy.ndarray (LogU,)
        Decimal logarithm of the ionisation parameter.
    line_wave_aa : numpy.ndarray (Line,)
        Wavelengths of the lines, Angstrom, in the medium of the stellar grid.
    line_names : tuple of str
        Names of the lines, such as ``"O 3 5006.84A"``.
    line_lum : numpy.ndarray (Met, LogU, Age, Line)
        Luminosities per mass formed, L_sun / M_sun, float32.
    continuum : numpy.ndarray (Met, LogU, Age, Wave)
        Continuum per mass formed on the wavelengths of the stellar grid,
        L_sun / Angstrom / M_sun, float32.
    """

    age_gyr: np.ndarray
    metallicity: np.ndarray
    log_u: np.ndarray
    line_wave_aa: np.ndarray
    line_names: tuple[str, ...]
    line_lum: np.ndarray
    continuum: np.ndarray

    def __post_init__(self):
        put = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731
        put("age_gyr", axis(self.age_gyr, "nebular age_gyr", positive=True))
        put("metallicity", axis(self.metallicity, "nebular metallicity"))
        put("log_u", axis(self.log_u, "nebular log_u"))
        put("line_wave_aa", axis(self.line_wave_aa, "nebular line_wave_aa", positive=True))
        put("line_names", tuple(str(name) for name in self.line_names))
        if len(self.line_names) != self.line_wave_aa.size:
            raise UserError(
                f"nebular line_names has {len(self.line_names)} names, expected {self.line_wave_aa.size}: "
                "give one for each line_wave_aa"
            )
        shape = (self.metallicity.size, self.log_u.size, self.age_gyr.size)
        what = "nebular line_lum (Met, LogU, Age, Line)"
        put("line_lum", frozen_array(self.line_lum, np.float32, what, (*shape, self.line_wave_aa.size)))
        what = "nebular continuum (Met, LogU, Age, Wave)"
        wave = np.shape(self.continuum)[-1:]
        put("continuum", frozen_array(self.continuum, np.float32, what, (*shape, *wave)))
        non_negative(self.line_lum, "nebular line_lum")
        non_negative(self.continuum, "nebular continuum")

    @cached_property
    def sha(self) -> str:
        """Hash of the contents: 16 hexadecimal digits."""
        return digest(
            self.age_gyr,
            self.metallicity,
            self.log_u,
            self.line_wave_aa,
            self.line_names,
            self.line_lum,
            self.continuum,
        )


def with_nebular(grid: "SSPGrid", log_u: float) -> tuple[np.ndarray, np.ndarray]:
    """Light of stars and gas at one ionisation parameter.

    SSPs up to the last age of the nebular grid lose all light below 912 Angstrom (no
    ionising photon escapes) and gain the nebular continuum. Lines and continuum are linear
    in log age and in log U between the points of the nebular grid. SSPs younger than its
    first age take that of the first age; older SSPs have no nebular emission.

    Parameters
    ----------
    grid : SSPGrid
        Grid that holds a nebular grid.
    log_u : float
        Decimal logarithm of the ionisation parameter, within the nebular grid's.

    Metallicities whose gas breaks recombination theory are mended, see :func:`_mended`.

    Returns
    -------
    flux : numpy.ndarray (Met, Age, Wave)
        Stars and nebular continuum, L_sun / Angstrom / M_sun formed, float32.
    line_lum : numpy.ndarray (Met, Age, Line)
        Luminosities of the lines, L_sun / M_sun formed, float32.
    """
    neb = grid.nebular
    if neb is None:
        raise UserError(
            f"SSP grid {grid.name!r} holds no nebular emission: leave it off, or use a grid that has it "
            "(bc03-miles)"
        )
    low, high = neb.log_u[0], neb.log_u[-1]
    if not low <= log_u <= high:
        raise UserError(f"log U is {log_u!r}, expected {low:g} to {high:g}: choose a value in that range")

    u_index, u_weight = _bracket(neb.log_u, np.array([float(log_u)]))
    wu = np.float32(u_weight[0])
    ages = grid.age_gyr[grid.age_gyr <= neb.age_gyr[-1] * (1.0 + AGE_TOLERANCE)]
    index, weight = _bracket(np.log10(neb.age_gyr), np.log10(ages))
    after = np.minimum(index + 1, neb.age_gyr.size - 1)
    weight = weight.astype(np.float32)[:, None]

    def interpolate(values):
        u_after = min(int(u_index[0]) + 1, neb.log_u.size - 1)
        at_u = values[:, u_index[0]] * (1 - wu) + values[:, u_after] * wu
        return at_u[:, index] * (1 - weight) + at_u[:, after] * weight

    n = ages.size
    flux = np.array(grid.flux)
    photons = _ionising_photons(grid.wave_aa, flux[:, :n])
    gas = _mended(photons, interpolate(neb.line_lum), interpolate(neb.continuum), neb.line_wave_aa)
    flux[:, :n, grid.wave_aa < LYMAN_LIMIT_AA] = 0.0
    lines = np.zeros((*flux.shape[:2], neb.line_wave_aa.size), np.float32)
    lines[:, :n] = gas[0]
    flux[:, :n] += gas[1]
    return flux, lines


def _ionising_photons(wave_aa, flux):
    """Ionising photons per second (Met, Age) of 1 M_sun formed."""
    ionising = wave_aa < LYMAN_LIMIT_AA
    wave = wave_aa[ionising]
    energy = np.trapezoid(flux[..., ionising].astype(float) * wave, wave)
    return energy * L_SUN_ERG_S / (PLANCK_ERG_S * C_AA_S)


def _mended(photons, line_lum, continuum, line_wave_aa):
    """Lines and continuum, those of failed metallicities replaced.

    Recombination fixes H alpha to 1.37e-12 erg per ionising photon (case B, 10^4 K; Osterbrock &
    Ferland 2006). The BC03-MILES tables keep to it within 20 % up to solar metallicity, but fall to
    0.2 of it, in jumps from age to age, at 2.5 solar and to 0.04 at 5 solar for log U >= -2.5. A
    metallicity whose median over the ages is below one half takes the gas of the next poorer sound
    one, scaled by the ionising photons.
    """
    h_alpha = np.flatnonzero(np.abs(line_wave_aa - 6563.5) < 2.5)
    if h_alpha.size == 0:
        return line_lum, continuum
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = line_lum[..., h_alpha[0]] * L_SUN_ERG_S / (photons * H_ALPHA_ERG_PER_PHOTON)
    sound = np.nanmedian(ratio, axis=1) > 0.5
    for k in np.flatnonzero(~sound):
        poorer = np.flatnonzero(sound[:k])
        if poorer.size:
            scale = (photons[k] / photons[poorer[-1]])[:, None].astype(np.float32)
            line_lum[k], continuum[k] = line_lum[poorer[-1]] * scale, continuum[poorer[-1]] * scale
    return line_lum, continuum


def _bracket(points, at):
    """Index of the point below each value and the weight of the point above; ends are held."""
    if points.size == 1:
        return np.zeros(at.shape, int), np.zeros(at.shape)
    index = np.clip(np.searchsorted(points, at, side="right") - 1, 0, points.size - 2)
    weight = np.clip((at - points[index]) / (points[index + 1] - points[index]), 0.0, 1.0)
    return index, weight
