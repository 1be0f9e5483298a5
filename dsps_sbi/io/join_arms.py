"""The arms of one spectrograph as one spectrum."""

import numpy as np

from ..errors import UserError

# Share of a pixel to which the wavelengths of two arms must agree where both see
_SAME = 0.01


def join_arms(parts, label):
    """One spectrum of several; pixels that two arms have are averaged by their inverse variances.

    Parameters
    ----------
    parts : list of (wave, flux, sigma, bad)
        Each (Pixel,), of one unit; ``sigma`` None where errors are not known.
    label : str
        How messages name it.

    Raises
    ------
    UserError
        If arms that overlap have other pixels there: rebinning would correlate their errors.
    """
    if len(parts) == 1:
        return parts[0]
    units = {str(flux.unit) for _, flux, _, _ in parts}
    if len(units) > 1:
        raise UserError(f"{label}: the arms have fluxes in {' and '.join(sorted(units))}: give them one unit")
    unit = parts[0][1].unit
    wave = np.concatenate([part[0] for part in parts])
    order = np.argsort(wave, kind="stable")
    wave = wave[order]
    flux = np.concatenate([part[1].value for part in parts])[order]
    bad = np.concatenate([part[3] for part in parts])[order]
    unknown = any(part[2] is None for part in parts)
    sigma = np.ones(wave.size) if unknown else np.concatenate([part[2].value for part in parts])[order]
    width = min(np.median(np.abs(np.diff(part[0]))) for part in parts)
    step = np.diff(wave)
    new = np.concatenate([[True], step > _SAME * width])
    odd = np.flatnonzero(new[1:] & (step < (1.0 - _SAME) * width))
    if odd.size:
        raise UserError(
            f"{label}: {len(parts)} spectra overlap at {wave[odd[0]]:.1f} Angstrom in pixels that are not "
            "the same: give one of them, such as spectra[0]"
        )
    group = np.cumsum(new) - 1
    good = ~bad & np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0.0)
    weight = np.where(good, 1.0, 0.0) / np.where(good, sigma, 1.0) ** 2
    total = np.bincount(group, weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(group, weight * np.where(good, flux, 0.0)) / total
        error = total**-0.5
    none = total <= 0.0
    return wave[new], mean * unit, None if unknown else np.where(none, np.nan, error) * unit, none
