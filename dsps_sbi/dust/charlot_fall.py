"""Dust in two components: birth clouds and the diffuse medium."""

from dataclasses import dataclass
from functools import cached_property

from ..errors import UserError
from ..kernels.attenuation import power_law
from ..priors import Uniform
from .protocol import columns


@dataclass(frozen=True)
class CharlotFall:
    """Power laws of wavelength, more of it before young stars: Charlot & Fall (2000, ApJ 539, 718).

    Their eqs. 5 and 6. A model's ``av`` is that of the diffuse medium, which all stars are seen
    through. Stars younger than ``birth_gyr``, and their gas, have av (1 / mu - 1) more from the
    clouds that they were born in: mu is the share of the diffuse medium in what they have in all.

    Parameters
    ----------
    slope, birth_slope : float
        Exponents of A(lambda) for medium and clouds, -3 to 0; both -0.7 in the paper.
    mu : float or None
        0.05 to 1, 0.3 in the paper; None makes it the free parameter ``dust_mu``.
    birth_gyr : float
        Life of birth clouds [Gyr], 1e-4 to 0.1; 0.01 in the paper.

    Raises
    ------
    UserError
        For values outside these ranges.
    """

    slope: float = -0.7
    birth_slope: float = -0.7
    mu: float | None = 0.3
    birth_gyr: float = 0.01

    def __post_init__(self):
        slopes = (-3.0, 0.0)
        ranges = {"slope": slopes, "birth_slope": slopes, "mu": (0.05, 1.0), "birth_gyr": (1e-4, 0.1)}
        for what, (low, high) in ranges.items():
            value = getattr(self, what)
            if not (what == "mu" and value is None) and not low <= value <= high:
                raise UserError(f"{what} of the dust law is {value}: give {low:g} to {high:g}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Free parameters."""
        return ("dust_mu",) if self.mu is None else ()

    def marginals(self) -> dict[str, Uniform]:
        """Marginal of ``dust_mu`` for a :class:`dsps_sbi.priors.prior.Prior`, where it is free: 0.1..1."""
        return {name: Uniform(0.1, 1.0) for name in self.names}

    def __call__(self, wave_aa, params=None):
        """A(lambda) / A_V of the diffuse medium at rest wavelengths (Wave,) [Angstrom]; see the protocol."""
        return power_law(wave_aa, self.slope)

    def birth(self, wave_aa, params=None):
        """A(lambda) of the birth clouds per A_V of the diffuse medium; see the protocol."""
        (mu,) = columns(self.names, {"dust_mu": self.mu}, params)
        return (1.0 / mu - 1.0) * power_law(wave_aa, self.birth_slope)
