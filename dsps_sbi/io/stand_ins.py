"""Numbers that tables and images have where nothing was measured, such as -99.

With a positive error beside it, such a number counts as a measurement, and puts masses off by dex. A flux is
taken for such a number if it is exactly -99, -99.9, -999, -9999... in the unit that it was given in, and

- lies more than 5 errors below zero, where no measurement is; or
- its error is the same number without the sign.

An ordinary negative flux that happens to be -99.0 within 5 errors of zero is a measurement.

Errors that are not positive stand for missing bands, but not where the flux is said to be an upper limit:
some catalogues mark limits by an error of -1, and what is k times that error is not known then.
"""

import numpy as np

from ..errors import UserError

STAND_INS = (99.0, 99.9, 99.99, 999.0, 999.9, 999.99, 9999.0, 99999.0, 999999.0)
# Below this many errors a flux is no measurement
_SNR = -5.0


def stand_ins(flux, sigma, factor: float = 1.0) -> np.ndarray:
    """Where (...) a number stands for a missing value; see the module.

    Parameters
    ----------
    flux, sigma : array (...)
    factor : float
        From the unit of the file or table to that of the arrays.
    """
    flux, sigma = np.asarray(flux, float), np.asarray(sigma, float)
    with np.errstate(invalid="ignore", over="ignore"):
        # few fluxes come as far as that
        absurd = (sigma > 0.0) & (flux < _SNR * sigma) & np.isfinite(sigma)
        pair = (sigma > 0.0) & np.isclose(np.abs(flux), sigma, rtol=1e-6, atol=0.0)
    out = np.zeros(flux.shape, bool)
    odd = absurd | pair
    value = flux[odd] / factor
    known = np.isclose(np.abs(value)[:, None], STAND_INS, rtol=1e-6, atol=0.0).any(axis=1)
    out[odd] = known & ((value < 0.0) | pair[odd])
    return out


def refuse_stand_ins(flux, sigma, name, *, where: str, factor: float = 1.0) -> None:
    """Refuse fluxes (Object, Band) that stand for missing values.

    Parameters
    ----------
    flux, sigma : array (Object, Band)
    name : callable
        ``name(object, band)`` says what a value is of.
    where : str
        How messages name the data.
    factor : float
        As of :func:`stand_ins`.

    Raises
    ------
    UserError
        Naming the number and the first place.
    """
    found = np.argwhere(stand_ins(flux, sigma, factor))
    if len(found):
        i, band = found[0]
        value, error = (float(a[i, band]) / factor for a in (flux, sigma))
        raise UserError(
            f"{where}: the flux of {name(i, band)} is {value:.6g} with an error of {error:.3g}"
            f"{'' if len(found) == 1 else f', and {len(found) - 1} more are alike'}: such a number stands "
            "for a missing value; put NaN there, or mask it"
        )


def refuse_limits(flux, sigma, upper, name, *, where: str) -> None:
    """Refuse upper limits (Object, Band) whose error is zero or negative: they would be dropped.

    Parameters
    ----------
    flux, sigma : array (Object, Band)
    upper : bool array (Object, Band)
    name, where
        As of :func:`refuse_stand_ins`.

    Raises
    ------
    UserError
        Naming the error and the first place.
    """
    found = np.argwhere(upper & np.isfinite(flux) & (sigma <= 0.0))
    if len(found):
        i, band = found[0]
        more = "" if len(found) == 1 else f", and {len(found) - 1} more are alike"
        raise UserError(
            f"{where}: the upper limit of {name(i, band)} has an error of {float(sigma[i, band]):.3g}{more}: "
            "expected a positive error, "
            "the flux being k times it; give that, or NaN as the flux of a missing band"
        )
