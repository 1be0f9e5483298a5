"""A spectrograph: where its pixels are, how sharp they see, and which of them not to use."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from astropy import units as u

from ..arrays import plain
from ..errors import UserError
from ..kernels.photometry import pixel_edges
from ..kernels.vacuum import AIR_FROM_AA, air_to_vacuum
from .emission_lines import EMISSION_LINES, line_wavelengths
from .lsf import LSF

# Wavelengths that spectra can have [Angstrom]: catches a wrong unit
RANGE_AA = (90.0, 1e7)


def check_wavelengths(wave_aa, what) -> np.ndarray:
    """Read-only float64 copy of the wavelengths of pixels.

    Raises
    ------
    UserError
        If they are not finite, increasing numbers of Angstrom; ``what`` names them.
    """
    wave = np.array(plain(wave_aa, what, u.AA, dtype=float))
    if wave.ndim != 1 or wave.size < 3:
        raise UserError(f"{what} have shape {wave.shape}: give a list of at least 3 pixels")
    bad = np.flatnonzero(~np.isfinite(wave))
    if bad.size:
        raise UserError(f"{what} are not finite at pixel {bad[0]}: leave these pixels out")
    bad = np.flatnonzero(np.diff(wave) <= 0.0)
    if bad.size:
        i = int(bad[0])
        how = "repeat" if wave[i] == wave[i + 1] else "are not increasing"
        raise UserError(
            f"{what} {how} at pixel {i} ({wave[i]:.10g} is followed by {wave[i + 1]:.10g}): "
            "sort the pixels and keep each once"
        )
    if not RANGE_AA[0] <= wave[0] <= wave[-1] <= RANGE_AA[1]:
        raise UserError(
            f"{what} run from {wave[0]:g} to {wave[-1]:g} Angstrom: check the unit (nm and micron are 10 and "
            "1e4 Angstrom, logarithms are not wavelengths)"
        )
    wave.flags.writeable = False
    return wave


@dataclass(frozen=True, eq=False)
class Spectrograph:
    """Pixels, line spread function and masks.

    Parameters
    ----------
    wave_aa : ndarray (Pixel,)
        Observed wavelengths of the pixels' centres [Angstrom]; their edges are halfway between.
    lsf : LSF
    medium : {"air", "vacuum"}
        What the wavelengths are in ("air": from 2000 Angstrom on).
    pixel_in_lsf : bool
        Whether the LSF is as seen on the pixels, so that it holds their width too: that of a line
        fitted with a Gaussian in an extracted spectrum (arc lamps, ``wdisp``). If not, it is that
        of the light before it falls on the pixels: for spectra that were rebinned to wide pixels.
    mask_lines : tuple of str
        Emission lines that are masked; names of
        :data:`dsps_sbi.instruments.emission_lines.EMISSION_LINES`, all of them by default.
    mask_km_s : float
        Half-width of their masks in velocity [km/s].
    mask_windows_aa : tuple of (float, float)
        Observed wavelengths that are masked [Angstrom], such as residuals of the sky.

    Raises
    ------
    UserError
        For wavelengths, LSF or masks that cannot be used.
    """

    wave_aa: np.ndarray
    lsf: LSF
    medium: str = "vacuum"
    pixel_in_lsf: bool = True
    mask_lines: tuple[str, ...] = tuple(EMISSION_LINES)
    mask_km_s: float = 400.0
    mask_windows_aa: tuple[tuple[float, float], ...] = field(default=())

    def __post_init__(self):
        object.__setattr__(
            self, "wave_aa", check_wavelengths(self.wave_aa, "wavelengths of the spectrograph")
        )
        if self.medium not in ("air", "vacuum"):
            raise UserError(f"medium of the wavelengths is {self.medium!r}: give 'air' or 'vacuum'")
        if not isinstance(self.lsf, LSF):
            raise UserError(
                f"LSF is {self.lsf!r}: give for example LSF('fwhm_aa', 2.8) or LSF('resolving_power', 2000.0)"
            )
        if not (np.isfinite(self.mask_km_s) and self.mask_km_s > 0.0):
            raise UserError(f"half-width of line masks is {self.mask_km_s} km/s: give a number above 0")
        line_wavelengths(self.mask_lines)
        for low, high in self.mask_windows_aa:
            if not low < high:
                raise UserError(f"masked window {low:g}-{high:g} Angstrom: give (low, high) with low < high")
        narrow = np.flatnonzero(self.ln_variance <= 0.0)
        if narrow.size:
            i = int(narrow[0])
            raise UserError(
                f"the LSF is narrower than a pixel at {self.wave_aa[i]:.1f} Angstrom "
                f"({np.diff(self.edges_aa)[i]:.3g} Angstrom wide): pass pixel_in_lsf=False if it leaves "
                "out the pixels, or check its unit"
            )

    @cached_property
    def edges_aa(self) -> np.ndarray:
        """Edges (Pixel + 1,) of the pixels [Angstrom], in the spectrograph's medium."""
        return pixel_edges(self.wave_aa)

    @cached_property
    def ln_edges(self) -> np.ndarray:
        """Logarithm (natural) of the edges (Pixel + 1,) in vacuum [Angstrom]."""
        edges = self.edges_aa
        if self.medium == "air":
            edges = np.where(edges >= AIR_FROM_AA, air_to_vacuum(np.maximum(edges, AIR_FROM_AA)), edges)
        return np.log(edges)

    @cached_property
    def ln_variance(self) -> np.ndarray:
        """Variance (Pixel,) of the LSF in ln(wavelength), without the pixel's own width."""
        width = np.diff(self.edges_aa)
        variance = (self.lsf.sigma_aa(self.wave_aa, width) / self.wave_aa) ** 2
        return variance - np.diff(self.ln_edges) ** 2 / 12.0 if self.pixel_in_lsf else variance

    @cached_property
    def windows(self) -> np.ndarray:
        """Pixels (Pixel,) outside all masked windows of observed wavelengths."""
        use = np.ones(self.wave_aa.size, bool)
        for low, high in self.mask_windows_aa:
            use &= (self.wave_aa < low) | (self.wave_aa > high)
        return use
