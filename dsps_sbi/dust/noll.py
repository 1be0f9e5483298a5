"""Starburst law with adjustable slope and 2175 Angstrom bump."""

from dataclasses import dataclass
from functools import cached_property

from ..errors import UserError
from ..kernels import attenuation as kernel
from ..priors import Uniform
from .protocol import columns

# Tilts and bumps of galaxies are inside these by far; Salim's R_V has no meaning above 0.98
_SLOPES = (-2.5, 0.9)
_BUMPS = (0.0, 15.0)


@dataclass(frozen=True)
class Noll:
    """Uniform screen after Noll et al. (2009); see :func:`dsps_sbi.kernels.attenuation.noll`.

    Parameters
    ----------
    slope : float or None
        Tilt from Calzetti's law, -2.5 to 0.9, negative is steeper; None makes it the free parameter
        ``dust_slope``.
    bump : float or None
        Strength E_b of the 2175 Angstrom bump, 0 to 15 (Milky Way: 3); None makes it the free
        parameter ``dust_bump``.

    Raises
    ------
    UserError
        For values outside these ranges.
    """

    slope: float | None = 0.0
    bump: float | None = 0.0

    def __post_init__(self):
        for what, value, (low, high) in (("slope", self.slope, _SLOPES), ("bump", self.bump, _BUMPS)):
            if value is not None and not low <= value <= high:
                raise UserError(f"{what} of the dust law is {value}: give {low:g} to {high:g}, or None")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Free parameters."""
        return tuple(name for name, value in self._fixed.items() if value is None)

    @property
    def _fixed(self):
        return {"dust_slope": self.slope, "dust_bump": self.bump}

    def marginals(self) -> dict[str, Uniform]:
        """Marginals of the free parameters for a :class:`dsps_sbi.priors.prior.Prior`.

        Flat: tilt -1.2..0.4, bump 0..6.
        """
        ranges = {"dust_slope": Uniform(-1.2, 0.4), "dust_bump": Uniform(0.0, 6.0)}
        return {name: ranges[name] for name in self.names}

    def __call__(self, wave_aa, params=None):
        """A(lambda) / A_V at rest wavelengths (Wave,) [Angstrom]; see the protocol."""
        return kernel.noll(wave_aa, *columns(self.names, self._fixed, params))


@dataclass(frozen=True)
class Salim(Noll):
    """As :class:`Noll`, the bump not tilted; see :func:`dsps_sbi.kernels.attenuation.salim`."""

    def __call__(self, wave_aa, params=None):
        """A(lambda) / A_V at rest wavelengths (Wave,) [Angstrom]; see the protocol."""
        return kernel.salim(wave_aa, *columns(self.names, self._fixed, params))
