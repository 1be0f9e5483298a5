"""What has to be known about the answer for an image besides flags: totals, masks, units that look wrong."""

import numpy as np

from ..constants import PERCENTILES
from ..inference.edges import EDGE
from ..inference.trust import Trust
from ..io.summary import TRUSTED, differ, stated_kind
from ..io.wcs import pixel_area_sr
from .flags import PixelFlag

# Masks that hide more than this share of the pixels with data are told
_MANY = 0.5
# The densest stellar systems known have 10^11 solar masses per square kiloparsec (Hopkins et al. 2010, MNRAS
# 401, L19); half of the pixels of an image above that are none
_DENSEST = 11.0
# No galaxy is known with more solar masses, in logarithm
_HEAVIEST = 12.5
_MASSES = {"log_mass", "log_mass_living", "log_mass_formed"}
# An S/N that inverse variances, taken for errors, would have if they were inverse variances
_SNR_OF_IVAR = (3.0, 1e4)


def mask_note(cube) -> list[str]:
    """Told of a mask that hides most of the pixels that have data: it may mean good pixels."""
    held = cube.valid.any(axis=1)
    hidden = int((cube.mask & held).sum())
    if hidden <= _MANY * held.sum():
        return []
    return [
        f"the mask hides {hidden} of {int(held.sum())} pixels that have data: a pixel is not used where the "
        "mask is not zero; turn it over if it means good pixels"
    ]


def totals_notes(totals) -> list[str]:
    """Told of totals that untrusted pixels move by more than the errors."""
    rows, kind = {str(row["quantity"]): row for row in totals}, stated_kind(totals)
    # masses of living and of formed stars say the same again
    names = [name for name in rows if name == "log_mass" or not {name, "log_mass"} <= _MASSES & set(rows)]
    # errors as catalogues have them
    parts = ("", TRUSTED)
    found = [
        f"{name} is {' and '.join(_told(rows[name], start + kind) for start in parts)}"
        for name in names
        if differ(*([rows[name][f"{start}{kind}_{p}"] for p in PERCENTILES] for start in parts))
    ]
    if not found:
        return []
    row = rows[names[0]]
    return [
        f"totals of all pixels and of the {row['n_trusted']} trusted ones differ by more than their errors "
        f"({row['n_pixels'] - row['n_trusted']} are not trusted): {', '.join(found)}"
    ]


def _told(row, start) -> str:
    low, median, high = (float(row[f"{start}_{p}"]) for p in (16, 50, 84))
    return f"{median:.3f} +- {(high - low) / 2:.3f}"


def unit_notes(log_mass, flags, cube, cosmology) -> list[str]:
    """Told of masses that no galaxy has, and of errors that hardly any image has.

    Parameters
    ----------
    log_mass : array (Object,) or None
        Medians; NaN where not fitted.
    flags : array of int (Object,)
    cube : PixelCube
    cosmology : Cosmology
    """
    out, fitted = [], (flags & int(PixelFlag.MASKED | PixelFlag.LOW_SNR | PixelFlag.FEW_BANDS)) == 0
    odd = int(((flags & int(PixelFlag.OUT_OF_DEPTH)) != 0)[fitted].sum())
    if odd > _MANY * fitted.sum():
        out.append(
            f"errors of {odd} of {int(fitted.sum())} pixels are outside the trained range: check the unit of "
            "fluxes and errors, and that errors are standard deviations"
        )
    known = None if log_mass is None else np.asarray(log_mass, float)[np.isfinite(log_mass)]
    if known is None or not known.size:
        return out
    # of medians: one bad pixel does not move it
    found = []
    total = np.log10(np.sum(10.0**known))
    if total > _HEAVIEST:
        found.append(f"{total:.1f} dex of solar masses in all")
    density = np.median(known) - np.log10(pixel_kpc2(cube, cosmology))
    if density > _DENSEST:
        found.append(f"{density:.1f} dex per square kiloparsec in half of the pixels")
    if found:
        out.append(
            f"{' and '.join(found)} are more than any galaxy has: check the unit of fluxes and errors (nJy "
            "called uJy make masses 3 dex too large, and look sound otherwise) and the redshift"
        )
    return out


def edge_notes(columns, words) -> list[str]:
    """Told of masses that pile up at an edge of the prior in most objects: units are wrong by dex.

    Parameters
    ----------
    columns : Columns
    words : str
        What the objects are: "pixels", "galaxies".
    """
    fitted = np.asarray(columns["trust"]) != Trust.NONE
    for edge, word in ((1, "upper"), (-1, "lower")):
        n = int((np.asarray(columns[EDGE + "log_mass_formed"])[fitted] == edge).sum())
        if n > _MANY * fitted.sum():
            return [
                f"log_mass_formed of {n} of {int(fitted.sum())} {words} piles up at the {word} edge of the "
                "prior: check the unit of fluxes and errors, and the redshift"
            ]
    return []


def pixel_kpc2(cube, cosmology) -> float:
    """Area of a pixel [square kpc] at the redshift of an image; infinite where the header does not tell."""
    area = pixel_area_sr(cube.header)
    if area is None:
        return np.inf
    angular_kpc = 1e3 * float(cosmology.distance_mpc(np.float32(cube.redshift))) / (1.0 + cube.redshift) ** 2
    return area * angular_kpc**2


def nothing_fitted(cube, data, snr, snr_min, fewest) -> str:
    """Why no pixel of an image can be fitted, in one line; arrays as for the flags."""
    name, unmasked = cube.source or "the image", ~cube.mask
    most = int(data.valid[unmasked].sum(axis=1).max())
    if most < fewest:
        return (
            f"no pixel of {name} has {fewest} bands that can be used, {most} at most: give an image with at "
            f"least {fewest} bands, and with errors above 0"
        )
    highest = float(np.nanmax(np.where(unmasked, snr, -np.inf)))
    start = f"no pixel of {name} has S/N > {snr_min:g} and {fewest} bands, the highest S/N is {highest:.2g}: "
    if highest < 1.0:
        valid = np.asarray(data.valid)[unmasked]
        flux, sigma = (np.asarray(a)[unmasked][valid] for a in (data.flux, data.sigma))
        otherwise = float(np.percentile(flux * np.sqrt(sigma), 99))
        if _SNR_OF_IVAR[0] < otherwise < _SNR_OF_IVAR[1]:
            return start + (
                f"if the errors are inverse variances (S/N up to {otherwise:.2g}), give their square roots' "
                "inverses, 1 / sqrt(ivar); else check fluxes, errors and their units"
            )
        return start + "check fluxes, errors and their units"
    return start + "lower the cut, --snr-min"
