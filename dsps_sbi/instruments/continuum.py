"""What flux calibration, and dust, may do to the slope of a spectrum."""

from dataclasses import dataclass

import numpy as np

from ..errors import UserError


@dataclass(frozen=True)
class Continuum:
    r"""A multiplicative polynomial, :math:`1 + \sum_k c_k P_k(x)`, c_k normal about 0.

    P_k are Legendre polynomials, x runs from -1 to 1 in ln(wavelength) over the pixels that the
    model covers. The constant term is 1: the amplitude is the galaxy's mass.

    Parameters
    ----------
    degree : int
        Highest k; 0 for none.
    sigma : float
        Standard deviation of each coefficient under its prior.

    Raises
    ------
    UserError
        For a negative or very high degree, or a sigma that is not positive.
    """

    degree: int = 8
    sigma: float = 0.1

    def __post_init__(self):
        if not (isinstance(self.degree, int) and 0 <= self.degree <= 40):
            raise UserError(f"continuum polynomial of degree {self.degree}: give a whole number from 0 to 40")
        if not (np.isfinite(self.sigma) and self.sigma > 0.0):
            raise UserError(
                f"continuum coefficients with sigma {self.sigma}: give a number above 0, such as 0.1"
            )
