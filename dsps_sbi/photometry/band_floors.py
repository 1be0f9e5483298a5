"""Relative errors of the model's fluxes, one for all bands or of each.

A network knows one of them. Where bands have others, the smallest is that one, and what a band has beyond it
goes to the stated errors, in quadrature and relative to the observed flux, as codes that fit templates do.
"""

from collections.abc import Mapping

import numpy as np

from ..errors import UserError
from ..instruments.filter_names import canonical_filter

OTHERS = "others"


def floors_of(floor, names: tuple[str, ...], default: float) -> tuple[float, tuple[float, ...] | None]:
    """The error of all bands, and what is relative to the observed flux of each beside it; None for none.

    Parameters
    ----------
    floor : float, or mapping of str to float
        Of bands, in any usual spelling of their filters; ``others`` for those that are not named.
    names : tuple of str
        Filters.
    default : float
        Of bands that are not named, where ``others`` is not.

    Raises
    ------
    UserError
        For bands that are not there, and what is no number above 0.
    """
    if not isinstance(floor, Mapping):
        return floor, None
    values = {}
    for name, value in floor.items():
        known = name if name in names or name == OTHERS else canonical_filter(name)
        if known not in (*names, OTHERS):
            raise UserError(
                f"error floor of {name}: no such band, there are {', '.join(names)}; mend the name"
            )
        if isinstance(value, bool) or not np.isreal(value) or not 0.0 < value < np.inf:
            raise UserError(f"error floor {value!r} of {name}: expected a number above 0, such as 0.1")
        values[known] = float(value)
    rest = values.get(OTHERS, default)
    each = np.array([values.get(name, rest) for name in names])
    base = float(each.min())
    extra = np.sqrt(np.maximum(each**2 - base**2, 0.0))
    return base, tuple(extra.tolist()) if extra.any() else None


def floor_of_words(text: str):
    """What the command line says: a number, or ``0.05,F444W=0.1``.

    Raises
    ------
    UserError
    """
    out = {}
    for part in text.split(","):
        name, sign, value = (piece.strip() for piece in part.rpartition("="))
        name = name if sign else OTHERS
        try:
            number = float(value)
        except ValueError:
            number = np.nan
        if not name or name in out or not np.isfinite(number):
            raise UserError(f"--floor {text}: expected a number, or bands too, such as 0.05,F444W=0.1")
        out[name] = number
    return out[OTHERS] if set(out) == {OTHERS} else out


def floor_meta(post) -> dict:
    """The error floor of a posterior, for headers."""
    known = {"noise_floor": float(post.noise.floor)}
    if post.extra is None:
        return known
    each = np.hypot(post.extra, known["noise_floor"])
    pairs = zip(post.filters, post.extra, each, strict=True)
    words = [f"{name} {one:.3g}" for name, more, one in pairs if more > 0.0]
    return known | {"noise_floor_bands": ", ".join(words)}


def widened(post, flux, sigma, upper) -> np.ndarray:
    """Stated errors (Object, Band) with what bands have beside the floor; those of limits stay."""
    if post.extra is None:
        return sigma
    return np.where(upper, sigma, np.hypot(sigma, np.float32(post.extra) * np.abs(flux)))
