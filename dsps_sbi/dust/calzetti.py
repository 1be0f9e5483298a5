"""The starburst attenuation law."""

from dataclasses import dataclass

from ..kernels.attenuation import calzetti


@dataclass(frozen=True)
class Calzetti:
    """Uniform screen after Calzetti et al. (2000); see :func:`dsps_sbi.kernels.attenuation.calzetti`."""

    def __call__(self, wave_aa):
        """A(lambda) / A_V at rest wavelengths (Wave,) [Angstrom]."""
        return calzetti(wave_aa)
