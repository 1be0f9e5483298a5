"""An observed spectrum, checked when it is made."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from ..arrays import flags, flux_pair, number, plain, unit_of
from ..errors import UserError
from ..instruments.lsf import LSF
from ..instruments.spectrograph import Spectrograph, check_wavelengths
from .no_data import no_data, told

# Of fluxes whose scale is known
FLUX_UNIT = u.Unit(1e-17 * u.erg / u.s / u.cm**2 / u.AA)
# Files whose spectra have fewer pixels are refused: in most of them another axis has the wavelengths
FEWEST_PIXELS = 50


def medium_of(medium, label: str) -> str:
    """Air or vacuum.

    Raises
    ------
    UserError
        For anything else; ``label`` names what it is of.
    """
    if medium in ("air", "vacuum"):
        return medium
    told = "the medium of the wavelengths is not known" if medium is None else f"medium is {medium!r}"
    raise UserError(f"{label}: {told}: give medium='air' or medium='vacuum'")


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Flux per wavelength of one object in the pixels of a spectrograph.

    A pixel that cannot be used (see `valid`) stays: its place is masked. Numbers such as -999 and runs of
    zeros become NaN, and the notes tell it (:mod:`dsps_sbi.io.no_data`).

    Parameters
    ----------
    wave_aa : ndarray (Pixel,)
        Observed wavelengths [Angstrom, or a Quantity], increasing.
    flux, sigma : ndarray (Pixel,)
        Flux density and its standard deviation [1e-17 erg/s/cm2/Angstrom, or a Quantity, also per
        frequency], or relative to any scale (``absolute`` False: the mass then has no meaning). Stored as
        float32; NaN where masked.
    medium : {"air", "vacuum"}
        What the wavelengths are in.
    redshift : float or None
    mask : bool ndarray (Pixel,), optional
        True where a pixel must not be used. Default: no pixel.
    lsf : LSF, optional
    absolute : bool
        Whether the scale of the flux is known.
    source : str
        Where the data came from.
    pixel_in_lsf : bool
        Whether the LSF holds the width of the pixels.
    notes : tuple of str
        How they were read: what was assumed, and what was taken from where.

    Raises
    ------
    UserError
        If the parts do not fit together, or no pixel can be used.
    """

    wave_aa: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    medium: str
    redshift: float | None = None
    mask: np.ndarray | None = None
    lsf: LSF | None = None
    absolute: bool = True
    source: str = ""
    pixel_in_lsf: bool = True
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        put = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731
        put("wave_aa", check_wavelengths(self.wave_aa, f"{self.label}: wavelengths"))
        n = self.wave_aa.size
        unit = FLUX_UNIT if self.absolute else unit_of(self.flux)
        names, per_frequency = (f"{self.label}: flux", f"{self.label}: sigma"), []
        if unit_of(self.flux) is not None and np.shape(self.flux) == np.shape(self.sigma) == (n,):
            per_frequency = u.spectral_density(self.wave_aa * u.AA)
        given = self.flux
        pair = flux_pair(self.flux, self.sigma, names, unit, equivalencies=per_frequency)
        for name, array in zip(("flux", "sigma"), pair, strict=True):
            array = np.array(array)
            if array.shape != (n,):
                raise UserError(
                    f"{self.label}: {name} has shape {array.shape} for {n} wavelengths: give one per pixel"
                )
            put(name, array)
        mask = (
            np.zeros(n, bool) if self.mask is None else flags(self.mask, f"{self.label}: mask", masked=True)
        )
        if mask.shape != (n,):
            raise UserError(
                f"{self.label}: mask has shape {mask.shape} for {n} wavelengths: give one per pixel"
            )
        put("mask", mask)
        self._leave_out_no_data(given)
        for array in (self.flux, self.sigma, mask):
            array.flags.writeable = False
        if self.lsf is not None and not isinstance(self.lsf, LSF):
            raise UserError(
                f"{self.label}: lsf is of type {type(self.lsf).__name__}: expected an LSF; give for example "
                "LSF('fwhm_aa', 2.8)"
            )
        medium_of(self.medium, self.label)
        if self.redshift is not None:
            put("redshift", number(self.redshift, f"{self.label}: redshift"))
            if not -0.01 < self.redshift <= 20.0:
                raise UserError(f"{self.label}: redshift is {self.redshift}: give the galaxy's redshift")
        self._check_usable()

    def _leave_out_no_data(self, given):
        """Put NaN where a flux is a number without a measurement, in the unit of those that were given."""
        valid = self.valid
        if not (self.flux[valid] != 0.0).any():
            return
        raw = self.flux
        if unit_of(given) is not None:
            raw = plain(given, "flux", unit_of(given), dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            stand_in, gap = no_data(raw, self.sigma * (raw / self.flux))
        stand_in, gap = stand_in & valid, gap & valid
        if (stand_in | gap).any():
            object.__setattr__(self, "notes", (*self.notes, *told(raw, stand_in, gap)))
            self.flux[stand_in | gap] = np.nan

    def _check_usable(self):
        if self.mask.all():
            raise UserError(f"{self.label}: all pixels are masked: expected some to use; mend the mask")
        if not (np.isfinite(self.sigma) & (self.sigma > 0.0)).any():
            raise UserError(
                f"{self.label}: no error is finite and positive: give standard deviations, or state the "
                "signal-to-noise ratio"
            )
        if not self.valid.any():
            raise UserError(f"{self.label}: no unmasked pixel has a flux with an error: check the columns")

    @property
    def label(self) -> str:
        """How messages name it."""
        return self.source or "spectrum"

    @property
    def valid(self) -> np.ndarray:
        """Pixels (Pixel,) that can be used: not masked, flux finite, error finite and positive."""
        return ~self.mask & np.isfinite(self.flux) & np.isfinite(self.sigma) & (self.sigma > 0.0)

    def spectrograph(self, lsf: LSF | None = None, **options) -> Spectrograph:
        """The spectrograph that the spectrum tells of.

        Parameters
        ----------
        lsf : LSF, optional
            Instead of the spectrum's own.
        **options
            Others of :class:`dsps_sbi.instruments.spectrograph.Spectrograph`, such as its masks.

        Raises
        ------
        UserError
            If no LSF is known.
        """
        lsf = self.lsf if lsf is None else lsf
        if lsf is None:
            raise UserError(
                f"{self.label} does not tell its LSF: pass lsf=, for example LSF('fwhm_aa', 2.8) or "
                "LSF('resolving_power', 2000.0)"
            )
        options = {"pixel_in_lsf": self.pixel_in_lsf} | options
        return Spectrograph(self.wave_aa, lsf, self.medium, **options)

    def between(self, low_aa: float, high_aa: float) -> "Spectrum":
        """The part of it from one observed wavelength to another [Angstrom]."""
        keep = (self.wave_aa >= low_aa) & (self.wave_aa <= high_aa)
        if keep.sum() < 3:
            raise UserError(
                f"{self.label} has {keep.sum()} pixels from {low_aa:g} to {high_aa:g} Angstrom: it covers "
                f"{self.wave_aa[0]:.0f}-{self.wave_aa[-1]:.0f}"
            )
        return Spectrum(
            self.wave_aa[keep],
            self.flux[keep],
            self.sigma[keep],
            self.medium,
            self.redshift,
            self.mask[keep],
            None if self.lsf is None else self.lsf.cut(keep),
            self.absolute,
            self.source,
            self.pixel_in_lsf,
            self.notes,
        )
