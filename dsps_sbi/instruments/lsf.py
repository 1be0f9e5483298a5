"""The line spread function (LSF) of a spectrograph in the ways in which it is published."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from ..arrays import plain
from ..constants import C_KM_S
from ..errors import UserError
from ..kernels.lsf import FWHM_PER_SIGMA

_QUANTITIES = {
    "fwhm_aa": "full width at half maximum [Angstrom]",
    "sigma_pixel": "sigma [pixels]",
    "sigma_km_s": "sigma [km/s]",
    "resolving_power": "wavelength / full width at half maximum",
}
# Units of those that have one
_UNITS = {"fwhm_aa": u.AA, "sigma_km_s": u.km / u.s}


@dataclass(frozen=True, eq=False)
class LSF:
    """Width of a Gaussian line spread function.

    Parameters
    ----------
    quantity : {"fwhm_aa", "sigma_pixel", "sigma_km_s", "resolving_power"}
        What ``value`` is; ``wdisp`` of SDSS is ``sigma_pixel``.
    value : float or ndarray
        One for all wavelengths, one per pixel, or one per entry of ``wave_aa``.
    wave_aa : ndarray, optional
        Observed wavelengths [Angstrom] of a table, in the spectrograph's medium; linear between
        them. Without it an array has one value per pixel.

    Raises
    ------
    UserError
        For an unknown quantity, another unit, values that are not positive, or a table that is not one.
    """

    quantity: str
    value: float | np.ndarray
    wave_aa: np.ndarray | None = None

    def __post_init__(self):
        if self.quantity not in _QUANTITIES:
            raise UserError(
                f"LSF quantity {self.quantity!r} is unknown: give one of {', '.join(_QUANTITIES)}"
            )
        what = f"LSF {self.quantity}"
        value = np.array(plain(self.value, what, _UNITS.get(self.quantity), dtype=float))
        bad = value[~(np.isfinite(value) & (value > 0.0))]
        if value.ndim > 1 or value.size == 0 or bad.size:
            found = f"the value {bad[0]:g}" if bad.size else f"shape {value.shape}"
            raise UserError(
                f"LSF {self.quantity} has {found}: give positive numbers, {_QUANTITIES[self.quantity]}"
            )
        value.flags.writeable = False
        object.__setattr__(self, "value", value)
        if self.wave_aa is not None:
            wave = np.array(plain(self.wave_aa, "LSF wave_aa", u.AA, dtype=float))
            if wave.shape != value.shape or value.ndim != 1 or not np.all(np.diff(wave) > 0.0):
                raise UserError(
                    f"LSF table has wavelengths of shape {wave.shape} for values of {value.shape}: give "
                    "equal columns, wavelengths increasing"
                )
            wave.flags.writeable = False
            object.__setattr__(self, "wave_aa", wave)

    def sigma_aa(self, wave_aa, width_aa):
        """Sigma [Angstrom] at each pixel.

        Parameters
        ----------
        wave_aa, width_aa : ndarray (Pixel,)
            Centres and widths of the pixels [Angstrom].

        Raises
        ------
        UserError
            If values per pixel are not as many as pixels, or a table does not reach all pixels.
        """
        value = self.value
        if self.wave_aa is not None:
            low, high = self.wave_aa[[0, -1]]
            if wave_aa[0] < low - width_aa[0] or wave_aa[-1] > high + width_aa[-1]:
                raise UserError(
                    f"LSF table covers {low:.0f}-{high:.0f} Angstrom, the pixels {wave_aa[0]:.0f}-"
                    f"{wave_aa[-1]:.0f}: extend the table or cut the pixels"
                )
            value = np.interp(wave_aa, self.wave_aa, value)
        elif value.ndim == 1 and value.shape != wave_aa.shape:
            raise UserError(
                f"LSF has {value.size} values for {wave_aa.size} pixels: give one each, or a table's wave_aa="
            )
        factor = {
            "fwhm_aa": 1.0 / FWHM_PER_SIGMA,
            "sigma_pixel": width_aa,
            "sigma_km_s": wave_aa / C_KM_S,
            "resolving_power": wave_aa / FWHM_PER_SIGMA,
        }[self.quantity]
        share = 1.0 / value if self.quantity == "resolving_power" else value
        return share * factor * np.ones_like(wave_aa)

    def cut(self, keep) -> "LSF":
        """The same LSF for some of the pixels; ``keep`` is an index or mask (Pixel,)."""
        if self.value.ndim == 0 or self.wave_aa is not None:
            return self
        return LSF(self.quantity, self.value[keep])
