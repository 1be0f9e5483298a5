"""A grid of simple stellar populations (SSPs), checked when it is made."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dsps_sbi.errors import UserError
from dsps_sbi.ssp._checks import axis, digest, frozen_array, non_negative
from dsps_sbi.ssp._units import refuse_wrong_light, refuse_wrong_units
from dsps_sbi.ssp.nebular import NebularGrid

# Zeros are looked for at these wavelengths and above (Angstrom): old SSPs of real grids
# underflow to zero in the extreme ultraviolet.
ZERO_FLOOR_AA = 1200.0
# So many consecutive zero pixels are a hole.
ZERO_RUN = 20


@dataclass(frozen=True, eq=False)
class SSPGrid:
    """Spectra of simple stellar populations per unit mass formed.

    The arrays are read-only. A grid is refused where an axis does not strictly increase, a
    shape differs from the axes, or a value is not finite or negative. It is also refused
    where an SSP has a hole: at least 20 consecutive wavelengths, all at 1200 Angstrom or
    above, with a flux of exactly zero in this SSP and above zero in some other SSP of the
    grid. (E-MILES has such holes: its young SSPs are zero from 8951 Angstrom on.) And it is
    refused where its numbers can only be in other units, or wavelengths leave a gap.

    Attributes
    ----------
    name : str
        Name of the grid, such as ``"bc03-miles"``.
    wave_aa : numpy.ndarray (Wave,)
        Wavelengths, Angstrom, in the medium that ``wave_medium`` names.
    age_gyr : numpy.ndarray (Age,)
        Ages, Gyr, above 0.
    metallicity : numpy.ndarray (Met,)
        [M/H] = log10(Z / Z_sun).
    flux : numpy.ndarray (Met, Age, Wave)
        Luminosity per wavelength and mass formed, L_sun / Angstrom / M_sun, float32.
    living_fraction : numpy.ndarray (Met, Age) or None
        Mass in living stars per mass formed, without remnants.
    surviving_fraction : numpy.ndarray (Met, Age) or None
        Mass in living stars and remnants per mass formed.
    imf, tracks, library : str
        Initial mass function, stellar tracks, stellar library.
    wave_medium : {"air", "vacuum"}
        "air" means air at 2000 Angstrom and above and vacuum below, as usual.
    fwhm_aa : float or None
        Spectral resolution (full width at half maximum), Angstrom, in the range of
        wavelengths that the library covers.
    nebular : NebularGrid or None
        Nebular lines and continuum of the same SSPs.
    """

    name: str
    wave_aa: np.ndarray
    age_gyr: np.ndarray
    metallicity: np.ndarray
    flux: np.ndarray
    living_fraction: np.ndarray | None = None
    surviving_fraction: np.ndarray | None = None
    imf: str = "unknown"
    tracks: str = "unknown"
    library: str = "unknown"
    wave_medium: str = "air"
    fwhm_aa: float | None = None
    nebular: NebularGrid | None = None

    def __post_init__(self):
        put = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731
        label = f"SSP grid {self.name!r}"
        put("wave_aa", axis(self.wave_aa, f"{label}: wave_aa", positive=True))
        put("age_gyr", axis(self.age_gyr, f"{label}: age_gyr", positive=True))
        put("metallicity", axis(self.metallicity, f"{label}: metallicity"))
        refuse_wrong_units(self, label)
        per_ssp = (self.metallicity.size, self.age_gyr.size)
        flux = frozen_array(
            self.flux, np.float32, f"{label}: flux (Met, Age, Wave)", (*per_ssp, self.wave_aa.size)
        )
        put("flux", flux)
        non_negative(flux, f"{label}: flux")
        refuse_wrong_light(self, label)
        for key in ("living_fraction", "surviving_fraction"):
            value = getattr(self, key)
            if value is not None:
                value = frozen_array(value, np.float64, f"{label}: {key} (Met, Age)", per_ssp)
                non_negative(value, f"{label}: {key}")
                if value.max() > 1.0 + 1e-6:
                    raise UserError(
                        f"{label}: {key} reaches {value.max():g}, expected at most 1: "
                        "give it per unit mass formed"
                    )
                put(key, value)
        if self.wave_medium not in ("air", "vacuum"):
            raise UserError(f"{label}: wave_medium is {self.wave_medium!r}: give 'air' or 'vacuum'")
        if self.fwhm_aa is not None and not 0 < self.fwhm_aa < np.inf:
            raise UserError(
                f"{label}: fwhm_aa is {self.fwhm_aa!r}: give a width above 0 Angstrom, or None when unknown"
            )
        self._refuse_holes(label)
        if self.nebular is not None:
            self._check_nebular(label)

    def _refuse_holes(self, label):
        start = int(np.searchsorted(self.wave_aa, ZERO_FLOOR_AA))
        flux = self.flux[:, :, start:]
        dark = flux == 0
        suspects = np.argwhere(dark.sum(axis=2) >= ZERO_RUN)
        if not suspects.size:
            return
        lit = ~dark.all(axis=(0, 1))
        for met, age in suspects:
            edges = np.flatnonzero(np.diff(np.r_[0, (dark[met, age] & lit).astype(np.int8), 0]))
            first, last = edges[::2], edges[1::2] - 1
            long = np.flatnonzero(last - first + 1 >= ZERO_RUN)
            if long.size:
                wave = self.wave_aa[start:]
                raise UserError(
                    f"{label}: the SSP of age {self.age_gyr[age]:.4g} Gyr and [M/H] "
                    f"{self.metallicity[met]:+.2f} is zero from {wave[first[long[0]]]:.1f} to "
                    f"{wave[last[long[0]]]:.1f} Angstrom where other SSPs shine: cut the grid to the "
                    "wavelengths or ages that it covers"
                )

    def _check_nebular(self, label):
        neb = self.nebular
        if neb.metallicity.shape != self.metallicity.shape or not np.allclose(
            neb.metallicity, self.metallicity, atol=1e-4
        ):
            raise UserError(
                f"{label}: the nebular grid has [M/H] {np.round(neb.metallicity, 3).tolist()}, the stars "
                f"{np.round(self.metallicity, 3).tolist()}: give both on the same metallicities"
            )
        if neb.continuum.shape[-1] != self.wave_aa.size:
            raise UserError(
                f"{label}: the nebular continuum has {neb.continuum.shape[-1]} wavelengths, the stars "
                f"{self.wave_aa.size}: resample it to the wavelengths of the stars"
            )

    @cached_property
    def sha(self) -> str:
        """Hash of the contents: 16 hexadecimal digits."""
        words = (self.name, self.imf, self.tracks, self.library, self.wave_medium)
        width = None if self.fwhm_aa is None else float(self.fwhm_aa)
        return digest(
            *words,
            width,
            self.wave_aa,
            self.age_gyr,
            self.metallicity,
            self.flux,
            self.living_fraction,
            self.surviving_fraction,
            None if self.nebular is None else self.nebular.sha,
        )
